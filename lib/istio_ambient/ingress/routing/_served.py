# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The routes that the gateway serves, and the reasons why others are not served."""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeAlias

import msgspec

from istio_ambient import kube
from istio_ambient.ingress.model import ForwardAuth, IngressRequest, Place, Tls, Upstream
from istio_ambient.ingress.routing import _conflicts, _routes
from istio_ambient.ingress.routing._backends import Backends
from istio_ambient.ingress.routing._held import Held, places_of
from istio_ambient.ingress.routing._hosts import Hosts
from istio_ambient.ingress.routing._listeners import Listeners
from istio_ambient.ingress.routing._routes import Route
from istio_ambient.interfaces.istio_ingress_route import Configuration
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

Requests: TypeAlias = Sequence[tuple[IngressRequest, Problem | None]]
"""Requests in their order, with the reason where a whole request is refused."""


class Served(msgspec.Struct, frozen=True):
    """The routes that become objects, and those that do not."""

    routes: tuple[Route, ...] = ()
    """In a stable order; equal requests of one application over two relations give two."""
    withheld: tuple[Route, ...] = ()
    """In place of `routes` while the gateway serves nothing. Their backends stay as they are."""
    places: frozenset[Place] = frozenset()
    """Where requesters are served, or were until routes were withheld."""
    redirects: tuple[Route, ...] = ()
    """From HTTP to those of the routes that are served over HTTPS."""
    problems: tuple[Problem, ...] = ()
    """Routes that are refused or in conflict."""
    pending: tuple[kube.Readiness, ...] = ()
    """What the gateway waits for."""
    clashing: frozenset[int] = frozenset()
    """Ids of the relations with a route refused for a conflict; their databags get nothing."""
    without_routes: frozenset[int] = frozenset()
    """Ids of the relations that ask for no route, only for listeners or to know the host."""

    @property
    def objects(self) -> tuple[Route, ...]:
        """Routes and redirects: every HTTPRoute and GRPCRoute."""
        return (*self.routes, *self.redirects)


def served(
    requests: Requests,
    hosts: Hosts,
    listeners: Listeners,
    backends: Backends,
    *,
    app: str,
    held: Held,
    tls: Tls,
    forward_auth: ForwardAuth,
    upstream: Upstream,
    unguarded: Collection[str] = (),
) -> Served:
    """Return the routes without those that conflict, and with the names of their objects.

    Routes that are refused take no part in conflicts.

    Args:
        requests: of all applications.
        hosts: names that clients know the gateway by.
        listeners: of which routes use those that are open.
        backends: decides about the Services that requests name.
        app: our application.
        held: in a conflict, who is served stays served.
        tls: no route is served while the certificate is missing.
        forward_auth: likewise while the authorizer is missing.
        upstream: waited for, while routes are served.
        unguarded: likewise while these policies cannot be put in place.
    """
    outcomes = list(_outcomes(requests, listeners, backends))
    problems = [each for each in outcomes if isinstance(each, Problem)]
    settled = _conflicts.settle(
        _candidates(outcomes, listeners), hosts.known_by, held.answering(listeners.hostname)
    )
    withholding = (*_withholding(tls, forward_auth), *_unguarded(unguarded))
    kept = settled.candidates
    redirects = (redirect for _, redirect in kept if redirect)
    everything = _routes.named((*(route for route, _ in kept), *redirects), app)
    waiting = (*withholding, *_awaited(tls, upstream))
    routes = everything[: len(kept)]
    return Served(
        routes=() if withholding else routes,
        redirects=() if withholding else everything[len(kept) :],
        withheld=routes if withholding else (),
        places=held.places if withholding else places_of(everything),
        problems=(*problems, *settled.problems),
        pending=tuple(dict.fromkeys(waiting)),
        clashing=settled.clashing,
        without_routes=frozenset() if withholding else _without_routes(requests),
    )


def _outcomes(
    requests: Requests, listeners: Listeners, backends: Backends
) -> Iterator[_routes.Outcome]:
    for request, refusal in requests:
        if refusal:
            yield refusal
        else:
            yield from _routes.routes_of(request, listeners, backends)


def _candidates(
    outcomes: Sequence[_routes.Outcome], listeners: Listeners
) -> list[_conflicts.Candidate]:
    """Return the routes at listeners that are open, with the redirects to them."""
    return [
        (route, _routes.redirect_of(route, listeners))
        for route in outcomes
        if isinstance(route, Route) and route.listener in listeners.opened
    ]


def _withholding(tls: Tls, forward_auth: ForwardAuth) -> Iterator[kube.Readiness]:
    """Yield why the gateway serves no route for now; nothing where it serves."""
    if tls.pending:
        reason = f"{tls.awaited or 'there is none yet'}; no plain HTTP meanwhile"
        code = Code.CERTIFICATE_NOT_ISSUED
        yield kube.Readiness("certificates", ready=False, reason=reason, code=code)
    if forward_auth.pending:
        missing = forward_auth.missing or "no authorizer yet"
        reason = f"{missing}; the gateway denies all requests meanwhile"
        code = Code.LOGIN_PENDING
        yield kube.Readiness("forward-auth", ready=False, reason=reason, code=code)


def _unguarded(policies: Collection[str]) -> Iterator[kube.Readiness]:
    for name in sorted(policies):
        reason = "missing: the gateway serves nothing"
        yield kube.Readiness(name, ready=False, reason=reason, code=Code.GUARD_MISSING)


def _awaited(tls: Tls, upstream: Upstream) -> Iterator[kube.Readiness]:
    """Yield what the gateway waits for while it serves without it."""
    if tls.awaited and not tls.pending:
        code = Code.CERTIFICATE_NOT_ISSUED
        yield kube.Readiness("certificates", ready=False, reason=tls.awaited, code=code)
    if upstream.app and not upstream.url:
        reason = f"{upstream.app} has not said under which URL it serves us"
        code = Code.UPSTREAM_SILENT
        yield kube.Readiness("upstream-ingress", ready=False, reason=reason, code=code)


def _without_routes(requests: Requests) -> frozenset[int]:
    return frozenset(
        request.relation_id
        for request, refusal in requests
        if isinstance(request.data, Configuration)
        and request.complete
        and not request.routes
        and not refusal
    )
