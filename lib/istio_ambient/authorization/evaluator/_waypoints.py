# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The waypoint of a Service, and that of a pod, as labels name it and its Gateway allows it."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from istio_ambient import gateways, kube
from istio_ambient.authorization.evaluator import _snapshot
from istio_ambient.authorization.evaluator._snapshot import Manifest

MANAGED_LABEL = "gateway.istio.io/managed"
_MESH_CONTROLLERS = ("istio.io-mesh-controller", "istio.io-eastwest-controller")


@dataclasses.dataclass(frozen=True)
class Waypoint:
    """A Gateway that is a waypoint and has an address."""

    namespace: str
    name: str
    traffic: str
    """`service`, `workload`, `all` or `none`."""
    sources: tuple[str, ...]
    """Identities of its pods, `<namespace>/<service account>`; empty: it has none."""
    addresses: tuple[str, ...]
    """IP addresses of its pods."""
    is_reachable: bool
    """Whether a pod is ready to take requests of other proxies. ztunnel sends no request elsewhere
    where none is: those to the Services of such a waypoint fail."""

    @property
    def source(self) -> str:
        """The identity of a pod; without pods, the one that istiod would give it."""
        return next(iter(self.sources), f"{self.namespace}/{self.name}")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Waypoints:
    """Finds waypoints.

    Args:
        found: Gateways by namespace and name.
        namespaces: the labels of namespaces.
        pods_of: returns the pods of a Gateway, of which namespace and name are given.
    """

    def __init__(
        self,
        found: Mapping[_snapshot.Name, Manifest],
        namespaces: Mapping[str, Mapping[str, str]],
        pods_of: Callable[[str, str], Iterable[Manifest]],
    ):
        self._gateways = found
        self._namespaces = namespaces
        self._pods_of = pods_of
        self._found: dict[_snapshot.Name, tuple[Waypoint | None, str]] = {}

    def of_service(self, service: Manifest) -> tuple[Waypoint | None, str]:
        """Return the waypoint of a Service, or None and a note.

        The note says why a waypoint that the labels name is not used; it is empty where the labels
        name none.
        """
        key = _snapshot.key(service)
        if key not in self._found:
            self._found[key] = self._of_service(service)
        return self._found[key]

    def _of_service(self, service: Manifest) -> tuple[Waypoint | None, str]:
        if _snapshot.labels(service).get(MANAGED_LABEL) in _MESH_CONTROLLERS:
            return None, ""
        found, note = self._named(service)
        if found and found.traffic not in ("service", "all"):
            return None, f"waypoint {found} does not serve Services"
        return found, note

    def of_pod(self, pod: Manifest) -> Waypoint | None:
        """Return the waypoint of a pod, for requests to the pod's own address."""
        if gateways.NAME_LABEL in _snapshot.labels(pod):
            return None  # A pod of a waypoint or gateway.
        found, _ = self._named(pod)
        return found if found and found.traffic in ("workload", "all") else None

    def _named(self, labelled: Manifest) -> tuple[Waypoint | None, str]:
        where = _snapshot.namespace(labelled)
        for labels in (_snapshot.labels(labelled), self._namespaces.get(where, {})):
            if gateways.USE_WAYPOINT not in labels:
                continue
            name = labels[gateways.USE_WAYPOINT]
            if name == "none":
                return None, ""
            key = labels.get(gateways.USE_WAYPOINT_NAMESPACE, where), name
            gateway = self._gateways.get(key)
            if not gateway or not kube.items(kube.section(gateway, "status"), "addresses"):
                return None, f"waypoint {'/'.join(key)} does not exist, so requests bypass it"
            if not self._allows(gateway, where):
                return None, f"waypoint {'/'.join(key)} does not allow namespace {where}"
            return self.of_gateway(gateway), ""
        return None, ""

    def _allows(self, gateway: Manifest, where: str) -> bool:
        """Return whether a waypoint's listener allows Services of a namespace."""
        for listener in kube.items(_snapshot.spec(gateway), "listeners"):
            if (listener.get("protocol"), listener.get("port")) == ("HBONE", gateways.HBONE_PORT):
                allowed = kube.section(kube.section(listener, "allowedRoutes"), "namespaces")
                if allowed.get("from") == "Selector":
                    selector = kube.section(allowed, "selector")
                    return _matches(selector, self._namespaces.get(where, {}))
                return allowed.get("from") == "All" or where == _snapshot.namespace(gateway)
        return where == _snapshot.namespace(gateway)

    def of_gateway(self, gateway: Manifest) -> Waypoint:
        """Return the waypoint that a Gateway of that class is."""
        where, name = _snapshot.key(gateway)
        pods = list(self._pods_of(where, name))
        addresses = {_snapshot.address(pod) for pod in pods}
        return Waypoint(
            where,
            name,
            _snapshot.labels(gateway).get(gateways.WAYPOINT_FOR_LABEL, "service"),
            tuple(sorted(set(map(_snapshot.identity, pods)))),
            tuple(sorted(each for each in addresses if each)),
            # Gateways of other classes take no requests of ztunnels.
            gateways.is_waypoint(gateway) and any(map(_snapshot.is_ready, pods)),
        )


def _matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a LabelSelector of the Kubernetes API matches labels."""
    if not kube.section(selector, "matchLabels").items() <= labels.items():
        return False
    return all(_fulfils(each, labels) for each in kube.items(selector, "matchExpressions"))


def _fulfils(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    operator, value = expression["operator"], labels.get(expression["key"])
    has_value = value is not None
    if operator in ("In", "NotIn"):
        has_value = value in (expression.get("values") or ())
    return has_value == (operator in ("In", "Exists"))
