# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The form of a condition: one thing of a cluster that an ambient mesh depends on."""

import enum
from collections.abc import Callable, Iterable

import msgspec

from istio_ambient import manifests
from istio_ambient.preflight._surroundings import NetworkPolicies, Surroundings
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem


class Area(enum.StrEnum):
    """What a condition is about; the order is that of the action `check`."""

    CLUSTER = "cluster"
    CNI = "CNI"
    CONTROL_PLANE = "control plane"
    DATA_PLANE = "data plane"
    CERTIFICATES = "certificates"
    POLICIES = "policies"


class Effect(enum.StrEnum):
    """What follows where a condition does not hold."""

    INSTALL = "nothing is installed"
    """A mesh that runs is still maintained. Of `Area.CNI`, the option `cni-preflight` decides."""
    WARN = "a warning"
    CHECK = "shown by `check` alone"
    """Hooks do not read what it is about: it grows with the cluster, and is up to tenants."""


class Cluster(msgspec.Struct, frozen=True):
    """What conditions are about."""

    around: Surroundings
    config: manifests.Config
    model: str
    """The namespace of the control plane."""
    app: str
    """As remedies name it."""
    policies: NetworkPolicies | None = None
    """None: not read."""


def with_policies(
    cluster: Cluster, policies: NetworkPolicies, *, admits_probes: bool | None
) -> Cluster:
    """Return a cluster with what hooks do not read of it.

    Args:
        cluster: as hooks read it.
        policies: NetworkPolicies.
        admits_probes: whether a policy of Cilium admits kubelets' probes to every pod; None: it
            is not known.
    """
    around = cluster.around
    if around.cilium:
        cilium = msgspec.structs.replace(around.cilium, admits_probes=admits_probes)
        around = msgspec.structs.replace(around, cilium=cilium)
    return msgspec.structs.replace(cluster, around=around, policies=policies)


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    field: str
    """The place, as a status names it."""
    message: str
    remedy: str


class Condition(msgspec.Struct, frozen=True):
    """One row of the table."""

    name: str
    """For programs; it stays."""
    area: Area
    about: str
    """The product that it is about: a heading of the page of platforms."""
    title: str
    """What holds where nothing is wrong."""
    reads: str
    """What is read, as Markdown."""
    wrong: str
    """What is wrong, as Markdown."""
    code: Code
    """Has why it is wrong, and the setting to change."""
    sources: tuple[str, ...]
    """Where the vendor says so: title and address."""
    find: Callable[[Cluster], Iterable[Finding]]
    applies: Callable[[Cluster], bool]
    """Whether the cluster has what the condition is about."""
    effect: Effect = Effect.INSTALL

    def problems(self, cluster: Cluster) -> list[Problem]:
        """Return what is wrong with a cluster."""
        if not self.applies(cluster):
            return []
        return [
            problem(self.code, each.field, each.message, each.remedy)
            for each in self.find(cluster)
        ]


def always(_: Cluster) -> bool:
    """Return that a condition is about every cluster."""
    return True


def problem(code: Code, field: str, message: str, remedy: str) -> Problem:
    """Return a finding of the preflight about a part of the cluster."""
    return Problem("", "preflight", field, message=message, remedy=remedy, code=code)
