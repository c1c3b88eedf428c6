# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What of all that is asked for the gateway serves, and why it does not serve the rest."""

from collections.abc import Iterator
from dataclasses import dataclass

from istio_ambient import kube
from istio_ambient.ingress.model import Facts, IngressRequest, RouteConfiguration
from istio_ambient.ingress.routing import (
    _addresses,
    _backends,
    _conflicts,
    _hosts,
    _listeners,
    _routes,
)
from istio_ambient.ingress.routing._listeners import Listener
from istio_ambient.ingress.routing._routes import Route
from istio_ambient.values.problems import Problem


@dataclass(frozen=True)
class Exposure:
    """What is served: everything that is made, published and shown follows from it."""

    hosts: _hosts.Hosts
    listeners: tuple[Listener, ...] = ()
    routes: tuple[Route, ...] = ()
    """In a stable order; equal requests of one application over two relations give two."""
    redirects: tuple[Route, ...] = ()
    """From plain HTTP to those of the routes that are served over TLS."""
    problems: tuple[Problem, ...] = ()
    pending: tuple[kube.Readiness, ...] = ()
    """Requests for what is not there yet, and what the whole gateway waits for."""
    clashing: frozenset[int] = frozenset()
    """Ids of the relations of which something clashes: they are told nothing."""
    routeless: frozenset[int] = frozenset()
    """Ids of the relations that ask for no route (yet), only for listeners or to know the host."""

    def url(self, route: Route) -> str:
        """Return the URL under which a route is reached; empty while no host is known."""
        return f"{self.hosts.url}{route.path}" if self.hosts.url else ""


def exposure(facts: Facts) -> Exposure:
    """Return which requests are served.

    Requests that are refused or pending take no part in conflicts, so nobody can take another
    application's path away with a request that is never granted.
    """
    hosts = _addresses.hosts_of(facts)
    ports, problems = _open_ports(facts)
    asked: list[Route] = []
    pending = [*withheld(facts), *_awaited(facts)]
    for outcome in _outcomes(facts, hosts):
        if isinstance(outcome, Problem):
            problems.append(outcome)
        elif isinstance(outcome, kube.Readiness):
            pending.append(outcome)
        elif outcome.listener in ports:
            asked.append(outcome)
    led_to = filter(None, (_routes.redirect_of(route, facts) for route in asked))
    asked, takeovers = _conflicts.without_takeovers(asked, hosts.known_by, led_to)
    problems += takeovers
    settled = _conflicts.settle(asked, [_routes.redirect_of(route, facts) for route in asked])
    served = () if any(withheld(facts)) else settled.routes
    redirects = (_routes.redirect_of(route, facts) for route in served)
    everything = _routes.named((*served, *filter(None, redirects)), facts)
    return Exposure(
        hosts=hosts,
        listeners=_listeners.listeners(ports, facts),
        routes=everything[: len(served)],
        redirects=everything[len(served) :],
        problems=(*problems, *settled.problems),
        pending=tuple(dict.fromkeys(pending)),
        clashing=settled.clashing,
        routeless=_routeless(facts),
    )


def withheld(facts: Facts) -> Iterator[kube.Readiness]:
    """Yield why the gateway serves nothing at all for now; nothing: it serves."""
    if facts.tls.pending:
        reason = f"{facts.tls.awaited or 'there is none yet'}; no plain HTTP meanwhile"
        yield kube.Readiness("certificates", ready=False, reason=reason)
    if facts.forward_auth.pending:
        missing = facts.forward_auth.missing or "no authorizer yet"
        reason = f"{missing}, and nobody is let in meanwhile"
        yield kube.Readiness("forward-auth", ready=False, reason=reason)


def _routeless(facts: Facts) -> frozenset[int]:
    if any(withheld(facts)):
        return frozenset()
    return frozenset(
        each.relation_id
        for each in facts.configurations
        if not each.routes
        and not each.faulty
        and not _backends.model_refusal(each.requester, each.model, facts)
    )


def _awaited(facts: Facts) -> Iterator[kube.Readiness]:
    """Yield what the whole gateway waits for, and works without in the meantime."""
    if facts.tls.awaited and not facts.tls.pending:
        yield kube.Readiness("certificates", ready=False, reason=facts.tls.awaited)
    if facts.upstream.app and not facts.upstream.url:
        reason = f"{facts.upstream.app} has not said under which URL it serves us"
        yield kube.Readiness("upstream-ingress", ready=False, reason=reason)


def _outcomes(facts: Facts, hosts: _hosts.Hosts) -> Iterator[_routes.Outcome]:
    everybody: list[IngressRequest | RouteConfiguration] = [*facts.requests, *facts.configurations]
    for each in sorted(everybody, key=lambda asked: asked.order):
        if isinstance(each, IngressRequest):
            yield _routes.of_request(each, hosts, facts)
        else:
            yield from _routes.of_configuration(each, hosts, facts)


def _open_ports(facts: Facts) -> tuple[set[Listener], list[Problem]]:
    """Return the listeners that may be had, and a problem for each that may not."""
    usual = _listeners.serving(_listeners.HTTP_PORT, facts)
    opened = {_listeners.REDIRECTING, usual}
    problems: list[Problem] = []
    for configuration in sorted(facts.configurations, key=lambda each: each.relation_id):
        if _backends.model_refusal(configuration.requester, configuration.model, facts):
            continue
        routes = (route.port for route in configuration.routes)
        for port in sorted({*configuration.ports, *routes}):
            listener = _listeners.serving(port, facts)
            refusal = _listeners.refusal(port)
            if listener in opened:
                continue
            if refusal is None and len(opened) >= _listeners.MAX_LISTENERS:
                refusal = "the gateway has no room for another listener", "remove a listener"
            if refusal is None:
                opened.add(listener)
                continue
            requester = configuration.requester
            problems.append(Problem(requester.app, requester.endpoint, "listeners", *refusal))
    return opened, problems
