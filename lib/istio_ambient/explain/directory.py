# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Recorded requests with names of the cluster in place of addresses. Pure."""

import dataclasses
import datetime
import enum
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from istio_ambient import gateways, kube
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_log
from istio_ambient.explain.access_log import LoggedRequest
from istio_ambient.explain.applications import NamedDestination, NamedSource, SourceKind
from istio_ambient.values import decoded
from istio_ambient.values.text import printable

_MAX_PATH = 100
_FOLDED = re.compile(
    r"(?<=/)(?:\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?=[^/]*\d)[0-9a-fA-F]{16,})(?=/|$)"
)
"""Parts of a path that are an id: a number, a UUID, a hash."""
_NODE = "node"
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Origin(enum.StrEnum):
    """What is known about the sender of a request."""

    WORKLOAD = "workload"
    """A pod of the cluster, or an identity of the mesh."""
    NODE = "node"
    OUTSIDE = "outside"
    """An address that no pod has, or had at that time."""
    INSIDE = "inside"
    """An address of the pods' network that no pod has: a node's, or of a pod that is gone."""
    CLAIMED = "claimed"
    """The client may have written the address itself: nobody knows who it was."""


@dataclasses.dataclass(frozen=True)
class ProxyPod:
    """A pod whose log is an access log."""

    ref: kube.Ref
    proxy: evaluator.Proxy
    gateway: str = ""
    """`<namespace>/<name>` of its Gateway; empty: ztunnel."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of an access log, and the proxy that wrote it."""

    request: LoggedRequest
    proxy: ProxyPod


@dataclasses.dataclass(frozen=True)
class Sender:
    """Who sent a request."""

    origin: Origin
    name: str
    """`<namespace>/<application>`, or an address."""
    named: NamedSource | None = None
    """None: not of the cluster."""
    identified: bool = False
    """Whether the proxy verified the identity; otherwise the address alone tells."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A recorded request, with names of the cluster in place of addresses."""

    recorded: LoggedRequest
    proxy: evaluator.Proxy
    where: str
    """`<namespace>/<name>` of the Gateway, or of the pod behind ztunnel."""
    sender: Sender
    target: str
    """`<namespace>/<application or Service>`, or the host at a gateway."""
    destination: NamedDestination | None = None
    """None: nothing in the cluster has the address now."""

    @property
    def model(self) -> str:
        """The namespace of the target; empty: not known."""
        recorded = self.recorded
        if self.destination:
            return self.destination.address.namespace
        return (recorded.pod or recorded.service or ("",))[0]

    def is_of(self, model: str) -> bool:
        """Return whether a model may see a request: its own proxies, its target or its source.

        The ztunnel of a node logs the connections of all models; a source counts if verified.
        """
        if self.proxy is not evaluator.Proxy.ZTUNNEL or self.model == model:
            return True
        named = self.sender.named if self.sender.identified else None
        return named is not None and named.namespace == model

    @property
    def folded_path(self) -> str:
        """The path without query, ids replaced by `*`."""
        path = self.recorded.path.partition("?")[0]
        return printable(_FOLDED.sub("*", path), _MAX_PATH)


class Directory:
    """Finds who has an address, by the objects of the cluster.

    Args:
        topology: of the cluster.
    """

    def __init__(self, topology: evaluator.Topology):
        self.topology = topology
        self._pods: dict[str, evaluator.Manifest] = {}
        self._nodes: dict[str, str] = {}
        for pod in topology.pods.values():
            status = kube.section(pod, "status")
            node = str(kube.section(pod, "spec").get("nodeName") or "")
            for each in (status.get("hostIP"), *_addresses(status, "hostIPs")):
                self._nodes[str(each)] = node
            if not kube.section(pod, "spec").get("hostNetwork"):
                for each in (status.get("podIP"), *_addresses(status)):
                    self._pods[str(each)] = pod
        for found in topology.snapshot.nodes:
            for each in kube.items(kube.section(found, "status"), "addresses"):
                self._nodes[str(each.get("address"))] = evaluator.key(found)[1]
        self._networks = _networks(topology.snapshot.nodes, self._pods)
        self._services = {
            str(address): service
            for service in topology.services.values()
            for address in kube.section(service, "spec").get("clusterIPs")
            or [kube.section(service, "spec").get("clusterIP")]
        }

    def attempt(self, entry: Entry) -> Attempt:
        """Return a recorded request with the names that its addresses stand for."""
        request, proxy = entry.request, entry.proxy
        destination = self._destination(request, proxy.proxy)
        target = request.host if proxy.proxy is evaluator.Proxy.GATEWAY else ""
        if not target and destination is None and request.pod:
            target = f"{'/'.join(request.pod)} (gone)"
        if not target and destination:
            address = destination.address
            name = destination.application if request.pod else address.name
            target = f"{address.namespace}/{name or address.name}"
        where = proxy.gateway or "/".join(request.pod or (request.destination_ip,))
        return Attempt(
            request,
            proxy.proxy,
            where,
            self.sender(request, proxy.proxy),
            printable(target or request.destination_ip, _MAX_PATH),
            destination,
        )

    def pasted(self, request: LoggedRequest) -> Entry:
        """Return the entry for a line of which nobody said which proxy wrote it."""
        if request.recorder is access_log.Recorder.ZTUNNEL:
            return Entry(request, ProxyPod(kube.Ref("v1", "Pod", "", ""), evaluator.Proxy.ZTUNNEL))
        pod = self._pods.get(request.destination_ip)
        gateway = evaluator.labels(pod).get(gateways.NAME_LABEL) if pod else None
        where, proxy = "", evaluator.Proxy.WAYPOINT
        if pod and gateway:
            where = f"{evaluator.key(pod)[0]}/{gateway}"
            proxy = evaluator.Proxy.GATEWAY
        return Entry(request, ProxyPod(kube.Ref("v1", "Pod", "", ""), proxy, where))

    def sender(self, request: LoggedRequest, proxy: evaluator.Proxy) -> Sender:
        """Return who sent a request that a proxy recorded, unless the client can choose that."""
        if request.is_forwarded and proxy is evaluator.Proxy.WAYPOINT:
            claim = f"X-Forwarded-For, which a client can write, says {request.source_ip or '?'}"
            return Sender(Origin.CLAIMED, f"unknown: {claim}")
        if request.source_identity:
            namespace, _, account = request.source_identity.partition("/")
            pods = self.topology.pods_of_identity(request.source_identity)
            name = _name(pods[0]) if pods else account
            return _workload(namespace, name, request.source_identity, identified=True)
        pod = _then(self._pods.get(request.source_ip), request)
        if pod:
            sender = _workload(evaluator.key(pod)[0], _name(pod), evaluator.identity(pod))
            on_mesh = self.topology.on_mesh(pod) or gateways.NAME_LABEL in evaluator.labels(pod)
            named = dataclasses.replace(sender.named, on_mesh=on_mesh) if sender.named else None
            return dataclasses.replace(sender, named=named)
        if request.source_ip in self._nodes:
            return Sender(Origin.NODE, f"{_NODE} {self._nodes[request.source_ip]}")
        address = _address(request.source_ip)
        is_inside = address is not None and any(address in each for each in self._networks)
        origin = Origin.INSIDE if is_inside else Origin.OUTSIDE
        return Sender(origin, request.source_ip or "unknown address")

    def _destination(
        self, request: LoggedRequest, proxy: evaluator.Proxy
    ) -> NamedDestination | None:
        if proxy is evaluator.Proxy.ZTUNNEL:
            return self._to_pod(self._guarded(request))
        if request.service:
            service = self.topology.services.get(request.service[:2])
        else:
            service = _then(self._services.get(request.destination_ip), request)
        if service is not None:
            return self._to_service(service)
        if proxy is evaluator.Proxy.GATEWAY:
            return None
        return self._to_pod(_then(self._pods.get(request.destination_ip), request))

    def _guarded(self, request: LoggedRequest) -> evaluator.Manifest | None:
        """Return the pod that ztunnel guarded, or one in its place if it is gone."""
        if request.pod is None:
            return _then(self._pods.get(request.destination_ip), request)
        pod = self.topology.pods.get(request.pod)
        # Somebody else may have the address by now.
        service = self.topology.services.get(request.service[:2]) if request.service else None
        is_own = request.service is not None and request.service[0] == request.pod[0]
        others = self.topology.pods_of(service) if service and is_own else []
        return pod or next(iter(others), None)

    def _to_pod(self, pod: evaluator.Manifest | None) -> NamedDestination | None:
        if pod is None:
            return None
        namespace = evaluator.key(pod)[0]
        address = evaluator.Destination.workload(namespace, evaluator.application(pod))
        return NamedDestination(address, address, evaluator.labels(pod))

    def _to_service(self, service: evaluator.Manifest) -> NamedDestination:
        address = evaluator.Destination.service(*evaluator.key(service))
        pods = self.topology.pods_of(service)
        if not pods:
            selector = kube.section(kube.section(service, "spec"), "selector")
            return NamedDestination(address, None, selector)
        workload = evaluator.Destination.workload(
            address.namespace, evaluator.application(pods[0])
        )
        return NamedDestination(address, workload, evaluator.labels(pods[0]))


def _name(pod: evaluator.Manifest) -> str:
    """Return the Gateway that a pod is a proxy of, else its application."""
    return evaluator.labels(pod).get(gateways.NAME_LABEL) or evaluator.application(pod)


def _workload(namespace: str, name: str, identity: str, *, identified: bool = False) -> Sender:
    # Whether Juju knows it is looked up where it matters.
    named = NamedSource(namespace, name, identity, kind=SourceKind.OTHER)
    return Sender(Origin.WORKLOAD, printable(str(named), _MAX_PATH), named, identified)


def _then(found: evaluator.Manifest | None, request: LoggedRequest) -> evaluator.Manifest | None:
    """Return what has an address now, if it had the address at the time of a request."""
    return found if found and _existed(found, request.time) else None


def _existed(pod: evaluator.Manifest, time: datetime.datetime | None) -> bool:
    """Return whether a pod existed at a time: addresses are used again."""
    made = as_time(kube.section(pod, "metadata").get("creationTimestamp"))
    return made is None or time is None or made <= time


def _addresses(status: Mapping[str, Any], field: str = "podIPs") -> list[object]:
    return [each.get("ip") for each in kube.items(status, field)]


def _networks(nodes: Iterable[evaluator.Manifest], pods: Iterable[str]) -> frozenset[_Network]:
    """Return the networks of pods: those that nodes name, and those of pods in none of these.

    Not every network plugin names them. Pods of one node usually share a network of /24 or /64.

    Args:
        nodes: of the cluster, as far as they could be read.
        pods: addresses of pods.
    """
    specs = [kube.section(each, "spec") for each in nodes]
    named = {
        network
        for spec in specs
        for each in (*decoded.elements(spec.get("podCIDRs")), spec.get("podCIDR"))
        for network in [_network(each)]
        if network
    }
    return frozenset(named) | {
        network
        for address in filter(None, map(_address, pods))
        if not any(address in each for each in named)
        for network in [_network(f"{address}/{24 if address.version == 4 else 64}")]
        if network
    }


def _network(text: object) -> _Network | None:
    try:
        return ipaddress.ip_network(str(text), strict=False) if text else None
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def as_time(value: object) -> datetime.datetime | None:
    """Return a time of an object's metadata; None: it is none."""
    if isinstance(value, datetime.datetime):
        return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
    try:
        found = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None
