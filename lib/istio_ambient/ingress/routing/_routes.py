# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Routes: one value for the requests of both interfaces."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec

from istio_ambient import authorization
from istio_ambient.ingress.model import IngressRequest, Match, Protocol
from istio_ambient.ingress.routing import _hosts, _matches
from istio_ambient.ingress.routing._addresses import HTTP_PORT
from istio_ambient.ingress.routing._backends import (
    Backends,
    BackendService,
    MissingBackend,
    NamedBackend,
)
from istio_ambient.ingress.routing._listeners import REDIRECTING, Listener, Listeners
from istio_ambient.interfaces.ingress import IngressRequirerData
from istio_ambient.interfaces.istio_ingress_route import (
    Backend,
    GrpcRoute,
    HttpRoute,
    PathPrefix,
    RequestRedirect,
    UrlRewrite,
)
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

OBJECT_NAME_LIMIT = 253
"""Characters of the name of a custom resource: a DNS subdomain."""

Scheme: TypeAlias = Literal["http", "https", "h2c", "grpc"]
"""Protocol of a backend's port: HTTP/1.1, HTTP over TLS, HTTP/2 without TLS, the client's own
(gRPC: HTTP/2)."""

# Not validated: pydantic would build its validators for values that are our own.
_TO_ROOT = UrlRewrite.model_construct(
    path=PathPrefix.model_construct(type="ReplacePrefixMatch", value="/")
)
_TO_TLS = RequestRedirect.model_construct(scheme="https")


class Route(msgspec.Struct, frozen=True):
    """What a listener does with the requests for some hostnames that match."""

    requester: authorization.Requester
    relation_id: int
    authenticated: bool
    protocol: Protocol
    name: str
    """Of the HTTPRoute or GRPCRoute, without the listener and our application; see `named`."""
    namespace: str
    """Of the object and of all of its backends."""
    listener: Listener
    matches: tuple[Match, ...]
    """Any of them; never empty."""
    hostnames: tuple[str, ...] = ()
    """Of the object; empty: those of the listener."""
    answers_to: tuple[str, ...] = ("*",)
    """Of these hostnames, those that the listener takes; never empty, `*`: any."""
    backends: tuple[BackendService, ...] = ()
    """Empty where `redirect` is set, or none of them may be sent requests yet: clients get 500."""
    missing: tuple[MissingBackend, ...] = ()
    """Backends that nothing answers at yet, in the order in which the databag names them."""
    scheme: Scheme = "http"
    """Protocol of the backends."""
    rewrite: UrlRewrite | None = None
    redirect: RequestRedirect | None = None
    field: str = ""
    """Place of the route in the databag; empty: of interface `ingress`, which has one route."""

    @property
    def references(self) -> tuple[BackendService, ...]:
        """Backends that the route names in the cluster.

        None where one of them may not be named yet: the others would take its share of requests.
        """
        known = {(each.namespace, each.service, each.port) for each in self.backends}
        named = {(each.namespace, each.service, each.port) for each in self.missing}
        return self.backends if named <= known else ()

    @property
    def target(self) -> tuple[object, ...]:
        """Everything that happens to matching requests."""
        return self.backends, self.missing, self.scheme, self.rewrite, self.redirect, self.protocol

    @property
    def is_published(self) -> bool:
        """Whether its path is the URL of an application: interface `ingress`."""
        return not self.field

    @property
    def content(self) -> tuple[object, ...]:
        """Everything that routes of one name have in common: they are one object."""
        return self.target, self.matches, self.hostnames, self.listener, self.requester.app

    @property
    def path(self) -> str:
        """Of the first match."""
        return self.matches[0].path

    @property
    def ref(self) -> tuple[Protocol, str, str]:
        """Kind, namespace and name, which identify the object."""
        return self.protocol, self.namespace, self.name


Outcome: TypeAlias = Route | Problem
"""Of a request: a route; a Problem: refused."""


def routes_of(
    request: IngressRequest, listeners: Listeners, backends: Backends
) -> Iterator[Outcome]:
    """Yield the outcome of each route that a request asks for.

    Args:
        request: its model is the requester's own.
        listeners: where routes are served; their hostname limits the hostnames of a route.
        backends: decides about the Services that the request names.
    """
    if isinstance(request.data, IngressRequirerData):
        yield _of_ingress(request, request.data, listeners, backends)
    for field, route in request.routes:
        yield _of_route(request, field, route, listeners, backends)


def _of_ingress(
    request: IngressRequest, data: IngressRequirerData, listeners: Listeners, backends: Backends
) -> Outcome:
    named = backends.backend(request, Backend(service=data.name, port=data.port), "name")
    if isinstance(named, Problem):
        return named
    return Route(
        requester=request.requester,
        relation_id=request.relation_id,
        authenticated=request.authenticated,
        protocol=Protocol.HTTP,
        name=data.name,
        namespace=backends.namespace_of(request),
        listener=listeners.default,
        matches=(Match(path=f"/{data.model}-{data.name}"),),
        answers_to=(listeners.hostname or "*",),
        backends=(named.service,) if named.service else (),
        missing=(named.missing,) if named.missing else (),
        scheme=data.scheme or "http",
        rewrite=_TO_ROOT if data.strip_prefix else None,
    )


def _of_route(
    request: IngressRequest,
    field: str,
    route: HttpRoute | GrpcRoute,
    listeners: Listeners,
    backends: Backends,
) -> Outcome:
    hostnames, answers_to = _hostnames(route.hostnames or (), listeners.hostname)
    if not answers_to:
        message = f"none of them fits the gateway's own, {listeners.hostname}: refused"
        remedy = f"use {listeners.hostname}, or leave them out"
        place = f"{field}.hostnames"
        return request.requester.problem(Code.HOSTNAME_NOT_SERVED, place, message, remedy)
    redirect = route.redirect
    named: list[NamedBackend] = []
    for number, named_backend in enumerate(route.backends if redirect is None else ()):
        place = f"{field}.backends[{number}].service"
        found = backends.backend(request, named_backend, place)
        if isinstance(found, Problem):
            return found
        named.append(found)
    matches, is_grpc = _matches.matches(route), isinstance(route, GrpcRoute)
    if redirect is not None:
        # Gateway API's GRPCRoute has no redirects. In an HTTPRoute, a gRPC method is a path.
        matches = tuple(msgspec.structs.replace(match, grpc=None) for match in matches)
    return Route(
        requester=request.requester,
        relation_id=request.relation_id,
        authenticated=request.authenticated,
        protocol=Protocol.GRPC if is_grpc and redirect is None else Protocol.HTTP,
        name=f"{request.requester.app}-{route.name}",
        namespace=backends.namespace_of(request),
        listener=_listener(route, listeners),
        matches=matches,
        hostnames=hostnames,
        answers_to=answers_to,
        backends=tuple(each.service for each in named if each.service),
        missing=tuple(each.missing for each in named if each.missing),
        scheme="grpc" if is_grpc else "http",
        rewrite=_rewrite(route.rewrite),
        redirect=redirect,
        field=field,
    )


def _rewrite(rewrite: UrlRewrite | None) -> UrlRewrite | None:
    """Return a rewrite that changes something."""
    return rewrite if rewrite and (rewrite.hostname or rewrite.path) else None


def _listener(route: HttpRoute | GrpcRoute, listeners: Listeners) -> Listener:
    """Return where a route is served; one that redirects from HTTP to HTTPS stays on HTTP."""
    leads_to_tls = route.redirect is not None and route.redirect.scheme == "https"
    if leads_to_tls and route.listener.port == HTTP_PORT:
        return REDIRECTING
    return listeners.serving(route.listener.port)


def _hostnames(wanted: tuple[str, ...], listener: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the hostnames of the object, and those with which requests reach the route."""
    if not wanted:
        return (), (listener or "*",)
    pairs = {host: _hosts.intersection(host, listener) for host in sorted(set(wanted))}
    fitting = {host: common for host, common in pairs.items() if common}
    return tuple(fitting), tuple(sorted(set(fitting.values())))


def answers_to(hostnames: tuple[str, ...], listener: str) -> tuple[str, ...]:
    """Return the hostnames with which requests reach a route; see `Route.answers_to`.

    Args:
        hostnames: of the route; empty: those of the listener.
        listener: the hostname of the listener; empty: any.
    """
    return _hostnames(hostnames, listener)[1]


def redirect_of(route: Route, listeners: Listeners) -> Route | None:
    """Return the route that redirects clients from HTTP to a route that is served over HTTPS.

    Routes for port 80, which with TLS are served on port 443, have one. gRPC clients do not follow
    redirects.
    """
    is_default = listeners.tls and route.listener == listeners.default
    if not is_default or route.protocol is Protocol.GRPC:
        return None
    return msgspec.structs.replace(
        route, listener=REDIRECTING, backends=(), missing=(), rewrite=None, redirect=_TO_TLS
    )


def named(routes: Iterable[Route], app: str) -> tuple[Route, ...]:
    """Return the routes with the names of their objects; different routes get different names.

    The first in order has the plain name, others of that name get a hash: application `a` with
    route `b-c` and application `a-b` with route `c` would share one. Equal routes share a name.

    Args:
        routes: in a stable order.
        app: our application.
    """
    taken: dict[tuple[Protocol, str, str], Route] = {}
    result: list[Route] = []
    for route in routes:
        name = f"{route.name}-{route.protocol.lower()}route-{route.listener.name}-{app}"
        full = _with_name(route, name)
        if taken.setdefault(full.ref, full).content != full.content:
            requester = route.requester
            identity = [requester.app, requester.endpoint, route.relation_id, route.field, name]
            digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:10]
            full = _with_name(route, f"{digest}-{name}")
        result.append(full)
    return tuple(result)


def _with_name(route: Route, name: str) -> Route:
    return msgspec.structs.replace(route, name=name_with_hash(name, OBJECT_NAME_LIMIT))
