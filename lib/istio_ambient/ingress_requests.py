# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Between databags and what the gateway decides on: the two know nothing of each other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from istio_ambient import ingress, kube, mesh
from istio_ambient.problems import Problem
from istio_ambient.relations import ingress as ingress_relation

INGRESS = "ingress"
INGRESS_UNAUTHENTICATED = "ingress-unauthenticated"
ROUTE = "istio-ingress-route"
ROUTE_UNAUTHENTICATED = "istio-ingress-route-unauthenticated"

AUTHENTICATED = frozenset({INGRESS, ROUTE})
"""Endpoints whose routes are behind forward authentication and JWT, where these are on."""


@dataclass(frozen=True)
class Databag:
    """What one application wrote, and who it is."""

    asker: mesh.Asker
    relation_id: int
    content: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """What all applications ask for, and what of it could not be read."""

    requests: tuple[ingress.Request, ...] = ()
    configurations: tuple[ingress.RouteConfiguration, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def cross_model(self) -> bool:
        """Whether anybody asks from another model."""
        return any(each.asker.model_uuid for each in (*self.requests, *self.configurations))

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
    requests: list[ingress.Request] = []
    problems: list[Problem] = []
    for databag in databags:
        if databag.asker.endpoint in (INGRESS, INGRESS_UNAUTHENTICATED):
            request, found = _request(databag)
            requests += [request] if request else []
            problems += found
    return Asked(tuple(requests), (), tuple(problems))


def _request(databag: Databag) -> tuple[ingress.Request | None, list[Problem]]:
    asker = databag.asker
    wish, problems = ingress_relation.parse(
        databag.content, app=asker.app, endpoint=asker.endpoint
    )
    if wish is None:
        return None, problems
    request = ingress.Request(
        asker=asker,
        relation_id=databag.relation_id,
        model=wish.model,
        name=wish.name,
        port=wish.port,
        strip_prefix=bool(wish.strip_prefix),
        scheme=wish.scheme or "http",
        authenticated=asker.endpoint in AUTHENTICATED,
    )
    return request, problems


KEYS: Mapping[str, tuple[str, ...]] = {
    INGRESS: (ingress_relation.URL_KEY,),
    INGRESS_UNAUTHENTICATED: (ingress_relation.URL_KEY,),
}
"""All that we write into our databags, by endpoint."""


def answers(exposed: ingress.Exposure, live: kube.Live) -> dict[int, dict[str, str]]:
    """Return what our databags are to hold by relation; nothing where an application has no route.

    Args:
        exposed: what is served.
        live: the objects that there are: nothing is told before its route is there.
    """
    found: dict[int, dict[str, str]] = {}
    for route in exposed.routes:
        kind = ingress.KINDS[route.protocol]
        url = exposed.url(route)
        if not url or route.relation_id in exposed.clashing:
            continue
        if live.get(kind, route.name, route.namespace) is None:
            continue
        if route.asker.endpoint in (INGRESS, INGRESS_UNAUTHENTICATED):
            found[route.relation_id] = ingress_relation.dump(url)
    return found
