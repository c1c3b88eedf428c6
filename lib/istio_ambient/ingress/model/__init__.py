# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The input of the pipeline: requests of applications, facts from the cluster, configuration.

Values only. Their consequences are in `routing`, `authentication`, `objects` and `reports`.
"""

from istio_ambient.ingress.model._attached import (
    AttachedRoute,
    attached_routes,
)
from istio_ambient.ingress.model._authentication import (
    AuthorizerService,
    ForwardAuth,
    KeySource,
    SigningKeys,
    Tokens,
    Trust,
)
from istio_ambient.ingress.model._cluster import Cluster, named_ports_of, need_named_ports
from istio_ambient.ingress.model._config import Config
from istio_ambient.ingress.model._facts import (
    Certificate,
    Facts,
    Tls,
    Upstream,
)
from istio_ambient.ingress.model._gateway import (
    GatewayRef,
    workload_name,
)
from istio_ambient.ingress.model._host_options import (
    HOSTNAMES,
    NO_HOST_OPTIONS,
    HostOptions,
    parse_host_options,
)
from istio_ambient.ingress.model._matches import LITERAL, Match, PathType, Protocol
from istio_ambient.ingress.model._places import SERVED, Place, dump_places, parse_places
from istio_ambient.ingress.model._requests import IngressRequest

__all__ = [
    "HOSTNAMES",
    "LITERAL",
    "NO_HOST_OPTIONS",
    "SERVED",
    "AttachedRoute",
    "AuthorizerService",
    "Certificate",
    "Cluster",
    "Config",
    "Facts",
    "ForwardAuth",
    "GatewayRef",
    "HostOptions",
    "IngressRequest",
    "KeySource",
    "Match",
    "PathType",
    "Place",
    "Protocol",
    "SigningKeys",
    "Tls",
    "Tokens",
    "Trust",
    "Upstream",
    "attached_routes",
    "dump_places",
    "named_ports_of",
    "need_named_ports",
    "parse_host_options",
    "parse_places",
    "workload_name",
]
