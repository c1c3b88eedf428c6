# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""One status out of everything that a reconcile saw."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import ops

from istio_ambient import kube
from istio_ambient.values.problems import Problem


@dataclass
class Findings:
    """What a reconcile found; the unit's status follows from it and from nothing else."""

    problems: list[Problem] = field(default_factory=list[Problem])
    faults: list[kube.Fault] = field(default_factory=list[kube.Fault])
    refused: list[kube.Change] = field(default_factory=list[kube.Change])
    deferred: list[kube.Change] = field(default_factory=list[kube.Change])
    held: list[kube.Change] = field(default_factory=list[kube.Change])
    waiting: list[str] = field(default_factory=list[str])
    readiness: list[kube.Readiness] = field(default_factory=list[kube.Readiness])
    message: str = ""
    """What an active status says."""


def status_of(findings: Findings, ready_timeout: float) -> ops.StatusBase:
    """Return the unit status: what needs somebody first, then what is waited for.

    Args:
        findings: what the reconcile saw.
        ready_timeout: seconds after which waiting for readiness needs somebody.
    """
    late = [r for r in findings.readiness if r.waited_longer_than(ready_timeout)]
    blocked = [
        *(fault.text for fault in findings.faults if not fault.transient),
        *(str(problem) for problem in findings.problems),
        *(f"{c.ref} {c.reason}: rename or remove it" for c in findings.refused),
        *(f"{r.what} not ready for more than {ready_timeout:g} s: {r.reason}" for r in late),
    ]
    if blocked:
        return ops.BlockedStatus(_summary(blocked))
    unready = [f"{r.what}: {r.reason}" for r in findings.readiness if not r.ready]
    waiting = [
        *(fault.text for fault in findings.faults),
        *_deferred(findings.deferred),
        *findings.waiting,
        *unready,
        *sorted({change.reason for change in findings.held}),
    ]
    if waiting:
        return ops.WaitingStatus(_summary(waiting))
    return ops.ActiveStatus(findings.message)


def _deferred(changes: Sequence[kube.Change]) -> list[str]:
    kinds = sorted({change.ref.kind for change in changes})
    if not kinds:
        return []
    return [f"the cluster does not serve {', '.join(kinds)} yet: is istio-k8s deployed?"]


def _summary(texts: Sequence[str]) -> str:
    rest = len(texts) - 1
    return texts[0] + (f" (+{rest} more)" if rest else "")
