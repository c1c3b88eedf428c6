# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Least authority: an application may have its own Service exposed, and nothing else."""

from dataclasses import dataclass

from istio_ambient import kube, mesh
from istio_ambient.ingress._facts import Facts, Request, Service
from istio_ambient.problems import Problem


@dataclass(frozen=True, order=True)
class Backend:
    """Where requests go, and who stands there."""

    namespace: str
    service: str
    port: int
    """Of the Service."""
    pod_ports: tuple[int, ...]
    """What that is at the pods; never empty."""
    selector: tuple[tuple[str, str], ...]
    """Labels of the pods; never empty."""


def backend_of(request: Request, facts: Facts) -> Backend | Problem | kube.Readiness:
    """Return the backend of a request, or why there is none.

    A Problem says that the request is refused, a Readiness that what it asks for is not there
    (yet): in both cases nothing is made for it.
    """
    refusal = _model_refusal(request, facts)
    if refusal:
        return refusal
    service = facts.services.get((request.model, request.name))
    if service is None:
        return _pending(request, f"there is no Service {request.model}/{request.name} yet")
    refusal = _service_refusal(request, service)
    if refusal:
        return refusal
    pod_ports = _pod_ports(service, request.port, facts)
    if pod_ports is None:
        return _pending(request, f"Service {service.name} has no TCP port {request.port} yet")
    if not pod_ports:
        return _pending(
            request, f"no pod of {service.name} has the port behind {request.port} yet"
        )
    return Backend(
        namespace=service.namespace,
        service=service.name,
        port=request.port,
        pod_ports=pod_ports,
        selector=tuple(sorted(service.selector.items())),
    )


def _model_refusal(request: Request, facts: Facts) -> Problem | None:
    asker = request.asker
    if not asker.model_uuid:
        if request.model == facts.model:
            return None
        cure = f"ask for a Service of model {facts.model}, or integrate across models"
    else:
        if facts.model_ids.get(request.model) == asker.model_uuid:
            return None
        cure = "ask for a Service of the model that the application runs in"
    message = f"asks for model {request.model}, which is not its own: refused"
    return Problem(asker.app, asker.endpoint, "model", message, cure)


def _service_refusal(request: Request, service: Service) -> Problem | None:
    asker = request.asker
    owner = request.name if asker.model_uuid else asker.app
    if service.selector.get(mesh.NAME_LABEL) != owner:
        message = f"Service {service.name} is not one of {owner}: refused"
        cure = f"ask for a Service that selects {mesh.NAME_LABEL}: {owner}"
    elif asker.model_uuid and not service.by_juju:
        message = f"Service {service.name} of model {request.model} is not Juju's: refused"
        cure = "ask for the Service that Juju made for the application"
    elif service.external_name:
        message = f"Service {service.name} leads out of the cluster: refused"
        cure = "ask for a Service with pods"
    else:
        return None
    return Problem(asker.app, asker.endpoint, "name", message, cure)


def _pod_ports(service: Service, number: int, facts: Facts) -> tuple[int, ...] | None:
    """Return the pods' ports behind a port of a Service; None: it has no such port."""
    found = [port for port in service.ports if port.port == number]
    if not found:
        return None
    numbers: set[int] = set()
    for port in found:
        if isinstance(port.target, int):
            numbers.add(port.target)
        else:
            key = (service.namespace, service.name, port.name)
            numbers |= facts.named_ports.get(key, frozenset())
    return tuple(sorted(numbers))


def _pending(request: Request, reason: str) -> kube.Readiness:
    return kube.Readiness(f"ingress of {request.asker.app}", ready=False, reason=reason)
