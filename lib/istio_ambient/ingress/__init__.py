# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The ingress: a Gateway, the routes of applications behind it, and its policies.

Pure: facts in, desired objects out. A pipeline, in this order:

```
model/            requests of applications, facts from the cluster, configuration
routing/          hosts, listeners, backends, routes, conflicts, and what is served of them
authentication/   which paths need a login or a token, and the policies for that
objects/          Gateway, HTTPRoutes and GRPCRoutes, policies of backends, Secret
_ingress          computes all of it once for a hook
reports/          what actions and the status say about it
```
"""

from istio_ambient.ingress._ingress import APART, MANAGED, Ingress, desired, resolve
from istio_ambient.ingress.authentication import (
    TokenUses,
    authentication_in_force,
    compatible,
    key_readiness,
    keys_due,
    keys_in_force,
    left_to_istiod,
    renewed,
    uses_in_force,
)
from istio_ambient.ingress.model import (
    AttachedRoute,
    AuthorizerService,
    Certificate,
    Cluster,
    Config,
    Facts,
    ForwardAuth,
    GatewayRef,
    HostOptions,
    IngressRequest,
    KeySource,
    SigningKeys,
    Tls,
    Trust,
    Upstream,
    attached_routes,
    named_ports_of,
    need_named_ports,
    workload_name,
)
from istio_ambient.ingress.objects._gateway import hostnames_in_use, remembered
from istio_ambient.ingress.objects._policies import backend_policies_of, cidrs_in_force
from istio_ambient.ingress.objects._routes import KINDS
from istio_ambient.ingress.routing import address_of, hosts, secret_name
from istio_ambient.ingress.routing._addresses import HTTP_PORT, HTTPS_PORT, address_readiness

__all__ = [
    "APART",
    "HTTPS_PORT",
    "HTTP_PORT",
    "KINDS",
    "MANAGED",
    "AttachedRoute",
    "AuthorizerService",
    "Certificate",
    "Cluster",
    "Config",
    "Facts",
    "ForwardAuth",
    "GatewayRef",
    "HostOptions",
    "Ingress",
    "IngressRequest",
    "KeySource",
    "SigningKeys",
    "Tls",
    "TokenUses",
    "Trust",
    "Upstream",
    "address_of",
    "address_readiness",
    "attached_routes",
    "authentication_in_force",
    "backend_policies_of",
    "cidrs_in_force",
    "compatible",
    "desired",
    "hostnames_in_use",
    "hosts",
    "key_readiness",
    "keys_due",
    "keys_in_force",
    "left_to_istiod",
    "named_ports_of",
    "need_named_ports",
    "remembered",
    "renewed",
    "resolve",
    "secret_name",
    "uses_in_force",
    "workload_name",
]
