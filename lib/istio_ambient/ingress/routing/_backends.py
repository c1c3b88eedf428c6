# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Least authority: an application may have its own Services exposed, and nothing else."""

from dataclasses import dataclass

from istio_ambient import authorization, gateways, kube
from istio_ambient.ingress.model import Facts, Service, ServiceRef, workload_name
from istio_ambient.values.problems import Problem


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
    weight: int | None = None
    """Its share of the requests, among those of the route's other backends; None: 1."""


def model_refusal(requester: authorization.Requester, model: str, facts: Facts) -> Problem | None:
    """Return why nothing of a model is exposed for an application; None where it is its own.

    Args:
        requester: the application.
        model: where it says that it runs.
        facts: which model has which id.
    """
    if not requester.model_uuid:
        if model == facts.model:
            return None
        remedy = f"ask for a Service of model {facts.model}, or integrate across models"
    else:
        if facts.model_namespaces.get(requester.model_uuid) == model:
            return None
        remedy = "ask for a Service of the model that the application runs in"
    message = f"asks for model {model}, which is not its own: refused"
    return Problem(requester.app, requester.endpoint, "model", message, remedy)


def backend_of(
    requester: authorization.Requester,
    model: str,
    ref: ServiceRef,
    field: str,
    facts: Facts,
    *,
    home_name: str = "",
) -> Backend | Problem | kube.Readiness:
    """Return the backend that an application names, or why there is none.

    A Problem says that it is refused, a Readiness that it is not there (yet): in both cases
    nothing is made for it.

    Args:
        requester: the application.
        model: its own, as `model_refusal` found.
        ref: the Service.
        field: where the Service's name stands in the databag.
        facts: the Services that there are.
        home_name: what it says that it is called in its own model, if it does.
    """
    service = _gateway_of(model, ref.name, facts) or facts.services.get((model, ref.name))
    if service is None:
        return _pending(requester, f"there is no Service {model}/{ref.name} yet")
    refusal = _service_refusal(requester, service, field, facts, home_name)
    if refusal:
        return refusal
    pod_ports = _pod_ports(service, ref.port, facts)
    if pod_ports is None:
        return _pending(requester, f"Service {service.name} has no TCP port {ref.port} yet")
    if not pod_ports:
        return _pending(requester, f"no pod of {service.name} has the port behind {ref.port} yet")
    return Backend(
        namespace=service.namespace,
        service=service.name,
        port=ref.port,
        pod_ports=pod_ports,
        selector=tuple(sorted(service.selector.items())),
        weight=ref.weight,
    )


def _gateway_of(model: str, name: str, facts: Facts) -> Service | None:
    """Return the Service of an application that is itself an ingress: that of its Gateway.

    The Service that Juju made for it leads to the charm's own pods. By convention application and
    Gateway have one name, so the pods that istiod marks with it are the application's own.
    """
    service = facts.services.get((model, workload_name(name)))
    marked = service is not None and service.selector.get(gateways.NAME_LABEL) == name
    return service if marked else None


def _service_refusal(
    requester: authorization.Requester, service: Service, field: str, facts: Facts, home_name: str
) -> Problem | None:
    owner = service.selector.get(authorization.NAME_LABEL) or service.selector.get(
        gateways.NAME_LABEL, ""
    )
    where = f"Service {service.name}"
    if service.external_name:
        message = f"{where} leads out of the cluster: refused"
        remedy = "ask for a Service with pods"
    elif not service.selector:
        message = f"{where} selects no pods: refused"
        remedy = f"ask for a Service that selects {authorization.NAME_LABEL}: {requester.app}"
    elif requester.model_uuid:
        # What the application is called in its own model cannot be verified, but that Juju
        # deployed one of that name there can.
        deployed = facts.services.get((service.namespace, owner))
        if deployed is not None and deployed.by_juju and home_name in ("", owner):
            return None
        message = f"{where} of model {service.namespace} is of no application of Juju's: refused"
        remedy = "ask for the Service that Juju made for the application"
    elif owner == requester.app or requester.app in facts.config.trusted_requesters:
        return None
    else:
        message = f"{where} is not one of {requester.app}: refused"
        remedy = f"ask for a Service that selects {authorization.NAME_LABEL}: {requester.app}"
    return Problem(requester.app, requester.endpoint, field, message, remedy)


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


def _pending(requester: authorization.Requester, reason: str) -> kube.Readiness:
    return kube.Readiness(f"{requester.endpoint} of {requester.app}", ready=False, reason=reason)
