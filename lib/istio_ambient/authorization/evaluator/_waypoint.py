# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Rules as a waypoint enforces them: those that istiod makes of a policy for Envoy.

A part that istiod cannot translate narrows access: an ALLOW rule is left out; a DENY rule loses
that part and so matches more. On a port that is not HTTP, no part about HTTP can be translated.
(istio.io/istio, pilot/pkg/security/authz.)
"""

import dataclasses
import functools
from collections.abc import Callable

from istio_ambient.authorization.evaluator import _match, _policies
from istio_ambient.authorization.evaluator._match import ANY_PRINCIPAL, Attributes, Truth
from istio_ambient.authorization.evaluator._policies import Clause, Policy, Rule

_CLAIMS, _METADATA = "request.auth.claims", "experimental.envoy.filters."
_TOKEN = ("request.auth.audiences", "request.auth.presenter", _policies.REQUEST_PRINCIPAL, _CLAIMS)
_HTTP = (_policies.HOST, _policies.METHOD, _policies.PATH, _policies.HEADERS, *_TOKEN)
_CONDITIONS = frozenset(
    {
        _policies.PRINCIPAL,
        _policies.NAMESPACE,
        _policies.SERVICE_ACCOUNT,
        _policies.TRUST_DOMAIN,
        _policies.SOURCE_IP,
        _policies.REMOTE_IP,
        _policies.DESTINATION_IP,
        _policies.PORT,
        _policies.SNI,
        *_TOKEN[:-1],
    }
)
_SET_BY_ENVOY = ("x-forwarded-", "x-request-id", "x-envoy-")


def translation(*, http: bool) -> Callable[[Policy, Rule], Rule | None]:
    """Return the function that returns rules as they are enforced on a port, HTTP or not."""
    return functools.partial(_translate, http=http)


def _translate(policy: Policy, rule: Rule, *, http: bool) -> Rule | None:
    """Return the rule as it is enforced on a port, HTTP or not; None: it never matches."""
    if not all(_is_condition(check.attribute) for check in rule.conditions):
        return None  # istiod skips the whole rule, of any action.
    is_valid = functools.partial(_is_valid, http=http)

    def kept(clause: Clause) -> Clause:
        return _policies.restricting(check.keeping(is_valid) for check in clause)

    translated = Rule(
        tuple(map(kept, rule.sources)), tuple(map(kept, rule.operations)), kept(rule.conditions)
    )
    is_changed = translated != dataclasses.replace(
        rule, conditions=_policies.restricting(rule.conditions)
    )
    return None if policy.action == _policies.ALLOW and is_changed else translated


def _is_valid(attribute: str, value: str, *, http: bool) -> bool:
    if attribute.startswith(_HTTP) and not http:
        return False
    if attribute.startswith((_policies.HEADERS, _CLAIMS, _METADATA)):
        return "[" in attribute and attribute.endswith("]")
    return _match.is_valid(attribute, value)


def _is_condition(attribute: str) -> bool:
    prefixes = (_CLAIMS, _METADATA, _policies.HEADERS)
    return attribute in _CONDITIONS or attribute.startswith(prefixes)


def value(policy: Policy, attribute: str, wanted: str, seen: Attributes) -> Truth:
    """Return whether an attribute of a request has a value."""
    if attribute.startswith(_METADATA):
        return None
    if attribute.startswith(_TOKEN):
        return seen.token
    if attribute.startswith(_policies.HEADERS):
        return _header(attribute.partition("[")[2][:-1].lower(), wanted, seen)
    match attribute:
        case _policies.PATH:
            return _match.path(wanted, seen.path, seen.normalization)
        case _policies.METHOD:
            return _match.text(wanted, seen.method)
        case _policies.HOST:
            return _match.text(wanted, seen.host, ignore_case=True)
        case _policies.SNI:
            return None if seen.tls else False
        case _policies.SOURCE_IP if seen.tunnelled:
            return False
        case _policies.SOURCE_IP | _policies.REMOTE_IP | _policies.DESTINATION_IP | _policies.PORT:
            return _match.connection(attribute, wanted, seen)
        case _:
            return _identity(policy, attribute, wanted, seen)


def _identity(policy: Policy, attribute: str, wanted: str, seen: Attributes) -> Truth:
    principal = seen.principal
    if principal is ANY_PRINCIPAL:
        return None
    match attribute:
        case _policies.PRINCIPAL:
            wider = _match.in_trust_domains(wanted, seen.trust_domains)
            return any(_match.principal(each, principal) for each in wider)
        case _policies.NAMESPACE:
            return _match.namespace(wanted, principal)
        case _policies.SERVICE_ACCOUNT:
            return _match.service_account(wanted, policy.ref.namespace, principal)
        case _:
            wider = seen.trust_domains if wanted in seen.trust_domains else (wanted,)
            return any(_match.trust_domain(each, principal) for each in wider)


def _header(name: str, wanted: str, seen: Attributes) -> Truth:
    match name:
        case ":method":
            return _match.text(wanted, seen.method)
        case ":authority" | "host":
            return _match.text(wanted, seen.host)
        case ":path":
            return _match.text(wanted, _match.rewritten(seen.path, seen.normalization))
        case _ if seen.headers is None or name.startswith(_SET_BY_ENVOY):
            return None
        case _:
            sent = seen.headers.get(name)
            return sent is not None and _match.text(wanted, sent)
