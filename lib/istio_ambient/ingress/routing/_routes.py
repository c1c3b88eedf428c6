# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Requests into routes: one value for both interfaces, refused or pending where that is due."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from istio_ambient import authorization, kube
from istio_ambient.ingress.model import (
    Facts,
    IngressRequest,
    Match,
    PathModifier,
    Protocol,
    Redirect,
    Rewrite,
    RouteConfiguration,
    RouteRequest,
    Scheme,
    ServiceRef,
)
from istio_ambient.ingress.routing import _backends, _hosts, _listeners
from istio_ambient.ingress.routing._backends import Backend
from istio_ambient.ingress.routing._listeners import Listener
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problems import Problem

OBJECT_NAME_LIMIT = 253
"""Characters of the name of a custom resource: a DNS subdomain."""


@dataclass(frozen=True)
class Route:
    """What becomes of the requests that a listener gets for some hostnames and that match."""

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
    """As they stand in the object; empty: those of the listener."""
    answers_to: tuple[str, ...] = ("*",)
    """What of these the listener lets through; never empty, `*`: any."""
    backends: tuple[Backend, ...] = ()
    """Empty only where `redirect` is set."""
    scheme: Scheme = "http"
    """What the backends speak."""
    rewrite: Rewrite | None = None
    redirect: Redirect | None = None
    field: str = ""
    """Where it stands in the databag."""

    @property
    def target(self) -> tuple[object, ...]:
        """What happens to matching requests."""
        return self.backends, self.scheme, self.rewrite, self.redirect, self.protocol

    @property
    def path(self) -> str:
        """Of the first match."""
        return self.matches[0].path

    @property
    def ref(self) -> tuple[Protocol, str, str]:
        """What no two objects may share: kind, namespace, name."""
        return self.protocol, self.namespace, self.name


Outcome: TypeAlias = Route | Problem | kube.Readiness
"""Of a request: served, refused, or waiting for what is not there yet."""


def of_request(request: IngressRequest, hosts: _hosts.Hosts, facts: Facts) -> Outcome:
    """Return what becomes of a request of interface `ingress`."""
    requester = request.requester
    refusal = _backends.model_refusal(requester, request.model, facts)
    if refusal:
        return refusal
    ref = ServiceRef(request.name, request.port)
    backend = _backends.backend_of(
        requester, request.model, ref, "name", facts, home_name=request.name
    )
    if not isinstance(backend, Backend):
        return backend
    rewrite = Rewrite(path=PathModifier("/", whole=False)) if request.strip_prefix else None
    return Route(
        requester=requester,
        relation_id=request.relation_id,
        authenticated=request.authenticated,
        protocol=Protocol.HTTP,
        name=request.name,
        namespace=request.model,
        listener=_listeners.serving(_listeners.HTTP_PORT, facts),
        matches=(Match(path=f"/{request.model}-{request.name}"),),
        answers_to=(hosts.listener or "*",),
        backends=(backend,),
        scheme=request.scheme,
        rewrite=rewrite,
    )


def of_configuration(
    configuration: RouteConfiguration, hosts: _hosts.Hosts, facts: Facts
) -> Iterator[Outcome]:
    """Yield what becomes of each route of interface `istio_ingress_route`."""
    refusal = _backends.model_refusal(configuration.requester, configuration.model, facts)
    if refusal:
        yield refusal
        return
    for request in configuration.routes:
        yield _of_route_request(request, configuration, hosts, facts)


def _of_route_request(
    request: RouteRequest, configuration: RouteConfiguration, hosts: _hosts.Hosts, facts: Facts
) -> Outcome:
    requester = configuration.requester
    hostnames, answers_to = _hostnames(request.hostnames, hosts.listener)
    if not answers_to:
        field = f"{request.field}.hostnames"
        message = f"none of them fits the gateway's own, {hosts.listener}: refused"
        remedy = f"use {hosts.listener}, or leave them out"
        return Problem(requester.app, requester.endpoint, field, message, remedy)
    backends: list[Backend] = []
    for number, ref in enumerate(request.backends if request.redirect is None else ()):
        field = f"{request.field}.backends[{number}].service"
        found = _backends.backend_of(requester, configuration.model, ref, field, facts)
        if not isinstance(found, Backend):
            return found
        backends.append(found)
    # Gateway API's GRPCRoute cannot redirect; to HTTP a method is a path.
    matches, protocol = request.matches, request.protocol
    if request.redirect is not None:
        protocol = Protocol.HTTP
        matches = tuple(dataclasses.replace(match, grpc=None) for match in matches)
    return Route(
        requester=requester,
        relation_id=configuration.relation_id,
        authenticated=configuration.authenticated,
        protocol=protocol,
        name=f"{requester.app}-{request.name}",
        namespace=configuration.model,
        listener=_listener(request, facts),
        matches=matches,
        hostnames=hostnames,
        answers_to=answers_to,
        backends=tuple(backends),
        scheme="grpc" if request.protocol is Protocol.GRPC else "http",
        rewrite=request.rewrite,
        redirect=request.redirect,
        field=request.field,
    )


def _listener(request: RouteRequest, facts: Facts) -> Listener:
    """Return where a route is served; one that itself leads from plain HTTP to TLS stays there."""
    leads_to_tls = request.redirect is not None and request.redirect.scheme == "https"
    if leads_to_tls and request.port == _listeners.HTTP_PORT:
        return _listeners.REDIRECTING
    return _listeners.serving(request.port, facts)


def _hostnames(wanted: tuple[str, ...], listener: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which hostnames stand in the object, and which requests get to the route."""
    if not wanted:
        return (), (listener or "*",)
    pairs = {host: _hosts.intersection(host, listener) for host in sorted(set(wanted))}
    fitting = {host: common for host, common in pairs.items() if common}
    return tuple(fitting), tuple(sorted(set(fitting.values())))


def redirect_of(route: Route, facts: Facts) -> Route | None:
    """Return the route that sends clients from plain HTTP to a route that is served over TLS.

    There is one for what is asked for port 80, which with TLS is served on 443. gRPC clients do
    not follow redirects.
    """
    if route.protocol is Protocol.GRPC or route.listener != _usual_tls(facts):
        return None
    return dataclasses.replace(
        route,
        listener=_listeners.REDIRECTING,
        backends=(),
        rewrite=None,
        redirect=Redirect(scheme="https"),
    )


def _usual_tls(facts: Facts) -> Listener | None:
    usual = _listeners.serving(_listeners.HTTP_PORT, facts)
    return usual if usual.protocol == "HTTPS" else None


def named(routes: Iterable[Route], facts: Facts) -> tuple[Route, ...]:
    """Return the routes with the names of their objects, no two different ones with the same.

    The first in order keeps the plain name (application `a` with route `b-c` and `a-b` with `c`
    would share one), the others get a hash. What is the same twice has one name.
    """
    taken: dict[tuple[Protocol, str, str], Route] = {}
    result: list[Route] = []
    for route in routes:
        name = f"{route.name}-{route.protocol.lower()}route-{route.listener.name}-{facts.app}"
        full = _with_name(route, name)
        if not _same_object(taken.setdefault(full.ref, full), full):
            requester = route.requester
            identity = [requester.app, requester.endpoint, route.relation_id, route.field, name]
            digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:10]
            full = _with_name(route, f"{digest}-{name}")
        result.append(full)
    return tuple(result)


def _with_name(route: Route, name: str) -> Route:
    return dataclasses.replace(route, name=name_with_hash(name, OBJECT_NAME_LIMIT))


def _same_object(one: Route, other: Route) -> bool:
    return (one.target, one.matches, one.hostnames, one.listener, one.requester.app) == (
        other.target,
        other.matches,
        other.hostnames,
        other.listener,
        other.requester.app,
    )
