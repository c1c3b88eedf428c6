# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom, and by what: Istio's authorization as a pure function of live objects.

`_policies` reads AuthorizationPolicies of anybody's making; `_match` has single values, `_rules`
whole rules, and `_waypoint` (L7) and `_ztunnel` (L4) what each proxy makes of them; `_precedence`
is which policy has the word. `_topology` finds the proxies between a client and a target, and
`_evaluate` asks them one after the other. `_accesses` reads the same policies for a list of who
may do what. Held to what real proxies decide: `make truth`.
"""

from istio_ambient.authorization.evaluator._accesses import (
    Access,
    Workload,
    accesses,
    targets,
    workloads,
)
from istio_ambient.authorization.evaluator._describe import EVERYBODY, EVERYTHING
from istio_ambient.authorization.evaluator._evaluate import Evaluator, UnknownTargetError, evaluate
from istio_ambient.authorization.evaluator._match import normalized
from istio_ambient.authorization.evaluator._ports import offers
from istio_ambient.authorization.evaluator._request import Request, Target, TargetKind
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._topology import GATEWAY_LABEL, Topology, application
from istio_ambient.authorization.evaluator._verdict import (
    Condition,
    Decision,
    Hop,
    PolicyRef,
    Proxy,
    Reason,
    Verdict,
)

__all__ = [
    "EVERYBODY",
    "EVERYTHING",
    "GATEWAY_LABEL",
    "Access",
    "Condition",
    "Decision",
    "Evaluator",
    "Hop",
    "Manifest",
    "PolicyRef",
    "Proxy",
    "Reason",
    "Request",
    "Snapshot",
    "Target",
    "TargetKind",
    "Topology",
    "UnknownTargetError",
    "Verdict",
    "Workload",
    "accesses",
    "application",
    "evaluate",
    "normalized",
    "offers",
    "targets",
    "workloads",
]
