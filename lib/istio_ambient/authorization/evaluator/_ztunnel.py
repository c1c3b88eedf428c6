# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Rules as ztunnel applies them: at the pod, by connections alone.

istiod leaves an ALLOW rule out that is about HTTP. Of a DENY rule it leaves out what is about
HTTP, and the rest matches more; but where nothing is left of a source, an operation or a
condition, ztunnel takes that for not fulfilled, and the rule never matches. (istio.io/istio,
pilot/pkg/serviceregistry/ambient/authorization.go; istio/ztunnel, src/rbac.rs.)
"""

from istio_ambient.authorization.evaluator import _match, _policies
from istio_ambient.authorization.evaluator._match import ANYBODY, Attributes, Truth
from istio_ambient.authorization.evaluator._policies import Check, Clause, Policy, Rule

_EVERYWHERE = frozenset(
    {_policies.PRINCIPAL, _policies.NAMESPACE, _policies.SOURCE_IP, _policies.PORT}
)
_IN_MEMBERS = _EVERYWHERE | {_policies.SERVICE_ACCOUNT}
_IN_CONDITIONS = _EVERYWHERE | {_policies.DESTINATION_IP}
_IGNORED = frozenset({_policies.TRUST_DOMAIN})
"""Left out of a source without a word, in an ALLOW rule too."""


def applies(policy: Policy) -> bool:
    """Return whether ztunnel applies a policy at all, at the pods that it is about."""
    return not policy.targets and policy.action in (_policies.ALLOW, _policies.DENY)


def translate(policy: Policy, rule: Rule) -> Rule | None:
    """Return the rule as it is enforced; None: it never matches."""
    if policy.action == _policies.ALLOW and needs_waypoint(rule):
        return None
    sources = [_kept(clause, _IN_MEMBERS) for clause in rule.sources]
    operations = [_kept(clause, _IN_MEMBERS) for clause in rule.operations]
    conditions = [_kept((check,), _IN_CONDITIONS) for check in rule.conditions]
    # To ztunnel an empty match is one that does not match.
    alternatives = [each for each in (sources, operations) if each]
    if not all(map(any, alternatives)) or not all(conditions):
        return None
    return Rule(
        tuple(filter(None, sources)),
        tuple(filter(None, operations)),
        tuple(check for clause in conditions for check in clause),
    )


def needs_waypoint(rule: Rule) -> bool:
    """Return whether a rule is about what only a waypoint sees."""
    members = {check.attribute for clause in (*rule.sources, *rule.operations) for check in clause}
    conditions = {check.attribute for check in rule.conditions}
    return bool(members - _IN_MEMBERS - _IGNORED or conditions - _IN_CONDITIONS)


def _kept(clause: Clause, known: frozenset[str]) -> Clause:
    checks = (
        Check(
            check.attribute,
            tuple(each for each in check.values if _match.is_valid(check.attribute, each)),
            tuple(each for each in check.not_values if _match.is_valid(check.attribute, each)),
        )
        for check in clause
        if check.attribute in known
    )
    return tuple(check for check in checks if check.values or check.not_values)


def value(policy: Policy, attribute: str, wanted: str, seen: Attributes) -> Truth:
    """Return whether an attribute of a connection has a value."""
    if attribute in (_policies.SOURCE_IP, _policies.DESTINATION_IP, _policies.PORT):
        return _match.connection(attribute, wanted, seen)
    principal = seen.principal
    if principal is ANYBODY:
        return None
    if principal is None:
        return False
    namespace, account = _parts(principal)
    match attribute:
        case _policies.PRINCIPAL:
            return _match.principal(wanted, principal)
        case _policies.NAMESPACE:
            return _match.text(wanted, namespace)
        case _:
            named = wanted if "/" in wanted else f"{policy.ref.namespace}/{wanted}"
            return named == f"{namespace}/{account}"


def _parts(principal: str) -> tuple[str, str]:
    """Return namespace and service account."""
    _, _, rest = principal.partition("/ns/")
    namespace, _, account = rest.partition("/sa/")
    return namespace, account
