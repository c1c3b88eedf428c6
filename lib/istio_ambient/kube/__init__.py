# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The engine: make a cluster equal to a list of objects, with as few requests as possible.

It knows Kubernetes and no product on it. One file a verb: ``_live`` reads, ``_plan`` compares
(pure), ``_apply`` writes, ``_ready`` tells whether it works; ``_kinds`` is what must be known of
single kinds, as data.
"""

from istio_ambient.kube._apply import Applied, apply, delete, release
from istio_ambient.kube._client import (
    FIELD_MANAGER,
    Client,
    RetryTransport,
    connect,
    server_version,
)
from istio_ambient.kube._compare import differences
from istio_ambient.kube._decoders import prepare_decoders
from istio_ambient.kube._faults import Fault, fault_of
from istio_ambient.kube._identity import (
    HASH_ANNOTATION,
    INSTANCE_LABEL,
    OWNER_ANNOTATION,
    SCOPE_LABEL,
    Identity,
)
from istio_ambient.kube._labels import (
    LabelPatch,
    apply_labels,
    describe,
    label_changes,
    label_patch_body,
)
from istio_ambient.kube._live import Live, first_of, list_kind, read_live, read_taken
from istio_ambient.kube._names import LABEL_LIMIT, model_app_name, name_with_hash
from istio_ambient.kube._nodes import node_address
from istio_ambient.kube._objects import (
    Manifest,
    Ref,
    Resource,
    ResourceType,
    content_hash,
    items,
    manifest_of,
    ref_in,
    ref_of,
    section,
    type_of,
)
from istio_ambient.kube._plan import Change, Plan, Verb, creations, is_applied, plan
from istio_ambient.kube._ready import (
    Readiness,
    available,
    deployment_readiness,
    pods_reason,
    progress,
    rolled_out,
    workload_readiness,
)

__all__ = [
    "FIELD_MANAGER",
    "HASH_ANNOTATION",
    "INSTANCE_LABEL",
    "LABEL_LIMIT",
    "OWNER_ANNOTATION",
    "SCOPE_LABEL",
    "Applied",
    "Change",
    "Client",
    "Fault",
    "Identity",
    "LabelPatch",
    "Live",
    "Manifest",
    "Plan",
    "Readiness",
    "Ref",
    "Resource",
    "ResourceType",
    "RetryTransport",
    "Verb",
    "apply",
    "apply_labels",
    "available",
    "connect",
    "content_hash",
    "creations",
    "delete",
    "deployment_readiness",
    "describe",
    "differences",
    "fault_of",
    "first_of",
    "is_applied",
    "items",
    "label_changes",
    "label_patch_body",
    "list_kind",
    "manifest_of",
    "model_app_name",
    "name_with_hash",
    "node_address",
    "plan",
    "pods_reason",
    "prepare_decoders",
    "progress",
    "read_live",
    "read_taken",
    "ref_in",
    "ref_of",
    "release",
    "rolled_out",
    "section",
    "server_version",
    "type_of",
    "workload_readiness",
]
