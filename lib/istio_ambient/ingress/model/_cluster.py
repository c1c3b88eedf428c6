# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Facts from the cluster: Services, ports of the pods behind them, namespaces of models."""

from collections.abc import Iterable, Mapping

import msgspec

from istio_ambient import kube
from istio_ambient.authorization import ServiceFacts
from istio_ambient.ingress.model._attached import AttachedRoute


class Cluster(msgspec.Struct, frozen=True):
    """What one hook reads from the API server for the ingress."""

    services: Mapping[tuple[str, str], ServiceFacts] = msgspec.field(
        default_factory=dict[tuple[str, str], ServiceFacts]
    )
    """By (namespace, name): those of our namespace, and of all namespaces where a requester is of
    another model."""
    model_namespaces: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Namespaces of Juju models by model UUID; read where a requester is of another model."""
    named_ports: Mapping[tuple[str, str, str], frozenset[int]] = msgspec.field(
        default_factory=dict[tuple[str, str, str], frozenset[int]]
    )
    """The pods' port numbers by (namespace, Service, name of the Service's port)."""
    node_address: str = ""
    """Of a node that runs the gateway; read where the gateway's Service is of type NodePort."""
    foreign_routes: tuple[AttachedRoute, ...] = ()
    """Routes of other owners that name our Gateway as their parent; where no other namespace may
    have any, those of our own namespace only."""


def named_ports_of(
    slices: Iterable[kube.Resource],
) -> dict[tuple[str, str, str], frozenset[int]]:
    """Return the pods' port numbers by (namespace, Service, name of the Service's port).

    The endpoints controller looks up a named target port in each pod, and writes the numbers
    into EndpointSlices.
    """
    found: dict[tuple[str, str, str], frozenset[int]] = {}
    for endpoints in slices:
        metadata = endpoints.metadata
        labels: dict[str, str] = dict(metadata.labels or {})
        service = labels.get("kubernetes.io/service-name", "")
        for port in endpoints.ports or ():
            if port.port is not None and port.protocol in (None, "TCP"):
                key = (metadata.namespace or "", service, port.name or "")
                found[key] = found.get(key, frozenset()) | {port.port}
    return found


def need_named_ports(
    services: Mapping[tuple[str, str], ServiceFacts], wanted: Iterable[tuple[str, str, int]]
) -> bool:
    """Return whether a wanted (namespace, Service, port) has a target port known by name only."""
    for namespace, name, number in wanted:
        service = services.get((namespace, name))
        for port in service.ports if service else ():
            if port.port == number and isinstance(port.target, str):
                return True
    return False
