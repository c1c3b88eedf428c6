# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Facts for the tests of the gateway: a shop with applications, and who asks for a route."""

from typing import Any

from istio_ambient import authorization, ingress, kube
from istio_ambient.ingress.model import _facts

CERTIFICATE = ingress.Certificate(chain="a chain", key="a key")
ADDRESS = "203.0.113.10"


def service(
    name: str = "productpage",
    namespace: str = "shop",
    port: int = 9080,
    target: int | str | None = None,
    **changes: Any,
) -> ingress.Service:
    ports = (_facts.ServicePort(port, port if target is None else target, "http"),)
    defaults: dict[str, Any] = {
        "selector": {"app.kubernetes.io/name": name},
        "ports": ports,
        "by_juju": True,
    }
    return ingress.Service(namespace, name, **{**defaults, **changes})


def request(
    app: str = "productpage",
    name: str | None = None,
    model: str = "shop",
    port: int = 9080,
    relation_id: int = 1,
    uuid: str = "",
    endpoint: str = "ingress",
    **changes: Any,
) -> ingress.IngressRequest:
    requester = authorization.Requester(app, endpoint, uuid)
    return ingress.IngressRequest(requester, relation_id, model, name or app, port, **changes)


def route(name: str = "main", **changes: Any) -> ingress.RouteRequest:
    """Return a route to tempo's port 3200 for everything that comes to port 8080."""
    arguments: dict[str, Any] = {
        "field": "http_routes[0]",
        "name": name,
        "protocol": ingress.Protocol.HTTP,
        "port": 8080,
        "backends": (ingress.ServiceRef("tempo", 3200),),
        "matches": (ingress.Match(path=f"/{name}"),),
        **changes,
    }
    return ingress.RouteRequest(**arguments)


def configuration(
    app: str,
    *routes: ingress.RouteRequest,
    uuid: str = "",
    endpoint: str = "istio-ingress-route",
    relation_id: int = 5,
    model: str = "shop",
    **changes: Any,
) -> ingress.RouteConfiguration:
    return ingress.RouteConfiguration(
        authorization.Requester(app, endpoint, uuid), relation_id, model, routes=routes, **changes
    )


def facts(
    *requests: ingress.IngressRequest,
    services: tuple[ingress.Service, ...] = (service(),),
    address: str = ADDRESS,
    **changes: Any,
) -> ingress.Facts:
    gateway = ingress.Service("shop", "gate-istio", type="LoadBalancer", address=address)
    by_name = {(s.namespace, s.name): s for s in (*services, gateway)}
    return ingress.Facts(
        "shop",
        "gate",
        requests=requests,
        services=by_name,
        pod_labels={"charms.canonical.com/shop.gate.telemetry": "aggregated"},
        **changes,
    )


def objects(facts: ingress.Facts) -> dict[str, dict[str, Any]]:
    """Return the desired objects in JSON form, by `<Kind> <namespace>/<name>`."""
    wanted = ingress.desired(facts).objects
    return {str(kube.ref_of(obj)): kube.manifest_of(obj) for obj in wanted}
