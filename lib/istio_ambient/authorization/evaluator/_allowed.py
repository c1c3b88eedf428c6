# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a verdict allows, in the words of the list of who may reach whom."""

import dataclasses
from collections.abc import Iterable, Iterator

from istio_ambient.authorization.evaluator import _describe
from istio_ambient.authorization.evaluator._verdict import (
    Condition,
    Decision,
    Hop,
    PolicyRef,
    Proxy,
    Verdict,
)

_UNKNOWN_PODS = "at endpoints that are not known, since the Service has no selector"


@dataclasses.dataclass(frozen=True)
class Allowed:
    """What a client may do at one port; allowances with the same requests are equal."""

    operations: str
    unless: tuple[str, ...] = ()
    proxy: Proxy | None = dataclasses.field(default=None, compare=False)
    policies: tuple[PolicyRef, ...] = dataclasses.field(default=(), compare=False)


def of(verdict: Verdict, *, knows_pods: bool) -> Allowed | None:
    """Return what a verdict allows; None: nothing.

    Args:
        verdict: on a request with unspecified members.
        knows_pods: whether the pods behind the destination are known.
    """
    if verdict.decision is Decision.DENIED:
        return None
    waypoints = [hop for hop in verdict.hops if hop.proxy is not Proxy.ZTUNNEL]
    pods = [hop for hop in verdict.hops if hop.proxy is Proxy.ZTUNNEL]
    unless: list[str] = []
    pods_differ = len({(hop.decision, hop.only, hop.unless) for hop in pods}) > 1
    if waypoints or pods_differ or verdict.has_open_pods:
        unless = [text for hop in pods for text in _denied_at(hop)]
    deciding = (waypoints or ([] if unless else pods))[:1]
    unless = [text for hop in deciding for text in _denied(hop)] + unless
    unless += [] if knows_pods else [_UNKNOWN_PODS]
    texts = [condition.text for hop in deciding for condition in hop.only]
    rules = [ref for hop in (waypoints or pods) for ref in _rules(hop)]
    return Allowed(
        operations="; ".join(sorted(set(texts))) or _describe.ANY_OPERATION,
        unless=tuple(dict.fromkeys(unless)),
        proxy=verdict.hops[0].proxy if verdict.hops else None,
        policies=tuple(rules),
    )


def _rules(hop: Hop) -> list[PolicyRef]:
    """Return the rules by which a proxy allows requests."""
    found = [condition.policy for condition in hop.only]
    return [*found, hop.policy] if hop.policy and hop.decision is not Decision.DENIED else found


def _denied(hop: Hop) -> Iterator[str]:
    """Yield the requests that a proxy denies of those that an ALLOW policy allows."""
    yield from (condition.text for condition in hop.unless)
    for condition in hop.asked:
        yield f"{condition.text}, if the external authorizer denies"


def _denied_at(hop: Hop) -> Iterator[str]:
    """Yield the requests that ztunnel denies in front of some pods, or to a waypoint."""
    if hop.decision is Decision.DENIED:
        yield f"at {hop.where}"
    if hop.decision is not Decision.CONDITIONAL:
        return
    if hop.only:
        yield f"at {hop.where} only {' or '.join(_texts(hop.only))}"
    for text in _denied(hop):
        yield f"at {hop.where} {text}"


def _texts(conditions: Iterable[Condition]) -> list[str]:
    return sorted({condition.text for condition in conditions})
