# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Access as Istio enforces it: targets, rules, policies, ownership, hardened mode. Pure.

`evaluator` reads what live policies mean. Waypoints and gateways are in `gateways`, reports about
access in `explain`.
"""

from istio_ambient.authorization._cluster import (
    cluster,
    is_namespace_of,
    model_namespaces,
    services_of,
)
from istio_ambient.authorization._mesh_settings import MeshSettings
from istio_ambient.authorization._ownership import (
    Objection,
    Outcomes,
    Ownership,
    Refusal,
    closes_target,
    made_by_juju,
    objections,
    outcomes,
    targets_of,
)
from istio_ambient.authorization._policies import (
    MAX_RULES_SIZE,
    Provenance,
    policies,
    requested_by,
    requesters_of,
)
from istio_ambient.authorization._policy_objects import MAX_RULES, AllowRule, allow, target_of
from istio_ambient.authorization._requests import (
    NAME_LABEL,
    TRUST_DOMAIN,
    UNKNOWN_MODEL,
    AccessRequest,
    Cluster,
    Operation,
    Requester,
    ServiceFacts,
    ServicePort,
    Source,
    SourceKind,
    Target,
    TargetKind,
)
from istio_ambient.authorization._trust_domains import (
    DEFAULT_TRUST_DOMAINS,
    MAX_TRUST_DOMAINS,
    in_trust_domains,
    trust_domains_of,
    usable_trust_domains,
)

__all__ = [
    "DEFAULT_TRUST_DOMAINS",
    "MAX_RULES",
    "MAX_RULES_SIZE",
    "MAX_TRUST_DOMAINS",
    "NAME_LABEL",
    "TRUST_DOMAIN",
    "UNKNOWN_MODEL",
    "AccessRequest",
    "AllowRule",
    "Cluster",
    "MeshSettings",
    "Objection",
    "Operation",
    "Outcomes",
    "Ownership",
    "Provenance",
    "Refusal",
    "Requester",
    "ServiceFacts",
    "ServicePort",
    "Source",
    "SourceKind",
    "Target",
    "TargetKind",
    "allow",
    "closes_target",
    "cluster",
    "in_trust_domains",
    "is_namespace_of",
    "made_by_juju",
    "model_namespaces",
    "objections",
    "outcomes",
    "policies",
    "requested_by",
    "requesters_of",
    "services_of",
    "target_of",
    "targets_of",
    "trust_domains_of",
    "usable_trust_domains",
]
