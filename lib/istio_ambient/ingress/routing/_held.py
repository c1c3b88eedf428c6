# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who is served where, and stays so: by routes in the cluster, and the Gateway's annotation.

The annotation is written while routes are served, and kept while they are withheld.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from istio_ambient.ingress.model import AttachedRoute, Match, Place
from istio_ambient.ingress.routing._listeners import port_of
from istio_ambient.ingress.routing._routes import Route, answers_to


class Held(msgspec.Struct, frozen=True):
    """Where requesters are served."""

    live: frozenset[Place] = frozenset()
    """Their routes are in the cluster, and not refused there."""
    remembered: frozenset[Place] = frozenset()
    """Their routes were desired when routes were served last, and were not refused since."""
    ports: frozenset[tuple[str, int]] = frozenset()
    """Requester and port."""

    @property
    def places(self) -> frozenset[Place]:
        """All of it."""
        return self.live | self.remembered

    def answering(self, hostname: str) -> tuple[frozenset[Place], frozenset[Place]]:
        """Return both kinds of places with the hostnames with which requests reach them.

        Args:
            hostname: of the listeners; empty: any.
        """
        return _answering(self.live, hostname), _answering(self.remembered, hostname)


def own_routes(
    live: Iterable[AttachedRoute], homes: Mapping[str, str], own: str
) -> tuple[AttachedRoute, ...]:
    """Return our live routes, each with those requesters only that it can be of.

    A route with all our labels and annotations can be made by whoever may write in its namespace:
    outside of ours, it speaks for the applications of that namespace, and for no others.

    Args:
        live: routes with our labels.
        homes: namespace of each requester, `<application>:<endpoint>`.
        own: our namespace.
    """
    return tuple(
        route
        if route.namespace == own
        else msgspec.structs.replace(
            route,
            requested_by=frozenset(
                name for name in route.requested_by if homes.get(name) == route.namespace
            ),
        )
        for route in live
    )


def held(live: Collection[AttachedRoute], remembered: Iterable[Place]) -> Held:
    """Return who is served where.

    Args:
        live: our own routes in the cluster, as `own_routes` returns them.
        remembered: places in the annotation of the Gateway.
    """
    refused = {place for route in live if route.accepted is False for place in _of_live(route)}
    kept = frozenset(remembered) - refused
    ports = {(name, port_of(route.listener)) for route in live for name in route.requested_by}
    return Held(
        live=frozenset(
            place for route in live if route.accepted is not False for place in _of_live(route)
        ),
        remembered=kept,
        ports=frozenset((*ports, *((place.requester, place.port) for place in kept))),
    )


def places_of(routes: Iterable[Route]) -> frozenset[Place]:
    """Return where requesters are served by routes."""
    return frozenset(
        place
        for route in routes
        for place in _places(
            str(route.requester), route.listener.name, route.hostnames, route.matches
        )
    )


def _of_live(route: AttachedRoute) -> Iterator[Place]:
    for requester in route.requested_by:
        yield from _places(requester, route.listener, route.hostnames, route.matches)


def _places(
    requester: str, listener: str, hostnames: Collection[str], matches: Iterable[Match]
) -> Iterator[Place]:
    for match in matches:
        for hostname in hostnames or ("",):
            yield Place(requester, port_of(listener), hostname, match.path_type, match.path)


def _answering(places: Iterable[Place], hostname: str) -> frozenset[Place]:
    return frozenset(
        place._replace(hostname=answer)
        for place in places
        for answer in answers_to((place.hostname,) if place.hostname else (), hostname)
    )
