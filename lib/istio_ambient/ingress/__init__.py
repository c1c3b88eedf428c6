# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The front door: a Gateway, the routes of the applications behind it, and who may use both.

Pure: facts in, desired objects out. `_facts` says what it is built from, `_backends` what an
application may ask for, `_routes` what is served of it, `_gateway` and `_policies` who gets in.
"""

from istio_ambient.ingress._backends import Backend, backend_of
from istio_ambient.ingress._build import MANAGED, desired
from istio_ambient.ingress._cidrs import parse_cidrs
from istio_ambient.ingress._facts import (
    Config,
    Facts,
    Request,
    Service,
    ServicePort,
    workload_name,
)
from istio_ambient.ingress._gateway import autoscaler, gateway, unprogrammed_since
from istio_ambient.ingress._hosts import Hosts, hosts
from istio_ambient.ingress._policies import (
    backend_policies,
    cidrs_in_force,
    external_traffic_policy,
    withhold,
)
from istio_ambient.ingress._routes import Exposure, Route, exposure, http_routes
from istio_ambient.ingress._services import (
    model_ids_of,
    named_ports_of,
    need_named_ports,
    services_of,
)

__all__ = [
    "MANAGED",
    "Backend",
    "Config",
    "Exposure",
    "Facts",
    "Hosts",
    "Request",
    "Route",
    "Service",
    "ServicePort",
    "autoscaler",
    "backend_of",
    "backend_policies",
    "cidrs_in_force",
    "desired",
    "exposure",
    "external_traffic_policy",
    "gateway",
    "hosts",
    "http_routes",
    "model_ids_of",
    "named_ports_of",
    "need_named_ports",
    "parse_cidrs",
    "services_of",
    "unprogrammed_since",
    "withhold",
    "workload_name",
]
