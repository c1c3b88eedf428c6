# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who must say who they are before the gateway lets them through: by login, or by token.

Istio asks in this order: CUSTOM policies ask an external authorizer, the JWT filter of
RequestAuthentication refuses invalid tokens, DENY policies refuse, and what is left an ALLOW
policy has to let through. See https://istio.io/latest/docs/concepts/security/#implicit-enablement.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightkube.models import meta_v1

from istio_ambient import kube, resources
from istio_ambient.ingress.authentication import _paths
from istio_ambient.ingress.model import Facts, PathType, Tokens, Trust
from istio_ambient.ingress.routing import OBJECT_NAME_LIMIT, Route
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problems import Problem

MAX_OPERATIONS = 512
"""Operations in one rule: `maxItems` of Istio's CRD."""

_BEARER: Mapping[str, Any] = {"key": "request.headers[authorization]"}
_ISSUER: Mapping[str, Any] = {"key": "request.auth.claims[iss]"}
_WITH_TOKEN: Sequence[Mapping[str, Any]] = (
    {**_BEARER, "values": ["Bearer *"]},
    {**_ISSUER, "values": ["*"]},
)
"""Either, after the JWT filter: it takes a valid token out, unless that is to be forwarded."""
_WITHOUT_TOKEN: Sequence[Mapping[str, Any]] = ({**_BEARER, "notValues": ["Bearer *"]},)
"""Before it. No header that the filter sets can be looked at there: a client may have sent it."""
_NOBODY = [{"source": {"notRequestPrincipals": ["*"]}}]


@dataclass(frozen=True, order=True)
class _Taken:
    """What a route takes at one listener, as far as authentication goes."""

    app: str
    endpoint: str
    field: str
    authenticated: bool
    match: _paths.PathMatch


def ext_authz_name(app: str) -> str:
    """Return the name of the policy that asks the external authorizer."""
    return name_with_hash(f"ext-authz-{app}", OBJECT_NAME_LIMIT)


def deny_name(app: str) -> str:
    """Return the name of the policy that refuses those without a token."""
    return name_with_hash(f"deny-without-jwt-{app}", OBJECT_NAME_LIMIT)


def authentication_in_force(live: kube.Live) -> frozenset[str]:
    """Return the names of those of the policies here that are in the cluster, and ours."""
    model, app = live.identity.namespace, live.identity.name
    return frozenset(
        name
        for name in (ext_authz_name(app), deny_name(app))
        if live.get(resources.AuthorizationPolicy, name, model) is not None
    )


def authentication_policies(facts: Facts, routes: Iterable[Route]) -> list[kube.Resource]:
    """Return what makes people log in or show a token.

    Two policies share the work where both are asked for: one leaves requests with a token to the
    other, which refuses them where no valid one gave them a principal. Either gives way only
    where the other is in the cluster already.

    Args:
        facts: what is asked for.
        routes: everything that is served, redirects included.
    """
    taken = _taken(routes)
    found: list[kube.Resource] = []
    if facts.forward_auth.wanted:
        found.append(_ext_authz(facts, taken))
    if facts.request_auth.related:
        found.append(_deny_without_jwt(facts, taken))
    trusts = facts.request_auth.trusts
    return [*found, *(_request_authentication(facts, trust) for trust in trusts if trust.rules)]


def _ext_authz(facts: Facts, taken: Sequence[_Taken]) -> kube.Resource:
    name = ext_authz_name(facts.app)
    if facts.forward_auth.pending:
        # The same object, so that nothing opens while one takes the place of the other.
        return _policy(name, facts, {"action": "DENY", "rules": [{}]})
    when: Sequence[Mapping[str, Any]] = ()
    tokens = any(trust.rules for trust in facts.request_auth.trusts)
    if tokens and deny_name(facts.app) in facts.authentication_in_force:
        when = _WITHOUT_TOKEN
    provider = {"name": facts.forward_auth.provider_name}
    rules = _rules(_authenticated(taken), when=when)
    return _policy(name, facts, {"action": "CUSTOM", "provider": provider, "rules": rules})


def _deny_without_jwt(facts: Facts, taken: Sequence[_Taken]) -> kube.Resource:
    conditions: Sequence[Sequence[Mapping[str, Any]]] = ((),)
    login = facts.forward_auth.wanted
    if login and ext_authz_name(facts.app) in facts.authentication_in_force:
        conditions = tuple((condition,) for condition in _WITH_TOKEN)
    everything = _authenticated(taken)
    rules = [
        rule for when in conditions for rule in _rules(everything, when=when, sources=_NOBODY)
    ]
    for accepted, apps in sorted(_by_tokens(facts.request_auth.trusts).items()):
        operations = _closed_of(apps, taken)
        if operations and not accepted:
            # Nothing cleans the headers that it reads claims from, whoever sent the request.
            rules += _rules(operations)
        for condition in _others(accepted) if operations else ():
            rules += _rules(operations, when=condition)
    return _policy(deny_name(facts.app), facts, {"action": "DENY", "rules": rules})


def _by_tokens(trusts: Iterable[Trust]) -> dict[Tokens, set[str]]:
    """Return which applications accept the same tokens."""
    groups: dict[Tokens, set[str]] = {}
    for trust in trusts:
        groups.setdefault(trust.accepted, set()).add(trust.app)
    return groups


def _others(accepted: Tokens) -> Iterator[list[dict[str, Any]]]:
    """Yield conditions which tokens meet that are not among these; nothing where none is.

    All rules are one list at the gateway: a token that satisfies any of them gives a principal,
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


def _request_authentication(facts: Facts, trust: Trust) -> kube.Resource:
    name = name_with_hash(f"request-auth-{trust.app}-{facts.app}", OBJECT_NAME_LIMIT)
    rules = [rule.to_dict() for rule in trust.rules]
    return resources.RequestAuthentication(
        metadata=meta_v1.ObjectMeta(name=name, namespace=facts.model),
        spec={"targetRefs": [gateway_target(facts.app)], "jwtRules": rules},
    )


def _policy(name: str, facts: Facts, spec: Mapping[str, Any]) -> kube.Resource:
    return resources.AuthorizationPolicy(
        metadata=meta_v1.ObjectMeta(name=name, namespace=facts.model),
        spec={"targetRefs": [gateway_target(facts.app)], **spec},
    )


def gateway_target(app: str) -> dict[str, str]:
    """Return what a policy at the gateway `app` has among its `targetRefs`."""
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": app}


def _taken(routes: Iterable[Route]) -> list[_Taken]:
    """Return what each match of the routes takes, sorted."""
    found = {
        _Taken(
            app=route.requester.app,
            endpoint=route.requester.endpoint,
            field=route.field,
            authenticated=route.authenticated,
            match=_paths.PathMatch(
                path=match.path,
                path_type=match.path_type,
                # Of a gRPC service: its methods, and nothing at the path of the service itself.
                below=match.grpc is not None and match.path_type is PathType.PREFIX,
                where=(route.listener.name, route.protocol, *route.answers_to),
                restricted=bool(match.method or match.headers),
            ),
        )
        for route in routes
        for match in route.matches
    }
    return sorted(found)


def _authenticated(taken: Iterable[_Taken]) -> list[_paths.Operation]:
    closed, opened = _split(taken)
    return _paths.authenticated(closed, opened)


def _closed_of(apps: Container[str], taken: Sequence[_Taken]) -> list[_paths.Operation]:
    """Return operations for what the routes of applications serve to those who are known."""
    _, opened = _split(taken)
    closed = {each.match for each in taken if each.app in apps and each.authenticated}
    return _paths.closed(closed, opened)


def _split(
    taken: Iterable[_Taken],
) -> tuple[list[_paths.PathMatch], list[_paths.PathMatch]]:
    closed: set[_paths.PathMatch] = set()
    opened: set[_paths.PathMatch] = set()
    for each in taken:
        (closed if each.authenticated else opened).add(each.match)
    return sorted(closed), sorted(opened)


def _rules(
    operations: Sequence[_paths.Operation],
    *,
    when: Sequence[Mapping[str, Any]] = (),
    sources: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return one rule, or as many as the number of operations needs; without any: everything."""
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


def authentication_problems(facts: Facts, routes: Iterable[Route]) -> Iterator[Problem]:
    """Yield what was asked to be open and is not, one for each application and endpoint.

    Nothing where nobody has to authenticate.
    """
    if not facts.forward_auth.wanted and not facts.request_auth.related:
        return
    taken = _taken(routes)
    closed, _ = _split(taken)
    told: set[tuple[str, str]] = set()
    for each in taken:
        origin = (each.app, each.endpoint)
        if each.authenticated or origin in told:
            continue
        for match, other in _paths.still_closed(closed, [each.match]):
            told.add(origin)
            yield _closed_problem(each, match, other)


def open_in_fact(route: Route, routes: Iterable[Route]) -> bool:
    """Return whether nobody has to authenticate for anything that a route serves.

    Args:
        route: one of them.
        routes: everything that is served, redirects included.
    """
    if route.authenticated:
        return False
    closed, _ = _split(_taken(routes))
    return not any(_paths.still_closed(closed, [each.match for each in _taken([route])]))


def _closed_problem(
    taken: _Taken, match: _paths.PathMatch, other: _paths.PathMatch | None
) -> Problem:
    if other is None:
        message = f"{match.path} cannot be told from other paths: it needs authentication"
        remedy = "match an exact path or a prefix, without '*', '{' and '}'"
    else:
        message = f"{match.path} needs authentication, since {other.path} does"
        remedy = "use paths that no route with authentication has"
    return Problem(taken.app, taken.endpoint, taken.field, message, remedy)
