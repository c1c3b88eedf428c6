# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the ingress is built from: requests of applications, cluster facts, configuration.

Values only. What follows from them is in `routing`, `authentication`, `objects` and `reports`.
"""

from istio_ambient.ingress.model._config import Config
from istio_ambient.ingress.model._facts import (
    GATEWAY_CLASS,
    Certificate,
    Facts,
    Service,
    workload_name,
)
from istio_ambient.ingress.model._request_auth import Tokens, Trust
from istio_ambient.ingress.model._requests import (
    IngressRequest,
    Match,
    PathModifier,
    PathType,
    Protocol,
    Redirect,
    Rewrite,
    RouteConfiguration,
    RouteRequest,
    Scheme,
    ServiceRef,
)

__all__ = [
    "GATEWAY_CLASS",
    "Certificate",
    "Config",
    "Facts",
    "IngressRequest",
    "Match",
    "PathModifier",
    "PathType",
    "Protocol",
    "Redirect",
    "Rewrite",
    "RouteConfiguration",
    "RouteRequest",
    "Scheme",
    "Service",
    "ServiceRef",
    "Tokens",
    "Trust",
    "workload_name",
]
