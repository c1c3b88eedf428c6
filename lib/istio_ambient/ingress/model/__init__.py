# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The input of the pipeline: requests of applications, facts from the cluster, configuration.

Values only. Their consequences are in `routing`, `authentication`, `objects` and `reports`.
"""

from istio_ambient.ingress.model._authentication import ForwardAuth, Tokens, Trust
from istio_ambient.ingress.model._cluster import Cluster, named_ports_of, need_named_ports
from istio_ambient.ingress.model._config import Config
from istio_ambient.ingress.model._facts import (
    GATEWAY_CLASS,
    Certificate,
    Facts,
    GatewayRef,
    Tls,
    Upstream,
    workload_name,
)
from istio_ambient.ingress.model._requests import IngressRequest

__all__ = [
    "GATEWAY_CLASS",
    "Certificate",
    "Cluster",
    "Config",
    "Facts",
    "ForwardAuth",
    "GatewayRef",
    "IngressRequest",
    "Tls",
    "Tokens",
    "Trust",
    "Upstream",
    "named_ports_of",
    "need_named_ports",
    "workload_name",
]
