# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The way of a request through the mesh, and what each proxy on it says."""

import ipaddress
from collections.abc import Iterable, Sequence

from istio_ambient.authorization.evaluator import (
    _manifest,
    _match,
    _policies,
    _ports,
    _precedence,
    _request,
    _rules,
    _topology,
    _waypoint,
    _ztunnel,
)
from istio_ambient.authorization.evaluator._describe import short
from istio_ambient.authorization.evaluator._request import Request, Target, TargetKind
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._topology import Topology, Waypoint
from istio_ambient.authorization.evaluator._verdict import Decision, Hop, Proxy, Verdict


class UnknownTargetError(LookupError):
    """The snapshot has no such Service or pod, or the Service no such port."""


def evaluate(snapshot: Snapshot, request: Request) -> Verdict:
    """Return what becomes of a request, and by what.

    Members of the request that are open make a verdict conditional where it depends on them.

    Raises:
        UnknownTargetError: there is no such target.
    """
    return Evaluator(snapshot).evaluate(request)


class Evaluator:
    """Evaluates many requests against one snapshot, which it reads once."""

    def __init__(self, snapshot: Snapshot):
        self.topology = Topology(snapshot)

    def evaluate(self, request: Request) -> Verdict:
        """See `evaluate`."""
        source, note = self._shown(request.source)
        try:
            if request.target.kind is TargetKind.SERVICE:
                hops, found = self._to_service(request, source)
            else:
                hops, found = self._to_pods(request, source)
        except LookupError as error:
            raise UnknownTargetError(str(error).strip("'\"")) from error
        notes = [each for each in (note, *found) if each]
        return Verdict(_decision(hops), tuple(hops), "; ".join(notes))

    def behind(self, waypoint: Waypoint, group: Sequence[Manifest]) -> Hop:
        """Return what ztunnel says to a waypoint before pods that policies cannot tell apart."""
        anything = Request(None, Target.pod(*_manifest.key(group[0])))
        return self._behind(anything, None, waypoint, group, None)

    def at_gateway(self, gateway: tuple[str, str], request: Request) -> Hop:
        """Return what an ingress gateway says of a request from outside the mesh.

        Whether the request carries a valid token is open.

        Args:
            gateway: namespace and name.
            request: `source` and `target` are not looked at, `port` is the listener's.
        """
        attributes = _match.Attributes(
            principal=None,
            source_ip=_address(request.source_ip),
            port=request.port,
            method=request.method,
            path=request.path,
            host=request.host,
            headers=request.headers,
            token=None,
        )
        rules = _rules.Rules(_waypoint.translate_http, _waypoint.value, attributes)
        applied = self.topology.policies_at_gateway(*gateway)
        judgement = _precedence.judge(applied, rules.matches, rules.explains)
        where = "/".join(gateway)
        return _hop(Proxy.GATEWAY, where, None, request.port, applied, judgement)

    def _shown(self, source: str | None) -> tuple[str | None, str]:
        """Return the source as a proxy knows it, and why that is nobody in particular."""
        if source is None:
            return None, ""
        known = short(source) if "/ns/" in source else source
        if self.topology.is_off_mesh(known):
            return None, f"{known} is not on the mesh, so nobody knows who it is"
        return source, ""

    def _to_service(self, request: Request, source: str | None) -> tuple[list[Hop], list[str]]:
        service = self._known(self.topology.services, request)
        port = _ports.service_port(service, request.port)
        waypoint, note = self.topology.service_waypoint(service)
        notes = [note]
        if waypoint and (why := self.topology.passes_waypoint_by(_identity(source), service)):
            waypoint, notes = None, [why]
        if waypoint is None:
            notes.append(self._unenforced(service))
        hops: list[Hop] = []
        if waypoint:
            hops.append(self._at_waypoint(request, source, waypoint, service))
        pods = self.topology.pods_of(service)
        reached = [pod for pod in pods if self.topology.on_mesh(pod)]
        for group in _topology.workloads(reached):
            exposed = _ports.target_port(port, group[0]) if port else None
            hops.append(self._behind(request, source, waypoint, group, exposed))
        if not pods:
            notes.append("no pod is behind the Service")
        elif not reached:
            notes.append("the pods behind the Service are not on the mesh")
        elif len(reached) < len(pods):
            notes.append("some pods behind the Service are not on the mesh")
        return hops, notes

    def _unenforced(self, service: Manifest) -> str:
        """Say which policies are about a Service and enforced by nobody; empty: there is none."""
        named = ", ".join(str(policy.ref) for policy in self.topology.policies_about(service))
        return f"no waypoint is passed, so that nothing enforces {named}" if named else ""

    def _to_pods(self, request: Request, source: str | None) -> tuple[list[Hop], list[str]]:
        if request.target.kind is TargetKind.POD:
            pods = [self._known(self.topology.pods, request)]
        else:
            pods = self.topology.pods_of_application(request.target)
        if not pods:
            raise LookupError(f"there is no {request.target}")
        reached = [pod for pod in pods if self.topology.on_mesh(pod)]
        hops: list[Hop] = []
        for group in _topology.workloads(reached):
            waypoint = self.topology.pod_waypoint(group[0]) if source is not None else None
            if waypoint:
                hops.append(self._at_waypoint(request, source, waypoint, None, group[0]))
            hops.append(self._behind(request, source, waypoint, group, request.port))
        return hops, [] if reached else [f"{request.target} is not on the mesh"]

    def _known(self, where: dict[_manifest.Name, Manifest], request: Request) -> Manifest:
        found = where.get((request.target.namespace, request.target.name))
        if found is None:
            raise LookupError(f"there is no {request.target}")
        return found

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
        where = (
            _manifest.spec(service).get("clusterIP") if service else _manifest.address(pod or {})
        )
        http = _ports.takes_http(port)
        attributes = _match.Attributes(
            principal=_request.principal(source),
            source_ip=_address(request.source_ip),
            destination_ip=_address(where),
            port=number,
            method=request.method,
            path=request.path,
            host=request.host,
            headers=request.headers,
            tls=not http,
            tunnelled=True,
        )
        translate = _waypoint.translate_http if http else _waypoint.translate_tcp
        rules = _rules.Rules(translate, _waypoint.value, attributes)
        applied = self.topology.policies_at_waypoint(waypoint, service)
        judgement = _precedence.judge(applied, rules.matches, rules.explains)
        return _hop(Proxy.WAYPOINT, str(waypoint), source, number, applied, judgement)

    def _behind(
        self,
        request: Request,
        source: str | None,
        waypoint: Waypoint | None,
        group: Sequence[Manifest],
        port: int | None,
    ) -> Hop:
        """Return what ztunnel says before pods that policies cannot tell apart."""
        pod, only = group[0], len(group) == 1
        from_ip = request.source_ip
        if waypoint:
            source = waypoint.sources[0]
            from_ip = waypoint.addresses[0] if len(waypoint.addresses) == 1 else None
        attributes = _match.Attributes(
            principal=_request.principal(source),
            source_ip=_address(from_ip),
            destination_ip=_address(_manifest.address(pod)) if only else None,
            port=port,
        )
        rules = _rules.Rules(_ztunnel.translate, _ztunnel.value, attributes)
        applied = self.topology.policies_at_ztunnel(pod)
        judgement = _precedence.judge(applied, rules.matches, rules.explains)
        where = f"{_manifest.namespace(pod)}/{_manifest.name(pod)}"
        return _hop(Proxy.ZTUNNEL, where, source, port, applied, judgement)


def _hop(
    proxy: Proxy,
    where: str,
    source: str | None,
    port: int | None,
    applied: Iterable[_policies.Policy],
    judgement: _precedence.Judgement,
) -> Hop:
    return Hop(
        proxy=proxy,
        where=where,
        source=_identity(source),
        port=port,
        decision=judgement.decision,
        reason=judgement.reason,
        policy=judgement.policy,
        only=judgement.only,
        unless=judgement.unless,
        asks=judgement.asks,
        applied=tuple(sorted((p.ref for p in applied), key=lambda ref: (ref.namespace, ref.name))),
    )


def _decision(hops: Sequence[Hop]) -> Decision:
    """Return what comes of the hops: of the waypoint first, then of the pod that is chosen."""
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
