# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The waypoint: the Gateway whose pods decide about requests between workloads on the mesh."""

from collections.abc import Collection, Mapping
from typing import Any

from istio_ambient import kube
from istio_ambient.gateways import _gateway, _parameters
from istio_ambient.values.names import model_app_name

WAYPOINT_CLASS = "istio-waypoint"
INGRESS_CLASS = "istio"
"""Gateway classes that istiod makes."""
HBONE_PORT = 15008
WAYPOINT_FOR_LABEL = "istio.io/waypoint-for"


def is_waypoint(gateway: Mapping[str, Any]) -> bool:
    """Return whether a Gateway in JSON form is of the class of waypoints."""
    return kube.section(gateway, "spec").get("gatewayClassName") == WAYPOINT_CLASS


def waypoint_name(model: str, app: str) -> str:
    """Return `<model>-<app>-waypoint`; past 63 characters both are cut and a hash is added."""
    return model_app_name(model, app, separator="-", suffix="-waypoint")


def waypoint(
    model: str,
    app: str,
    *,
    replicas: int,
    pod_labels: Mapping[str, str],
    settings: _parameters.Settings | None,
    namespaces: Collection[str] = (),
) -> _gateway.Gateway:
    """Return the waypoint of an application, for Services of our own and other namespaces.

    Args:
        model: our model, which is the namespace too.
        app: our application.
        replicas: number of pods, at least one.
        pod_labels: labels for the pods that istiod makes.
        settings: of the operator; None: an option is invalid, and the last valid ones stay.
        namespaces: other namespaces whose Services may use the waypoint.
    """
    name = waypoint_name(model, app)
    return _gateway.Gateway(
        name=name,
        namespace=model,
        gateway_class=WAYPOINT_CLASS,
        workload=name,
        labels={WAYPOINT_FOR_LABEL: "service", **pod_labels},
        pod_labels=pod_labels,
        replicas=replicas,
        settings=settings,
        listeners=[
            {
                "name": "mesh",
                "port": HBONE_PORT,
                "protocol": "HBONE",
                "allowedRoutes": _gateway.allowed_routes(model, namespaces),
            }
        ],
    )
