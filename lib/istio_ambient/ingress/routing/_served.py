# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The routes that the gateway serves, and the reasons why others are not served."""

from collections.abc import Sequence
from dataclasses import dataclass

from istio_ambient import kube
from istio_ambient.ingress.model import ForwardAuth, IngressRequest, Tls, Upstream
from istio_ambient.ingress.routing import _conflicts, _routes
from istio_ambient.ingress.routing._hosts import Hosts
from istio_ambient.ingress.routing._listeners import Listeners
from istio_ambient.ingress.routing._routes import Outcome, Route
from istio_ambient.values.problems import Problem


@dataclass(frozen=True)
class Served:
    """The routes that become objects, and those that do not."""

    routes: tuple[Route, ...] = ()
    """In a stable order; equal requests of one application over two relations give two."""
    redirects: tuple[Route, ...] = ()
    """From HTTP to those of the routes that are served over HTTPS."""
    problems: tuple[Problem, ...] = ()
    """Routes that are refused or in conflict."""
    pending: tuple[kube.Readiness, ...] = ()
    """Routes whose backends do not exist yet."""
    clashing: frozenset[int] = frozenset()
    """Ids of the relations with a route in conflict; their databags get nothing."""

    @property
    def objects(self) -> tuple[Route, ...]:
        """Routes and redirects: every HTTPRoute and GRPCRoute."""
        return (*self.routes, *self.redirects)


def served(
    outcomes: Sequence[Outcome], hosts: Hosts, listeners: Listeners, app: str, *, withheld: bool
) -> Served:
    """Return the routes without those that conflict, and with the names of their objects.

    Routes that are refused or pending take no part in conflicts, so no application can take
    another one's path away with a request that is never granted.

    Args:
        outcomes: of all requests, in their order.
        hosts: names that clients know the gateway by.
        listeners: of which routes use those that are open.
        app: our application.
        withheld: whether the gateway serves nothing for now.
    """
    problems = [each for each in outcomes if isinstance(each, Problem)]
    pending = [each for each in outcomes if isinstance(each, kube.Readiness)]
    candidates = [
        (route, _routes.redirect_of(route, listeners))
        for route in outcomes
        if isinstance(route, Route) and route.listener in listeners.opened
    ]
    candidates, takeovers = _conflicts.without_takeovers(candidates, hosts.known_by)
    settled = _conflicts.settle(candidates)
    kept = () if withheld else settled.candidates
    redirects = (redirect for _, redirect in kept if redirect)
    everything = _routes.named((*(route for route, _ in kept), *redirects), app)
    return Served(
        routes=everything[: len(kept)],
        redirects=everything[len(kept) :],
        problems=(*problems, *takeovers, *settled.problems),
        pending=tuple(pending),
        clashing=settled.clashing,
    )


def withholding(tls: Tls, forward_auth: ForwardAuth) -> tuple[kube.Readiness, ...]:
    """Return why the gateway serves no route for now; empty: it serves."""
    reasons: list[kube.Readiness] = []
    if tls.pending:
        reason = f"{tls.awaited or 'there is none yet'}; no plain HTTP meanwhile"
        reasons.append(kube.Readiness("certificates", ready=False, reason=reason))
    if forward_auth.pending:
        missing = forward_auth.missing or "no authorizer yet"
        reason = f"{missing}; the gateway denies all requests meanwhile"
        reasons.append(kube.Readiness("forward-auth", ready=False, reason=reason))
    return tuple(reasons)


def awaited(tls: Tls, upstream: Upstream) -> tuple[kube.Readiness, ...]:
    """Return what the gateway waits for while it serves without it."""
    reasons: list[kube.Readiness] = []
    if tls.awaited and not tls.pending:
        reasons.append(kube.Readiness("certificates", ready=False, reason=tls.awaited))
    if upstream.app and not upstream.url:
        reason = f"{upstream.app} has not said under which URL it serves us"
        reasons.append(kube.Readiness("upstream-ingress", ready=False, reason=reason))
    return tuple(reasons)


def without_routes(requests: Sequence[IngressRequest]) -> frozenset[int]:
    """Return the ids of relations that ask for no route, only for listeners or to know the host.

    Args:
        requests: those whose model is the requester's own.
    """
    return frozenset(
        request.relation_id
        for request in requests
        if (configuration := request.configuration)
        and request.complete
        and not configuration.http_routes
        and not configuration.grpc_routes
    )
