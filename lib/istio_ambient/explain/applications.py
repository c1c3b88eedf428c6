# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Applications as operators name them, `app` or `model/app`, looked up in pods and Services."""

import dataclasses
import difflib
from collections.abc import Collection, Mapping

from istio_ambient import authorization, gateways
from istio_ambient.authorization import evaluator
from istio_ambient.values.text import printable

_MOST_NAMES = 20
_LONGEST_NAME = 120


class UnknownNameError(ValueError):
    """A name that nothing has, or several objects have; the message lists the choices."""


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

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


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

    @property
    def application(self) -> str:
        """The application whose pods these are, or would be; empty: no label names it."""
        return self.labels.get(authorization.NAME_LABEL, "")


def source(topology: evaluator.Topology, text: str, model: str) -> NamedSource:
    """Return the source that a name stands for; of a charm that runs a gateway, the gateway.

    Args:
        topology: of the cluster.
        text: `app`, `model/app`, or a service account in place of the application.
        model: the model of a name that has none.

    Raises:
        UnknownNameError: nothing has the name, or the application has several service accounts.
    """
    namespace, name = split(topology, text, model)
    pods = _pods(topology, namespace)
    found = (
        [pod for pod in pods if evaluator.labels(pod).get(gateways.NAME_LABEL) == name]
        or [pod for pod in pods if evaluator.application(pod) == name]
        or [pod for pod in pods if _account(pod) == name]
    )
    if not found and (namespace, name) in topology.services:
        # Scaled to zero: Juju gives the service account the name of the application.
        return NamedSource(namespace, name, f"{namespace}/{name}")
    if not found:
        raise _unknown("application", namespace, name, set(map(evaluator.application, pods)))
    accounts = sorted(set(map(_account, found)))
    if len(accounts) > 1:
        choices = ", ".join(f"{namespace}/{account}" for account in accounts)
        message = f"{namespace}/{name} runs with more than one service account: name one"
        raise UnknownNameError(f"{message}: {choices}")
    identity = f"{namespace}/{accounts[0]}"
    return NamedSource(namespace, name, identity, not topology.is_off_mesh(identity))


def at_port(
    topology: evaluator.Topology, destination: NamedDestination, port: int | None
) -> NamedDestination:
    """Return a destination with the address that a request to a port is sent to.

    Where the Service has no such port, that is its pods' own address, as scrapers use it.
    """
    address, pods = destination.address, destination.pods
    service = topology.services.get((address.namespace, address.name))
    if address.kind is not evaluator.DestinationKind.SERVICE or service is None or pods is None:
        return destination
    if evaluator.offers(service, port):
        return destination
    note = f"{address} has no port {port}: this is about the addresses of its pods"
    return dataclasses.replace(destination, address=pods, note=note)


def destination(topology: evaluator.Topology, text: str, model: str) -> NamedDestination:
    """Return the destination that a name stands for.

    That is the Service of the name, else the only Service of the application, else its pods.

    Args:
        topology: of the cluster.
        text: `app`, `model/app`, or a Service in place of the application.
        model: the model of a name that has none.

    Raises:
        UnknownNameError: nothing has the name, or the application has several Services.
    """
    namespace, name = split(topology, text, model)
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
        raise _unknown("application or Service", namespace, name, _names(topology, namespace))
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


def split(topology: evaluator.Topology, text: str, model: str) -> tuple[str, str]:
    """Return namespace and name of `app` or `model/app`.

    Raises:
        UnknownNameError: it is neither, or there is no such model.
    """
    namespace, slash, name = text.partition("/")
    if not slash:
        namespace, name = model, text
    if not namespace or not name or "/" in name:
        shown = printable(text, _LONGEST_NAME)
        raise UnknownNameError(f"{shown}: name an application, or <model>/<application>")
    if namespace not in topology.namespaces:
        shown = printable(namespace, _LONGEST_NAME)
        guesses = _guesses(namespace, topology.namespaces)
        raise UnknownNameError(f"there is no model {shown} in this cluster; {guesses}")
    return namespace, name


def check(topology: evaluator.Topology, namespace: str, name: str) -> None:
    """Check that an application, a Service or a service account has a name.

    Raises:
        UnknownNameError: none has it.
    """
    known = _names(topology, namespace) | set(map(_account, _pods(topology, namespace)))
    if name not in known:
        raise _unknown("application", namespace, name, known)


def _unknown(what: str, namespace: str, name: str, known: Collection[str]) -> UnknownNameError:
    shown = printable(name, _LONGEST_NAME)
    return UnknownNameError(f"there is no {what} {shown} in {namespace}; {_guesses(name, known)}")


def _guesses(name: str, known: Collection[str]) -> str:
    """Return the name that is probably meant, and the names that exist."""
    listed = sorted(known)
    if not listed:
        return "there are none"
    close = difflib.get_close_matches(name, listed, n=1)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    existing = f"there are {', '.join(listed[:_MOST_NAMES])}{more}"
    return f"did you mean {close[0]}? {existing}" if close else existing


def _names(topology: evaluator.Topology, namespace: str) -> set[str]:
    """Return the names of the applications and Services of a namespace."""
    services = {name for where, name in topology.services if where == namespace}
    return services | set(map(evaluator.application, _pods(topology, namespace)))


def _pods(topology: evaluator.Topology, namespace: str) -> list[evaluator.Manifest]:
    return [pod for (where, _), pod in topology.pods.items() if where == namespace]


def _account(pod: evaluator.Manifest) -> str:
    return pod.get("spec", {}).get("serviceAccountName") or "default"
