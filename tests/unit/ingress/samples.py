# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Facts for the tests of the gateway: a shop with applications, and their requests for routes."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec
from istio_ambient import authorization, ingress, kube
from istio_ambient.ingress.routing import Match
from istio_ambient.interfaces import istio_ingress_route
from istio_ambient.interfaces.ingress import IngressRequirerData
from istio_ambient.interfaces.istio_ingress_route import (
    Backend,
    GrpcRoute,
    HttpRoute,
    RequestRedirect,
)

from tests.unit.whole_charm.fake_cluster import CONTROLLER

CERTIFICATE = ingress.Certificate(chain="a chain", key="a key")
ADDRESS = "203.0.113.10"

PlacedRoute: TypeAlias = tuple[str, HttpRoute | GrpcRoute]
"""A route with its place in the databag."""


def service(
    name: str = "productpage",
    namespace: str = "shop",
    port: int = 9080,
    target: int | str | None = None,
    **changes: Any,
) -> authorization.ServiceFacts:
    ports = (authorization.ServicePort(port, port if target is None else target, "http"),)
    defaults: dict[str, Any] = {
        "selector": {"app.kubernetes.io/name": name},
        "ports": ports,
        "by_juju": True,
    }
    return authorization.ServiceFacts(namespace, name, **{**defaults, **changes})


def request(
    app: str = "productpage",
    name: str | None = None,
    model: str = "shop",
    port: int = 9080,
    relation_id: int = 1,
    uuid: str = "",
    endpoint: str = "ingress",
    authenticated: bool = True,
    **changes: Any,
) -> ingress.IngressRequest:
    content = {key.replace("_", "-"): value for key, value in changes.items()}
    data = IngressRequirerData.model_validate(
        {"model": model, "name": name or app, "port": port, **content}
    )
    requester = authorization.Requester(app, endpoint, uuid)
    return ingress.IngressRequest(requester, relation_id, data, authenticated)


def backend(service: str, port: int, weight: int | None = None) -> Backend:
    return Backend(service=service, port=port, weight=weight)


def redirect(**content: Any) -> RequestRedirect:
    return RequestRedirect.model_validate(content)


def route(
    name: str = "main",
    *,
    field: str = "http_routes[0]",
    port: int = 8080,
    backends: Iterable[Backend] = (backend("tempo", 3200),),
    matches: Iterable[Match] | None = None,
    hostnames: Iterable[str] = (),
    rewrite: dict[str, Any] | None = None,
    redirect: RequestRedirect | None = None,
    grpc: bool = False,
) -> PlacedRoute:
    """Return a route to tempo's port 3200 for everything that comes to port 8080.

    A gRPC match, or `grpc`, makes it a GRPCRoute.
    """
    matches = tuple((Match(path=f"/{name}"),) if matches is None else matches)
    is_grpc = grpc or any(match.grpc for match in matches)
    filters: list[dict[str, Any]] = []
    if rewrite is not None:
        filters.append({"type": "URLRewrite", "urlRewrite": rewrite})
    if redirect is not None:
        content = redirect.model_dump(mode="json", by_alias=True)
        filters.append({"type": "RequestRedirect", "requestRedirect": content})
    content = {
        "name": name,
        "listener": {"port": port, "protocol": "GRPC" if is_grpc else "HTTP"},
        "backends": [each.model_dump() for each in backends],
        "matches": [_grpc_match(each) if is_grpc else _http_match(each) for each in matches],
        "hostnames": list(hostnames),
        "filters": filters,
    }
    return field, (GrpcRoute if is_grpc else HttpRoute).model_validate(content)


def _http_match(match: Match) -> dict[str, Any]:
    return {
        "path": {"type": match.path_type.value, "value": match.path},
        "method": match.method or None,
        "headers": dict(match.headers),
    }


def _grpc_match(match: Match) -> dict[str, Any]:
    service, method = match.grpc or ("", "")
    return {"method": {"service": service, "method": method or None} if service else None}


def configuration(
    app: str,
    *routes: PlacedRoute,
    uuid: str = "",
    endpoint: str = "istio-ingress-route",
    relation_id: int = 5,
    model: str = "shop",
    ports: Iterable[int] = (),
    **changes: Any,
) -> ingress.IngressRequest:
    data = istio_ingress_route.Configuration(
        model=model,
        listeners=tuple(
            istio_ingress_route.Listener(port=port, protocol="HTTP") for port in ports
        ),
        http_routes=tuple((field, r) for field, r in routes if isinstance(r, HttpRoute)),
        grpc_routes=tuple((field, r) for field, r in routes if isinstance(r, GrpcRoute)),
    )
    requester = authorization.Requester(app, endpoint, uuid)
    return ingress.IngressRequest(requester, relation_id, data, **changes)


def facts(
    *requests: ingress.IngressRequest,
    services: tuple[authorization.ServiceFacts, ...] = (service(),),
    address: str = ADDRESS,
    model_namespaces: dict[str, str] | None = None,
    named_ports: dict[tuple[str, str, str], frozenset[int]] | None = None,
    node_address: str = "",
    foreign_routes: tuple[ingress.AttachedRoute, ...] = (),
    **changes: Any,
) -> ingress.Facts:
    gateway = authorization.ServiceFacts(
        "shop", "gate-istio", type="LoadBalancer", address=address
    )
    by_name = {(s.namespace, s.name): s for s in (gateway, *services)}
    return ingress.Facts(
        "shop",
        "gate",
        requests=requests,
        cluster=ingress.Cluster(
            by_name, model_namespaces or {}, named_ports or {}, node_address, foreign_routes
        ),
        pod_labels={"charms.canonical.com/shop.gate.telemetry": "aggregated"},
        **changes,
    )


def resolve(facts: ingress.Facts) -> ingress.Ingress:
    """Return what follows from the facts once istiod has accepted the routes that do."""
    found = ingress.resolve(facts)
    kinds = tuple(ingress.KINDS.values())
    routes: list[kube.Resource] = [
        each for each in ingress.desired(found).objects if isinstance(each, kinds)
    ]
    accepted = [{"type": "Accepted", "status": "True"}]
    for route in routes:
        parents = kube.items(kube.section(kube.manifest_of(route), "spec"), "parentRefs")
        route["status"] = {
            "parents": [
                {"controllerName": CONTROLLER, "parentRef": ref, "conditions": accepted}
                for ref in parents
            ]
        }
    live = ingress.attached_routes(routes, facts.gateway)
    return ingress.resolve(msgspec.structs.replace(facts, live_routes=live))


def objects(facts: ingress.Facts) -> dict[str, dict[str, Any]]:
    """Return the desired objects in JSON form, by `<Kind> <namespace>/<name>`."""
    wanted = ingress.desired(resolve(facts)).objects
    return {str(kube.ref_of(obj)): kube.manifest_of(obj) for obj in wanted}
