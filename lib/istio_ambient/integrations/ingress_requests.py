# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Between databags and what the gateway decides on: the two know nothing of each other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from istio_ambient import authorization, ingress, kube
from istio_ambient.interfaces import ingress as ingress_relation
from istio_ambient.interfaces import istio_ingress_route
from istio_ambient.values.problems import Problem

INGRESS = "ingress"
INGRESS_UNAUTHENTICATED = "ingress-unauthenticated"
ROUTE = "istio-ingress-route"
ROUTE_UNAUTHENTICATED = "istio-ingress-route-unauthenticated"

AUTHENTICATED = frozenset({INGRESS, ROUTE})
"""Endpoints whose routes are behind forward authentication and JWT, where these are on."""


@dataclass(frozen=True)
class Databag:
    """What one application wrote, and who it is."""

    requester: authorization.Requester
    relation_id: int
    content: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """What all applications ask for, and what of it could not be read."""

    requests: tuple[ingress.IngressRequest, ...] = ()
    configurations: tuple[ingress.RouteConfiguration, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def cross_model(self) -> bool:
        """Whether anybody asks from another model."""
        return any(each.requester.model_uuid for each in (*self.requests, *self.configurations))

    @property
    def services(self) -> Iterator[tuple[str, str, int]]:
        """Namespace, name and port of the Services that are asked for."""
        for request in self.requests:
            yield request.model, request.name, request.port
        for configuration in self.configurations:
            for route in configuration.routes:
                for ref in route.backends:
                    yield configuration.model, ref.name, ref.port


def read(databags: Iterable[Databag]) -> Asked:
    """Read what stands in the databags of the four endpoints that routes are asked for by."""
    requests: list[ingress.IngressRequest] = []
    configurations: list[ingress.RouteConfiguration] = []
    problems: list[Problem] = []
    for databag in databags:
        if databag.requester.endpoint in (INGRESS, INGRESS_UNAUTHENTICATED):
            request, found = _request(databag)
            requests += [request] if request else []
        else:
            configuration, found = _configuration(databag)
            configurations += [configuration] if configuration else []
        problems += found
    return Asked(tuple(requests), tuple(configurations), tuple(problems))


def _request(databag: Databag) -> tuple[ingress.IngressRequest | None, list[Problem]]:
    requester = databag.requester
    wish, problems = ingress_relation.parse(
        databag.content, app=requester.app, endpoint=requester.endpoint
    )
    if wish is None:
        return None, problems
    request = ingress.IngressRequest(
        requester=requester,
        relation_id=databag.relation_id,
        model=wish.model,
        name=wish.name,
        port=wish.port,
        strip_prefix=bool(wish.strip_prefix),
        scheme=wish.scheme or "http",
        authenticated=requester.endpoint in AUTHENTICATED,
    )
    return request, problems


def _configuration(
    databag: Databag,
) -> tuple[ingress.RouteConfiguration | None, list[Problem]]:
    requester = databag.requester
    wish, problems = istio_ingress_route.parse(
        databag.content, app=requester.app, endpoint=requester.endpoint
    )
    if wish is None:
        return None, problems
    configuration = ingress.RouteConfiguration(
        requester=requester,
        relation_id=databag.relation_id,
        model=wish.model,
        authenticated=requester.endpoint in AUTHENTICATED,
        ports=tuple(listener.port for listener in wish.listeners),
        routes=(
            *(_route(field, route) for field, route in wish.http_routes),
            *(_route(field, route) for field, route in wish.grpc_routes),
        ),
        faulty=bool(problems),
    )
    return configuration, problems


def _route(
    field: str, route: istio_ingress_route.HttpRoute | istio_ingress_route.GrpcRoute
) -> ingress.RouteRequest:
    if isinstance(route, istio_ingress_route.HttpRoute):
        protocol = ingress.Protocol.HTTP
        matches = [_http_match(match) for match in route.matches or ()]
    else:
        protocol = ingress.Protocol.GRPC
        matches = [_grpc_match(match) for match in route.matches or ()]
    return ingress.RouteRequest(
        field=field,
        name=route.name,
        protocol=protocol,
        port=route.listener.port,
        backends=tuple(
            ingress.ServiceRef(backend.service, backend.port, backend.weight)
            for backend in route.backends
        ),
        matches=tuple(dict.fromkeys(matches)) or (ingress.Match(),),
        hostnames=route.hostnames or (),
        rewrite=_rewrite(route.rewrite),
        redirect=_redirect(route.redirect),
    )


def _http_match(match: istio_ingress_route.HttpMatch) -> ingress.Match:
    path_type, path = ingress.PathType.PREFIX, "/"
    if match.path is not None:
        path_type, path = ingress.PathType(match.path.type), match.path.value
    if path_type is ingress.PathType.PREFIX:
        # Prefixes are compared by whole segments, with or without a slash at the end.
        path = path.rstrip("/") or "/"
    return ingress.Match(path_type, path, match.method or "", _headers(match.headers))


def _grpc_match(match: istio_ingress_route.GrpcMatch) -> ingress.Match:
    headers = _headers(match.headers)
    if match.method is None:
        return ingress.Match(headers=headers)
    return ingress.Match.of_grpc(match.method.service, match.method.method or "", headers)


def _headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((headers or {}).items()))


def _rewrite(rewrite: istio_ingress_route.UrlRewrite | None) -> ingress.Rewrite | None:
    if rewrite is None or not (rewrite.hostname or rewrite.path):
        return None
    return ingress.Rewrite(rewrite.hostname or "", _modifier(rewrite.path))


def _redirect(redirect: istio_ingress_route.RequestRedirect | None) -> ingress.Redirect | None:
    if redirect is None:
        return None
    return ingress.Redirect(
        scheme=redirect.scheme or "",
        hostname=redirect.hostname or "",
        port=redirect.port or 0,
        path=_modifier(redirect.path),
        status=redirect.status,
    )


def _modifier(
    modifier: istio_ingress_route.FullPath | istio_ingress_route.PathPrefix | None,
) -> ingress.PathModifier | None:
    if modifier is None:
        return None
    return ingress.PathModifier(modifier.value, whole=modifier.type == "ReplaceFullPath")


_ROUTE_KEYS = (istio_ingress_route.EXTERNAL_HOST, istio_ingress_route.TLS_ENABLED)
KEYS: Mapping[str, tuple[str, ...]] = {
    INGRESS: (ingress_relation.URL_KEY,),
    INGRESS_UNAUTHENTICATED: (ingress_relation.URL_KEY,),
    ROUTE: _ROUTE_KEYS,
    ROUTE_UNAUTHENTICATED: _ROUTE_KEYS,
}
"""All that we write into our databags, by endpoint."""


def answers(exposed: ingress.Exposure, live: kube.Live) -> dict[int, dict[str, str]]:
    """Return what our databags are to hold by relation; nothing where an application has no route.

    Args:
        exposed: what is served.
        live: the objects that there are: nothing is told before its route is there.
    """
    if not exposed.hosts.public:
        return {}
    host = istio_ingress_route.dump(exposed.hosts.public, tls=exposed.hosts.tls)
    found: dict[int, dict[str, str]] = dict.fromkeys(exposed.routeless, host)
    for route in exposed.routes:
        kind = ingress.KINDS[route.protocol]
        if route.relation_id in exposed.clashing:
            continue
        if live.get(kind, route.name, route.namespace) is None:
            continue
        if route.requester.endpoint in (INGRESS, INGRESS_UNAUTHENTICATED):
            found[route.relation_id] = ingress_relation.dump(exposed.url(route))
        else:
            found[route.relation_id] = host
    return found
