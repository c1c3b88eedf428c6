# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The ConfigMap of `spec.infrastructure.parametersRef`: patches of the objects that istiod makes.

Each key holds a strategic merge patch of one object that istiod renders from its template
(istio/istio pilot/pkg/config/kube/gatewaycommon/deploymentcontroller.go; documented as
"Automated deployment" of Istio's Gateway API task). istiod makes a PodDisruptionBudget and a
HorizontalPodAutoscaler only where there is a key for it; here it makes the former only.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from lightkube.models import meta_v1
from lightkube.resources import core_v1

from istio_ambient.values.pods import PodSettings

NAME_LABEL = "gateway.networking.k8s.io/gateway-name"
"""Label of the pods that istiod makes, with the name of their Gateway."""
CONTAINER = "istio-proxy"

_DISRUPTION_BUDGET = {
    "spec": {
        # One pod at a time, however many there are. With minAvailable: 1 a gateway of one replica
        # would keep its node from ever being drained.
        "maxUnavailable": 1,
        # A pod that does not work serves no requests, and must not delay a drain.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
}


ServiceType = Literal["LoadBalancer", "NodePort", "ClusterIP"]
TrafficPolicy = Literal["Cluster", "Local"]


class Settings(msgspec.Struct, frozen=True):
    """Differences from what istiod makes of a Gateway on its own account."""

    pods: PodSettings = msgspec.field(default_factory=PodSettings)
    service_type: ServiceType = "ClusterIP"
    external_traffic_policy: TrafficPolicy = "Cluster"
    """`Local`: pods see the addresses of clients, and nodes without a pod do not answer.

    It has no effect on a Service of type `ClusterIP`.
    """


def parameters_name(gateway: str) -> str:
    """Return the name of the ConfigMap of a Gateway."""
    return f"{gateway}-parameters"


def parameters(
    gateway: str, namespace: str, settings: Settings, pod_annotations: Mapping[str, str]
) -> core_v1.ConfigMap:
    """Return the ConfigMap.

    Args:
        gateway: name of the Gateway.
        namespace: of the Gateway, and of the objects that istiod makes of it.
        settings: of the operator.
        pod_annotations: of the pods, and of nothing else that istiod makes.
    """
    template: dict[str, Any] = {"spec": _pod_spec(gateway, settings)}
    if pod_annotations:
        template["metadata"] = {"annotations": dict(pod_annotations)}
    patches = {
        "deployment": {"spec": {"template": template}},
        "podDisruptionBudget": _DISRUPTION_BUDGET,
        "service": {"spec": _service_spec(settings)},
    }
    # JSON is YAML, and quotes every text that YAML could read as a number.
    data = {key: json.dumps(patch, indent=2, sort_keys=True) for key, patch in patches.items()}
    metadata = meta_v1.ObjectMeta(name=parameters_name(gateway), namespace=namespace)
    return core_v1.ConfigMap(metadata=metadata, data=data)


def _pod_spec(gateway: str, settings: Settings) -> Mapping[str, Any]:
    pods = settings.pods
    resources = pods.resources.manifest
    chosen: dict[str, Any] = {
        "containers": [{"name": CONTAINER, "resources": resources}] if resources else (),
        "tolerations": [toleration.manifest for toleration in pods.tolerations or ()],
        "nodeSelector": pods.node_selector,
    }
    return {**_spread(gateway), **{key: value for key, value in chosen.items() if value}}


def _spread(gateway: str) -> Mapping[str, Any]:
    """Return the rules that spread the pods over nodes and zones, as far as there are enough.

    They are preferences: a cluster of one node runs three replicas too. Pods of the version that
    is being replaced do not count.
    """
    same = {
        "labelSelector": {"matchLabels": {NAME_LABEL: gateway}},
        "matchLabelKeys": ["pod-template-hash"],
    }
    apart = {"weight": 100, "podAffinityTerm": {**same, "topologyKey": "kubernetes.io/hostname"}}
    zones = {
        **same,
        "topologyKey": "topology.kubernetes.io/zone",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
    }
    return {
        "affinity": {
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [apart]}
        },
        "topologySpreadConstraints": [zones],
    }


def _service_spec(settings: Settings) -> Mapping[str, Any]:
    if settings.service_type == "ClusterIP":
        return {"type": "ClusterIP"}  # Kubernetes accepts no policy for this type.
    policy = settings.external_traffic_policy
    return {"type": settings.service_type, "externalTrafficPolicy": policy}
