# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The ingress gateway: a Gateway from which istiod makes pods and a Service."""

from collections.abc import Collection

from istio_ambient import gateways, kube, resources
from istio_ambient.ingress import routing
from istio_ambient.ingress.model import (
    GATEWAY_CLASS,
    SERVED,
    Facts,
    GatewayRef,
    Place,
    dump_places,
    parse_places,
)
from istio_ambient.ingress.routing import Listeners

TLS_METRICS = ("ssl.handshake", "ssl.connection_error", "expiration_unix_time_seconds")
"""Suffixes of Envoy's metrics that Istio's proxies leave out by default."""


def gateway(
    facts: Facts,
    listeners: Listeners,
    namespaces: Collection[str],
    places: Collection[Place] = (),
) -> gateways.Gateway:
    """Return the gateway with its listeners, scale and the operator's options.

    Args:
        facts: of the hook.
        listeners: of the gateway.
        namespaces: other namespaces whose routes it takes.
        places: where requesters are served.
    """
    text = dump_places(places)
    return gateways.Gateway(
        name=facts.app,
        namespace=facts.model,
        gateway_class=GATEWAY_CLASS,
        workload=facts.gateway.workload,
        listeners=[
            routing.listener_spec(each, listeners.hostname, facts.gateway, namespaces)
            for each in listeners.in_gateway
        ],
        replicas=facts.replicas,
        annotations={SERVED: text} if text else {},
        pod_labels=facts.pod_labels,
        pod_annotations={"sidecar.istio.io/statsInclusionSuffixes": ",".join(TLS_METRICS)},
        settings=facts.config.gateway,
    )


def remembered(live: kube.Live, gateway: GatewayRef) -> frozenset[Place]:
    """Return where requesters were served when routes were served last, by our own Gateway."""
    found = live.get(resources.Gateway, gateway.name, gateway.namespace)
    if found is None:
        return frozenset()
    annotations: dict[str, str] = found.metadata.annotations or {}
    return parse_places(annotations.get(SERVED, ""))
