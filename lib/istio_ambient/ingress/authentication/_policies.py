# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Istio policies by which authenticated routes require a login or a token.

Istio evaluates in this order: CUSTOM policies ask an external authorizer, the JWT filter of
RequestAuthentication denies invalid tokens, DENY policies deny, and an ALLOW policy has to allow
what is left. See https://istio.io/latest/docs/concepts/security/#implicit-enablement.
"""

import functools
import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lightkube.models import meta_v1

from istio_ambient import authorization, kube, resources
from istio_ambient.ingress.authentication import _token_keys
from istio_ambient.ingress.authentication._authentication import Authentication
from istio_ambient.ingress.authentication._paths import Operation
from istio_ambient.ingress.authentication._token_rules import complete
from istio_ambient.ingress.model import (
    ForwardAuth,
    GatewayRef,
    KeySource,
    SigningKeys,
    Tokens,
    Trust,
)
from istio_ambient.ingress.routing import OBJECT_NAME_LIMIT
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.parts import parts

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


def _ext_authz_name(app: str, part: int = 0) -> str:
    """Return the name of a policy that asks the external authorizer."""
    return _part_name(f"ext-authz-{app}", part)


def _deny_name(app: str, part: int = 0) -> str:
    """Return the name of a policy that denies requests without a token."""
    return _part_name(f"deny-without-jwt-{app}", part)


def _part_name(name: str, part: int) -> str:
    """Return the name of one of the objects that rules are divided among.

    No application has a name that ends in a number, so no other gateway has such a policy.
    """
    return name_with_hash(f"{name}-{part + 1}" if part else name, OBJECT_NAME_LIMIT)


def _is_further_part(name: str, first: str) -> bool:
    return name.startswith(f"{first}-") and name.removeprefix(f"{first}-").isdecimal()


def asks_authorizer(app: str, name: str) -> bool:
    """Return whether a policy at the gateway of `app` is one that asks the authorizer."""
    return _is_part(name, _ext_authz_name(app))


def requires_token(app: str, name: str) -> bool:
    """Return whether a policy at the gateway of `app` is one that denies without a token."""
    return _is_part(name, _deny_name(app))


def _is_part(name: str, first: str) -> bool:
    return name == first or _is_further_part(name, first)


def authentication_in_force(live: kube.Live) -> frozenset[str]:
    """Return the names of our policies in the cluster that require a login or a token."""
    app = live.identity.name
    return frozenset(
        policy.metadata.name
        for policy in live.at_home(resources.AuthorizationPolicy)
        for first in (_ext_authz_name(app), _deny_name(app))
        if _is_part(policy.metadata.name, first)
    )


def authentication_policies(
    found: Authentication,
    gateway: GatewayRef,
    forward_auth: ForwardAuth,
    request_auth: Sequence[Trust],
    *,
    keys: Mapping[KeySource, SigningKeys] = MappingProxyType({}),
    in_force: Container[str] = (),
    left: Container[tuple[str, KeySource]] = (),
) -> list[kube.Resource]:
    """Return the policies that require a login or a token.

    Where both are on, the two policies share the requests to applications that trust tokens: the
    CUSTOM policy leaves those with a token to the DENY policy, which denies those without a
    principal from a valid token. Either leaves requests to the other only where that is in the
    cluster already. For other applications a token is no login.

    Args:
        found: which of the served routes need authentication.
        gateway: the Gateway.
        forward_auth: whether a login is required, and the authorizer.
        request_auth: the tokens that applications trust.
        keys: of the issuers of these tokens.
        in_force: names of the policies that are in the cluster.
        left: as `left_to_istiod` returns it.
    """

    @functools.cache
    def login(apps: tuple[str, ...]) -> list[kube.Resource]:
        return _ext_authz(found, gateway, forward_auth, apps)

    policies: list[kube.Resource] = []
    apps = tuple(trust.app for trust in request_auth if trust.rules)
    if request_auth:
        share = forward_auth.wanted and any(
            _are_in_force(login(some), in_force) for some in ((), apps)
        )
        policies += _deny_without_jwt(found, gateway, request_auth, share=share)
    if forward_auth.wanted:
        policies = [*login(apps if _are_in_force(policies, in_force) else ()), *policies]
    rules = _token_keys.request_authentications(gateway, complete(request_auth), keys, left)
    return [*policies, *rules]


def _are_in_force(policies: Iterable[kube.Resource], in_force: Container[str]) -> bool:
    """Return whether all objects that rules are divided among are in the cluster."""
    return all(kube.ref_of(policy).name in in_force for policy in policies)


def _ext_authz(
    found: Authentication, gateway: GatewayRef, forward_auth: ForwardAuth, apps: Sequence[str]
) -> list[kube.Resource]:
    """Return the policies that ask the authorizer.

    Args:
        found: which of the served routes need authentication.
        gateway: the Gateway.
        forward_auth: the authorizer.
        apps: applications whose routes need a token or a login; all others need a login.
    """
    if forward_auth.pending:
        # The same object, so that no request passes while one policy replaces the other.
        name = _ext_authz_name(gateway.name)
        return [gateway_policy(name, gateway, {"action": "DENY", "rules": [{}]})]
    rules = _rules(found.operations_besides(apps))
    operations = found.operations_of(apps)
    if operations:
        rules += _rules(operations, when=_WITHOUT_TOKEN)
    spec = {"action": "CUSTOM", "provider": {"name": forward_auth.provider_name}}
    return [
        gateway_policy(_ext_authz_name(gateway.name, part), gateway, {**spec, "rules": list(some)})
        for part, some in enumerate(
            parts(rules, _size, limit=authorization.MAX_RULES_SIZE, most=authorization.MAX_RULES)
        )
    ]


def _deny_without_jwt(
    found: Authentication, gateway: GatewayRef, request_auth: Sequence[Trust], *, share: bool
) -> list[kube.Resource]:
    conditions: Sequence[Sequence[Mapping[str, Any]]] = ((),)
    if share:
        conditions = tuple((condition,) for condition in _WITH_TOKEN)
    rules: list[dict[str, Any]] = []
    for when in conditions:
        rules += _rules(found.operations, when=when, sources=_WITHOUT_PRINCIPAL)
    for accepted, apps in sorted(_by_tokens(request_auth).items()):
        operations = found.operations_of(apps)
        if operations and not accepted:
            # No filter removes the headers from which these applications read claims, so a
            # client could send them.
            rules += _rules(operations)
        for condition in _others(accepted) if operations else ():
            rules += _rules(operations, when=condition)
    return [
        gateway_policy(
            _deny_name(gateway.name, part), gateway, {"action": "DENY", "rules": list(some)}
        )
        for part, some in enumerate(
            parts(rules, _size, limit=authorization.MAX_RULES_SIZE, most=authorization.MAX_RULES)
        )
    ]


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


def gateway_policy(name: str, gateway: GatewayRef, spec: Mapping[str, Any]) -> kube.Resource:
    """Return a policy that targets the gateway; `spec` has its other members."""
    return resources.AuthorizationPolicy(
        metadata=meta_v1.ObjectMeta(name=name, namespace=gateway.namespace),
        spec={"targetRefs": [gateway.target_ref], **spec},
    )


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
    return [
        {**common, "to": [{"operation": dict(operation)} for operation in some]}
        for some in parts(operations, _size, limit=authorization.MAX_RULES_SIZE // 2)
    ]


def _size(member: Mapping[str, Any]) -> int:
    """Return the size of a rule or an operation, in bytes of JSON."""
    return len(json.dumps(member))
