# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The outcome of every access request, of which the unit status shows only the first problem."""

import dataclasses
import enum
from collections.abc import Iterable

import msgspec

from istio_ambient import authorization, beacon
from istio_ambient.authorization import AccessRequest, Operation, evaluator
from istio_ambient.explain.names import NO_CLIENT
from istio_ambient.values import tables
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem, coded

_HEADINGS = ("REQUESTER", "FIELD", "SOURCE", "TARGET", "OUTCOME", "OPERATIONS")


class Outcome(enum.StrEnum):
    """What became of one request."""

    GRANTED = "granted"
    REFUSED = "refused"
    """The target does not belong to the requester; nothing is created."""
    PENDING = "pending"
    """Something does not exist yet; nothing is created, and nothing has to be done."""
    INVALID = "invalid"
    """The entry of the databag or option cannot be read; nothing is created."""
    CLOSED = "closed"
    """No source is allowed, because the requester's entries cannot be read."""
    UNMANAGED = "not managed"
    """`manage-authorization-policies` is false."""


_REPORTED = frozenset({Outcome.REFUSED, Outcome.PENDING, Outcome.INVALID})


@dataclasses.dataclass(frozen=True, order=True, kw_only=True)
class RequestOutcome:
    """One access request and its outcome; the members are the keys of the action's JSON."""

    application: str
    endpoint: str
    """Our endpoint of the relation."""
    field: str
    """Path in the application's databag, or in the option."""
    source: str = ""
    """The source to allow: `shop/productpage`; empty where the entry cannot be read."""
    target: str = ""
    """`Service shop/details`, `pods shop/app.kubernetes.io/name=details`; empty as above."""
    operations: str = ""
    """`GET /health, /details/* on 9080`; `everything`; empty as above."""
    outcome: Outcome
    reason: str = ""
    """Why the request is not granted."""
    remedy: str = ""
    code: Code | None = None
    """Of the problem, where there is one."""

    @property
    def requester(self) -> str:
        """Application and endpoint."""
        return f"{self.application}:{self.endpoint}"

    @property
    def data(self) -> dict[str, str]:
        """The outcome for programs; with the code of its problem, where there is one."""
        members = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        del members["code"]
        where = {"where": f"{self.requester} {self.field}".strip()}
        return members | (coded(self.code) | where if self.code else {})


def outcomes(facts: beacon.Facts) -> list[RequestOutcome]:
    """Return the outcomes of all requests, sorted; those that cannot be read are among them."""
    found = [
        of_request(facts, request)
        for request in facts.requests
        if request.source is not None or closes(facts, request)
    ]
    granted = Outcome.GRANTED if facts.config.manage_authorization_policies else Outcome.UNMANAGED
    found += [_of_readable(request, granted) for request in facts.own_requests]
    by_option = (*facts.extra.requests, *facts.gateway_requests)
    found += [of_request(facts, request) for request in by_option]
    found += [_of_problem(problem, Outcome.INVALID) for problem in facts.problems if problem.app]
    found += [_of_problem(problem, Outcome.PENDING) for problem in facts.pending]
    found += [_of_option(problem, Outcome.PENDING) for problem in facts.extra.pending]
    found += [_of_option(problem, Outcome.INVALID) for problem in facts.config.extra_problems]
    return sorted(set(found))


def of_request(facts: beacon.Facts, request: AccessRequest) -> RequestOutcome:
    """Return the outcome of one of `facts.requests`, or of those of `extra-access`.

    A request that would be refused is reported as such while access is not managed, too.
    """
    objection = facts.objections.get(request)
    if objection is not None and request.source is not None:
        outcome = Outcome.PENDING if objection.pending else Outcome.REFUSED
        return _of_readable(request, outcome, objection)
    if not facts.config.manage_authorization_policies:
        return _of_readable(request, Outcome.UNMANAGED)
    return _of_readable(request, Outcome.CLOSED if request.source is None else Outcome.GRANTED)


def closes(facts: beacon.Facts, request: AccessRequest) -> bool:
    """Return whether one of `facts.requests` closes its target."""
    objection = facts.objections.get(request)
    is_granted = objection is None or authorization.closes_target(request, objection)
    return request.source is None and is_granted


def operations(found: Iterable[Operation]) -> str:
    """Return operations as text; without any, `everything`."""
    return "; ".join(sorted(map(_operation, found))) or evaluator.ANY_OPERATION


def text(found: Iterable[RequestOutcome]) -> str:
    """Return a table, and below it the reason and remedy of each request that is not granted."""
    listed = list(found)
    rows = [(a.requester, a.field, a.source, a.target, a.outcome, a.operations) for a in listed]
    table = tables.table(_HEADINGS, rows, empty="there are no requests")
    problems = (_line(each) for each in listed if each.outcome in _REPORTED)
    return "\n\n".join(filter(None, [table, "\n".join(problems)]))


def as_json(found: Iterable[RequestOutcome]) -> str:
    """Return the outcomes as a JSON list of objects."""
    return tables.as_json([each.data for each in found])


def _line(found: RequestOutcome) -> str:
    where = f"{found.requester} {found.field}".strip()
    text = f"{found.code or ''} {where}: {found.outcome}: {found.reason}".strip()
    return f"{text}; {found.remedy}" if found.remedy else text


def _of_readable(
    request: AccessRequest, outcome: Outcome, objection: authorization.Objection | None = None
) -> RequestOutcome:
    return RequestOutcome(
        application=request.requester.app,
        endpoint=request.requester.endpoint,
        field=request.field,
        source=NO_CLIENT if request.source is None else str(request.source),
        target=str(request.target),
        operations="" if request.source is None else operations(request.operations),
        outcome=outcome,
        reason=objection.message if objection else "",
        remedy=objection.remedy if objection else "",
        code=objection.code if objection else None,
    )


def _of_problem(problem: Problem, outcome: Outcome) -> RequestOutcome:
    return RequestOutcome(
        application=problem.app,
        endpoint=problem.endpoint,
        field=problem.field,
        outcome=outcome,
        reason=problem.message,
        remedy=problem.remedy,
        code=problem.code,
    )


def _of_option(problem: Problem, outcome: Outcome) -> RequestOutcome:
    """Return the outcome of an entry of `extra-access`, under the name that its requests have."""
    requester, field = beacon.EXTRA_REQUESTER, problem.field.partition(" ")[2]
    named = msgspec.structs.replace(
        problem, app=requester.app, endpoint=requester.endpoint, field=field
    )
    return _of_problem(named, outcome)


def _operation(operation: Operation) -> str:
    parts = [
        ", ".join(operation.methods),
        ", ".join(operation.paths),
        "on " + ", ".join(map(str, operation.ports)) if operation.ports else "",
        "as " + ", ".join(operation.hosts) if operation.hosts else "",
    ]
    return " ".join(part for part in parts if part) or evaluator.ANY_OPERATION
