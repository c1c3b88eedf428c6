# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The front door: a Gateway, the routes of the applications behind it, and who may use both.

Pure: facts in, desired objects out.

```
_requests   what applications ask          _facts      that, and what is known beside it
_backends   what of it is their own        _listeners  ports of the gateway
_routes     one route of either interface  _conflicts  who asks for the same
_exposure   what is served, and why the rest is not
_addresses  where clients reach it         _hosts      by which names, and URLs
_certificate  what it proves them with
_forward_auth, _request_auth, _authentication   who has to log in or show a token, and _paths where
_gateway, _route_objects, _destination_rules, _policies   the objects that follow from it
```
"""

from istio_ambient.ingress._acceptance import acceptance
from istio_ambient.ingress._addresses import (
    Address,
    address_of,
    address_readiness,
    hosts_of,
    unprogrammed_since,
)
from istio_ambient.ingress._authentication import authentication_in_force
from istio_ambient.ingress._backends import Backend
from istio_ambient.ingress._build import MANAGED, desired
from istio_ambient.ingress._certificate import (
    assemble,
    certificate_fault,
    certificate_in_use,
    certificate_since,
    leaf_in,
    leaf_of,
    uncovered,
)
from istio_ambient.ingress._cidrs import parse_cidrs
from istio_ambient.ingress._exposure import Exposure, exposure
from istio_ambient.ingress._facts import (
    Certificate,
    Config,
    Facts,
    Service,
    ServicePort,
    Tls,
    Upstream,
    workload_name,
)
from istio_ambient.ingress._forward_auth import ForwardAuth
from istio_ambient.ingress._gateway import gateway
from istio_ambient.ingress._hosts import Hosts, hosts
from istio_ambient.ingress._listeners import Listener, secret_name
from istio_ambient.ingress._policies import (
    backend_policies,
    cidrs_in_force,
    external_traffic_policy,
    withhold,
)
from istio_ambient.ingress._request_auth import JwtRule, RequestAuth, Trust
from istio_ambient.ingress._requests import (
    Match,
    PathModifier,
    PathType,
    Protocol,
    Redirect,
    Request,
    Rewrite,
    RouteConfiguration,
    RouteRequest,
    ServiceRef,
)
from istio_ambient.ingress._route_objects import KINDS
from istio_ambient.ingress._routes import Route
from istio_ambient.ingress._services import named_ports_of, need_named_ports, services_of

__all__ = [
    "KINDS",
    "MANAGED",
    "Address",
    "Backend",
    "Certificate",
    "Config",
    "Exposure",
    "Facts",
    "ForwardAuth",
    "Hosts",
    "JwtRule",
    "Listener",
    "Match",
    "PathModifier",
    "PathType",
    "Protocol",
    "Redirect",
    "Request",
    "RequestAuth",
    "Rewrite",
    "Route",
    "RouteConfiguration",
    "RouteRequest",
    "Service",
    "ServicePort",
    "ServiceRef",
    "Tls",
    "Trust",
    "Upstream",
    "acceptance",
    "address_of",
    "address_readiness",
    "assemble",
    "authentication_in_force",
    "backend_policies",
    "certificate_fault",
    "certificate_in_use",
    "certificate_since",
    "cidrs_in_force",
    "desired",
    "exposure",
    "external_traffic_policy",
    "gateway",
    "hosts",
    "hosts_of",
    "leaf_in",
    "leaf_of",
    "named_ports_of",
    "need_named_ports",
    "parse_cidrs",
    "secret_name",
    "services_of",
    "uncovered",
    "unprogrammed_since",
    "withhold",
    "workload_name",
]
