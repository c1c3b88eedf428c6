# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The waypoint: a Gateway that istiod turns into a Deployment, and the autoscaler of that."""

from collections.abc import Mapping

from lightkube.models import autoscaling_v2, meta_v1
from lightkube.resources import autoscaling_v2 as autoscaling

from istio_ambient import kube, resources

GATEWAY_CLASS = "istio-waypoint"
HBONE_PORT = 15008
WAYPOINT_FOR_LABEL = "istio.io/waypoint-for"


def waypoint_name(model: str, app: str) -> str:
    """Return `<model>-<app>-waypoint`, both cut and a hash put in past 63 characters."""
    return kube.model_app_name(model, app, separator="-", suffix="-waypoint")


def waypoint(
    model: str, app: str, *, replicas: int, pod_labels: Mapping[str, str]
) -> tuple[kube.Resource, ...]:
    """Return the Gateway of the waypoint and the autoscaler that fixes its replicas.

    Args:
        model: our model, which is the namespace too.
        app: our application.
        replicas: how many pods, at least one.
        pod_labels: labels for the pods that istiod makes.
    """
    name = waypoint_name(model, app)
    return _gateway(name, model, pod_labels), _autoscaler(name, model, max(1, replicas))


def _gateway(name: str, namespace: str, pod_labels: Mapping[str, str]) -> resources.Namespaced:
    return resources.Gateway(
        metadata=meta_v1.ObjectMeta(
            name=name,
            namespace=namespace,
            labels={WAYPOINT_FOR_LABEL: "service", **pod_labels},
        ),
        spec={
            "gatewayClassName": GATEWAY_CLASS,
            # Without these istiod copies the Gateway's own labels and annotations to the
            # pods, and whenever our hash among them changes the waypoint restarts.
            "infrastructure": {
                "labels": dict(pod_labels),
                "annotations": {"prometheus.io/scrape": "true"},
            },
            "listeners": [
                {
                    "name": "mesh",
                    "port": HBONE_PORT,
                    "protocol": "HBONE",
                    "allowedRoutes": {"namespaces": {"from": "All"}},
                }
            ],
        },
    )


def _autoscaler(name: str, namespace: str, replicas: int) -> autoscaling.HorizontalPodAutoscaler:
    return autoscaling.HorizontalPodAutoscaler(
        metadata=meta_v1.ObjectMeta(name=name, namespace=namespace),
        spec=autoscaling_v2.HorizontalPodAutoscalerSpec(
            minReplicas=replicas,
            maxReplicas=replicas,
            scaleTargetRef=autoscaling_v2.CrossVersionObjectReference(
                apiVersion="apps/v1", kind="Deployment", name=name
            ),
        ),
    )
