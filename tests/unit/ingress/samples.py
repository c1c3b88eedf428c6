# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Facts for the tests of the gateway: a shop with applications, and who asks for a route."""

from typing import Any

from istio_ambient import ingress, kube, mesh

ADDRESS = "203.0.113.10"


def service(
    name: str = "productpage",
    namespace: str = "shop",
    port: int = 9080,
    target: int | str | None = None,
    **changes: Any,
) -> ingress.Service:
    ports = (ingress.ServicePort(port, port if target is None else target, "http"),)
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
) -> ingress.Request:
    asker = mesh.Asker(app, endpoint, uuid)
    return ingress.Request(asker, relation_id, model, name or app, port, **changes)


def facts(
    *requests: ingress.Request,
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
