# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Requests into routes: which are served, which are refused, and which clash."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lightkube.models import meta_v1

from istio_ambient import kube, resources
from istio_ambient.ingress import _backends, _hosts
from istio_ambient.ingress._backends import Backend
from istio_ambient.ingress._facts import Facts, Request
from istio_ambient.problems import Problem

HTTP_LISTENER = "http-80"
OBJECT_NAME_LIMIT = 253
"""Characters of the name of a custom resource: a DNS subdomain."""


@dataclass(frozen=True)
class Route:
    """One match at one listener, and where it leads."""

    request: Request
    name: str
    """Of the HTTPRoute, in the backend's namespace."""
    listener: str
    hostname: str
    """Of the listener; empty: any."""
    path: str
    """Prefix of the request path, by whole segments."""
    strip_prefix: bool
    backend: Backend

    @property
    def match(self) -> tuple[str, str, str]:
        """What no two routes may share."""
        return self.listener, self.hostname, self.path

    @property
    def target(self) -> tuple[Backend, bool]:
        """What happens to matching requests."""
        return self.backend, self.strip_prefix


@dataclass(frozen=True)
class Exposure:
    """What of the requests is served, and why the rest is not."""

    hosts: _hosts.Hosts
    routes: tuple[Route, ...] = ()
    """In a stable order; equal requests of one application over two relations give two."""
    problems: tuple[Problem, ...] = ()
    pending: tuple[kube.Readiness, ...] = ()
    """Requests for what is not there yet."""

    def url(self, route: Route) -> str:
        """Return the URL under which a route is reached; empty while no host is known."""
        return f"http://{self.hosts.public}{route.path}" if self.hosts.public else ""


def exposure(facts: Facts) -> Exposure:
    """Tell which requests are served.

    Requests that are refused or pending take no part in conflicts, so nobody can take another
    application's path away with a request that is never granted.
    """
    service = facts.gateway_service
    hosts = _hosts.hosts(facts.config, service.address if service else "")
    routes: list[Route] = []
    problems: list[Problem] = []
    pending: list[kube.Readiness] = []
    for request in sorted(facts.requests, key=lambda request: request.order):
        found = _route(request, facts, hosts.listener)
        if isinstance(found, Route):
            routes.append(found)
        elif isinstance(found, Problem):
            problems.append(found)
        else:
            pending.append(found)
    served, conflicts = _without_conflicts(routes)
    return Exposure(hosts, tuple(served), (*problems, *conflicts), tuple(pending))


def _route(request: Request, facts: Facts, hostname: str) -> Route | Problem | kube.Readiness:
    asker = request.asker
    if request.scheme != "http":
        message = f"{request.scheme} to the application is not supported: refused"
        return Problem(asker.app, asker.endpoint, "scheme", message, "serve plain http")
    backend = _backends.backend_of(request, facts)
    if not isinstance(backend, Backend):
        return backend
    name = f"{request.name}-httproute-{HTTP_LISTENER}-{facts.app}"
    return Route(
        request=request,
        name=kube.name_with_hash(name, OBJECT_NAME_LIMIT),
        listener=HTTP_LISTENER,
        hostname=hostname,
        path=f"/{request.model}-{request.name}",
        strip_prefix=request.strip_prefix,
        backend=backend,
    )


def _without_conflicts(routes: Sequence[Route]) -> tuple[list[Route], list[Problem]]:
    """Return the routes whose match nobody else asked for, and a problem for each that is not."""
    by_match: dict[tuple[str, str, str], list[Route]] = {}
    for route in routes:
        by_match.setdefault(route.match, []).append(route)
    served = [route for route in routes if not _clash(by_match[route.match])]
    clashes = [group for group in by_match.values() if _clash(group)]
    return served, [_conflict(group) for group in clashes]


def _clash(group: Sequence[Route]) -> bool:
    pairs = {(route.request.asker.app, route.request.asker.endpoint) for route in group}
    return len(pairs) > 1 or len({route.target for route in group}) > 1


def _conflict(group: Sequence[Route]) -> Problem:
    first, *others = (route.request.asker for route in group)
    names = ", ".join(sorted({str(other) for other in others}))
    path = group[0].path
    return Problem(
        app=first.app,
        endpoint=first.endpoint,
        field="",
        message=f"asks for {path}, and so does {names}: nobody gets it",
        cure="remove one of these integrations",
    )


def http_routes(routes: Iterable[Route], facts: Facts) -> list[kube.Resource]:
    """Return the HTTPRoutes, each once."""
    by_name = {(route.backend.namespace, route.name): route for route in routes}
    return [_http_route(route, facts) for _, route in sorted(by_name.items())]


def _http_route(route: Route, facts: Facts) -> kube.Resource:
    backend = route.backend
    rule: dict[str, object] = {
        "matches": [{"path": {"type": "PathPrefix", "value": route.path}}],
        "backendRefs": [{"name": backend.service, "port": backend.port}],
    }
    if route.strip_prefix:
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": {"path": path}}]
    parent = {"name": facts.app, "namespace": facts.model, "sectionName": route.listener}
    return resources.HTTPRoute(
        metadata=meta_v1.ObjectMeta(name=route.name, namespace=backend.namespace),
        spec={"parentRefs": [parent], "rules": [rule]},
    )
