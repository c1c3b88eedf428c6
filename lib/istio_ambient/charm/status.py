# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The unit status, from everything that a reconcile found.

`juju status` shows 120 bytes. What to do comes first, whole wherever names allow it; then the
place, and what is wrong. Everything is in the log and in the action `status-details`, which the
message names where it leaves something out.
"""

import datetime
import enum
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import ops

from istio_ambient import kube
from istio_ambient.values.config import CharmConfig
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem
from istio_ambient.values.text import printable, shortened

MAX_MESSAGE = 120
"""Bytes of a status message; Juju cuts a longer one."""
DETAILS = "status-details"
"""The action that shows what a message leaves out."""
_LEAST = 8
"""Bytes of a place or text that are worth showing behind a remedy."""
_COMMAND = r"\b(juju|kubectl|istioctl) "
MAX_LOGGED = 50
"""Problems that one hook writes to the log."""


class Config(CharmConfig):
    """The option that the status depends on."""

    ready_timeout: float = 300
    """Seconds; the default is that of a charm without the option."""


class Findings(msgspec.Struct):
    """What a reconcile found; the unit status follows from it alone."""

    problems: list[Problem] = msgspec.field(default_factory=list[Problem])
    """What an operator has to correct."""
    warnings: list[Problem] = msgspec.field(default_factory=list[Problem])
    """Problems in spite of which the status may be active."""
    faults: list[kube.Fault] = msgspec.field(default_factory=list[kube.Fault])
    """Failed requests to the API server."""
    failed: dict[kube.Ref, kube.Change] = msgspec.field(
        default_factory=dict[kube.Ref, kube.Change]
    )
    """What could not be written."""
    written: list[kube.Change] = msgspec.field(default_factory=list[kube.Change])
    """What this hook has changed in the cluster."""
    repaired: list[kube.Change] = msgspec.field(default_factory=list[kube.Change])
    """Objects that another writer changed, and that are as desired again."""
    refused: list[kube.Change] = msgspec.field(default_factory=list[kube.Change])
    """Objects whose name another owner has taken."""
    deferred: list[kube.Change] = msgspec.field(default_factory=list[kube.Change])
    """Objects whose kind the cluster does not serve yet."""
    deferred_since: datetime.datetime | None = None
    """When the wait for these kinds began; None: unknown."""
    deferred_remedy: str = ""
    """What to do about these kinds; empty: to wait."""
    held: list[kube.Change] = msgspec.field(default_factory=list[kube.Change])
    """Objects that keep their version until another is ready."""
    readiness: list[kube.Readiness] = msgspec.field(default_factory=list[kube.Readiness])
    """Everything that is waited for, and what is ready already."""
    message: str = ""
    """The text of an active status."""


class Effect(enum.StrEnum):
    """What a problem makes of the unit status, which is that of the first problem."""

    BLOCKED = "blocked"
    """An operator has to act."""
    WAITING = "waiting"
    ACTIVE = "active"
    """It is shown and does no harm, as an operator said by an option."""


_STATUSES = {
    Effect.BLOCKED: ops.BlockedStatus,
    Effect.WAITING: ops.WaitingStatus,
    Effect.ACTIVE: ops.ActiveStatus,
}


class Reported(msgspec.Struct, frozen=True):
    """One problem that the status reports, or leaves to the action."""

    problem: Problem
    effect: Effect

    @property
    def data(self) -> dict[str, str]:
        """The problem for programs, with the status that it causes."""
        return {**self.problem.data, "status": str(self.effect)}

    def __str__(self) -> str:
        """One line for the log: code, place, what is wrong, what to do."""
        return f"{self.problem.code} {self.problem}"


def status_of(findings: Findings, ready_timeout: float) -> ops.StatusBase:
    """Return the unit status: blocked where an operator has to act, else waiting, else active.

    The message is the first problem, and the number of all others; without any, what works.

    Args:
        findings: of the reconcile.
        ready_timeout: seconds after which something that is not ready blocks.
    """
    return shown(reported(findings, ready_timeout), findings)


def shown(found: Sequence[Reported], findings: Findings) -> ops.StatusBase:
    """Return the unit status; see `status_of`.

    Args:
        found: what `reported` returns for the findings.
        findings: of the reconcile.
    """
    if not found:
        return ops.ActiveStatus(shortened(printable(findings.message), MAX_MESSAGE))
    return _STATUSES[found[0].effect](message(found[0].problem, others=len(found) - 1))


def message(problem: Problem, *, others: int) -> str:
    """Return a problem as a status message of at most `MAX_MESSAGE` bytes.

    Args:
        problem: its remedy comes first, and its place and text follow as far as there is room.
        others: how many problems there are beside it.
    """
    what = ": ".join(filter(None, (problem.where, problem.message)))
    # A text without a remedy may have the cause after its last semicolon: that stays.
    text = f"{problem.code} {problem.remedy}; {what}" if problem.remedy else what
    code = "" if problem.remedy else f"{problem.code} "
    if not others and len(f"{code}{text}".encode()) <= MAX_MESSAGE:
        return f"{code}{text}"
    note = f" (+{others} more: {DETAILS})" if others else f" (see {DETAILS})"
    room = MAX_MESSAGE - len(f"{code}{note}".encode())
    if not problem.remedy:
        return f"{code}{shortened(text, room)}{note}"
    start = f"{problem.code} {problem.remedy}"
    left = room - len(start.encode())
    if left < 0 and re.search(_COMMAND, problem.remedy):
        # A part of a command may do something else: of a list in an option, it drops the rest.
        return f"{_beginning(f'{problem.code} {what}', room)}{note}"
    if 0 <= left < _LEAST:
        return f"{start}{note}"
    # Whatever is cut is behind the remedy, and no sign is part of a command.
    cut = _beginning(f"; {what}", left) if left >= 0 else ""
    return f"{start}{cut}{note}" if cut else f"{_beginning(text, room)}{note}"


def _beginning(text: str, limit: int) -> str:
    """Return the first bytes of a text, with an ellipsis where it is cut."""
    if len(text.encode()) <= limit:
        return text
    end = "\N{HORIZONTAL ELLIPSIS}"
    return text.encode()[: limit - len(end.encode())].decode(errors="ignore").rstrip(" ;:") + end


def reported(findings: Findings, ready_timeout: float) -> list[Reported]:
    """Return the problems for which an operator has to act, those that are waited for, warnings.

    Args:
        findings: of the reconcile.
        ready_timeout: as for `status_of`.
    """
    waits = [*_deferred(findings), *findings.readiness]
    late = [each for each in waits if each.waited_longer_than(ready_timeout)]
    blocking = [
        *(fault.problem for fault in findings.faults if not fault.transient),
        *findings.problems,
        *(of_change(Code.NAME_TAKEN, each, "rename or remove it") for each in findings.refused),
        *(_of_readiness(each, f"not ready for more than {ready_timeout:g} s: ") for each in late),
    ]
    restored = (
        msgspec.structs.replace(c, reason=f"{c.reason}: restored") for c in findings.repaired
    )
    waiting = [
        *(fault.problem for fault in findings.faults if fault.transient),
        *(_of_readiness(e) for e in waits if not (e.ready or e.told_late or e in late)),
        *(_held(reason) for reason in sorted({change.reason for change in findings.held})),
        *(of_change(Code.RESTORED, each, "find out who changes it") for each in restored),
    ]
    # The same may be found in two ways, such as a fault of two requests.
    effects = dict.fromkeys(findings.warnings, Effect.ACTIVE)
    effects |= dict.fromkeys(waiting, Effect.WAITING) | dict.fromkeys(blocking, Effect.BLOCKED)
    ordered = dict.fromkeys([*blocking, *waiting, *findings.warnings])
    return [Reported(each, effects[each]) for each in ordered]


def awaited(findings: Findings) -> tuple[str, ...]:
    """Return the names of what is waited for: the same ones as long as the wait is the same.

    How far it is, is left out, and so is what has a Pebble check of its own.

    Args:
        findings: of the reconcile.
    """
    waits = (*_deferred(findings), *findings.readiness)
    names = {wait.what for wait in waits if not (wait.ready or wait.told_late)}
    names |= {change.reason for change in findings.held}
    names |= {str(change.ref) for change in findings.repaired}
    if any(fault.transient for fault in findings.faults):
        names.add("the API server")
    return tuple(sorted(names))


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


def _deferred(findings: Findings) -> Sequence[kube.Readiness]:
    kinds = sorted({change.ref.kind for change in findings.deferred})
    if not kinds:
        return ()
    wait = kube.Readiness(
        "the cluster",
        ready=False,
        reason=f"it does not serve {', '.join(kinds)} yet",
        since=findings.deferred_since,
        remedy=findings.deferred_remedy,
        code=Code.KIND_NOT_SERVED,
    )
    return (wait,)


def _of_readiness(wait: kube.Readiness, prefix: str = "") -> Problem:
    text = f"{prefix}{wait.reason}"
    return Problem("", wait.what, "", message=text, remedy=wait.remedy, code=wait.code)


def of_change(code: Code, change: kube.Change, remedy: str = "") -> Problem:
    """Return a change that was not made, or had to be made again, as a problem.

    Args:
        code: of the problem.
        change: its reason is what is wrong.
        remedy: what to do; empty: to wait.
    """
    place, message = str(change.ref), change.reason
    return Problem("", place, "", message=message, remedy=remedy, code=code)


def _held(reason: str) -> Problem:
    return Problem("", "", "", message=reason, remedy="", code=Code.HELD)
