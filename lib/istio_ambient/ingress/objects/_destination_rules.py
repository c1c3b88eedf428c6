# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How the gateway speaks to backends that want something else than HTTP/1.1.

Istio tells a port's protocol by its name in the Service, which is Juju's and says nothing. A
DestinationRule of the gateway's own namespace, for its own pods and nobody else's, says it: other
clients of the same Service, waypoints among them, go on as before.
See https://istio.io/latest/docs/reference/config/networking/destination-rule/.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lightkube.models import meta_v1

from istio_ambient import gateways, kube, resources
from istio_ambient.ingress.model import Facts, Scheme
from istio_ambient.ingress.routing import OBJECT_NAME_LIMIT, Route
from istio_ambient.values.names import name_with_hash


def destination_rules(routes: Iterable[Route], facts: Facts) -> list[kube.Resource]:
    """Return one rule for each Service that some port of which wants one."""
    services: dict[tuple[str, str], dict[int, set[Scheme]]] = {}
    for route in routes:
        for backend in route.backends:
            ports = services.setdefault((backend.namespace, backend.service), {})
            ports.setdefault(backend.port, set()).add(route.scheme)
    return [
        _rule(namespace, service, ports, facts)
        for (namespace, service), ports in sorted(services.items())
        if set().union(*ports.values()) - {"http"}
    ]


def _rule(
    namespace: str, service: str, ports: Mapping[int, Collection[Scheme]], facts: Facts
) -> kube.Resource:
    host = f"{service}.{namespace}.svc.cluster.local"
    policy: dict[str, Any] = {}
    grpc = any("grpc" in schemes for schemes in ports.values())
    if grpc:
        policy["connectionPool"] = {"http": {"useClientProtocol": True}}
    settings = [
        {"port": {"number": number}, **_port_policy(schemes, host)}
        for number, schemes in sorted(ports.items())
        # What is said of a port replaces what is said of all.
        if set(schemes) - {"grpc"} and (grpc or set(schemes) != {"http"})
    ]
    if settings:
        policy["portLevelSettings"] = settings
    return resources.DestinationRule(
        metadata=meta_v1.ObjectMeta(name=_name(namespace, service, facts), namespace=facts.model),
        spec={
            "host": host,
            "exportTo": ["."],
            "workloadSelector": {"matchLabels": {gateways.NAME_LABEL: facts.app}},
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
        # Nobody tells us by which authority the application's certificate is signed, nor which
        # names are in it. On the mesh, ztunnel has verified who is at the other end.
        policy["tls"] = {"mode": "SIMPLE", "sni": host, "insecureSkipVerify": True}
    return policy


def _name(namespace: str, service: str, facts: Facts) -> str:
    # No Service's name has a dot, so what is of another namespace has a name of its own.
    where = "" if namespace == facts.model else f".{namespace}"
    return name_with_hash(f"{service}{where}-grpc-dest-rule-{facts.app}", OBJECT_NAME_LIMIT)
