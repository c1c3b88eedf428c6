# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A scenario of istio-beacon-k8s: a shop with applications that ask for access, and scrapers."""

from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.cases.gateway_charms import CONTROL_PLANE, COS, SCRAPERS, STORE
from tests.unit.whole_charm.scenarios import Scenario

NAME = "app.kubernetes.io/name"
WAYPOINT = "shop-beacon-waypoint"
GATEWAY, LAMP = f"Gateway shop/{WAYPOINT}", "Gateway shop/shop-lamp-waypoint"
PARAMETERS = f"ConfigMap shop/{WAYPOINT}-parameters: data.deployment.spec.template.spec"
DETAILS = "access to Service shop/details"
DETAILS_PODS = f"access to pods shop/{NAME}=details"
STOCK = "access to Service store/stock"
OURS = f"access to pods shop/{NAME}=beacon"
RULE = f"{DETAILS}: spec.rules[0]"
OPERATION = f"{RULE}.to[0].operation"
JUJU = {"labels": {"app.kubernetes.io/managed-by": "juju"}}
MANAGED_BY = "charms.canonical.com/istio.io.waypoint.managed-by"
WAYPOINT_LABELS = {
    "istio.io/dataplane-mode": "ambient",
    "istio.io/use-waypoint": WAYPOINT,
    "istio.io/use-waypoint-namespace": "shop",
}

ENTRY: dict[str, Any] = {
    "source_namespace": "shop",
    "source_app_name": "productpage",
    "target_namespace": "shop",
    "target_app_name": "details",
    "endpoints": [
        {"hosts": ["details.shop"], "ports": [9080], "methods": ["GET"], "paths": ["/details/*"]}
    ],
}
STOCK_ENTRY: dict[str, Any] = {
    "source_namespace": "shop",
    "source_app_name": "productpage",
    "target_namespace": "store",
    "target_app_name": "stock",
    "target_service": "stock",
}


def service(app: str, **spec: Any) -> dict[str, Any]:
    """Return a Service as Juju makes it for an application."""
    return {"metadata": JUJU, "spec": {"selector": {NAME: app}, "ports": [{"port": 80}], **spec}}


def ready(replicas: int = 1) -> dict[str, Any]:
    """Return a Deployment all of whose pods work."""
    return {
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {}, "replicas": replicas},
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": replicas,
        },
    }


OWN_PODS: Mapping[str, Any] = {
    "spec": {"serviceName": "beacon", "selector": {}, "template": {"metadata": {}}}
}

BASE: Scenario = {
    "charm": "istio-beacon-k8s",
    "app": "beacon",
    "relations": {
        "details": {
            "endpoint": "service-mesh",
            "app": "details",
            "app_data": {"policies": [ENTRY]},
        },
        "stock": {
            "endpoint": "service-mesh",
            "app": "remote-stock",
            "model_uuid": STORE,
            "app_data": {"policies": [STOCK_ENTRY]},
        },
        **SCRAPERS,
        "grafana": {"endpoint": "grafana-dashboard", "app": "grafana"},
    },
    "objects": {
        **CONTROL_PLANE,
        "Namespace shop": {},
        "Namespace store": {"metadata": {"labels": {"model.juju.is/id": STORE}}},
        "Namespace cos": {"metadata": {"labels": {"model.juju.is/id": COS}}},
        "Service shop/beacon": service("beacon"),
        "Service shop/details": service("details"),
        "Service shop/reviews": service("reviews"),
        "Service store/stock": service("stock"),
        "StatefulSet shop/beacon": OWN_PODS,
        f"Deployment shop/{WAYPOINT}": ready(),
    },
}


def asking(*entries: Mapping[str, Any] | None, relation: str = "details") -> Mapping[str, Any]:
    """Return the change by which an application asks for these entries instead."""
    return {"relations": {relation: {"app_data": {"policies": list(entries)}}}}


def changed(relation: str = "details", **members: Any) -> Mapping[str, Any]:
    """Return the change of members of an application's only entry."""
    entry = ENTRY if relation == "details" else STOCK_ENTRY
    return asking({**entry, **members}, relation=relation)


def narrowed(**members: Any) -> Mapping[str, Any]:
    """Return the change of members of the only endpoint."""
    return changed(endpoints=[{**ENTRY["endpoints"][0], **members}])
