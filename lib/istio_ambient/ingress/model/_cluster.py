# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Facts from the cluster: Services, ports of the pods behind them, namespaces of models."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lightkube.models import core_v1

from istio_ambient import kube
from istio_ambient.values.labels import MANAGED_BY_LABEL


@dataclass(frozen=True)
class ServicePort:
    """A TCP port of a Service."""

    port: int
    target: int | str
    """The pods' port, by number or by name."""
    name: str = ""


@dataclass(frozen=True)
class Service:
    """The part of a Kubernetes Service that routes and addresses depend on."""

    namespace: str
    name: str
    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: tuple[ServicePort, ...] = ()
    by_juju: bool = False
    """Juju created it, which it does for every application that it deploys."""
    external_name: bool = False
    """Its type is ExternalName: it leads out of the cluster, whatever its selector is."""
    type: str = "ClusterIP"
    address: str = ""
    """IP address or DNS name that the load balancer assigned; empty: none yet."""
    node_ports: Mapping[int, int] = field(default_factory=dict[int, int])
    """Ports on the nodes by port of the Service."""
    created: datetime.datetime | None = None


@dataclass(frozen=True)
class Cluster:
    """What one hook reads from the API server for the ingress."""

    services: Mapping[tuple[str, str], Service] = field(
        default_factory=dict[tuple[str, str], Service]
    )
    """By (namespace, name): those of our namespace, and of all namespaces where a requester is of
    another model."""
    model_namespaces: Mapping[str, str] = field(default_factory=dict[str, str])
    """Namespaces of Juju models by model UUID; read where a requester is of another model."""
    named_ports: Mapping[tuple[str, str, str], frozenset[int]] = field(
        default_factory=dict[tuple[str, str, str], frozenset[int]]
    )
    """The pods' port numbers by (namespace, Service, name of the Service's port)."""
    node_address: str = ""
    """Of a node that runs the gateway; read where the gateway's Service is of type NodePort."""


def services_of(objects: Iterable[kube.Resource]) -> dict[tuple[str, str], Service]:
    """Return Services by (namespace, name)."""
    found = [_service(obj) for obj in objects]
    return {(service.namespace, service.name): service for service in found}


def _service(obj: kube.Resource) -> Service:
    # The API server always returns both.
    metadata, spec = obj.metadata, obj.spec
    labels: dict[str, str] = dict(metadata.labels or {})
    return Service(
        namespace=metadata.namespace or "",
        name=metadata.name or "",
        selector=dict(spec.selector or {}),
        ports=tuple(_port(port) for port in spec.ports or () if port.protocol in (None, "TCP")),
        by_juju=labels.get(MANAGED_BY_LABEL) == "juju",
        external_name=spec.type == "ExternalName",
        type=spec.type or "ClusterIP",
        address=_address(obj.status),
        node_ports={port.port: port.nodePort for port in spec.ports or () if port.nodePort},
        created=metadata.creationTimestamp,
    )


def _port(port: core_v1.ServicePort) -> ServicePort:
    target = port.targetPort if port.targetPort is not None else port.port
    return ServicePort(port.port, target, port.name or "")


def _address(status: core_v1.ServiceStatus | None) -> str:
    balancer = status.loadBalancer if status else None
    for entry in (balancer.ingress if balancer else None) or ():
        address = entry.ip or entry.hostname
        if address:
            return address
    return ""


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
    services: Mapping[tuple[str, str], Service], wanted: Iterable[tuple[str, str, int]]
) -> bool:
    """Return whether a wanted (namespace, Service, port) has a target port known by name only."""
    for namespace, name, number in wanted:
        service = services.get((namespace, name))
        for port in service.ports if service else ():
            if port.port == number and isinstance(port.target, str):
                return True
    return False
