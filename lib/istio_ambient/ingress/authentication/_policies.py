# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Istio policies by which authenticated routes require a login or a token.

Istio evaluates in this order: CUSTOM policies ask an external authorizer, the JWT filter of
RequestAuthentication denies invalid tokens, DENY policies deny, and an ALLOW policy has to allow
what is left. See https://istio.io/latest/docs/concepts/security/#implicit-enablement.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from lightkube.models import meta_v1

from istio_ambient import kube, resources
from istio_ambient.ingress.authentication._authentication import Authentication
from istio_ambient.ingress.authentication._paths import Operation
from istio_ambient.ingress.model import ForwardAuth, GatewayRef, Tokens, Trust
from istio_ambient.ingress.routing import OBJECT_NAME_LIMIT
from istio_ambient.interfaces.istio_request_auth import JwtRule
from istio_ambient.values.names import name_with_hash

MAX_OPERATIONS = 512
"""Operations in one rule: `maxItems` of Istio's CRD."""

_BEARER: Mapping[str, Any] = {"key": "request.headers[authorization]"}
_ISSUER: Mapping[str, Any] = {"key": "request.auth.claims[iss]"}
_WITH_TOKEN: Sequence[Mapping[str, Any]] = (
    {**_BEARER, "values": ["Bearer *"]},
    {**_ISSUER, "values": ["*"]},
)
"""Two conditions, of which a request with a token meets one after the JWT filter. The filter
removes a valid token, unless it is to be forwarded, and sets its claims."""
_WITHOUT_TOKEN: Sequence[Mapping[str, Any]] = ({**_BEARER, "notValues": ["Bearer *"]},)
"""The condition before the filter. A client may have sent any header that the filter sets."""
_WITHOUT_PRINCIPAL = [{"source": {"notRequestPrincipals": ["*"]}}]


def ext_authz_name(app: str) -> str:
    """Return the name of the policy that asks the external authorizer."""
    return name_with_hash(f"ext-authz-{app}", OBJECT_NAME_LIMIT)


def deny_name(app: str) -> str:
    """Return the name of the policy that denies requests without a token."""
    return name_with_hash(f"deny-without-jwt-{app}", OBJECT_NAME_LIMIT)


def authentication_in_force(live: kube.Live) -> frozenset[str]:
    """Return the names of our CUSTOM and DENY policies that are in the cluster."""
    model, app = live.identity.namespace, live.identity.name
    return frozenset(
        name
        for name in (ext_authz_name(app), deny_name(app))
        if live.get(resources.AuthorizationPolicy, name, model) is not None
    )


def authentication_policies(
    found: Authentication,
    gateway: GatewayRef,
    forward_auth: ForwardAuth,
    request_auth: Sequence[Trust],
    *,
    in_force: Container[str] = (),
) -> list[kube.Resource]:
    """Return the policies that require a login or a token.

    Where both are on, the two policies share the requests: the CUSTOM policy leaves requests with
    a token to the DENY policy, which denies those without a principal from a valid token. Either
    leaves requests to the other only where that is in the cluster already.

    Args:
        found: which of the served routes need authentication.
        gateway: the Gateway.
        forward_auth: whether a login is required, and the authorizer.
        request_auth: the tokens that applications trust.
        in_force: names of the policies that are in the cluster.
    """
    policies: list[kube.Resource] = []
    trusts = [trust for trust in request_auth if trust.rules]
    if forward_auth.wanted:
        share = bool(trusts) and deny_name(gateway.name) in in_force
        policies.append(_ext_authz(found, gateway, forward_auth, share=share))
    if request_auth:
        share = forward_auth.wanted and ext_authz_name(gateway.name) in in_force
        policies.append(_deny_without_jwt(found, gateway, request_auth, share=share))
    return [*policies, *(_request_authentication(gateway, trust) for trust in trusts)]


def _ext_authz(
    found: Authentication, gateway: GatewayRef, forward_auth: ForwardAuth, *, share: bool
) -> kube.Resource:
    name = ext_authz_name(gateway.name)
    if forward_auth.pending:
        # The same object, so that no request passes while one policy replaces the other.
        return gateway_policy(name, gateway, {"action": "DENY", "rules": [{}]})
    rules = _rules(found.operations(), when=_WITHOUT_TOKEN if share else ())
    provider = {"name": forward_auth.provider_name}
    return gateway_policy(
        name, gateway, {"action": "CUSTOM", "provider": provider, "rules": rules}
    )


def _deny_without_jwt(
    found: Authentication, gateway: GatewayRef, request_auth: Sequence[Trust], *, share: bool
) -> kube.Resource:
    conditions: Sequence[Sequence[Mapping[str, Any]]] = ((),)
    if share:
        conditions = tuple((condition,) for condition in _WITH_TOKEN)
    everything = found.operations()
    rules: list[dict[str, Any]] = []
    for when in conditions:
        rules += _rules(everything, when=when, sources=_WITHOUT_PRINCIPAL)
    for accepted, apps in sorted(_by_tokens(request_auth).items()):
        operations = found.operations_of(apps)
        if operations and not accepted:
            # No filter removes the headers from which these applications read claims, so a
            # client could send them.
            rules += _rules(operations)
        for condition in _others(accepted) if operations else ():
            rules += _rules(operations, when=condition)
    return gateway_policy(deny_name(gateway.name), gateway, {"action": "DENY", "rules": rules})


def _by_tokens(trusts: Iterable[Trust]) -> dict[Tokens, set[str]]:
    """Return applications by the tokens that they accept."""
    groups: dict[Tokens, set[str]] = {}
    for trust in trusts:
        groups.setdefault(trust.accepted, set()).add(trust.app)
    return groups


def _others(accepted: Tokens) -> Iterator[list[dict[str, Any]]]:
    """Yield conditions that all tokens but the accepted ones meet; none where none is accepted.

    The gateway has one list of all rules: a token that satisfies any of them gives a principal,
    whichever application trusts it.
    """
    if accepted:
        issuers = [issuer for issuer, _ in accepted]
        yield [{**_ISSUER, "values": ["*"], "notValues": issuers}]
    for issuer, audiences in accepted:
        if audiences:
            yield [
                {**_ISSUER, "values": [issuer]},
                {"key": "request.auth.audiences", "notValues": list(audiences)},
            ]


def _request_authentication(gateway: GatewayRef, trust: Trust) -> kube.Resource:
    name = name_with_hash(f"request-auth-{trust.app}-{gateway.name}", OBJECT_NAME_LIMIT)
    rules: list[dict[str, Any]] = []
    for rule in map(_jwt_rule, trust.rules):
        # Null and an empty list are different data, and the same rule.
        if rule not in rules:
            rules.append(rule)
    return resources.RequestAuthentication(
        metadata=meta_v1.ObjectMeta(name=name, namespace=gateway.namespace),
        spec={"targetRefs": [_target(gateway)], "jwtRules": rules},
    )


def _jwt_rule(rule: JwtRule) -> dict[str, Any]:
    """Return a rule as an element of `spec.jwtRules`: Istio's `JWTRule`."""
    members: dict[str, Any] = {
        "issuer": rule.issuer,
        "jwksUri": rule.jwks_uri,
        "audiences": list(rule.audiences or ()),
        "forwardOriginalToken": rule.forward_original_token,
        "outputClaimToHeaders": [
            {"header": each.header, "claim": each.claim} for each in rule.claim_to_headers or ()
        ],
        "fromHeaders": [
            {"name": each.name, **({"prefix": each.prefix} if each.prefix else {})}
            for each in rule.from_headers or ()
        ],
    }
    return {key: value for key, value in members.items() if value}


def gateway_policy(name: str, gateway: GatewayRef, spec: Mapping[str, Any]) -> kube.Resource:
    """Return a policy that targets the gateway; `spec` has its other members."""
    return resources.AuthorizationPolicy(
        metadata=meta_v1.ObjectMeta(name=name, namespace=gateway.namespace),
        spec={"targetRefs": [_target(gateway)], **spec},
    )


def _target(gateway: GatewayRef) -> dict[str, str]:
    """Return the element of a policy's `targetRefs` for the gateway."""
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway.name}


def _rules(
    operations: Sequence[Operation],
    *,
    when: Sequence[Mapping[str, Any]] = (),
    sources: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return one rule, or several where there are many operations; no operation: all requests."""
    common: dict[str, Any] = {}
    if sources:
        common["from"] = list(sources)
    if when:
        common["when"] = list(when)
    if not operations:
        return [common]
    parts = range(0, len(operations), MAX_OPERATIONS)
    return [
        {**common, "to": [{"operation": dict(o)} for o in operations[n : n + MAX_OPERATIONS]]}
        for n in parts
    ]
