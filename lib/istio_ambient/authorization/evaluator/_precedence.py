# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which policy has the word: DENY before ALLOW, and CUSTOM has to agree besides.

See https://istio.io/latest/docs/concepts/security/#implicit-enablement.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from istio_ambient.authorization.evaluator import _policies
from istio_ambient.authorization.evaluator._match import Truth
from istio_ambient.authorization.evaluator._policies import Policy, Rule
from istio_ambient.authorization.evaluator._verdict import Condition, Decision, PolicyRef, Reason

Matches = Callable[[Policy, Rule], Truth]
Explains = Callable[[Policy, Rule], str]


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What one proxy says; see `Hop` for the members."""

    decision: Decision
    reason: Reason
    policy: PolicyRef | None = None
    only: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    asks: tuple[PolicyRef, ...] = ()


def judge(applied: Iterable[Policy], matches: Matches, explains: Explains) -> Judgement:
    """Return the judgement by the policies that a proxy applies for a target.

    Args:
        applied: the policies, in any order.
        matches: tells whether a rule of a policy matches the request.
        explains: tells what the request would have to be for a rule that may match.
    """
    policies = list(applied)
    denies = _of(policies, _policies.DENY)
    for ref, answer, _ in _answers(denies, matches, explains):
        if answer:
            return Judgement(Decision.DENIED, Reason.DENY, ref)
    unless = tuple(may for _, _, may in _answers(denies, matches, explains) if may)
    asks = tuple(
        ref
        for ref, answer, _ in _answers(_of(policies, _policies.CUSTOM), matches, explains)
        if answer is not False
    )
    found = _allowed(policies, matches, explains)
    if found.decision is Decision.DENIED or not (unless or asks):
        return found
    reason = Reason.CUSTOM if asks else Reason.ALLOW if found.only else Reason.DENY
    return dataclasses.replace(
        found, decision=Decision.CONDITIONAL, reason=reason, unless=unless, asks=asks
    )


def _allowed(policies: Sequence[Policy], matches: Matches, explains: Explains) -> Judgement:
    allows = _of(policies, _policies.ALLOW)
    if not allows:
        reason = Reason.NO_DENY if policies else Reason.NO_POLICY
        return Judgement(Decision.ALLOWED, reason)
    answers = list(_answers(allows, matches, explains))
    for ref, answer, _ in answers:
        if answer:
            return Judgement(Decision.ALLOWED, Reason.ALLOW, ref)
    only = tuple(may for _, _, may in answers if may)
    if only:
        return Judgement(Decision.CONDITIONAL, Reason.ALLOW, only=only)
    alone = allows[0].ref if len(allows) == 1 else None
    return Judgement(Decision.DENIED, Reason.LACK_OF_ALLOW, alone)


def _of(policies: Iterable[Policy], action: str) -> list[Policy]:
    return [policy for policy in policies if policy.action == action]


def _answers(
    policies: Iterable[Policy], matches: Matches, explains: Explains
) -> Iterator[tuple[PolicyRef, Truth, Condition | None]]:
    """Yield each rule, whether it matches, and if that is open, on what it depends.

    In the order of the names that Envoy knows the rules by, so that where several match, the
    first is the one that its access log names.
    """
    rules = [
        (policy.rule_ref(index), policy, rule)
        for policy in policies
        for index, rule in enumerate(policy.rules)
    ]
    for ref, policy, rule in sorted(rules, key=lambda each: _envoy_name(each[0])):
        answer = matches(policy, rule)
        may = Condition(ref, explains(policy, rule)) if answer is None else None
        yield ref, answer, may


def _envoy_name(ref: PolicyRef) -> tuple[bool, str]:
    # What CUSTOM policies refuse, their filter refuses before the others are asked.
    name = f"ns[{ref.namespace}]-policy[{ref.name}]-rule[{ref.rule}]"
    return ref.action != _policies.CUSTOM, name
