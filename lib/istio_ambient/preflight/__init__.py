# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The preflight: what an ambient mesh needs of a cluster, as one table of conditions.

A condition says what is read, what is wrong, why (its code), the setting to change, and where the
vendor says so. Hooks, the action `check` and the page `docs/reference/platforms.md` read the
table; nothing here reads the cluster. One module a subject: `_cluster`, `_cilium`, `_other_cnis`,
`_network_policies`. `check_rows` is what `check` shows of it,
which hooks do not import.
"""

import msgspec

from istio_ambient.preflight import _cilium, _cluster, _network_policies, _other_cnis
from istio_ambient.preflight._conditions import (
    Area,
    Cluster,
    Condition,
    Effect,
    Finding,
    problem,
    with_policies,
)
from istio_ambient.preflight._network_policies import admits_probes
from istio_ambient.preflight._surroundings import (
    AGENTS,
    AWS,
    CALICO,
    CANAL,
    CILIUM,
    CILIUM_CONFIG,
    PROBE_ADDRESS,
    SYSTEM,
    Calico,
    Cilium,
    NetworkPolicies,
    NodeFacts,
    SecurityGroups,
    Surroundings,
    calico_of,
    environment_of,
    routes_via_host,
    security_groups_of,
)
from istio_ambient.values.problems import Problem

__all__ = [
    "AGENTS",
    "AWS",
    "CALICO",
    "CANAL",
    "CILIUM",
    "CILIUM_CONFIG",
    "CONDITIONS",
    "PROBE_ADDRESS",
    "SYSTEM",
    "Area",
    "Calico",
    "Cilium",
    "Cluster",
    "Condition",
    "Effect",
    "Finding",
    "Findings",
    "NetworkPolicies",
    "NodeFacts",
    "SecurityGroups",
    "Surroundings",
    "admits_probes",
    "calico_of",
    "environment_of",
    "findings",
    "problem",
    "routes_via_host",
    "security_groups_of",
    "with_policies",
]

CONDITIONS: tuple[Condition, ...] = (
    *_cluster.CONDITIONS,
    *_cilium.CONDITIONS,
    *_other_cnis.CONDITIONS,
    *_network_policies.CONDITIONS,
)
"""The table, in the order of the page and of statuses."""


class Findings(msgspec.Struct, frozen=True):
    """What hooks find, by what follows from it."""

    cni: tuple[Problem, ...]
    """Settings of the cluster's CNI: the option `cni-preflight` decides what follows."""
    others: tuple[Problem, ...]
    """Nothing is installed."""
    warnings: tuple[Problem, ...]


def findings(cluster: Cluster) -> Findings:
    """Return what hooks find of a cluster."""
    cni, others, warnings = list[Problem](), list[Problem](), list[Problem]()
    for condition in CONDITIONS:
        found = condition.problems(cluster)
        if condition.effect is Effect.WARN:
            warnings += found
        elif condition.effect is Effect.INSTALL:
            (cni if condition.area is Area.CNI else others).extend(found)
    return Findings(tuple(cni), tuple(others), tuple(warnings))
