# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Rules as ztunnel enforces them: in front of the pod, by connections only.

istiod leaves out an ALLOW rule that is about HTTP. Of a DENY rule it leaves out the parts that are
about HTTP, and the rest matches more. Where a source, an operation or a condition has no other
part, ztunnel takes it as not matching, and the rule never matches. (istio.io/istio,
pilot/pkg/serviceregistry/ambient/authorization.go; istio/ztunnel, src/rbac.rs.)
"""

from istio_ambient.authorization.evaluator import _match, _policies
from istio_ambient.authorization.evaluator._match import ANY_PRINCIPAL, Attributes, Truth
from istio_ambient.authorization.evaluator._policies import Clause, Policy, Rule

_EVERYWHERE = frozenset(
    {_policies.PRINCIPAL, _policies.NAMESPACE, _policies.SOURCE_IP, _policies.PORT}
)
_IN_MEMBERS = _EVERYWHERE | {_policies.SERVICE_ACCOUNT}
_IN_CONDITIONS = _EVERYWHERE | {_policies.DESTINATION_IP}
_IGNORED = frozenset({_policies.TRUST_DOMAIN})
"""istiod leaves these out of a source silently, in an ALLOW rule too."""


def applies(policy: Policy) -> bool:
    """Return whether ztunnel enforces a policy at the pods that it applies to."""
    return not policy.targets and policy.action in (_policies.ALLOW, _policies.DENY)


def translate(policy: Policy, rule: Rule) -> Rule | None:
    """Return the rule as it is enforced; None: it never matches."""
    if policy.action == _policies.ALLOW and needs_waypoint(rule):
        return None
    sources = [_kept(clause, _IN_MEMBERS) for clause in rule.sources]
    operations = [_kept(clause, _IN_MEMBERS) for clause in rule.operations]
    conditions = [_kept((check,), _IN_CONDITIONS) for check in rule.conditions]
    # ztunnel never matches an empty alternative.
    alternatives = [each for each in (sources, operations) if each]
    if not all(map(any, alternatives)) or not all(conditions):
        return None
    return Rule(
        tuple(filter(None, sources)),
        tuple(filter(None, operations)),
        tuple(check for clause in conditions for check in clause),
    )


def needs_waypoint(rule: Rule) -> bool:
    """Return whether a rule restricts attributes that only a waypoint sees."""
    members = {check.attribute for clause in (*rule.sources, *rule.operations) for check in clause}
    conditions = {check.attribute for check in rule.conditions}
    return bool(members - _IN_MEMBERS - _IGNORED or conditions - _IN_CONDITIONS)


def _kept(clause: Clause, known: frozenset[str]) -> Clause:
    return _policies.restricting(
        check.keeping(_match.is_valid) for check in clause if check.attribute in known
    )


def value(policy: Policy, attribute: str, wanted: str, seen: Attributes) -> Truth:
    """Return whether an attribute of a connection has a value."""
    if attribute in (_policies.SOURCE_IP, _policies.DESTINATION_IP, _policies.PORT):
        return _match.connection(attribute, wanted, seen)
    principal = seen.principal
    if principal is ANY_PRINCIPAL:
        return None
    if principal is None:
        return False
    namespace, _, account = principal.partition("/ns/")[2].partition("/sa/")
    match attribute:
        case _policies.PRINCIPAL:
            return _match.principal(wanted, principal)
        case _policies.NAMESPACE:
            return _match.text(wanted, namespace)
        case _:
            named = wanted if "/" in wanted else f"{policy.ref.namespace}/{wanted}"
            return named == f"{namespace}/{account}"
