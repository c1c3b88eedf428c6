# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How one proxy decides about one request: rules that match, and the precedence of policies.

DENY takes precedence over ALLOW, and the external authorizer of a CUSTOM policy has to allow the
request as well: https://istio.io/latest/docs/concepts/security/#implicit-enablement. How a rule is
read differs between the proxies, and comes in as functions of `_waypoint` and `_ztunnel`.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from istio_ambient.authorization.evaluator import _describe, _match, _policies
from istio_ambient.authorization.evaluator._match import Attributes, Truth
from istio_ambient.authorization.evaluator._policies import Check, Clause, Policy, Rule
from istio_ambient.authorization.evaluator._verdict import (
    Condition,
    Decision,
    Hop,
    PolicyRef,
    Reason,
)

Translate = Callable[[Policy, Rule], Rule | None]
"""Returns the rule as a proxy enforces it; None: a rule that never matches."""
Value = Callable[[Policy, str, str, Attributes], Truth]
"""Returns whether an attribute (the second argument) has a value (the third)."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """How one proxy reads the rules of policies for one request."""

    translate: Translate
    value: Value
    attributes: Attributes

    def matches(self, policy: Policy, rule: Rule) -> Truth:
        """Return whether a rule of a policy matches the request."""
        enforced = self.translate(policy, rule)
        return enforced is not None and _match.every(
            [
                self._one_of(policy, enforced.sources),
                self._one_of(policy, enforced.operations),
                self._clause(policy, enforced.conditions),
            ]
        )

    def explains(self, policy: Policy, rule: Rule) -> str:
        """Return, as text, the unspecified values for which a rule matches."""
        enforced = self.translate(policy, rule)
        if enforced is None:
            return ""
        possible = dataclasses.replace(
            enforced,
            sources=self._possible(policy, enforced.sources),
            operations=self._possible(policy, enforced.operations),
        )
        return _describe.restrictions(possible, lambda c: self._check(policy, c) is None)

    def _possible(self, policy: Policy, clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
        return tuple(each for each in clauses if self._clause(policy, each) is not False)

    def _one_of(self, policy: Policy, clauses: tuple[Clause, ...]) -> Truth:
        return not clauses or _match.some(self._clause(policy, clause) for clause in clauses)

    def _clause(self, policy: Policy, clause: Clause) -> Truth:
        return _match.every(self._check(policy, check) for check in clause)

    def _check(self, policy: Policy, check: Check) -> Truth:
        required = self._any(policy, check.attribute, check.values)
        excluded = self._any(policy, check.attribute, check.not_values)
        return _match.every([not check.values or required, _match.negated(excluded)])

    def _any(self, policy: Policy, attribute: str, values: tuple[str, ...]) -> Truth:
        return _match.some(
            self.value(policy, attribute, value, self.attributes) for value in values
        )


def of_ports(hops: Sequence[tuple[tuple[int, ...] | None, Hop]]) -> Hop:
    """Return the hop of one proxy about a request to one of several ports.

    Args:
        hops: the ports that the proxy decides alike about, and its decision; at least one.
    """
    first = hops[0][1]
    if len(hops) == 1:
        return first
    decisions = {hop.decision for _, hop in hops}
    policies = {hop.policy for _, hop in hops}
    if len(decisions) == 1 and Decision.CONDITIONAL not in decisions:
        return dataclasses.replace(
            first, port=None, policy=first.policy if len(policies) == 1 else None
        )
    conditional = [hop for _, hop in hops if hop.decision is Decision.CONDITIONAL]
    has_only = any(hop.only for hop in conditional)
    only = [
        condition
        for ports, hop in hops
        for condition in _conditions(ports, hop, Decision.ALLOWED, hop.only)
    ]
    return dataclasses.replace(
        first,
        port=None,
        decision=Decision.CONDITIONAL,
        reason=conditional[0].reason if conditional else Reason.DENY,
        policy=None,
        only=tuple(only) if has_only else (),
        unless=tuple(
            condition
            for ports, hop in hops
            for condition in _conditions(ports, hop, Decision.DENIED, hop.unless)
        ),
        asked=tuple(dict.fromkeys(each for _, hop in hops for each in hop.asked)),
        applied=tuple(dict.fromkeys(ref for _, hop in hops for ref in hop.applied)),
    )


def _conditions(
    ports: tuple[int, ...] | None,
    hop: Hop,
    decision: Decision,
    conditions: Sequence[Condition],
) -> Iterator[Condition]:
    """Yield conditions of a hop on its ports; on all of its requests, if that is its decision."""
    if hop.decision is decision and (ref := _named(hop)):
        yield Condition(ref, _on(ports))
    for each in conditions:
        yield dataclasses.replace(each, text=f"{each.text} {_on(ports)}")


def _named(hop: Hop) -> PolicyRef | None:
    return hop.policy or next(iter(hop.applied), None)


def _on(ports: tuple[int, ...] | None) -> str:
    return f"on {', '.join(map(str, ports or ()))}"


def decide(hop: Hop, policies: Sequence[Policy], rules: Rules) -> Hop:
    """Return a hop with the decision of its proxy.

    Args:
        hop: the proxy, and what it sees of the request.
        policies: all that the proxy enforces, in any order.
        rules: how the proxy reads their rules.
    """
    applied = sorted((policy.ref for policy in policies), key=lambda ref: ref.order)
    hop = dataclasses.replace(hop, applied=tuple(applied))
    denies = list(_matches(_with_action(policies, _policies.DENY), rules))
    for ref, truth, _ in denies:
        if truth:
            is_peer = ref.kind == _policies.PEER_AUTHENTICATION
            reason = Reason.PLAIN_TEXT if is_peer else Reason.DENY
            return dataclasses.replace(hop, decision=Decision.DENIED, reason=reason, policy=ref)
    unless = tuple(condition for _, _, condition in denies if condition)
    customs = _matches(_with_action(policies, _policies.CUSTOM), rules)
    asked = tuple(
        condition or Condition(ref, _describe.ANY_OPERATION)
        for ref, truth, condition in customs
        if truth is not False
    )
    decision, reason, policy, only = _decide_by_allow(policies, rules)
    if decision is not Decision.DENIED and (unless or asked):
        decision = Decision.CONDITIONAL
        reason = Reason.CUSTOM if asked else Reason.ALLOW if only else Reason.DENY
        hop = dataclasses.replace(hop, unless=unless, asked=asked)
    return dataclasses.replace(hop, decision=decision, reason=reason, policy=policy, only=only)


def _decide_by_allow(
    policies: Sequence[Policy], rules: Rules
) -> tuple[Decision, Reason, PolicyRef | None, tuple[Condition, ...]]:
    """Return decision, reason, the rule that decides, and conditions, without DENY and CUSTOM."""
    allows = _with_action(policies, _policies.ALLOW)
    if not allows:
        reason = Reason.NO_DENY if policies else Reason.NO_POLICY
        return Decision.ALLOWED, reason, None, ()
    matches = list(_matches(allows, rules))
    for ref, truth, _ in matches:
        if truth:
            return Decision.ALLOWED, Reason.ALLOW, ref, ()
    only = tuple(condition for _, _, condition in matches if condition)
    if only:
        return Decision.CONDITIONAL, Reason.ALLOW, None, only
    return Decision.DENIED, Reason.LACK_OF_ALLOW, allows[0].ref if len(allows) == 1 else None, ()


def _with_action(policies: Iterable[Policy], action: str) -> list[Policy]:
    return [policy for policy in policies if policy.action == action]


def _matches(
    policies: Iterable[Policy], rules: Rules
) -> Iterator[tuple[PolicyRef, Truth, Condition | None]]:
    """Yield each rule, whether it matches, and if that is unknown, the condition.

    The order is that of the names that Envoy gives to rules. Where several match, the first is the
    one that Envoy's access log names.
    """
    found = [
        (policy.rule_ref(index), policy, rule)
        for policy in policies
        for index, rule in enumerate(policy.rules)
    ]
    for ref, policy, rule in sorted(found, key=lambda each: _envoy_name(each[0], each[1])):
        truth = rules.matches(policy, rule)
        condition = Condition(ref, rules.explains(policy, rule)) if truth is None else None
        yield ref, truth, condition


def _envoy_name(ref: PolicyRef, policy: Policy) -> tuple[bool, str]:
    # Envoy evaluates CUSTOM policies in a filter of their own, before all others.
    name = f"ns[{ref.namespace}]-policy[{ref.name}]-rule[{ref.rule}]"
    if ref.action == _policies.CUSTOM:
        return False, f"istio-ext-authz-{policy.authorizer}-{name}"
    return True, name
