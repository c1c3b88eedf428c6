# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which clients may reach which targets, with what: the evaluator, asked for all of them.

Each target is asked about at each of its ports, for a member of each class of clients that its
policies may treat differently. What is not given, such as method and path, is in the conditions of
the verdict: they are the operations that are allowed.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence

from istio_ambient.authorization.evaluator import (
    _allowed,
    _clients,
    _policies,
    _ports,
    _snapshot,
    _workloads,
)
from istio_ambient.authorization.evaluator._access import Access, Client
from istio_ambient.authorization.evaluator._clients import ClientClass
from istio_ambient.authorization.evaluator._evaluate import Evaluator
from istio_ambient.authorization.evaluator._policies import Policy
from istio_ambient.authorization.evaluator._request import (
    ClientKind,
    Destination,
    DestinationKind,
    Request,
)
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._verdict import (
    Decision,
    Verdict,
)

_MAX_PORT = 65535
_KINDS = {
    Client.MESH: ClientKind.MESH,
    Client.IDENTITY: ClientKind.MESH,
    Client.GATEWAY: ClientKind.GATEWAY,
    Client.OUTSIDE: ClientKind.OUTSIDE,
}
_WORKLOAD = DestinationKind.WORKLOAD


@dataclasses.dataclass(frozen=True, order=True)
class Target:
    """A Service, or pods of one application that have the same policies."""

    destination: Destination
    """Of kind SERVICE or WORKLOAD."""
    pods: tuple[str, ...] = ()
    """Of a WORKLOAD: names of the pods, where the application has others; empty: all its pods."""


class Reach:
    """Who may reach whom in one snapshot.

    A Service is a target where it has a waypoint or a pod on the mesh; the pods of an application
    are where they are on the mesh, or behind a waypoint. The addresses of a headless Service are
    those of its pods.
    """

    def __init__(self, snapshot: Snapshot):
        self._evaluator = Evaluator(snapshot)
        self.topology = self._evaluator.topology
        self.clients = _clients.Clients(self.topology)
        """Who may be treated differently."""
        self._not_weighed: dict[str, None] = {}

    @functools.cached_property
    def targets(self) -> list[Target]:
        """The Services and workloads, sorted."""
        return sorted([*self._services(), *self._workloads()])

    def destinations(self) -> list[Destination]:
        """Return the Services and workloads that the list is about, sorted."""
        return sorted({target.destination for target in self.targets})

    def all(self) -> list[Access]:
        """Return the accesses to all targets, sorted; to some there may be none."""
        return sorted(access for target in self.targets for access in self.accesses(target))

    @property
    def not_weighed(self) -> tuple[str, ...]:
        """What the answers so far leave out, in words for an operator, sorted."""
        return tuple(sorted(self._not_weighed))

    def reached_by_nodes(self) -> list[Destination]:
        """Return the workloads that are more open to their pods' nodes than to others, sorted.

        Processes in the network of a node are no clients of the list, since they pass by ztunnel
        at all pods of the node; on other nodes they are clients outside of the mesh.
        """
        workloads = (each for each in self.targets if each.destination.kind is _WORKLOAD)
        return sorted({each.destination for each in workloads if self._is_open_to_nodes(each)})

    def _is_open_to_nodes(self, target: Target) -> bool:
        by_node, by_others = (
            self._verdict(target, None, None, kind).decision
            for kind in (ClientKind.NODE, ClientKind.OUTSIDE)
        )
        return by_node is not Decision.DENIED and by_node is not by_others

    def pods_of(self, target: Target) -> list[Manifest]:
        """Return the pods of a target."""
        destination = target.destination
        if destination.kind is DestinationKind.SERVICE:
            service = self.topology.services[_key(target)]
            return self.topology.pods_of(service)
        if not target.pods:
            return self.topology.pods_of_application(destination)
        return [self.topology.pods[destination.namespace, name] for name in target.pods]

    def policies(self, target: Target) -> list[Policy]:
        """Return the policies that any proxy enforces for requests to a target, sorted by name."""
        pods = self.pods_of(target)
        if target.destination.kind is DestinationKind.SERVICE:
            service = self.topology.services[_key(target)]
            waypoint, _ = self.topology.service_waypoint(service)
        else:
            service, waypoint = None, self.topology.pod_waypoint(pods[0])
        found = self.topology.policies_at_waypoint(waypoint, service) if waypoint else []
        for group in self.topology.groups_on_mesh(pods):
            found += self.topology.policies_at_ztunnel(group[0])
        named = {
            (p.ref.kind, p.ref.namespace, p.ref.name): p for p in found if not p.ref.synthetic
        }
        return [named[each] for each in sorted(named)]

    def checks(self, target: Target) -> list[_clients.Check]:
        """Return the values by which policies of a target tell clients apart."""
        return self.clients.checks(self.policies(target))

    def accesses(self, target: Target) -> list[Access]:
        """Return the clients that may reach a target, sorted."""
        policies = self.policies(target)
        checks = self.clients.checks(policies)
        sources = self.clients.sources(checks)
        ports = self.ports(target, policies)
        merged: dict[Access, list[tuple[int | None, _allowed.Allowed]]] = {}
        for port in ports:
            found = self._allowed(target, port, sources, checks)
            for source, excluded, allowed in _clients.together(found, self.clients):
                access = access_of(target, source, excluded, allowed)
                merged.setdefault(access, []).append((port, allowed))
        return sorted(_at_ports(target, access, found, ports) for access, found in merged.items())

    def allowed(
        self, target: Target, port: int | None, sources: Iterable[ClientClass]
    ) -> dict[ClientClass, _allowed.Allowed | None]:
        """Return what clients may do at a port of a target; None: nothing.

        Args:
            target: of this snapshot.
            port: of the Service or of the pods.
            sources: the clients.
        """
        return self._allowed(target, port, sources, self.checks(target))

    def ports(self, target: Target, policies: Iterable[Policy]) -> list[int | None]:
        """Return the ports that are asked about; of pods, the last one stands for all others.

        Args:
            target: of this snapshot.
            policies: which may treat ports differently.
        """
        declared = self._declared(target)
        if target.destination.kind is DestinationKind.SERVICE:
            return declared
        known = {each for each in declared if each is not None}
        known |= {port for policy in policies for port in _named_ports(policy)}
        other = next(port for port in range(_MAX_PORT, 0, -1) if port not in known)
        return [*sorted(port for port in known if 0 < port <= _MAX_PORT), other]

    def _allowed(
        self,
        target: Target,
        port: int | None,
        sources: Iterable[ClientClass],
        checks: Sequence[_clients.Check],
    ) -> dict[ClientClass, _allowed.Allowed | None]:
        service = self.topology.services.get(_key(target))
        is_workload = target.destination.kind is not DestinationKind.SERVICE
        knows_pods = is_workload or (service is not None and _snapshot.has_selector(service))
        asked: dict[tuple[object, ...], _allowed.Allowed | None] = {}
        found: dict[ClientClass, _allowed.Allowed | None] = {}
        for source in sources:
            signature = self.clients.signature(source, checks)
            if signature not in asked:
                asked[signature] = _allowed.of(
                    self._ask(target, port, source), knows_pods=knows_pods
                )
            found[source] = asked[signature]
        return found

    def _ask(self, target: Target, port: int | None, source: ClientClass) -> Verdict:
        return self._verdict(target, port, source.identity, _KINDS[source.client])

    def _verdict(
        self, target: Target, port: int | None, source: str | None, client: ClientKind
    ) -> Verdict:
        destination = target.destination
        if target.pods:
            destination = Destination.pod(destination.namespace, target.pods[0])
        request = Request(source, destination, port, client=client)
        verdict = self._evaluator.evaluate(request)
        self._not_weighed.update(dict.fromkeys(verdict.not_weighed))
        return verdict

    def _services(self) -> Iterator[Target]:
        for service in self.topology.services.values():
            if self.topology.is_headless(service):
                continue
            has_waypoint = self.topology.service_waypoint(service)[0] is not None
            if has_waypoint or any(map(self.topology.on_mesh, self.topology.pods_of(service))):
                yield Target(Destination.service(*_snapshot.key(service)))

    def _workloads(self) -> Iterator[Target]:
        by_application: dict[Destination, list[list[Manifest]]] = {}
        for group in self._groups():
            pod = group[0]
            where = Destination.workload(_snapshot.namespace(pod), _workloads.application(pod))
            by_application.setdefault(where, []).append(group)
        for destination, groups in by_application.items():
            if not any(self._concerns(group[0]) for group in groups):
                continue
            for group in groups:
                names = tuple(map(_snapshot.name, group)) if len(groups) > 1 else ()
                yield Target(destination, names)

    def _groups(self) -> Iterator[list[Manifest]]:
        """Yield the pods of the cluster in groups that are reached alike."""
        tells_apart = any(
            check.attribute == _policies.DESTINATION_IP
            for policy in self.topology.policies
            for rule in policy.rules
            for check in rule.conditions
        )
        for group in _workloads.workloads(self.topology.pods.values()):
            by_capture: dict[object, list[Manifest]] = {}
            for pod in group:
                key = self.topology.on_mesh(pod), _snapshot.name(pod) if tells_apart else ""
                by_capture.setdefault(key, []).append(pod)
            yield from by_capture.values()

    def _concerns(self, pod: Manifest) -> bool:
        """Return whether a pod is on the mesh or behind a waypoint."""
        if self.topology.on_mesh(pod) or self.topology.pod_waypoint(pod):
            return True
        services = self.topology.services_of(pod)
        return any(self.topology.service_waypoint(each)[0] for each in services)

    def _declared(self, target: Target) -> list[int | None]:
        """Return the ports that a target is known to have, sorted; [None]: none is known."""
        if target.destination.kind is DestinationKind.SERVICE:
            service = self.topology.services[_key(target)]
            return list(_ports.numbers(service)) or [None]
        pod = self.pods_of(target)[0]
        found = {
            each.get("containerPort")
            for each in _ports.exposed(pod)
            if each.get("protocol") != "UDP"
        }
        for service in self.topology.services_of(pod):
            found |= {_ports.target_port(port, pod) for port in _ports.offered(service)}
        return [*sorted(port for port in found if isinstance(port, int))] or [None]


def _named_ports(policy: Policy) -> Iterator[int]:
    """Yield the ports that a policy names."""
    for rule in policy.rules:
        for clause in (*rule.sources, *rule.operations, rule.conditions):
            for check in clause:
                if check.attribute == _policies.PORT:
                    values = (*check.values, *check.not_values)
                    yield from (int(each) for each in values if each.isascii() and each.isdigit())


def _key(target: Target) -> _snapshot.Name:
    return target.destination.namespace, target.destination.name


def access_of(
    target: Target, source: ClientClass, excluded: tuple[str, ...], allowed: _allowed.Allowed
) -> Access:
    """Return the access that an allowance is, without its ports."""
    where = target.destination
    return Access(
        source=source.label,
        destination=f"{where.namespace}/{where.name}",
        operations=allowed.operations,
        kind=where.kind,
        client=source.client,
        excluded=excluded,
        pods=target.pods,
        unless=allowed.unless,
    )


def _at_ports(
    target: Target,
    access: Access,
    found: Sequence[tuple[int | None, _allowed.Allowed]],
    asked: Sequence[int | None],
) -> Access:
    """Return an access with the ports at which it is, and with the rules that allow it there."""
    refs = {ref.order: ref for _, allowed in found for ref in allowed.policies}
    ports, other_than = numbers(target, [port for port, _ in found], asked)
    return dataclasses.replace(
        access,
        ports=ports,
        other_than=other_than,
        proxy=found[0][1].proxy,
        policies=tuple(refs[each] for each in sorted(refs)),
    )


def numbers(
    target: Target, ports: Sequence[int | None], asked: Sequence[int | None]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return ports as `Access` has them: those that are meant, else those that are not."""
    if len(ports) == len(asked):
        return (), ()
    if target.destination.kind is not DestinationKind.SERVICE and asked[-1] in ports:
        return (), tuple(port for port in asked if port is not None and port not in ports)
    return tuple(port for port in ports if port is not None), ()
