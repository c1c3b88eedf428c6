# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A Gateway as objects: the Gateway itself, its parameters for istiod, and its scale."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from lightkube.models import autoscaling_v2, meta_v1
from lightkube.resources import autoscaling_v2 as autoscaling
from lightkube.resources import core_v1

from istio_ambient import kube, resources
from istio_ambient.gateways import _parameters
from istio_ambient.gateways._parameters import Settings
from istio_ambient.values.text import printable

KINDS = (resources.Gateway, autoscaling.HorizontalPodAutoscaler, core_v1.ConfigMap)
"""Kinds of the objects that `objects` returns."""
APART: frozenset[kube.ResourceType] = frozenset(KINDS) - {resources.Gateway}
"""Those on whose live objects nothing depends."""


class Gateway(msgspec.Struct, frozen=True):
    """A Gateway to apply, with the settings of what istiod makes of it."""

    name: str
    namespace: str
    gateway_class: str
    workload: str
    """Name of the Deployment, Service and ServiceAccount that istiod makes."""
    listeners: Sequence[Mapping[str, Any]]
    """As in `spec.listeners` of the Gateway."""
    replicas: int = 1
    labels: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Labels of the Gateway itself."""
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Likewise; istiod copies neither into the pods."""
    pod_labels: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    pod_annotations: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Of the pods alone: what `spec.infrastructure` names gets onto Deployment and Service too."""
    settings: Settings | None = msgspec.field(default_factory=Settings)
    """None: an option is invalid, and the last valid settings stay."""


def objects(gateway: Gateway) -> tuple[kube.Resource, ...]:
    """Return the Gateway, the ConfigMap of its parameters, and the autoscaler.

    Without valid settings now and before, the Service is of type ClusterIP: not exposed.
    """
    settings = gateway.settings or Settings()
    return (
        _parameters.parameters(gateway.name, gateway.namespace, settings, gateway.pod_annotations),
        _gateway(gateway),
        _autoscaler(gateway),
    )


def allowed_routes(own: str, others: Iterable[str]) -> Mapping[str, Any]:
    """Return `allowedRoutes` of a listener: the namespaces whose routes it takes.

    For a waypoint, istiod also decides by them which Services may use it
    (`AllowsAttachmentFromNamespace`, pilot/pkg/serviceregistry/ambient/waypoints.go).

    Args:
        own: namespace of the Gateway.
        others: further namespaces.
    """
    names = sorted({own, *others})
    if names == [own]:
        return {"namespaces": {"from": "Same"}}
    # The API server sets this label on every namespace, and refuses every change of it.
    named = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}
    return {"namespaces": {"from": "Selector", "selector": {"matchExpressions": [named]}}}


def held(gateway: Gateway) -> Mapping[kube.Ref, str]:
    """Return the objects to keep as they are while the settings are invalid, with the reason.

    The mapping is that of `kube.plan`.
    """
    if gateway.settings is not None:
        return {}
    name = _parameters.parameters_name(gateway.name)
    ref = kube.ref_in(core_v1.ConfigMap, name, gateway.namespace)
    return {ref: f"gateway {gateway.name} waits for valid options"}


def _gateway(gateway: Gateway) -> resources.Namespaced:
    """Return the Gateway.

    istiod copies labels and annotations of a Gateway without `spec.infrastructure` into the pod
    template of its Deployment. Our identity and hash do not belong there: every changed listener
    would restart the pods.
    """
    return resources.Gateway(
        metadata=meta_v1.ObjectMeta(
            name=gateway.name,
            namespace=gateway.namespace,
            labels=dict(gateway.labels) or None,
            annotations=dict(gateway.annotations) or None,
        ),
        spec={
            "gatewayClassName": gateway.gateway_class,
            "infrastructure": {
                "labels": dict(gateway.pod_labels),
                "annotations": {},
                "parametersRef": {
                    "group": "",
                    "kind": "ConfigMap",
                    "name": _parameters.parameters_name(gateway.name),
                },
            },
            "listeners": [dict(listener) for listener in gateway.listeners],
        },
    )


def _autoscaler(gateway: Gateway) -> autoscaling.HorizontalPodAutoscaler:
    """Return the autoscaler that keeps as many pods as the charm has units.

    It is our object: the one of istiod has another name than that of the public charms, and is
    not deleted with the key that asks for it.
    """
    replicas = max(1, gateway.replicas)
    return autoscaling.HorizontalPodAutoscaler(
        metadata=meta_v1.ObjectMeta(name=gateway.name, namespace=gateway.namespace),
        spec=autoscaling_v2.HorizontalPodAutoscalerSpec(
            minReplicas=replicas,
            maxReplicas=replicas,
            scaleTargetRef=autoscaling_v2.CrossVersionObjectReference(
                apiVersion="apps/v1", kind="Deployment", name=gateway.workload
            ),
        ),
    )


def refusal(live: kube.Manifest, *types: str) -> tuple[str, datetime.datetime | None]:
    """Return why istiod does not run a Gateway as it is now, and since when; empty: it does.

    What it has not said yet is no refusal.

    Args:
        live: manifest of the Gateway in the cluster.
        types: of conditions that have to be true, as Gateway API names them.
    """
    for condition in kube.current_conditions(kube.section(live, "status"), live):
        if condition["type"] in types and condition["status"] == "False":
            since = kube.time_of(condition.get("lastTransitionTime"))
            reason = printable(str(condition.get("message") or condition.get("reason")))
            return f"istiod has not {condition['type'].lower()} the Gateway: {reason}", since
    return "", None


def unmade_reason(live: kube.Manifest) -> str:
    """Return why a Gateway has no Deployment yet, according to its status.

    Its condition `Accepted` is Unknown until a controller has processed it.

    Args:
        live: manifest of the Gateway in the cluster.
    """
    for condition in live.get("status", {}).get("conditions") or ():
        if condition.get("type") == "Accepted" and condition.get("status") == "True":
            return "istiod accepted the Gateway and has not made it yet: see the log of istiod"
        if condition.get("type") == "Accepted" and condition.get("status") == "False":
            return f"istiod rejects the Gateway: {condition.get('message', '')}"
    return "istiod has not made it yet: is istio-k8s deployed?"
