# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The engine: make a cluster equal to a list of objects, with as few requests as possible.

Here belongs what any project could use that applies objects to Kubernetes; whose objects they
are, and names of products, come in as an `Identity`. One file a verb: `_live` reads, `_plan`
compares and `_phases` orders (both pure), `_apply` and `_write` write, `_ready` says whether it
works; `_guards` holds back what is not guarded, `_kinds` is data about kinds. `_transport` and
`_requests` send, and `_faults` makes one typed error of everything that a request can end in.
"""

from istio_ambient.kube._apply import apply, release
from istio_ambient.kube._client import Client, connect, prepare_decoder
from istio_ambient.kube._faults import Fault, RequestError, changed_on_write, failure, fault_of
from istio_ambient.kube._guards import missing, withheld
from istio_ambient.kube._identity import Identity, former_name, mark
from istio_ambient.kube._kinds import is_kept
from istio_ambient.kube._labels import LabelPatch, apply_labels, describe, label_changes
from istio_ambient.kube._live import (
    LOOKING_SECONDS,
    Live,
    Taken,
    read_live,
    read_taken,
    read_together,
    read_until,
)
from istio_ambient.kube._objects import (
    Manifest,
    Ref,
    Resource,
    ResourceType,
    current_conditions,
    items,
    kind_of,
    manifest_of,
    ref_in,
    ref_in_manifest,
    ref_of,
    section,
    time_of,
    written_at,
)
from istio_ambient.kube._phases import NO_ACCESS, Access, Phase, Placement, Transition
from istio_ambient.kube._plan import (
    Change,
    Desired,
    Plan,
    Verb,
    creations,
    is_applied,
    is_unchanged,
    plan,
    plan_of,
)
from istio_ambient.kube._ready import (
    POD_SECURITY_LABEL,
    Readiness,
    allow_any_pod,
    available,
    deployment_readiness,
    image_of,
    is_of_pod_security,
    rolled_out,
    workload_readiness,
)
from istio_ambient.kube._requests import (
    Token,
    delete,
    first_of,
    list_kind,
    read,
    read_from_pod,
    read_log,
    refusal,
    request_token,
    server_version,
)
from istio_ambient.kube._transport import HOOK_SECONDS

__all__ = [
    "HOOK_SECONDS",
    "LOOKING_SECONDS",
    "NO_ACCESS",
    "POD_SECURITY_LABEL",
    "Access",
    "Change",
    "Client",
    "Desired",
    "Fault",
    "Identity",
    "LabelPatch",
    "Live",
    "Manifest",
    "Phase",
    "Placement",
    "Plan",
    "Readiness",
    "Ref",
    "RequestError",
    "Resource",
    "ResourceType",
    "Taken",
    "Token",
    "Transition",
    "Verb",
    "allow_any_pod",
    "apply",
    "apply_labels",
    "available",
    "changed_on_write",
    "connect",
    "creations",
    "current_conditions",
    "delete",
    "deployment_readiness",
    "describe",
    "failure",
    "fault_of",
    "first_of",
    "former_name",
    "image_of",
    "is_applied",
    "is_kept",
    "is_of_pod_security",
    "is_unchanged",
    "items",
    "kind_of",
    "label_changes",
    "list_kind",
    "manifest_of",
    "mark",
    "missing",
    "plan",
    "plan_of",
    "prepare_decoder",
    "read",
    "read_from_pod",
    "read_live",
    "read_log",
    "read_taken",
    "read_together",
    "read_until",
    "ref_in",
    "ref_in_manifest",
    "ref_of",
    "refusal",
    "release",
    "request_token",
    "rolled_out",
    "section",
    "server_version",
    "time_of",
    "withheld",
    "workload_readiness",
    "written_at",
]
