# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Backends: the Services that requests name, where they belong to the requester."""

import datetime

import msgspec

from istio_ambient import authorization, gateways
from istio_ambient.authorization import Refusal, ServiceFacts
from istio_ambient.ingress.model import AuthorizerService, Cluster, IngressRequest, workload_name
from istio_ambient.interfaces.ingress import IngressRequirerData
from istio_ambient.interfaces.istio_ingress_route import Backend
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem


class BackendService(msgspec.Struct, frozen=True, order=True):
    """A port of a Service, with the pods behind it."""

    namespace: str
    service: str
    port: int
    """Of the Service."""
    pod_ports: tuple[int, ...]
    """The port at the pods; several where pods name different ones; empty: not known yet."""
    selector: tuple[tuple[str, str], ...]
    """Labels of the pods; never empty."""
    weight: int | None = None
    """Its share of the requests, among those of the route's other backends; None: 1."""


class MissingBackend(msgspec.Struct, frozen=True):
    """A backend that a route names, and that nothing answers at yet."""

    namespace: str
    service: str
    port: int
    """Of the Service."""
    reason: str
    """What is missing, and the remedy."""
    since: datetime.datetime | None = None
    """When its Service was written last; None: there is no Service, or it is unknown."""


class NamedBackend(msgspec.Struct, frozen=True):
    """What became of the Service and port that a request names."""

    service: BackendService | None
    """What the route sends requests to; None: nothing yet, since a Service of this name may turn
    out to be of another application."""
    missing: MissingBackend | None = None
    """None: nothing is missing."""


class Backends(msgspec.Struct, frozen=True):
    """What decides whether a Service becomes a backend: ownership, and the cluster."""

    cluster: Cluster
    ownership: authorization.Ownership

    def model_refusal(self, request: IngressRequest) -> Problem | None:
        """Return why the model that a request names is refused; None where it is its own.

        Juju's id of its model decides. A model has the name of its namespace, but for the
        controller's: model `controller` is namespace `controller-<name of the controller>`.
        """
        requester, model = request.requester, request.model
        own = self.ownership.home(requester)
        if own == model:
            return None
        if own and requester.model_uuid and authorization.is_namespace_of(own, model):
            return None
        remedy = f"ask for a Service of model {own}, or integrate across models"
        if requester.model_uuid:
            remedy = "ask for a Service of the model that the application runs in"
        message = f"asks for model {model}, which is not its own: refused"
        return requester.problem(Code.MODEL_NOT_ITS_OWN, "model", message, remedy)

    def namespace_of(self, request: IngressRequest) -> str:
        """Return the namespace of a request's backends; its model is the requester's own."""
        return self.ownership.home(request.requester) or request.model

    def backend(
        self, request: IngressRequest, named: Backend, field: str
    ) -> NamedBackend | Problem:
        """Return the backend that a request names, or a Problem where it is refused.

        Args:
            request: its model is the requester's own, as `model_refusal` decided.
            named: the Service, as the databag names it.
            field: place of the Service's name in the databag.
        """
        requester, namespace = request.requester, self.namespace_of(request)
        name, number = named.service, named.port
        service = self._gateway_service(namespace, name)
        service = service or self.cluster.services.get((namespace, name))
        if service is None:
            return _absent(requester, namespace, named)
        refusal = self.ownership.backend_refusal(
            requester,
            service.namespace,
            service.selector,
            external_name=service.external_name,
            home_name=request.data.name if isinstance(request.data, IngressRequirerData) else "",
        )
        if refusal:
            texts = _refusal(requester, service, refusal)
            return requester.problem(Code.BACKEND_NOT_ITS_OWN, field, *texts)
        pod_ports = self._pod_ports(service, number)
        missing = None
        if not pod_ports:
            reason = f"no pod of {service.name} has the port behind {number} yet"
            if pod_ports is None:
                reason = f"Service {service.name} has no TCP port {number} yet"
            reason = f"{reason}: open it, or ask for no route to it"
            missing = MissingBackend(
                service.namespace, service.name, number, reason, service.written
            )
        return NamedBackend(_backend(service, number, pod_ports or (), named.weight), missing)

    def authorizer(self, named: AuthorizerService | None) -> BackendService | None:
        """Return the Service of the external authorizer, where it belongs to who named it.

        A Service of another application, one that does not exist, and one outside of the cluster
        are used for check requests all the same; only nothing is written about them.
        """
        service = named and self.cluster.services.get((named.namespace, named.name))
        if named is None or service is None:
            return None
        if self.ownership.backend_refusal(
            named.requester,
            service.namespace,
            service.selector,
            external_name=service.external_name,
        ):
            return None
        pod_ports = self._pod_ports(service, named.port)
        if not pod_ports:
            return None
        return _backend(service, named.port, pod_ports)

    def _gateway_service(self, namespace: str, app: str) -> ServiceFacts | None:
        """Return the Service of the Gateway of an application that is itself an ingress.

        The Service that Juju made for it leads to the charm's own pods. By convention application
        and Gateway have one name, so pods that istiod labels with it are the application's own.
        """
        service = self.cluster.services.get((namespace, workload_name(app)))
        labelled = service is not None and service.selector.get(gateways.NAME_LABEL) == app
        return service if labelled else None

    def _pod_ports(self, service: ServiceFacts, number: int) -> tuple[int, ...] | None:
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
                numbers |= self.cluster.named_ports.get(key, frozenset())
        return tuple(sorted(numbers))


def _backend(
    service: ServiceFacts, port: int, pod_ports: tuple[int, ...], weight: int | None = None
) -> BackendService:
    return BackendService(
        namespace=service.namespace,
        service=service.name,
        port=port,
        pod_ports=pod_ports,
        selector=tuple(sorted(service.selector.items())),
        weight=weight,
    )


def _refusal(
    requester: authorization.Requester, service: ServiceFacts, refusal: Refusal
) -> tuple[str, str]:
    """Return message and remedy of the refusal to expose a Service."""
    where = f"Service {service.name}"
    own = f"ask for a Service that selects {authorization.NAME_LABEL}: {requester.app}"
    match refusal:
        case Refusal.EXTERNAL_NAME:
            return f"{where} leads out of the cluster: refused", "ask for a Service with pods"
        case Refusal.NO_SELECTOR:
            return f"{where} selects no pods: refused", own
        case Refusal.NOT_DEPLOYED:
            where = f"{where} of model {service.namespace}"
            message = f"{where} is of no application of Juju's: refused"
            return message, "ask for the Service that Juju made for the application"
        case _:
            return f"{where} is not one of {requester.app}: refused", own


def _absent(requester: authorization.Requester, namespace: str, named: Backend) -> NamedBackend:
    """Return the backend of a Service that does not exist yet.

    Which application it will belong to is not known, so no route may lead to it. One name is
    taken: Juju makes the Service of an application's name for that application.
    """
    reason = f"there is no Service {namespace}/{named.service} yet"
    missing = MissingBackend(namespace, named.service, named.port, reason)
    if requester.model_uuid or named.service != requester.app:
        return NamedBackend(None, missing)
    selector = ((authorization.NAME_LABEL, requester.app),)
    service = BackendService(namespace, named.service, named.port, (), selector, named.weight)
    return NamedBackend(service, missing)
