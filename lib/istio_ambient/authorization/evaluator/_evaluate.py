# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The way of a request through the mesh, and the decision of each proxy on it."""

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from istio_ambient.authorization.evaluator import (
    _decide,
    _match,
    _ports,
    _request,
    _snapshot,
    _topology,
    _waypoint,
    _ztunnel,
)
from istio_ambient.authorization.evaluator._describe import short
from istio_ambient.authorization.evaluator._request import Destination, DestinationKind, Request
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._topology import Topology, Waypoint
from istio_ambient.authorization.evaluator._verdict import Decision, Hop, Proxy, Verdict


class UnknownDestinationError(LookupError):
    """The snapshot has no such Service or pod, or the Service no such port."""


def evaluate(snapshot: Snapshot, request: Request) -> Verdict:
    """Return whether a request is allowed, and the hops that decide it.

    Unspecified members of the request make the verdict conditional where it depends on them.

    Raises:
        UnknownDestinationError: the snapshot does not have the destination.
    """
    return Evaluator(snapshot).evaluate(request)


class Evaluator:
    """Evaluates many requests against one snapshot, which it reads once."""

    def __init__(self, snapshot: Snapshot):
        self.topology = Topology(snapshot)

    def evaluate(self, request: Request) -> Verdict:
        """See `evaluate`."""
        source, note = self._proven(request.source)
        try:
            if request.destination.kind is DestinationKind.SERVICE:
                hops, found = self._to_service(request, source)
            else:
                hops, found = self._to_pods(request, source)
        except LookupError as error:
            raise UnknownDestinationError(str(error).strip("'\"")) from error
        notes = [each for each in (note, *found) if each]
        return Verdict(_decision(hops), tuple(hops), "; ".join(notes))

    def behind(self, waypoint: Waypoint, group: Sequence[Manifest]) -> Hop:
        """Return ztunnel's decision about any request of a waypoint to equivalent pods.

        Args:
            waypoint: the source of the request.
            group: pods with the same policies, as `_topology.workloads` returns them.
        """
        unspecified = Request(None, Destination.pod(*_snapshot.key(group[0])))
        return self._at_ztunnel(unspecified, None, waypoint, group, None)

    def at_gateway(self, gateway: tuple[str, str], request: Request) -> Hop:
        """Return the decision of an ingress gateway about a request from outside the mesh.

        Whether the request has a valid token is unspecified.

        Args:
            gateway: namespace and name.
            request: `source` and `destination` are not read; `port` is the listener's.
        """
        attributes = dataclasses.replace(_attributes(request, None), token=None)
        rules = _decide.Rules(_waypoint.translation(http=True), _waypoint.value, attributes)
        applied = self.topology.policies_at_gateway(*gateway)
        hop = Hop(Proxy.GATEWAY, "/".join(gateway), source=None, port=request.port)
        return _decide.decide(hop, applied, rules)

    def _proven(self, source: str | None) -> tuple[str | None, str]:
        """Return the source that proxies see, and a note where it has no identity."""
        if source is None:
            return None, ""
        named = short(source) if "/ns/" in source else source
        if self.topology.is_off_mesh(named):
            return None, f"{named} is not on the mesh, so it has no identity"
        return source, ""

    def _to_service(self, request: Request, source: str | None) -> tuple[list[Hop], list[str]]:
        service = _found(self.topology.services, request.destination)
        port = _ports.service_port(service, request.port)
        waypoint, note = self.topology.service_waypoint(service)
        notes = [note]
        bypass = self.topology.waypoint_bypass(_identity(source), service) if waypoint else ""
        if bypass:
            waypoint, notes = None, [bypass]
        if waypoint is None:
            notes.append(self._unenforced(service))
        hops: list[Hop] = []
        if waypoint:
            hops.append(self._at_waypoint(request, source, waypoint, service))
        pods = self.topology.pods_of(service)
        on_mesh = [pod for pod in pods if self.topology.on_mesh(pod)]
        for group in _topology.workloads(on_mesh):
            pod_port = _ports.target_port(port, group[0]) if port else None
            hops.append(self._at_ztunnel(request, source, waypoint, group, pod_port))
        if not pods:
            notes.append("the Service has no pods")
        elif not on_mesh:
            notes.append("the pods of the Service are not on the mesh")
        elif len(on_mesh) < len(pods):
            notes.append("some pods of the Service are not on the mesh")
        return hops, notes

    def _unenforced(self, service: Manifest) -> str:
        """Return a note that names the policies of a Service without a waypoint; empty: none."""
        named = ", ".join(str(policy.ref) for policy in self.topology.policies_about(service))
        return f"no waypoint is passed, so that no proxy enforces {named}" if named else ""

    def _to_pods(self, request: Request, source: str | None) -> tuple[list[Hop], list[str]]:
        if request.destination.kind is DestinationKind.POD:
            pods = [_found(self.topology.pods, request.destination)]
        else:
            pods = self.topology.pods_of_application(request.destination)
        if not pods:
            raise LookupError(f"there is no {request.destination}")
        on_mesh = [pod for pod in pods if self.topology.on_mesh(pod)]
        hops = [
            hop
            for group in _topology.workloads(on_mesh)
            for hop in self._to_group(request, source, group)
        ]
        return hops, [] if on_mesh else [f"{request.destination} is not on the mesh"]

    def _to_group(
        self, request: Request, source: str | None, group: Sequence[Manifest]
    ) -> Iterator[Hop]:
        waypoint = self.topology.pod_waypoint(group[0]) if source is not None else None
        if waypoint:
            yield self._at_waypoint(request, source, waypoint, None, group[0])
        yield self._at_ztunnel(request, source, waypoint, group, request.port)

    def _at_waypoint(
        self,
        request: Request,
        source: str | None,
        waypoint: Waypoint,
        service: Manifest | None,
        pod: Manifest | None = None,
    ) -> Hop:
        port = _ports.service_port(service, request.port) if service else None
        number = port["port"] if port else request.port
        address = (
            _snapshot.spec(service).get("clusterIP") if service else _snapshot.address(pod or {})
        )
        http = _ports.takes_http(port)
        attributes = dataclasses.replace(
            _attributes(request, source),
            destination_ip=_address(address),
            port=number,
            tls=not http,
            tunnelled=True,
        )
        rules = _decide.Rules(_waypoint.translation(http=http), _waypoint.value, attributes)
        applied = self.topology.policies_at_waypoint(waypoint, service)
        hop = Hop(Proxy.WAYPOINT, str(waypoint), _identity(source), number)
        return _decide.decide(hop, applied, rules)

    def _at_ztunnel(
        self,
        request: Request,
        source: str | None,
        waypoint: Waypoint | None,
        group: Sequence[Manifest],
        port: int | None,
    ) -> Hop:
        """Return ztunnel's decision in front of equivalent pods."""
        pod, is_single = group[0], len(group) == 1
        source_ip = request.source_ip
        if waypoint:
            source = waypoint.sources[0]
            source_ip = waypoint.addresses[0] if len(waypoint.addresses) == 1 else None
        attributes = _match.Attributes(
            principal=_request.principal(source),
            source_ip=_address(source_ip),
            destination_ip=_address(_snapshot.address(pod)) if is_single else None,
            port=port,
        )
        rules = _decide.Rules(_ztunnel.translate, _ztunnel.value, attributes)
        applied = self.topology.policies_at_ztunnel(pod)
        hop = Hop(Proxy.ZTUNNEL, "/".join(_snapshot.key(pod)), _identity(source), port)
        return _decide.decide(hop, applied, rules)


def _attributes(request: Request, source: str | None) -> _match.Attributes:
    """Return the attributes of a request for a proxy that reads HTTP."""
    return _match.Attributes(
        principal=_request.principal(source),
        source_ip=_address(request.source_ip),
        port=request.port,
        method=request.method,
        path=request.path,
        host=request.host,
        headers=request.headers,
    )


def _found(objects: Mapping[_snapshot.Name, Manifest], destination: Destination) -> Manifest:
    found = objects.get((destination.namespace, destination.name))
    if found is None:
        raise LookupError(f"there is no {destination}")
    return found


def _decision(hops: Sequence[Hop]) -> Decision:
    """Return the decision of all hops: the waypoint's first, then that of the pod's ztunnel."""
    first = [hop.decision for hop in hops if hop.proxy is Proxy.WAYPOINT]
    last = {hop.decision for hop in hops if hop.proxy is Proxy.ZTUNNEL} or {Decision.ALLOWED}
    if Decision.DENIED in first or last == {Decision.DENIED}:
        return Decision.DENIED
    if all(each is Decision.ALLOWED for each in (*first, *last)):
        return Decision.ALLOWED
    return Decision.CONDITIONAL


def _identity(source: str | None) -> str | None:
    return short(source) if source and "/ns/" in source else source


def _address(value: str | None) -> _match.Address | None:
    try:
        return ipaddress.ip_address(value) if value else None
    except ValueError:
        return None
