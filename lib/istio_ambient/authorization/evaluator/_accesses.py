# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom with what: all that policies allow, as a list."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from istio_ambient import kube
from istio_ambient.authorization.evaluator import (
    _decide,
    _describe,
    _match,
    _policies,
    _ports,
    _snapshot,
    _topology,
    _waypoint,
    _ztunnel,
)
from istio_ambient.authorization.evaluator._access import Access, Client
from istio_ambient.authorization.evaluator._evaluate import Evaluator
from istio_ambient.authorization.evaluator._policies import Policy, Rule
from istio_ambient.authorization.evaluator._request import Destination, DestinationKind
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._verdict import Decision, Hop, PolicyRef, Proxy


@dataclasses.dataclass(frozen=True)
class Workload:
    """Pods of one application that have the same policies."""

    namespace: str
    application: str
    pods: tuple[str, ...]
    """Names, sorted."""
    policies: tuple[PolicyRef, ...]
    """The policies that their ztunnel enforces, and those that waypoints enforce for their
    Services."""
    accesses: tuple[Access, ...]
    """The sources that may reach them, at their own address and through those waypoints."""


def destinations(snapshot: Snapshot) -> list[Destination]:
    """Return the Services and workloads in front of which a proxy of the mesh is, sorted.

    A Service is listed where it has a waypoint or a pod on the mesh. A workload, which is the pods
    of one application, is listed where its pods are on the mesh.
    """
    topology = _topology.Topology(snapshot)
    services = {
        Destination.service(*_snapshot.key(service))
        for service in topology.services.values()
        if topology.service_waypoint(service)[0]
        or any(map(topology.on_mesh, topology.pods_of(service)))
    }
    workloads = {
        Destination.workload(_snapshot.namespace(pod), _topology.application(pod))
        for pod in topology.pods.values()
        if topology.on_mesh(pod)
    }
    return sorted([*services, *workloads])


def accesses(snapshot: Snapshot) -> list[Access]:
    """Return the sources that may reach each of `destinations`, sorted.

    A destination that no source may reach has no entry.
    """
    listing = _Listing(snapshot)
    found = (access for each in destinations(snapshot) for access in listing.accesses(each))
    return sorted(_merged(found))


def workloads(snapshot: Snapshot) -> list[Workload]:
    """Return every workload on the mesh with the sources that may reach it, sorted.

    Their own addresses and the waypoints of their Services are both considered.
    """
    listing = _Listing(snapshot)
    return [listing.workload(group) for group in listing.groups()]


class _Listing:
    def __init__(self, snapshot: Snapshot):
        self._evaluator = Evaluator(snapshot)
        self._topology = self._evaluator.topology

    def groups(self, pods: Iterable[Manifest] | None = None) -> list[list[Manifest]]:
        """Return the pods that are on the mesh in groups; None: all pods of the cluster."""
        candidates = self._topology.pods.values() if pods is None else pods
        return _topology.workloads(filter(self._topology.on_mesh, candidates))

    def accesses(self, destination: Destination) -> Iterator[Access]:
        """Yield the sources that may reach a destination."""
        if destination.kind is not DestinationKind.SERVICE:
            for group in self.groups(self._topology.pods_of_application(destination)):
                yield from self._at_pods(destination, group)
            return
        service = self._topology.services[destination.namespace, destination.name]
        groups = self.groups(self._topology.pods_of(service))
        if self._waypoint(service):
            yield from self._through_waypoint(service, groups)
        else:
            for group in groups:
                yield from self._at_pods(destination, group)

    def workload(self, group: list[Manifest]) -> Workload:
        """Return a group of pods with its policies and accesses."""
        namespace, name = _snapshot.namespace(group[0]), _topology.application(group[0])
        found = [*self._at_pods(Destination.workload(namespace, name), group)]
        applied = self._topology.policies_at_ztunnel(group[0])
        for service in self._topology.services_of(group[0]):
            if waypoint := self._waypoint(service):
                found += self._through_waypoint(service, [group])
                applied += self._topology.policies_at_waypoint(waypoint, service)
        refs = {(each.ref.namespace, each.ref.name): each.ref for each in applied}
        return Workload(
            namespace=namespace,
            application=name,
            pods=tuple(map(_snapshot.name, group)),
            policies=tuple(refs[each] for each in sorted(refs)),
            accesses=tuple(sorted(_merged(found))),
        )

    def _waypoint(self, service: Manifest) -> _topology.Waypoint | None:
        """Return the waypoint that requests to a Service pass."""
        is_headless = self._topology.is_headless(service)
        return None if is_headless else self._topology.service_waypoint(service)[0]

    def _through_waypoint(
        self, service: Manifest, groups: Iterable[list[Manifest]]
    ) -> Iterator[Access]:
        """Yield the sources that a Service's waypoint allows, as far as the pods allow it."""
        waypoint = self._waypoint(service)
        if waypoint is None:
            return
        hops = [self._evaluator.behind(waypoint, group) for group in groups]
        if hops and all(hop.decision is Decision.DENIED for hop in hops):
            return
        denied = tuple(dict.fromkeys(text for hop in hops for text in _denied_to_waypoint(hop)))
        ports = kube.items(_snapshot.spec(service), "ports")
        http = not ports or any(map(_ports.takes_http, ports))
        any_request = _match.Attributes(_match.ANY_PRINCIPAL, tunnelled=True)
        rules = _decide.Rules(_waypoint.translation(http=http), _waypoint.value, any_request)
        applied = self._topology.policies_at_waypoint(waypoint, service)
        destination = Destination.service(*_snapshot.key(service))
        for access in _read(destination, Proxy.WAYPOINT, applied, rules):
            yield dataclasses.replace(access, unless=(*access.unless, *denied))

    def _at_pods(self, destination: Destination, group: list[Manifest]) -> Iterator[Access]:
        """Yield the sources that the pods' own ztunnel allows."""
        any_request = _match.Attributes(_match.ANY_PRINCIPAL)
        rules = _decide.Rules(_ztunnel.translate, _ztunnel.value, any_request)
        applied = self._topology.policies_at_ztunnel(group[0])
        return _read(destination, Proxy.ZTUNNEL, applied, rules)


def _read(
    destination: Destination, proxy: Proxy, applied: Sequence[Policy], rules: _decide.Rules
) -> Iterator[Access]:
    """Yield the sources that may reach a destination by the policies that one proxy enforces."""
    allows = list(_enforced(applied, _policies.ALLOW, rules))
    denies = list(_enforced(applied, _policies.DENY, rules))
    customs = list(_enforced(applied, _policies.CUSTOM, rules))
    if not any(policy.action == _policies.ALLOW for policy in applied):
        allows = [(None, Rule())]
    for policy, rule in allows:
        namespace = policy.ref.namespace if policy else ""
        for source in _describe.sources(rule, namespace):
            denied = list(_denied(source, denies))
            if None in denied:
                continue
            asked = [f"{_sentence(*each)}, if the external authorizer denies" for each in customs]
            yield Access(
                source=source,
                destination=f"{destination.namespace}/{destination.name}",
                operations=_describe.restrictions(rule),
                kind=destination.kind,
                client=_client(source),
                proxy=proxy,
                unless=(*(text for text in denied if text), *asked),
                policies=(policy.ref,) if policy else (),
            )


def _client(source: str) -> Client:
    if source == _describe.ANY_CLIENT:
        return Client.ANY
    return Client.IDENTITY if _is_single(source) else Client.MESH


def _enforced(
    applied: Iterable[Policy], action: str, rules: _decide.Rules
) -> Iterator[tuple[Policy, Rule]]:
    """Yield the rules that some request matches, as the proxy enforces them, one a source."""
    for policy in applied:
        for index, rule in enumerate(policy.rules):
            translated = rules.translate(policy, rule)
            if policy.action != action or translated is None:
                continue
            if rules.matches(policy, rule) is not False:
                named = dataclasses.replace(policy, ref=policy.rule_ref(index))
                for clause in translated.sources or ((),):
                    yield named, dataclasses.replace(translated, sources=(clause,))


def _denied(source: str, denies: Iterable[tuple[Policy, Rule]]) -> Iterator[str | None]:
    """Yield the requests of a source that DENY rules match; None: all of them."""
    for policy, rule in denies:
        denied = _describe.sources(rule, policy.ref.namespace)
        if not any(_may_overlap(source, each) for each in denied):
            continue
        is_unrestricted = _describe.restrictions(rule) == _describe.ANY_OPERATION
        if is_unrestricted and _are_among(source, denied):
            yield None
        else:
            yield _sentence(policy, rule)


def _are_among(source: str, others: Sequence[str]) -> bool:
    """Return whether all clients of one description of sources are among those of others."""
    has_identity = not source.startswith(_describe.ANY_CLIENT)
    wider = {_describe.ANY_CLIENT, source, *([_describe.ANY_IDENTITY] if has_identity else [])}
    return not wider.isdisjoint(others)


def _may_overlap(source: str, other: str) -> bool:
    """Return whether two descriptions of sources may have a client in common."""
    return source == other or not (_is_single(source) and _is_single(other))


def _is_single(source: str) -> bool:
    return "*" not in source and " " not in source


def _sentence(policy: Policy, rule: Rule) -> str:
    sources = ", ".join(_describe.sources(rule, policy.ref.namespace))
    operations = _describe.restrictions(rule)
    return operations if sources == _describe.ANY_CLIENT else f"{sources}: {operations}"


def _denied_to_waypoint(hop: Hop) -> Iterator[str]:
    """Yield the requests of a waypoint that ztunnel may deny."""
    if hop.decision is not Decision.CONDITIONAL:
        return
    if hop.only:
        yield f"at {hop.where} only {' or '.join(each.text for each in hop.only)}"
    for each in hop.unless:
        yield f"at {hop.where} {each.text}"


def _merged(found: Iterable[Access]) -> list[Access]:
    """Return accesses that differ only by the rules that allow them as one."""
    merged: dict[Access, list[PolicyRef]] = {}
    for access in found:
        refs = merged.setdefault(dataclasses.replace(access, policies=()), [])
        refs += [ref for ref in access.policies if ref not in refs]
    return [
        dataclasses.replace(access, policies=tuple(sorted(refs, key=lambda ref: ref.order)))
        for access, refs in merged.items()
    ]
