# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Kubernetes objects into facts: Services, and the ports behind them."""

from collections.abc import Iterable, Mapping

from lightkube.models import core_v1

from istio_ambient import kube
from istio_ambient.ingress.model._facts import Service, ServicePort

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"


def services_of(objects: Iterable[kube.Resource]) -> dict[tuple[str, str], Service]:
    """Return Services by (namespace, name)."""
    found = [_service(obj) for obj in objects]
    return {(service.namespace, service.name): service for service in found}


def _service(obj: kube.Resource) -> Service:
    # The API server leaves neither out.
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

    The endpoints controller looks a named target port up in each pod; this is its answer.
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
    """Return whether any wanted (namespace, Service, port) leads to a port known by name only."""
    for namespace, name, number in wanted:
        service = services.get((namespace, name))
        for port in service.ports if service else ():
            if port.port == number and isinstance(port.target, str):
                return True
    return False
