# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The gateway: a Gateway that istiod makes pods and a Service of, for requests from outside."""

from collections.abc import Iterable

from istio_ambient import gateways
from istio_ambient.ingress import routing
from istio_ambient.ingress.model import GATEWAY_CLASS, Facts
from istio_ambient.ingress.routing import Listener

TLS_METRICS = ("ssl.handshake", "ssl.connection_error", "expiration_unix_time_seconds")
"""Ends of the names of Envoy's metrics that Istio's proxies leave out unless told otherwise."""


def gateway(facts: Facts, listeners: Iterable[Listener], hostname: str) -> gateways.Gateway:
    """Return the gateway with its listeners; `hostname` empty: they take any."""
    return gateways.Gateway(
        name=facts.app,
        namespace=facts.model,
        gateway_class=GATEWAY_CLASS,
        workload=facts.workload,
        listeners=[routing.listener_spec(each, hostname, facts.app) for each in listeners],
        replicas=facts.replicas,
        pod_labels=facts.pod_labels,
        pod_annotations={"sidecar.istio.io/statsInclusionSuffixes": ",".join(TLS_METRICS)},
        settings=facts.config.gateway,
    )
