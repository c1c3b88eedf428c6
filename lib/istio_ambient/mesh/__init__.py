# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The mesh: who is on it, through which waypoint, and who may reach whom. Pure.

`_requests` has the words, `_authority` decides who may ask for what, `_policies` merges what is
granted, `_authorization` is the form Istio reads; `_waypoint` and `_membership` put things on the
mesh; `_beacon` is all of it together.
"""

from istio_ambient.mesh._authority import Verdicts, judge, targets_of
from istio_ambient.mesh._authorization import Rule, allow, target_of
from istio_ambient.mesh._beacon import Facts, beacon, verdicts
from istio_ambient.mesh._cluster import cluster, model_namespaces
from istio_ambient.mesh._membership import (
    DATAPLANE_MODE,
    MANAGED_BY,
    USE_WAYPOINT,
    USE_WAYPOINT_NAMESPACE,
    manager,
    member_labels,
    memory,
    memory_name,
    namespace_labels,
    namespace_patches,
    own_patches,
    taken_back,
)
from istio_ambient.mesh._policies import REQUESTED_BY, askers_of, policies, policy_name
from istio_ambient.mesh._requests import (
    NAME_LABEL,
    UNKNOWN_MODEL,
    Asker,
    Cluster,
    Operation,
    Request,
    Service,
    Source,
    Target,
    TargetKind,
)
from istio_ambient.mesh._waypoint import waypoint, waypoint_name

__all__ = [
    "DATAPLANE_MODE",
    "MANAGED_BY",
    "NAME_LABEL",
    "REQUESTED_BY",
    "UNKNOWN_MODEL",
    "USE_WAYPOINT",
    "USE_WAYPOINT_NAMESPACE",
    "Asker",
    "Cluster",
    "Facts",
    "Operation",
    "Request",
    "Rule",
    "Service",
    "Source",
    "Target",
    "TargetKind",
    "Verdicts",
    "allow",
    "askers_of",
    "beacon",
    "cluster",
    "judge",
    "manager",
    "member_labels",
    "memory",
    "memory_name",
    "model_namespaces",
    "namespace_labels",
    "namespace_patches",
    "own_patches",
    "policies",
    "policy_name",
    "taken_back",
    "target_of",
    "targets_of",
    "verdicts",
    "waypoint",
    "waypoint_name",
]
