# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Applications, units, Services and accounts as operators name them, looked up in the cluster."""

import dataclasses
import enum
from collections.abc import Mapping

from istio_ambient import authorization, gateways, kube, resources
from istio_ambient.authorization import evaluator
from istio_ambient.explain import names
from istio_ambient.explain.names import Kind, UnknownNameError

_MODEL_MARK = "model.juju.is/"


class SourceKind(enum.StrEnum):
    """What a source is to Juju."""

    APPLICATION = "application"
    """Its service account has the name of the application, as Juju and charms have it."""
    GATEWAY = "gateway"
    """Proxies that istiod made of a Gateway."""
    OTHER = "workload"
    """Unknown to Juju, or with a service account that no charm names."""


@dataclasses.dataclass(frozen=True)
class NamedSource:
    """The workload identity that an operator named as the source of requests."""

    namespace: str
    name: str
    """The application."""
    identity: str
    """`<namespace>/<service account>`."""
    on_mesh: bool = True
    """Otherwise no proxy learns its identity."""
    kind: SourceKind = SourceKind.APPLICATION
    owner: str = ""
    """Of a gateway: `<model>/<application>` that wrote it; empty: not known."""
    note: str = ""
    """What the operator may not know of it; empty: nothing."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def account(self) -> authorization.Source:
        """The identity as access requests have it."""
        namespace, _, account = self.identity.partition("/")
        return authorization.Source(namespace, account)


@dataclasses.dataclass(frozen=True)
class NamedDestination:
    """The Service or pods that an operator named as the destination of requests."""

    address: evaluator.Destination
    pods: evaluator.Destination | None = None
    """The pods that the Service selects, or the same pods; None: there is no such pod now."""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """Labels of one of the pods, else the selector of the Service."""
    note: str = ""
    """Why the address is another one than the operator named; empty: it is the same."""
    listens: tuple[int, ...] = ()
    """Ports of the Service and of the pods' containers, sorted; empty: not known."""
    is_wrong_port: bool = False
    """Whether the port of the request is none of these."""

    @property
    def application(self) -> str:
        """The application whose pods these are, or would be; empty: no label names it."""
        return self.labels.get(authorization.NAME_LABEL, "")


def source(topology: evaluator.Topology, text: str, model: str) -> NamedSource:
    """Return the source that a name stands for; of a charm that runs a gateway, the gateway.

    Args:
        topology: of the cluster.
        text: any spelling of `names.read`.
        model: the model of a name that has none.

    Raises:
        UnknownNameError: nothing has the name, or the application has several service accounts.
    """
    named = names.read(text, model, topology.namespaces)
    found = _sending(topology, named)
    if not found:
        return _without_pods(topology, named)
    accounts = sorted(set(map(_account, found)))
    if len(accounts) > 1:
        choices = ", ".join(f"{named.namespace}/{account}" for account in accounts)
        message = f"{named.namespace}/{named.name} runs with more than one service account"
        raise UnknownNameError(f"{message}: name one: {choices}")
    identity = f"{named.namespace}/{accounts[0]}"
    gateway = evaluator.labels(found[0]).get(gateways.NAME_LABEL, "")
    app = gateway or evaluator.application(found[0])
    is_spelled = named.kind is Kind.ACCOUNT or (named.kind is Kind.ANY and app != accounts[0])
    name = named.name if is_spelled else app
    return NamedSource(
        named.namespace,
        name,
        identity,
        on_mesh=not topology.is_off_mesh(identity),
        kind=_kind(topology, named.namespace, found[0]),
        owner=_gateway_owner(topology, named.namespace, gateway),
    )


def _sending(topology: evaluator.Topology, named: names.Name) -> list[evaluator.Manifest]:
    """Return the pods that a name of a source stands for."""
    pods = _pods(topology, named.namespace)
    own = topology.pods.get((named.namespace, named.name))
    of_account = [pod for pod in pods if _account(pod) == named.name]
    if named.kind is Kind.POD:
        return [own] if own else []
    if named.kind is Kind.ACCOUNT:
        return of_account
    return (
        [pod for pod in pods if evaluator.labels(pod).get(gateways.NAME_LABEL) == named.name]
        or [pod for pod in pods if evaluator.application(pod) == named.name]
        or of_account
        or ([own] if own else [])
    )


def _without_pods(topology: evaluator.Topology, named: names.Name) -> NamedSource:
    """Return the source of a name that no pod has.

    Raises:
        UnknownNameError: nothing else says that it exists.
    """
    identity = f"{named.namespace}/{named.name}"
    is_model = _is_model(topology, named.namespace)
    if (named.namespace, named.name) in topology.services and named.kind is Kind.ANY:
        # Scaled to zero: Juju gives the service account the name of the application.
        kind = SourceKind.APPLICATION if is_model else SourceKind.OTHER
        return NamedSource(named.namespace, named.name, identity, kind=kind)
    if named.kind is Kind.ACCOUNT or (named.kind is Kind.ANY and not is_model):
        note = f"no pod runs with the service account {identity} now"
        return NamedSource(named.namespace, named.name, identity, kind=SourceKind.OTHER, note=note)
    raise names.unknown(*_looked_for(topology, named, _pods(topology, named.namespace)))


def _looked_for(
    topology: evaluator.Topology, named: names.Name, pods: list[evaluator.Manifest]
) -> tuple[str, names.Name, set[str]]:
    if named.kind is Kind.POD:
        return "pod or unit", named, {pod["metadata"]["name"] for pod in pods}
    return "application", named, _names(topology, named.namespace)


def _kind(topology: evaluator.Topology, namespace: str, pod: evaluator.Manifest) -> SourceKind:
    if gateways.NAME_LABEL in evaluator.labels(pod):
        return SourceKind.GATEWAY
    label = evaluator.labels(pod).get(authorization.NAME_LABEL)
    is_named = label == _account(pod) and _is_model(topology, namespace)
    return SourceKind.APPLICATION if is_named else SourceKind.OTHER


def _is_model(topology: evaluator.Topology, namespace: str) -> bool:
    """Return whether a namespace is a Juju model: Juju marks it, in its labels or annotations."""
    for each in topology.snapshot.namespaces:
        if each["metadata"]["name"] == namespace:
            marks = (*evaluator.labels(each), *kube.section(each["metadata"], "annotations"))
            return any(mark.startswith(_MODEL_MARK) for mark in marks)
    return False


def _gateway_owner(topology: evaluator.Topology, namespace: str, gateway: str) -> str:
    found = topology.gateways.get((namespace, gateway))
    annotations = kube.section(found["metadata"], "annotations") if found else {}
    return resources.owner(annotations)


def beacons(snapshot: evaluator.Snapshot) -> frozenset[str]:
    """Return the applications, `<model>/<application>`, that own a waypoint."""
    waypoints = (
        kube.section(each["metadata"], "annotations")
        for each in filter(gateways.is_waypoint, snapshot.gateways)
    )
    return frozenset(filter(None, map(resources.owner, waypoints)))


def at_port(
    topology: evaluator.Topology,
    destination: NamedDestination,
    port: int | None,
    known: frozenset[int] = frozenset(),
) -> NamedDestination:
    """Return a destination with the address that a request to a port is sent to.

    Where the Service has no such port, that is its pods' own address, as scrapers use it.

    Args:
        topology: of the cluster.
        destination: as `destination` returns it.
        port: of the request; None: any.
        known: ports that access requests name for the destination.
    """
    address, pods = destination.address, destination.pods
    service = topology.services.get((address.namespace, address.name))
    if address.kind is not evaluator.DestinationKind.SERVICE or service is None or pods is None:
        return destination
    if port is None or evaluator.offers(service, port):
        return destination
    exposed = (each for pod in topology.pods_of(service) for each in evaluator.exposed(pod))
    declared = {int(each.get("containerPort") or 0) for each in exposed}
    offered = {each["port"] for each in kube.items(kube.section(service, "spec"), "ports")}
    is_wrong = port not in declared | known
    ports = tuple(sorted(offered or declared))
    note = f"{address} has no port {port}: this is about the addresses of its pods"
    if is_wrong and ports:
        note = f"{address} has no port {port}, it listens on {_listed(ports)}"
    return dataclasses.replace(
        destination, address=pods, note=note, listens=ports, is_wrong_port=is_wrong and bool(ports)
    )


def _listed(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))


def destination(topology: evaluator.Topology, text: str, model: str) -> NamedDestination:
    """Return the destination that a name stands for.

    That is the Service of the name, else the only Service of the application, else its pods.

    Args:
        topology: of the cluster.
        text: any spelling of `names.read`, but no service account.
        model: the model of a name that has none.

    Raises:
        UnknownNameError: nothing has the name, or the application has several Services.
    """
    named = names.read(text, model, topology.namespaces)
    namespace, name = named.namespace, named.name
    if named.kind is Kind.POD:
        return _pod(topology, named)
    if named.kind is Kind.ACCOUNT:
        raise UnknownNameError(f"{text}: a target is an application, a Service or a pod")
    own = topology.pods_of_application(evaluator.Destination.workload(namespace, name))
    services = {
        key: service
        for key, service in topology.services.items()
        if key == (namespace, name) or (own and service in topology.services_of(own[0]))
    }
    if (namespace, name) in services:
        services = {(namespace, name): services[namespace, name]}
    if len(services) > 1:
        choices = ", ".join("/".join(key) for key in sorted(services))
        message = f"{namespace}/{name} has more than one Service: name one"
        raise UnknownNameError(f"{message}: {choices}")
    if not services and not own:
        if (namespace, name) in topology.pods:
            return _pod(topology, named)
        raise names.unknown("application or Service", named, _names(topology, namespace))
    selector: Mapping[str, str] = {}
    for service in services.values():
        own = topology.pods_of(service)
        selector = service.get("spec", {}).get("selector") or {}
    pod = min(own, key=lambda each: not topology.on_mesh(each), default=None)
    pods = evaluator.Destination.workload(namespace, evaluator.application(pod)) if pod else None
    address = evaluator.Destination.service(*next(iter(services))) if services else pods
    if address is None:  # Without a Service there are pods.
        raise UnknownNameError(f"{namespace}/{name} has neither a Service nor pods")
    return NamedDestination(address, pods, evaluator.labels(pod) if pod else selector)


def _pod(topology: evaluator.Topology, named: names.Name) -> NamedDestination:
    """Return one pod as a destination, at its own address.

    Raises:
        UnknownNameError: there is no such pod.
    """
    pod = topology.pods.get((named.namespace, named.name))
    if pod is None:
        raise names.unknown(*_looked_for(topology, named, _pods(topology, named.namespace)))
    address = evaluator.Destination.pod(named.namespace, named.name)
    return NamedDestination(address, address, evaluator.labels(pod))


def split(topology: evaluator.Topology, text: str, model: str) -> tuple[str, str]:
    """Return namespace and name of a spelling.

    Raises:
        UnknownNameError: it is none, or there is no such model.
    """
    named = names.read(text, model, topology.namespaces)
    pod = topology.pods.get((named.namespace, named.name))
    if named.kind is Kind.POD and pod:
        return named.namespace, evaluator.application(pod)
    return named.namespace, named.name


def check(topology: evaluator.Topology, namespace: str, name: str) -> None:
    """Check that an application, a Service or a service account has a name.

    Raises:
        UnknownNameError: none has it.
    """
    known = _names(topology, namespace) | set(map(_account, _pods(topology, namespace)))
    if name not in known:
        raise names.unknown("application", names.Name(namespace, name), known)


def _names(topology: evaluator.Topology, namespace: str) -> set[str]:
    """Return the names of the applications and Services of a namespace."""
    services = {name for where, name in topology.services if where == namespace}
    return services | set(map(evaluator.application, _pods(topology, namespace)))


def _pods(topology: evaluator.Topology, namespace: str) -> list[evaluator.Manifest]:
    return [pod for (where, _), pod in topology.pods.items() if where == namespace]


def _account(pod: evaluator.Manifest) -> str:
    return evaluator.identity(pod).partition("/")[2]
