# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which routes in the cluster justify that paths need no authentication, and which forbid it.

A path is excepted only while the unauthenticated route for it is in the cluster as desired, and
istiod accepts it: otherwise another route serves the path, of an application that asks for
authentication. Every other route at the gateway counts as authenticated: one that is not desired
any more, an earlier version, and one of another owner.
"""

from collections.abc import Collection, Iterable, Iterator

import msgspec

from istio_ambient.ingress.authentication._paths import PathMatch
from istio_ambient.ingress.model import AttachedRoute
from istio_ambient.ingress.routing import Listeners, PathType, Route, answers_to
from istio_ambient.ingress.routing import Match as RouteMatch


class InForce(msgspec.Struct, frozen=True):
    """The routes in the cluster, as far as authentication depends on them."""

    waiting: frozenset[Route] = frozenset()
    """Unauthenticated routes that are desired, and not in force yet."""
    closed: tuple[PathMatch, ...] = ()
    """What other routes serve: of an earlier hook, or of another owner."""


def in_force(
    routes: Iterable[Route], attached: Collection[AttachedRoute], listeners: Listeners
) -> InForce:
    """Return what is in force of desired routes.

    Args:
        routes: everything that is to be served, redirects included.
        attached: every route in the cluster that names the Gateway, of any owner.
        listeners: of the Gateway.
    """
    by_ref = {each.ref: each for each in attached}
    desired = list(routes)
    open_routes = [route for route in desired if not route.authenticated]
    accepted = {route for route in open_routes if _is_in_force(route, by_ref.get(route.ref))}
    known = {route.ref for route in accepted}
    others = (each for each in attached if each.ref not in known)
    return InForce(
        waiting=frozenset(route for route in open_routes if route not in accepted),
        closed=tuple({match for each in others for match in _matches(each, listeners)}),
    )


def _is_in_force(route: Route, live: AttachedRoute | None) -> bool:
    return (
        live is not None
        and live.accepted is True
        and live.listener == route.listener.name
        and set(live.hostnames) == set(route.hostnames)
        and set(live.matches) == set(route.matches)
    )


def _matches(live: AttachedRoute, listeners: Listeners) -> Iterator[PathMatch]:
    where = answers_to(live.hostnames, listeners.hostname) or ("*",)
    for listener in listeners.in_gateway:
        if live.listener in ("", listener.name) and live.port in (0, listener.port):
            for match in live.matches:
                yield path_match(match, listener.port, (live.protocol, *where))


def path_match(match: RouteMatch, port: int, where: tuple[str, ...]) -> PathMatch:
    """Return the paths of one match of a route, at the port of its listener."""
    return PathMatch(
        path=match.path,
        path_type=match.path_type,
        # Of a gRPC service: its methods, and nothing at the path of the service itself.
        below=match.grpc is not None and match.path_type is PathType.PREFIX,
        port=port,
        where=where,
        restricted=bool(match.method or match.headers),
    )
