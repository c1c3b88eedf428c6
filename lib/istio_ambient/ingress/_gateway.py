# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Gateway, from which istiod makes Deployment, Service and ServiceAccount, and its scale."""

import datetime
from collections.abc import Iterable

from lightkube.models import autoscaling_v2 as autoscaling
from lightkube.models import meta_v1
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler

from istio_ambient import kube, resources
from istio_ambient.ingress import _listeners
from istio_ambient.ingress._facts import GATEWAY_CLASS, Facts
from istio_ambient.ingress._listeners import Listener


def gateway(facts: Facts, listeners: Iterable[Listener], hostname: str) -> kube.Resource:
    """Return the Gateway with its listeners; `hostname` empty: they take any.

    istiod copies a Gateway's own labels and annotations into the pod template of the Deployment
    it makes, unless `spec.infrastructure` says what belongs there. Our identity and hash do not:
    every changed listener would restart the gateway.
    """
    return resources.Gateway(
        metadata=meta_v1.ObjectMeta(name=facts.app, namespace=facts.model),
        spec={
            "gatewayClassName": GATEWAY_CLASS,
            "infrastructure": {"labels": dict(facts.pod_labels), "annotations": {}},
            "listeners": [
                _listeners.listener_spec(each, hostname, facts.app) for each in listeners
            ],
        },
    )


def autoscaler(facts: Facts) -> HorizontalPodAutoscaler:
    """Return what keeps the gateway at as many replicas as the charm has units."""
    target = autoscaling.CrossVersionObjectReference(
        apiVersion="apps/v1", kind="Deployment", name=facts.workload
    )
    return HorizontalPodAutoscaler(
        metadata=meta_v1.ObjectMeta(name=facts.app, namespace=facts.model),
        spec=autoscaling.HorizontalPodAutoscalerSpec(
            scaleTargetRef=target, minReplicas=facts.replicas, maxReplicas=facts.replicas
        ),
    )


def unprogrammed_since(live: kube.Manifest) -> datetime.datetime | None:
    """Return since when a Gateway has not been programmed, which it is not without an address.

    None where it is, or where its controller has not said so.
    """
    for condition in live.get("status", {}).get("conditions") or ():
        # Until a controller looks at it, the status is Unknown and the time is 1970.
        if condition.get("type") == "Programmed" and condition.get("status") == "False":
            return datetime.datetime.fromisoformat(condition["lastTransitionTime"])
    return None
