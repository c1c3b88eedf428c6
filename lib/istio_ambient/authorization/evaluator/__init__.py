# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Istio's authorization as a pure function of live objects: who may reach whom, with what.

The way of a request through the files:

1. `_request` is the question: a `Request` from a source to a `Destination`.
2. `_snapshot` has the live objects. `_topology` finds the proxies between source and destination
   and the policies that each enforces, which `_policies` reads; `_ports` maps ports of Services.
3. `_evaluate` asks these proxies one after the other.
4. At each, `_ztunnel` (L4) or `_waypoint` (L7, gateways too) turns the rules into those that the
   proxy enforces, `_match` compares single values, and `_decide` applies the policies' precedence.
5. `_verdict` is the answer: a `Verdict` with its `Hop`s. `_describe` writes rules as text.

`_reach` asks for all targets and all clients that `_clients` tells apart, `_access` is an answer.
Nothing else says who may reach whom.
`make truth` compares the evaluator with the decisions of real proxies.
"""

from istio_ambient.authorization.evaluator._access import Access, Client
from istio_ambient.authorization.evaluator._clients import OUTSIDE
from istio_ambient.authorization.evaluator._describe import (
    ANY_CLIENT,
    ANY_IDENTITY,
    ANY_OPERATION,
    short,
)
from istio_ambient.authorization.evaluator._differences import Difference, differences
from istio_ambient.authorization.evaluator._evaluate import (
    Evaluator,
    UnknownDestinationError,
    evaluate,
)
from istio_ambient.authorization.evaluator._match import normalized
from istio_ambient.authorization.evaluator._ports import exposed, offers
from istio_ambient.authorization.evaluator._reach import Reach, Target
from istio_ambient.authorization.evaluator._request import (
    ClientKind,
    Destination,
    DestinationKind,
    Request,
)
from istio_ambient.authorization.evaluator._snapshot import (
    DEFAULT_TRUST_DOMAIN,
    Manifest,
    Snapshot,
    identity,
    key,
    labels,
)
from istio_ambient.authorization.evaluator._topology import Topology
from istio_ambient.authorization.evaluator._verdict import (
    Condition,
    Decision,
    Hop,
    PolicyRef,
    Proxy,
    Reason,
    Verdict,
)
from istio_ambient.authorization.evaluator._workloads import application

__all__ = [
    "ANY_CLIENT",
    "ANY_IDENTITY",
    "ANY_OPERATION",
    "DEFAULT_TRUST_DOMAIN",
    "OUTSIDE",
    "Access",
    "Client",
    "ClientKind",
    "Condition",
    "Decision",
    "Destination",
    "DestinationKind",
    "Difference",
    "Evaluator",
    "Hop",
    "Manifest",
    "PolicyRef",
    "Proxy",
    "Reach",
    "Reason",
    "Request",
    "Snapshot",
    "Target",
    "Topology",
    "UnknownDestinationError",
    "Verdict",
    "application",
    "differences",
    "evaluate",
    "exposed",
    "identity",
    "key",
    "labels",
    "normalized",
    "offers",
    "short",
]
