# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The protocol between the gateway and backends that need another one than HTTP/1.1.

Istio takes a port's protocol from its name in the Service, and Juju's names hold none. A
DestinationRule in the gateway's own namespace, for its own pods only, sets it. Connections of
other clients of the Service, waypoints among them, do not change.
See https://istio.io/latest/docs/reference/config/networking/destination-rule/.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lightkube.models import meta_v1

from istio_ambient import gateways, kube, resources
from istio_ambient.ingress.model import GatewayRef
from istio_ambient.ingress.routing import OBJECT_NAME_LIMIT, Route, Scheme
from istio_ambient.values.names import name_with_hash


def destination_rules(routes: Iterable[Route], gateway: GatewayRef) -> list[kube.Resource]:
    """Return one rule for each Service with a port that needs another protocol than HTTP/1.1."""
    services: dict[tuple[str, str], dict[int, set[Scheme]]] = {}
    for route in routes:
        for backend in route.backends:
            ports = services.setdefault((backend.namespace, backend.service), {})
            ports.setdefault(backend.port, set()).add(route.scheme)
    return [
        _rule(namespace, service, ports, gateway)
        for (namespace, service), ports in sorted(services.items())
        if set().union(*ports.values()) - {"http"}
    ]


def _rule(
    namespace: str, service: str, ports: Mapping[int, Collection[Scheme]], gateway: GatewayRef
) -> kube.Resource:
    host = f"{service}.{namespace}.svc.cluster.local"
    policy: dict[str, Any] = {}
    grpc = any("grpc" in schemes for schemes in ports.values())
    if grpc:
        policy["connectionPool"] = {"http": {"useClientProtocol": True}}
    settings = [
        {"port": {"number": number}, **_port_policy(schemes, host)}
        for number, schemes in sorted(ports.items())
        # Settings of a port replace those of all ports.
        if set(schemes) - {"grpc"} and (grpc or set(schemes) != {"http"})
    ]
    if settings:
        policy["portLevelSettings"] = settings
    return resources.DestinationRule(
        metadata=meta_v1.ObjectMeta(
            name=_name(namespace, service, gateway), namespace=gateway.namespace
        ),
        spec={
            "host": host,
            "exportTo": ["."],
            "workloadSelector": {"matchLabels": {gateways.NAME_LABEL: gateway.name}},
            "trafficPolicy": policy,
        },
    )


def _port_policy(schemes: Collection[Scheme], host: str) -> Mapping[str, Any]:
    http: dict[str, Any] = {"h2UpgradePolicy": "DO_NOT_UPGRADE"}
    if "h2c" in schemes:
        http = {"h2UpgradePolicy": "UPGRADE"}
    elif "grpc" in schemes:
        http = {"useClientProtocol": True}
    policy: dict[str, Any] = {"connectionPool": {"http": http}}
    if "https" in schemes:
        # The interface has no certificate authority and no names of the application's
        # certificate. On the mesh, ztunnel verifies the identity of the backend.
        policy["tls"] = {"mode": "SIMPLE", "sni": host, "insecureSkipVerify": True}
    return policy


def _name(namespace: str, service: str, gateway: GatewayRef) -> str:
    # Names of Services have no dot, so rules for other namespaces never share a name with ours.
    where = "" if namespace == gateway.namespace else f".{namespace}"
    return name_with_hash(f"{service}{where}-grpc-dest-rule-{gateway.name}", OBJECT_NAME_LIMIT)
