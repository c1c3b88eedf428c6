# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Rules against requests: what is the same at a waypoint and at ztunnel."""

import dataclasses
from collections.abc import Callable

from istio_ambient.authorization.evaluator import _describe, _match
from istio_ambient.authorization.evaluator._match import Attributes, Truth
from istio_ambient.authorization.evaluator._policies import Check, Clause, Policy, Rule

Translate = Callable[[Policy, Rule], Rule | None]
"""Returns what a proxy makes of a rule; None: a rule that never matches."""
Value = Callable[[Policy, str, str, Attributes], Truth]
"""Tells whether an attribute (the second argument) has a value (the third)."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """How one proxy applies rules to one request."""

    translate: Translate
    value: Value
    attributes: Attributes

    def matches(self, policy: Policy, rule: Rule) -> Truth:
        """Return whether a rule of a policy matches."""
        enforced = self.translate(policy, rule)
        return enforced is not None and _match.every(
            [
                self._one_of(policy, enforced.sources),
                self._one_of(policy, enforced.operations),
                self._clause(policy, enforced.conditions),
            ]
        )

    def explains(self, policy: Policy, rule: Rule) -> str:
        """Return what the request would have to be for a rule that may match."""
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
        wanted = self._any(policy, check.attribute, check.values)
        barred = self._any(policy, check.attribute, check.not_values)
        return _match.every([not check.values or wanted, _match.negated(barred)])

    def _any(self, policy: Policy, attribute: str, values: tuple[str, ...]) -> Truth:
        return _match.some(
            self.value(policy, attribute, value, self.attributes) for value in values
        )
