# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The way of a request through the mesh, and the decision of each proxy on it."""

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from istio_ambient.authorization.evaluator import (
    _authentication,
    _decide,
    _match,
    _not_weighed,
    _ports,
    _request,
    _snapshot,
    _waypoint,
    _workloads,
    _ztunnel,
)
from istio_ambient.authorization.evaluator._describe import short
from istio_ambient.authorization.evaluator._request import (
    ClientKind,
    Destination,
    DestinationKind,
    Request,
)
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._topology import Topology
from istio_ambient.authorization.evaluator._verdict import (
    Decision,
    Hop,
    PolicyRef,
    Proxy,
    Reason,
    Verdict,
)
from istio_ambient.authorization.evaluator._waypoints import Waypoint


class UnknownDestinationError(LookupError):
    """The snapshot has no such Service or pod, or the Service no such port."""


def evaluate(snapshot: Snapshot, request: Request) -> Verdict:
    """Return whether a request is allowed, and the hops that decide it.

    Unspecified members of the request make the verdict conditional where it depends on them.

    Raises:
        UnknownDestinationError: the snapshot does not have the destination.
    """
    return Evaluator(snapshot).evaluate(request)


_UNREAD_TOKENS = "RequestAuthentications"
_NO_SELECTOR = (
    "the Service has no selector, so that its endpoints are unknown: policies at them may deny it"
)
_SOME_OFF_MESH = "some of the pods are not on the mesh"
_BYPASSING = f"no policy is enforced for plain text at pods with the annotation {_snapshot.BYPASS}"
_FROM_NODE = "a process on the node of a pod, such as the kubelet, passes by the pod's ztunnel"


@dataclasses.dataclass(frozen=True)
class _Client:
    """What sends a request, as proxies see it."""

    kind: ClientKind
    source: str | None = None
    note: str = ""


class Evaluator:
    """Evaluates many requests against one snapshot, which it reads once."""

    def __init__(self, snapshot: Snapshot):
        self.topology = Topology(snapshot)

    def evaluate(self, request: Request) -> Verdict:
        """See `evaluate`."""
        client = self._client(request)
        try:
            if request.destination.kind is DestinationKind.SERVICE:
                hops, found = self._to_service(request, client)
            else:
                hops, found = self._to_pods(request, client)
        except LookupError as error:
            raise UnknownDestinationError(str(error).strip("'\"")) from error
        notes = [each for each in (client.note, *found) if each]
        has_open_pods = not {_SOME_OFF_MESH, _BYPASSING}.isdisjoint(notes)
        decision = _decision(hops, has_open_pods=has_open_pods)
        if _NO_SELECTOR in notes and decision is Decision.ALLOWED:
            decision = Decision.CONDITIONAL
        if client.kind is ClientKind.NODE:
            notes.append(_FROM_NODE)
            if request.destination.kind is not DestinationKind.SERVICE:
                decision, hops = Decision.ALLOWED, []
            elif decision is Decision.DENIED:
                decision = Decision.CONDITIONAL  # The pod may be on another node.
        return Verdict(
            decision,
            tuple(hops),
            note="; ".join(notes),
            not_weighed=self.not_weighed(hops),
            has_open_pods=has_open_pods,
        )

    def not_weighed(self, hops: Sequence[Hop]) -> tuple[str, ...]:
        """Return what a verdict on these hops leaves out, in words for an operator."""
        return _not_weighed.not_weighed(self.topology.snapshot, hops)

    def at_gateway(self, gateway: tuple[str, str], request: Request) -> Hop:
        """Return the decision of an ingress gateway about a request from outside the mesh.

        Whether the request has a valid token is unspecified.

        Args:
            gateway: namespace and name.
            request: `source` and `destination` are not read; `port` is the listener's.
        """
        attributes = self._attributes(request, None)
        rules = _decide.Rules(_waypoint.translation(http=True), _waypoint.value, attributes)
        applied = self.topology.policies_at_gateway(*gateway)
        hop = Hop(Proxy.GATEWAY, "/".join(gateway), source=None, port=request.port)
        return _authentication.with_token(
            hop, applied, rules, self.topology.authentications_at_gateway(*gateway)
        )

    def _client(self, request: Request) -> _Client:
        """Return what sends a request, as proxies see it."""
        source, kind = request.source, request.client
        if source is None or kind in (ClientKind.OUTSIDE, ClientKind.NODE):
            return _Client(kind or ClientKind.OUTSIDE)
        if kind:
            return _Client(kind, source)
        named = str(_identity(source))
        if self.topology.is_off_mesh(named):
            note = f"{named} is not on the mesh, so it has no identity"
            return _Client(ClientKind.OUTSIDE, note=note)
        is_gateway = self.topology.is_ingress_gateway(named)
        return _Client(ClientKind.GATEWAY if is_gateway else ClientKind.MESH, source)

    def _to_service(self, request: Request, client: _Client) -> tuple[list[Hop], list[str]]:
        service = _found(self.topology.services, request.destination)
        ports = _ports.service_ports(service, request.port)
        pods = self.topology.pods_of(service)
        waypoint, note = self.topology.service_waypoint(service)
        notes = [note]
        if waypoint and (bypass := self._bypass(client, service)):
            waypoint, notes = None, [bypass]
        if waypoint is None:
            notes.append(self._unenforced(service))
        if self.topology.is_headless(service):
            # Its name resolves to the addresses of pods: no port is translated.
            groups = _workloads.workloads(pods)
            hops = [hop for group in groups for hop in self._to_group(request, client, group)]
            return hops, [*notes, *self._about_pods(pods, client, None)]
        hops = self._at_service_waypoint(request, client, waypoint, service, ports)
        for group in self._guarded(pods, client, waypoint):
            pod_ports = _ports.target_ports(ports, group[0])
            hops.append(self._at_ztunnel(request, client.source, waypoint, group, pod_ports))
        if not _snapshot.has_selector(service):
            return hops, [*notes, _NO_SELECTOR]
        return hops, [*notes, *self._about_pods(pods, client, waypoint)]

    def _guarded(
        self, pods: Sequence[Manifest], client: _Client, waypoint: Waypoint | None
    ) -> list[list[Manifest]]:
        """Return those pods of which ztunnel decides about a client's connections, in groups."""
        plain = client.source is None and waypoint is None
        return _workloads.workloads(
            pod for pod in pods if self.topology.is_guarded(pod, in_plain_text=plain)
        )

    def _bypass(self, client: _Client, service: Manifest) -> str:
        """Return why a client bypasses a Service's waypoint; empty: it passes it."""
        if client.source is None:
            return "requests from outside of the mesh bypass the waypoint"
        return self.topology.waypoint_bypass(service, by_gateway=client.kind is ClientKind.GATEWAY)

    def _about_pods(
        self, pods: Sequence[Manifest], client: _Client, waypoint: Waypoint | None
    ) -> list[str]:
        """Return notes about pods whose ztunnel does not decide about a client's connections."""
        if not pods:
            return ["the Service has no pods"]
        on_mesh = [pod for pod in pods if self.topology.on_mesh(pod)]
        notes: list[str] = []
        if len(on_mesh) < len(pods):
            off = _SOME_OFF_MESH if on_mesh else "the pods are not on the mesh"
            notes = [off, self._uncaptured(pods)]
        if sum(map(len, self._guarded(pods, client, waypoint))) < len(on_mesh):
            notes.append(_BYPASSING)
        return notes

    def _uncaptured(self, pods: Sequence[Manifest]) -> str:
        """Return a note about pods whose labels alone say that they are on the mesh."""
        found = [_snapshot.name(pod) for pod in pods if self.topology.is_uncaptured(pod)]
        if not found:
            return ""
        return f"{', '.join(sorted(found)[:3])}: labelled for the mesh, not captured by istio-cni"

    def _unenforced(self, service: Manifest) -> str:
        """Return a note that names the policies of a Service without a waypoint; empty: none."""
        named = ", ".join(str(policy.ref) for policy in self.topology.policies_about(service))
        return f"no waypoint is passed, so that no proxy enforces {named}" if named else ""

    def _to_pods(self, request: Request, client: _Client) -> tuple[list[Hop], list[str]]:
        if request.destination.kind is DestinationKind.POD:
            pods = [_found(self.topology.pods, request.destination)]
        else:
            pods = self.topology.pods_of_application(request.destination)
        if not pods:
            raise LookupError(f"there is no {request.destination}")
        hops = [
            hop
            for group in _workloads.workloads(pods)
            for hop in self._to_group(request, client, group)
        ]
        if any(map(self.topology.on_mesh, pods)):
            return hops, self._about_pods(pods, client, None)
        return hops, [f"{request.destination} is not on the mesh", self._uncaptured(pods)]

    def _to_group(
        self, request: Request, client: _Client, group: Sequence[Manifest]
    ) -> Iterator[Hop]:
        """Yield the hops to the addresses of equivalent pods, which need not be on the mesh."""
        waypoint = self.topology.pod_waypoint(group[0]) if client.kind is ClientKind.MESH else None
        ports = None if request.port is None else (request.port,)
        if waypoint:
            yield self._at_waypoint(request, client, waypoint, pod=group[0], ports=ports)
        if self._guarded(group, client, waypoint):
            yield self._at_ztunnel(request, client.source, waypoint, group, ports)

    def _at_service_waypoint(
        self,
        request: Request,
        client: _Client,
        waypoint: Waypoint | None,
        service: Manifest,
        ports: Sequence[_ports.Port],
    ) -> list[Hop]:
        """Return the hop of a Service's waypoint; none where it is not passed.

        Of several possible ports, those with HTTP and those without are decided apart.
        """
        if waypoint is None:
            return []
        hops = [
            (
                numbers,
                self._at_waypoint(
                    request, client, waypoint, service=service, ports=numbers, protocol=protocol
                ),
            )
            for protocol, numbers in _ports.by_protocol(ports).items()
        ]
        return [_decide.of_ports(hops)]

    def _at_waypoint(
        self,
        request: Request,
        client: _Client,
        waypoint: Waypoint,
        *,
        service: Manifest | None = None,
        pod: Manifest | None = None,
        ports: tuple[int, ...] | None,
        protocol: _ports.Protocol = _ports.Protocol.HTTP,
    ) -> Hop:
        number = ports[0] if ports and len(ports) == 1 else None
        hop = Hop(Proxy.WAYPOINT, str(waypoint), _identity(client.source), number)
        http = protocol is _ports.Protocol.HTTP
        applied = self.topology.policies_at_waypoint(waypoint, service, http=http)
        obstacle = _obstacle(waypoint, service, protocol)
        if obstacle:
            return dataclasses.replace(
                hop, decision=Decision.DENIED, reason=Reason.UNREACHABLE, policy=obstacle
            )
        address = (
            _snapshot.spec(service).get("clusterIP") if service else _snapshot.address(pod or {})
        )
        attributes = dataclasses.replace(
            self._attributes(request, client.source),
            destination_ip=_address(address),
            port=number,
            ports=ports,
            tls=not http,
            # A connection that is not HTTP has no headers, and so the address that it comes from.
            headers=request.headers if http else {},
            tunnelled=True,
        )
        rules = _decide.Rules(_waypoint.translation(http=http), _waypoint.value, attributes)
        asked = self.topology.authentications_at_waypoint(waypoint, service) if http else []
        return _authentication.with_token(hop, applied, rules, asked)

    def _at_ztunnel(
        self,
        request: Request,
        source: str | None,
        waypoint: Waypoint | None,
        group: Sequence[Manifest],
        ports: tuple[int, ...] | None,
    ) -> Hop:
        """Return ztunnel's decision in front of equivalent pods."""
        pod, is_single = group[0], len(group) == 1
        port = ports[0] if ports and len(ports) == 1 else None
        source_ip = request.source_ip
        if waypoint:
            source = waypoint.source
            source_ip = waypoint.addresses[0] if len(waypoint.addresses) == 1 else None
        attributes = _match.Attributes(
            principal=self._principal(source),
            source_ip=_address(source_ip),
            destination_ip=_address(_snapshot.address(pod)) if is_single else None,
            port=port,
            ports=ports,
        )
        rules = _decide.Rules(_ztunnel.translate, _ztunnel.value, attributes)
        applied = self.topology.policies_at_ztunnel(pod)
        hop = Hop(Proxy.ZTUNNEL, "/".join(_snapshot.key(pod)), _identity(source), port)
        return _decide.decide(hop, applied, rules)

    def _principal(self, source: str | None) -> str | None:
        return _request.principal(source, self.topology.snapshot.mesh.trust_domain)

    def _attributes(self, request: Request, source: str | None) -> _match.Attributes:
        """Return the attributes of a request for a proxy that reads HTTP."""
        mesh = self.topology.snapshot.mesh
        return _match.Attributes(
            principal=self._principal(source),
            source_ip=_address(request.source_ip),
            port=request.port,
            method=request.method,
            path=request.path,
            host=request.host,
            headers=request.headers,
            normalization=mesh.path_normalization,
            token=None if _UNREAD_TOKENS in self.topology.snapshot.unread else False,
            trust_domains=(mesh.trust_domain, *mesh.trust_domain_aliases),
        )


def _obstacle(
    waypoint: Waypoint, service: Manifest | None, protocol: _ports.Protocol
) -> PolicyRef | None:
    """Return the object for which no proxy answers; None: one does."""
    if not waypoint.is_reachable:
        return PolicyRef(waypoint.namespace, waypoint.name, action="", kind="Gateway")
    if service is not None and protocol is _ports.Protocol.UDP:
        return PolicyRef(*_snapshot.key(service), action="", kind="Service")
    return None


def _found(objects: Mapping[_snapshot.Name, Manifest], destination: Destination) -> Manifest:
    found = objects.get((destination.namespace, destination.name))
    if found is None:
        raise LookupError(f"there is no {destination}")
    return found


def _decision(hops: Sequence[Hop], *, has_open_pods: bool) -> Decision:
    """Return the decision of all hops: the waypoint's first, then that of the pod's ztunnel.

    Args:
        hops: of the request.
        has_open_pods: as a verdict has it.
    """
    first = [hop.decision for hop in hops if hop.proxy is Proxy.WAYPOINT]
    last = {hop.decision for hop in hops if hop.proxy is Proxy.ZTUNNEL}
    if has_open_pods or not last:
        last.add(Decision.ALLOWED)
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
