# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Applications as operators name them, `app` or `model/app`, found among pods and Services."""

import dataclasses
import difflib
from collections.abc import Collection, Mapping

from istio_ambient import authorization
from istio_ambient.authorization import evaluator
from istio_ambient.values.text import printable

_MOST_NAMES = 20
_LONGEST_NAME = 120


class UnknownNameError(ValueError):
    """Nothing is named so, or more than one thing; the message names what there is."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Who sends requests."""

    namespace: str
    name: str
    """The application."""
    identity: str
    """`<namespace>/<service account>`."""
    on_mesh: bool = True
    """Otherwise nobody learns its identity."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Destination:
    """What requests are sent to."""

    target: evaluator.Target
    pods: evaluator.Target | None = None
    """The application whose pods are behind it; None: there is no such pod at the moment."""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """Of one of the pods, or what the Service selects."""
    note: str = ""
    """Why it is something else than what was named."""

    @property
    def application(self) -> str:
        """The application whose pods these are, or would be; empty: nobody says."""
        return self.labels.get(authorization.NAME_LABEL, "")


def source(topology: evaluator.Topology, text: str, model: str) -> Source:
    """Return who is meant; a gateway is meant rather than the charm that manages it.

    Args:
        topology: of the cluster.
        text: `app`, `model/app`, or a service account in place of the application.
        model: what a name without a model belongs to.

    Raises:
        UnknownNameError: nobody is named so, or an application with several service accounts is.
    """
    namespace, name = split(topology, text, model)
    pods = _pods(topology, namespace)
    found = (
        [pod for pod in pods if _labels(pod).get(evaluator.GATEWAY_LABEL) == name]
        or [pod for pod in pods if evaluator.application(pod) == name]
        or [pod for pod in pods if _account(pod) == name]
    )
    if not found and (namespace, name) in topology.services:
        # Scaled to zero: Juju names the service account like the application.
        return Source(namespace, name, f"{namespace}/{name}")
    if not found:
        raise _unknown("application", namespace, name, set(map(evaluator.application, pods)))
    accounts = sorted(set(map(_account, found)))
    if len(accounts) > 1:
        choices = ", ".join(f"{namespace}/{account}" for account in accounts)
        message = f"{namespace}/{name} runs with more than one service account: name one"
        raise UnknownNameError(f"{message}: {choices}")
    identity = f"{namespace}/{accounts[0]}"
    return Source(namespace, name, identity, not topology.is_off_mesh(identity))


def at_port(
    topology: evaluator.Topology, destination: Destination, port: int | None
) -> Destination:
    """Return the pods instead of a Service that has no such port, as scrapers ask them."""
    target, pods = destination.target, destination.pods
    service = topology.services.get((target.namespace, target.name))
    if target.kind is not evaluator.TargetKind.SERVICE or service is None or pods is None:
        return destination
    if evaluator.offers(service, port):
        return destination
    note = f"{target} has no port {port}: this is about the addresses of its pods"
    return dataclasses.replace(destination, target=pods, note=note)


def destination(topology: evaluator.Topology, text: str, model: str) -> Destination:
    """Return what is meant: a Service, else the one Service of an application, else its pods.

    Args:
        topology: of the cluster.
        text: `app`, `model/app`, or a Service in place of the application.
        model: what a name without a model belongs to.

    Raises:
        UnknownNameError: nothing is named so, or the application has several Services.
    """
    namespace, name = split(topology, text, model)
    own = topology.pods_of_application(evaluator.Target.workload(namespace, name))
    services = {
        key: service
        for key, service in topology.services.items()
        if key == (namespace, name) or (own and service in topology.services_of(own[0]))
    }
    if (namespace, name) in services:
        services = {(namespace, name): services[namespace, name]}
    if len(services) > 1:
        choices = ", ".join("/".join(key) for key in sorted(services))
        message = f"more than one Service stands before {namespace}/{name}: name one"
        raise UnknownNameError(f"{message}: {choices}")
    if not services and not own:
        known = set(map(evaluator.application, _pods(topology, namespace)))
        known |= {service for where, service in topology.services if where == namespace}
        raise _unknown("application or Service", namespace, name, known)
    selector: Mapping[str, str] = {}
    for service in services.values():
        own = topology.pods_of(service)
        selector = service.get("spec", {}).get("selector") or {}
    pod = min(own, key=lambda each: not topology.on_mesh(each), default=None)
    pods = evaluator.Target.workload(namespace, evaluator.application(pod)) if pod else None
    target = evaluator.Target.service(*next(iter(services))) if services else pods
    if target is None:  # There are pods where there is no Service.
        raise UnknownNameError(f"{namespace}/{name} has neither a Service nor pods")
    return Destination(target, pods, _labels(pod) if pod else selector)


def split(topology: evaluator.Topology, text: str, model: str) -> tuple[str, str]:
    """Return namespace and name of `app` or `model/app`.

    Raises:
        UnknownNameError: it is neither, or there is no such model.
    """
    namespace, slash, name = text.partition("/")
    if not slash:
        namespace, name = model, text
    if not namespace or not name or "/" in name:
        wrong = printable(text, _LONGEST_NAME)
        raise UnknownNameError(f"{wrong}: name an application, or <model>/<application>")
    if namespace not in topology.namespaces:
        shown = printable(namespace, _LONGEST_NAME)
        guesses = _guesses(namespace, topology.namespaces)
        raise UnknownNameError(f"there is no model {shown} in this cluster; {guesses}")
    return namespace, name


def check(topology: evaluator.Topology, namespace: str, name: str) -> None:
    """Check that there is an application or a Service of this name.

    Raises:
        UnknownNameError: there is none.
    """
    known = set(map(evaluator.application, _pods(topology, namespace)))
    known |= {service for where, service in topology.services if where == namespace}
    known |= set(map(_account, _pods(topology, namespace)))
    if name not in known:
        raise _unknown("application", namespace, name, known)


def _unknown(what: str, namespace: str, name: str, known: Collection[str]) -> UnknownNameError:
    shown = printable(name, _LONGEST_NAME)
    return UnknownNameError(f"there is no {what} {shown} in {namespace}; {_guesses(name, known)}")


def _guesses(name: str, known: Collection[str]) -> str:
    """Return what may be meant, and what there is."""
    listed = sorted(known)
    if not listed:
        return "there is nothing"
    close = difflib.get_close_matches(name, listed, n=1)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    there = f"there are {', '.join(listed[:_MOST_NAMES])}{more}"
    return f"did you mean {close[0]}? {there}" if close else there


def _pods(topology: evaluator.Topology, namespace: str) -> list[evaluator.Manifest]:
    return [pod for (where, _), pod in topology.pods.items() if where == namespace]


def _account(pod: evaluator.Manifest) -> str:
    return pod.get("spec", {}).get("serviceAccountName") or "default"


def _labels(pod: evaluator.Manifest) -> dict[str, str]:
    return pod["metadata"].get("labels") or {}
