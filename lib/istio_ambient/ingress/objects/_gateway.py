# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The ingress gateway: a Gateway from which istiod makes pods and a Service."""

import json
from collections.abc import Collection, Mapping

from istio_ambient import gateways, kube, resources
from istio_ambient.ingress import routing
from istio_ambient.ingress.model import (
    HOSTNAMES,
    NO_HOST_OPTIONS,
    SERVED,
    Facts,
    GatewayRef,
    HostOptions,
    Place,
    dump_places,
    parse_host_options,
    parse_places,
)
from istio_ambient.ingress.routing import Listeners

TLS_METRICS = ("ssl.handshake", "ssl.connection_error", "expiration_unix_time_seconds")
"""Suffixes of Envoy's metrics that Istio's proxies leave out by default."""
_PROXY_CONFIG = {"proxyStatsMatcher": {"inclusionSuffixes": TLS_METRICS}}


def gateway(
    facts: Facts,
    listeners: Listeners,
    namespaces: Collection[str],
    places: Collection[Place] = (),
    hostnames: HostOptions = NO_HOST_OPTIONS,
) -> gateways.Gateway:
    """Return the gateway with its listeners, scale and the operator's options.

    Args:
        facts: of the hook.
        listeners: of the gateway.
        namespaces: other namespaces whose routes it takes.
        places: where requesters are served.
        hostnames: the options in use.
    """
    annotations = {SERVED: dump_places(places), HOSTNAMES: hostnames.dump()}
    return gateways.Gateway(
        name=facts.app,
        namespace=facts.model,
        gateway_class=gateways.INGRESS_CLASS,
        workload=facts.gateway.workload,
        listeners=[
            routing.listener_spec(each, listeners.hostname, facts.gateway, namespaces)
            for each in listeners.in_gateway
        ],
        replicas=facts.replicas,
        annotations={key: text for key, text in annotations.items() if text},
        pod_labels=facts.pod_labels,
        pod_annotations={"proxy.istio.io/config": json.dumps(_PROXY_CONFIG)},
        settings=facts.config.gateway,
    )


def remembered(live: kube.Live, gateway: GatewayRef) -> frozenset[Place]:
    """Return where requesters were served when routes were served last, by our own Gateway."""
    return parse_places(resources.mark(_annotations(live, gateway), SERVED) or "")


def hostnames_in_use(live: kube.Live, gateway: GatewayRef) -> HostOptions:
    """Return the options with which our own Gateway was written last."""
    return parse_host_options(resources.mark(_annotations(live, gateway), HOSTNAMES) or "")


def _annotations(live: kube.Live, gateway: GatewayRef) -> Mapping[str, str]:
    found = live.get(resources.Gateway, gateway.name, gateway.namespace)
    return (found.metadata.annotations or {}) if found is not None else {}
