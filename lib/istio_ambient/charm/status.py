# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The unit status, from everything that a reconcile found."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import ops

from istio_ambient import kube
from istio_ambient.values.config import CharmConfig
from istio_ambient.values.problems import Problem
from istio_ambient.values.text import printable, shortened

MAX_MESSAGE = 120
"""Bytes of a status message; `juju status` shows a longer one badly. The rest is in the log."""
RETRIED = "requests fail"
"""Follows what blocks, where part of the cluster could not be read or written."""
MAX_LOGGED = 50
"""Findings that one hook writes to the log."""


class Config(CharmConfig):
    """The option that the status depends on."""

    ready_timeout: float = 300
    """Seconds; the default is that of a charm without the option."""


@dataclass
class Findings:
    """What a reconcile found; the unit status follows from it alone."""

    problems: list[Problem] = field(default_factory=list[Problem])
    """What an operator has to correct."""
    faults: list[kube.Fault] = field(default_factory=list[kube.Fault])
    """Failed requests to the API server."""
    failed: dict[kube.Ref, kube.Change] = field(default_factory=dict[kube.Ref, kube.Change])
    """What could not be written."""
    written: list[kube.Change] = field(default_factory=list[kube.Change])
    """What this hook has changed in the cluster."""
    repaired: list[kube.Change] = field(default_factory=list[kube.Change])
    """Objects that another writer changed, and that are as desired again."""
    refused: list[kube.Change] = field(default_factory=list[kube.Change])
    """Objects whose name another owner has taken."""
    deferred: list[kube.Change] = field(default_factory=list[kube.Change])
    """Objects whose kind the cluster does not serve yet."""
    held: list[kube.Change] = field(default_factory=list[kube.Change])
    """Objects that keep their version until another is ready."""
    readiness: list[kube.Readiness] = field(default_factory=list[kube.Readiness])
    """Everything that is waited for, and what is ready already."""
    message: str = ""
    """The text of an active status."""


def status_of(findings: Findings, ready_timeout: float) -> ops.StatusBase:
    """Return the unit status: blocked where an operator has to act, else waiting, else active.

    The message is the first finding, and the number of others of the same status. Where requests
    failed that may succeed later, it says so too.

    Args:
        findings: of the reconcile.
        ready_timeout: seconds after which something that is not ready blocks.
    """
    blocked, waiting = texts(findings, ready_timeout)
    if blocked:
        fails = any(fault.transient for fault in findings.faults)
        return ops.BlockedStatus(_summary(blocked, RETRIED if fails else ""))
    if waiting:
        return ops.WaitingStatus(_summary(waiting))
    return ops.ActiveStatus(_summary([findings.message]))


def texts(findings: Findings, ready_timeout: float) -> tuple[list[str], list[str]]:
    """Return the findings for which an operator has to act, and those that are waited for.

    Args:
        findings: of the reconcile.
        ready_timeout: as for `status_of`.
    """
    late = [r for r in findings.readiness if r.waited_longer_than(ready_timeout)]
    blocked = [
        *(fault.text for fault in findings.faults if not fault.transient),
        *(str(problem) for problem in findings.problems),
        *(f"{c.ref} {c.reason}: rename or remove it" for c in findings.refused),
        *(f"{r.what} not ready for more than {ready_timeout:g} s: {r.reason}" for r in late),
    ]
    unready = [
        "; ".join(filter(None, (f"{r.what}: {r.reason}", r.remedy)))
        for r in findings.readiness
        if not (r.ready or r.told_late)
    ]
    waiting = [
        *(fault.text for fault in findings.faults if fault.transient),
        *_deferred(findings.deferred),
        *unready,
        *sorted({change.reason for change in findings.held}),
        *(f"{each.ref} {each.reason}: restored; who changes it?" for each in findings.repaired),
    ]
    return blocked, waiting


def pending(problems: Iterable[Problem]) -> Iterator[kube.Readiness]:
    """Yield what requests wait for, as something that is not ready.

    A pending request is valid, and waits for an object that another application has to make. It
    blocks nothing, however long it takes.

    Args:
        problems: one for each pending request; its text is that of the status.
    """
    for problem in problems:
        yield kube.Readiness(
            problem.where,
            ready=False,
            reason=problem.message,
            remedy=problem.remedy,
            code=problem.code,
        )


def _deferred(changes: Sequence[kube.Change]) -> list[str]:
    kinds = sorted({change.ref.kind for change in changes})
    if not kinds:
        return []
    return [f"the cluster does not serve {', '.join(kinds)} yet: is istio-k8s deployed?"]


def _summary(texts: Sequence[str], note: str = "") -> str:
    rest = f"+{len(texts) - 1} more" if len(texts) > 1 else ""
    ends = "; ".join(filter(None, (rest, note)))
    more = f" ({ends})" if ends else ""
    return shortened(printable(texts[0]), MAX_MESSAGE - len(more)) + more
