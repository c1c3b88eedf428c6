# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""An application that describes its own routes: tempo, of the shop."""

from typing import Any

from istio_ambient import authorization, ingress
from istio_ambient.ingress.routing import Match

from tests.unit.ingress.samples import (
    CERTIFICATE,
    PlacedRoute,
    backend,
    configuration,
    facts,
    objects,
    route,
    service,
)

TEMPO = authorization.ServiceFacts(
    "shop",
    "tempo",
    {"app.kubernetes.io/name": "tempo"},
    (authorization.ServicePort(3200, 3200), authorization.ServicePort(9096, 9096)),
    by_juju=True,
)
TLS = ingress.Tls(wanted=True, certificate=CERTIFICATE)


def tempo(*routes: PlacedRoute, **changes: Any) -> ingress.IngressRequest:
    return configuration("tempo", *routes, **changes)


def wanted(*configurations: ingress.IngressRequest, **changes: Any) -> ingress.Facts:
    services = changes.pop("services", (TEMPO, service()))
    return facts(*configurations, services=services, **changes)


def listeners(facts: ingress.Facts) -> list[tuple[str, int, str]]:
    spec = objects(facts)["Gateway shop/gate"]["spec"]
    return [(each["name"], each["port"], each["protocol"]) for each in spec["listeners"]]


def messages(facts: ingress.Facts) -> str:
    return "\n".join(map(str, ingress.desired(ingress.resolve(facts)).problems))


def routes(facts: ingress.Facts) -> set[str]:
    return {name for name in objects(facts) if name.startswith(("HTTPRoute", "GRPCRoute"))}


def grpc(**changes: Any) -> PlacedRoute:
    arguments: dict[str, Any] = {
        "field": "grpc_routes[0]",
        "grpc": True,
        "port": 9096,
        "backends": (backend("tempo", 9096),),
        "matches": (Match.of_grpc("a.B", "C"), Match.of_grpc("a.D"), Match()),
        **changes,
    }
    return route("traces", **arguments)
