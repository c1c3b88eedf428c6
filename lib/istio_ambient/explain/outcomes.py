# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What became of everything that applications asked for: the whole of what a status hints at."""

import dataclasses
import enum
from collections.abc import Iterable, Iterator

from istio_ambient import authorization, beacon
from istio_ambient.authorization import AccessRequest, Operation
from istio_ambient.values import tables
from istio_ambient.values.problems import Problem

EVERYTHING = "everything"
NOBODY = "nobody"
_HEADINGS = ("ASKED BY", "FIELD", "LETS IN", "TO", "OUTCOME", "WITH")


class Outcome(enum.StrEnum):
    """What became of one request."""

    GRANTED = "granted"
    REFUSED = "refused"
    """The requester has no say over the target; nothing is created."""
    PENDING = "pending"
    """Nothing is created yet, and nobody has to do anything."""
    INVALID = "invalid"
    """It cannot be read; nothing is created."""
    CLOSED = "closed"
    """Nobody is let in, because what was asked for cannot be read."""
    UNMANAGED = "not managed"
    """`manage-authorization-policies` is false."""


UNDONE = frozenset({Outcome.REFUSED, Outcome.PENDING, Outcome.INVALID})


@dataclasses.dataclass(frozen=True, order=True)
class Asked:
    """One thing that an application asked for."""

    application: str
    endpoint: str
    """Ours, that it came in by."""
    field: str
    """Where it stands in the application's databag."""
    source: str
    """Who is to be let in: `shop/productpage`; empty where it cannot be read."""
    target: str
    """`Service shop/details`, `pods shop/app.kubernetes.io/name=details`; empty as above."""
    operations: str
    """`GET /health, /details/* on 9080`; `everything`; empty as above."""
    outcome: Outcome
    reason: str = ""
    """Why it is not granted."""
    remedy: str = ""
    """What to do about it."""

    @property
    def requester(self) -> str:
        """Application and endpoint."""
        return f"{self.application}:{self.endpoint}"


def outcomes(facts: beacon.Facts) -> list[Asked]:
    """Return everything that was asked for and what became of it, sorted."""
    found = [
        of_request(facts, request)
        for request in facts.requests
        if request.source is not None or closes(facts, request)
    ]
    granted = Outcome.GRANTED if facts.config.manage_authorization_policies else Outcome.UNMANAGED
    found += [_asked(request, granted) for request in facts.own_requests]
    found += [_unread(problem, Outcome.INVALID) for problem in facts.problems if problem.app]
    found += [_unread(problem, Outcome.PENDING) for problem in facts.pending]
    return sorted(set(found))


def of_request(facts: beacon.Facts, request: AccessRequest) -> Asked:
    """Return what became of one request of an application."""
    verdict = _verdict(facts, request)
    for outcome, problems in (
        (Outcome.REFUSED, verdict.refused),
        (Outcome.PENDING, verdict.pending),
    ):
        for problem in problems:
            return _asked(request, outcome, problem.message, problem.remedy)
    if not facts.config.manage_authorization_policies:
        return _asked(request, Outcome.UNMANAGED)
    return _asked(request, Outcome.CLOSED if request.source is None else Outcome.GRANTED)


def closes(facts: beacon.Facts, request: AccessRequest) -> bool:
    """Return whether a request is one to close its target, and is granted."""
    return request.source is None and bool(_verdict(facts, request).granted)


def _verdict(facts: beacon.Facts, request: AccessRequest) -> authorization.Verdicts:
    # One at a time, since a verdict does not say which request it is about.
    config = facts.config.model_copy(update={"manage_authorization_policies": True})
    alone = dataclasses.replace(facts, requests=(request,), pending=(), config=config)
    return beacon.verdicts(alone)


def operations(found: Iterable[Operation]) -> str:
    """Return operations in words; none is everything."""
    return "; ".join(sorted(map(_operation, found))) or EVERYTHING


def text(found: Iterable[Asked]) -> str:
    """Return a table for people, and under it why what is not granted is not, and the remedy."""
    listed = list(found)
    rows = [(a.requester, a.field, a.source, a.target, a.outcome, a.operations) for a in listed]
    table = tables.table(_HEADINGS, rows, empty="nobody asked for anything")
    return "\n\n".join([table, *_complaints(listed)])


def _complaints(found: Iterable[Asked]) -> Iterator[str]:
    lines = [
        str(Problem(a.application, a.endpoint, a.field, f"{a.outcome}: {a.reason}", a.remedy))
        for a in found
        if a.outcome in UNDONE
    ]
    if lines:
        yield "\n".join(lines)


def _asked(request: AccessRequest, outcome: Outcome, reason: str = "", remedy: str = "") -> Asked:
    return Asked(
        application=request.requester.app,
        endpoint=request.requester.endpoint,
        field=request.field,
        source=NOBODY if request.source is None else str(request.source),
        target=str(request.target),
        operations="" if request.source is None else operations(request.operations),
        outcome=outcome,
        reason=reason,
        remedy=remedy,
    )


def _unread(problem: Problem, outcome: Outcome) -> Asked:
    return Asked(
        problem.app,
        problem.endpoint,
        problem.field,
        "",
        "",
        "",
        outcome,
        problem.message,
        problem.remedy,
    )


def _operation(operation: Operation) -> str:
    parts = [
        ", ".join(operation.methods),
        ", ".join(operation.paths),
        "on " + ", ".join(map(str, operation.ports)) if operation.ports else "",
        "as " + ", ".join(operation.hosts) if operation.hosts else "",
    ]
    return " ".join(part for part in parts if part) or EVERYTHING
