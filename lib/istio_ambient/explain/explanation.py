# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Why a request is allowed or denied: as text for people, as JSON for programs."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from istio_ambient.authorization import evaluator
from istio_ambient.explain import origins, remedies
from istio_ambient.values.text import printable

_MOST_SHOWN = 8
_ISTIODS_OWN = "istiod's own policy, which allows the waypoint (auto-allow-waypoint-policy)"
_SAYS = "says it was "
"""Before what only an annotation says, which anybody may have written."""
_ARROW = "\N{RIGHTWARDS ARROW}"


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The verdict on a request, its hops, and the remedies."""

    case: remedies.Case
    snapshot: evaluator.Snapshot
    straight: evaluator.Verdict | None = None
    """The verdict on the same request, sent to one of the pods and past the waypoint; None: the
    request is sent there already."""

    @property
    def request(self) -> evaluator.Request:
        """The request that is explained."""
        return self.case.request

    @property
    def decision(self) -> evaluator.Decision:
        """Whether the request is allowed."""
        return self.case.verdict.decision

    @property
    def where(self) -> str:
        """The proxy that decides; empty: none does."""
        hop = self.case.verdict.decisive
        return f"{hop.proxy} {hop.where}" if hop else ""

    @property
    def note(self) -> str:
        """Facts that are no policies."""
        notes = (self.case.source.note, self.case.destination.note, self.case.verdict.note)
        return "; ".join(note for note in notes if note)

    def origin(self, ref: evaluator.PolicyRef) -> origins.Origin:
        """Return the owner of a policy, and the requests behind it."""
        return origins.of_policy(ref, self.case.facts, self.request, self.snapshot)


def text(explained: Explanation) -> str:
    """Return the explanation as text, in paragraphs."""
    verdict = explained.case.verdict
    parts = [f"{_question(explained)}: {verdict.decision}"]
    if explained.note:
        parts.append(printable(explained.note))
    parts += _hops(explained)
    if explained.straight:
        parts.append(_straight(explained.straight))
    parts.append(printable(f"not weighed: {'; '.join(verdict.not_weighed)}"))
    instructions = remedies.remedies(explained.case)
    if instructions:
        parts.append(_listed("To allow it:", instructions))
    if verdict.decision is evaluator.Decision.CONDITIONAL:
        parts.append("For a verdict on one request, give its port, method, path and host.")
    return "\n\n".join(parts)


def data(explained: Explanation) -> dict[str, Any]:
    """Return the explanation as a JSON object."""
    request, verdict = explained.request, explained.case.verdict
    return {
        "source": request.source,
        "target": str(request.destination),
        "port": request.port,
        "method": request.method,
        "path": request.path,
        "host": request.host,
        "verdict": str(verdict.decision),
        "decided-by": explained.where,
        "note": explained.note,
        "hops": [_hop_data(explained, hop) for hop in verdict.hops],
        "straight-to-a-pod": _straight_data(explained.straight),
        "remedies": remedies.remedies(explained.case),
        "not-weighed": list(verdict.not_weighed),
    }


def _question(explained: Explanation) -> str:
    """Return a request as text, without its unspecified members."""
    request, source = explained.request, explained.case.source
    operation = " ".join(part for part in (request.method, request.path) if part)
    details = [
        f"port {request.port}" if request.port is not None else "",
        f"host {request.host}" if request.host else "",
        operation,
    ]
    members = ", ".join(detail for detail in details if detail) or "any request"
    return printable(f"{source} {_ARROW} {request.destination}, {members}")


def _hops(explained: Explanation) -> Iterator[str]:
    reached = True
    for hop in explained.case.verdict.hops:
        yield _hop(explained, hop, reached=reached)
        reached = reached and hop.decision is not evaluator.Decision.DENIED


def _hop(explained: Explanation, hop: evaluator.Hop, *, reached: bool) -> str:
    step = f"{hop.source or 'a client without an identity'} {_ARROW} {hop.proxy} {hop.where}"
    if not reached:
        return printable(f"{step}: not reached; it would be {hop.decided}")
    conditions = (*hop.only, *hop.unless)
    named = [hop.policy] if hop.policy else [condition.policy for condition in conditions]
    lines = [
        f"{step}: {hop.decided}",
        *(
            line
            for ref in dict.fromkeys((*named, *hop.asks))
            for line in _policy_lines(explained, ref)
        ),
        *(f"  only {condition.text}" for condition in hop.only),
        *(f"  but not {condition.text}" for condition in hop.unless),
    ]
    if hop.reason is evaluator.Reason.LACK_OF_ALLOW and not hop.policy:
        lines += [f"  {each}" for each in _some(map(_policy_text, hop.applied))]
    return "\n".join(map(printable, lines))


def _policy_lines(explained: Explanation, ref: evaluator.PolicyRef) -> Iterator[str]:
    yield f"  {_policy_text(ref)}"
    if ref.synthetic:
        return
    origin = explained.origin(ref)
    if origin.requested_by:
        says = "" if origin.is_confirmed else _SAYS
        yield f"    {says}requested by {', '.join(_some(origin.requested_by))}"
    if origin.owner:
        says = "" if origin.is_owner_certain else _SAYS
        yield f"    {says}written by {origin.owner}"


def _policy_text(ref: evaluator.PolicyRef) -> str:
    """Return a policy; one that istiod generates is no object that could be looked up."""
    word = "policy " if ref.kind == "AuthorizationPolicy" else ""
    return _ISTIODS_OWN if ref.synthetic else f"{word}{ref}"


def _straight(verdict: evaluator.Verdict) -> str:
    hop = verdict.decisive
    decision = hop.decided if hop else f"{verdict.decision}, {verdict.note or 'no proxy decides'}"
    policy = hop.policy if hop else None
    by = f" ({_ISTIODS_OWN if policy.synthetic else policy})" if policy else ""
    return printable(f"straight to a pod, past the waypoint: {decision}{by}")


def _listed(heading: str, lines: Iterable[str]) -> str:
    return "\n".join([heading, *(f"- {printable(line)}" for line in lines)])


def _some(texts: Iterable[str]) -> Iterator[str]:
    listed = list(texts)
    yield from listed[:_MOST_SHOWN]
    if len(listed) > _MOST_SHOWN:
        yield f"and {len(listed) - _MOST_SHOWN} more"


def _hop_data(explained: Explanation, hop: evaluator.Hop) -> dict[str, Any]:
    return {
        "proxy": str(hop.proxy),
        "where": hop.where,
        "source": hop.source,
        "port": hop.port,
        "verdict": str(hop.decision),
        "reason": str(hop.reason),
        "policy": _policy(explained, hop.policy) if hop.policy else None,
        "only": [_condition(explained, each) for each in hop.only],
        "unless": [_condition(explained, each) for each in hop.unless],
        "asks": [_policy(explained, each) for each in hop.asks],
        "policies": [f"{e.namespace}/{e.name}" for e in hop.applied if not e.synthetic],
        "istiods-own": any(each.synthetic for each in hop.applied),
    }


def _condition(explained: Explanation, condition: evaluator.Condition) -> dict[str, Any]:
    return {"policy": _policy(explained, condition.policy), "text": condition.text}


def _policy(explained: Explanation, ref: evaluator.PolicyRef) -> dict[str, Any]:
    origin = explained.origin(ref)
    return {
        "namespace": None if ref.synthetic else ref.namespace,
        "name": None if ref.synthetic else ref.name,
        "rule": ref.rule,
        "made-by": origin.owner,
        "made-by-is-certain": origin.is_owner_certain,
        "requested-by": list(origin.requested_by),
        "istiods-own": ref.synthetic,
    }


def _straight_data(verdict: evaluator.Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    hop = verdict.decisive
    return {
        "verdict": str(verdict.decision),
        "reason": str(hop.reason) if hop else "",
        "note": verdict.note,
    }
