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

from istio_ambient.ingress._desired import MANAGED, desired
from istio_ambient.ingress.authentication._policies import authentication_in_force
from istio_ambient.ingress.model._config import Config
from istio_ambient.ingress.model._facts import (
    Certificate,
    Facts,
    Service,
    Tls,
    Upstream,
    workload_name,
)
from istio_ambient.ingress.model._forward_auth import ForwardAuth
from istio_ambient.ingress.model._request_auth import JwtRule, RequestAuth, Trust
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
    ServiceRef,
)
from istio_ambient.ingress.model._services import named_ports_of, need_named_ports, services_of
from istio_ambient.ingress.objects._certificate import (
    assemble,
    certificate_fault,
    certificate_in_use,
    certificate_since,
    leaf_in,
    leaf_of,
    uncovered,
)
from istio_ambient.ingress.objects._policies import cidrs_in_force, withhold
from istio_ambient.ingress.objects._routes import KINDS
from istio_ambient.ingress.routing._addresses import address_of, address_readiness, hosts_of
from istio_ambient.ingress.routing._exposure import Exposure, exposure
from istio_ambient.ingress.routing._listeners import secret_name

__all__ = [
    "KINDS",
    "MANAGED",
    "Certificate",
    "Config",
    "Exposure",
    "Facts",
    "ForwardAuth",
    "IngressRequest",
    "JwtRule",
    "Match",
    "PathModifier",
    "PathType",
    "Protocol",
    "Redirect",
    "RequestAuth",
    "Rewrite",
    "RouteConfiguration",
    "RouteRequest",
    "Service",
    "ServiceRef",
    "Tls",
    "Trust",
    "Upstream",
    "address_of",
    "address_readiness",
    "assemble",
    "authentication_in_force",
    "certificate_fault",
    "certificate_in_use",
    "certificate_since",
    "cidrs_in_force",
    "desired",
    "exposure",
    "hosts_of",
    "leaf_in",
    "leaf_of",
    "named_ports_of",
    "need_named_ports",
    "secret_name",
    "services_of",
    "uncovered",
    "withhold",
    "workload_name",
]
