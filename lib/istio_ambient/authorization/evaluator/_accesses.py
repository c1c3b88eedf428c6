# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom with what: policies read as a list instead of asked for one request."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from istio_ambient import kube
from istio_ambient.authorization.evaluator import (
    _describe,
    _manifest,
    _match,
    _policies,
    _ports,
    _rules,
    _topology,
    _waypoint,
    _ztunnel,
)
from istio_ambient.authorization.evaluator._evaluate import Evaluator
from istio_ambient.authorization.evaluator._policies import Policy, Rule
from istio_ambient.authorization.evaluator._request import Target, TargetKind
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._verdict import Decision, Hop, PolicyRef, Proxy


@dataclasses.dataclass(frozen=True, order=True)
class Access:
    """One source that may reach one target, and what it may do there."""

    source: str
    """Namespace and service account, `shop/productpage`; `shop/*`; `*/*` is everybody on the mesh,
    `*` everybody at all."""
    target: str
    """Namespace and name of the Service, or of the workload (its application)."""
    operations: str
    """What may be done: `GET /health, /details/* on 9080`; `everything`."""
    kind: TargetKind = TargetKind.SERVICE
    """SERVICE: by the Service's address; WORKLOAD: by its pods' own, past the waypoint."""
    proxy: Proxy = Proxy.WAYPOINT
    """Who lets it in; through a waypoint that ztunnel lets in to the pods."""
    unless: tuple[str, ...] = ()
    """What DENY policies, external authorizers or the pods' ztunnel refuse all the same."""
    policies: tuple[PolicyRef, ...] = dataclasses.field(default=(), compare=False)
    """The rules that let it in, sorted; empty: no ALLOW policy speaks of the target."""


@dataclasses.dataclass(frozen=True)
class Workload:
    """The pods of an application that policies cannot tell apart."""

    namespace: str
    application: str
    pods: tuple[str, ...]
    """Names, sorted."""
    policies: tuple[PolicyRef, ...]
    """What its ztunnel applies, and what the waypoints before its Services apply for them."""
    accesses: tuple[Access, ...]
    """Who may reach its pods: by their own address, and through those waypoints."""


def targets(snapshot: Snapshot) -> list[Target]:
    """Return what a proxy of the mesh stands before: Services and workloads, sorted.

    A Service counts when it has a waypoint or a pod of it is on the mesh; a workload, which is the
    pods of one application, when its pods are.
    """
    topology = _topology.Topology(snapshot)
    services = {
        Target.service(*_manifest.key(service))
        for service in topology.services.values()
        if topology.service_waypoint(service)[0]
        or any(map(topology.on_mesh, topology.pods_of(service)))
    }
    workloads = {
        Target.workload(_manifest.namespace(pod), _topology.application(pod))
        for pod in topology.pods.values()
        if topology.on_mesh(pod)
    }
    return sorted([*services, *workloads])


def accesses(snapshot: Snapshot) -> list[Access]:
    """Return who may reach each target of `targets`, sorted; nobody: it has no entry."""
    listing = _Listing(snapshot)
    found = (access for target in targets(snapshot) for access in listing.of(target))
    return sorted(_merged(found))


def workloads(snapshot: Snapshot) -> list[Workload]:
    """Return every workload on the mesh with who may reach it, by whatever way, sorted."""
    listing = _Listing(snapshot)
    return [listing.workload(group) for group in listing.groups()]


class _Listing:
    def __init__(self, snapshot: Snapshot):
        self._evaluator = Evaluator(snapshot)
        self._topology = self._evaluator.topology

    def groups(self, pods: Iterable[Manifest] | None = None) -> list[list[Manifest]]:
        """Return those of the pods (of all) that are on the mesh, grouped."""
        among = self._topology.pods.values() if pods is None else pods
        return _topology.workloads(filter(self._topology.on_mesh, among))

    def of(self, target: Target) -> Iterator[Access]:
        """Yield who may reach a target."""
        if target.kind is not TargetKind.SERVICE:
            for group in self.groups(self._topology.pods_of_application(target)):
                yield from self._at_pods(target, group)
            return
        service = self._topology.services[target.namespace, target.name]
        groups = self.groups(self._topology.pods_of(service))
        if self._before(service):
            yield from self._through_waypoint(service, groups)
        else:
            for group in groups:
                yield from self._at_pods(target, group)

    def workload(self, group: list[Manifest]) -> Workload:
        """Return all about a group of pods."""
        namespace, name = _manifest.namespace(group[0]), _topology.application(group[0])
        found = [*self._at_pods(Target.workload(namespace, name), group)]
        applied = self._topology.policies_at_ztunnel(group[0])
        for service in self._topology.services_of(group[0]):
            if waypoint := self._before(service):
                found += self._through_waypoint(service, [group])
                applied += self._topology.policies_at_waypoint(waypoint, service)
        refs = {(p.ref.namespace, p.ref.name): p.ref for p in applied}
        return Workload(
            namespace=namespace,
            application=name,
            pods=tuple(map(_manifest.name, group)),
            policies=tuple(refs[each] for each in sorted(refs)),
            accesses=tuple(sorted(_merged(found))),
        )

    def _before(self, service: Manifest) -> _topology.Waypoint | None:
        """Return the waypoint through which a Service is asked."""
        headless = self._topology.is_headless(service)
        return None if headless else self._topology.service_waypoint(service)[0]

    def _through_waypoint(
        self, service: Manifest, groups: Iterable[list[Manifest]]
    ) -> Iterator[Access]:
        """Yield whom a Service's waypoint lets in, as far as the pods let the waypoint in."""
        waypoint = self._before(service)
        if waypoint is None:
            return
        behind = [self._evaluator.behind(waypoint, group) for group in groups]
        if behind and all(hop.decision is Decision.DENIED for hop in behind):
            return
        refused = tuple(dict.fromkeys(said for hop in behind for said in _refused(hop)))
        ports = kube.items(_manifest.spec(service), "ports")
        http = not ports or any(map(_ports.takes_http, ports))
        everybody = _match.Attributes(_match.ANYBODY, tunnelled=True)
        translate = _waypoint.translate_http if http else _waypoint.translate_tcp
        rules = _rules.Rules(translate, _waypoint.value, everybody)
        applied = self._topology.policies_at_waypoint(waypoint, service)
        target = Target.service(*_manifest.key(service))
        for access in _read(target, Proxy.WAYPOINT, applied, rules):
            yield dataclasses.replace(access, unless=(*access.unless, *refused))

    def _at_pods(self, target: Target, group: list[Manifest]) -> Iterator[Access]:
        """Yield whom the pods' own ztunnel lets in."""
        everybody = _match.Attributes(_match.ANYBODY)
        rules = _rules.Rules(_ztunnel.translate, _ztunnel.value, everybody)
        applied = self._topology.policies_at_ztunnel(group[0])
        return _read(target, Proxy.ZTUNNEL, applied, rules)


def _read(
    target: Target, proxy: Proxy, applied: Sequence[Policy], rules: _rules.Rules
) -> Iterator[Access]:
    """Yield who may reach a target by the policies that one proxy applies."""
    allows = list(_enforced(applied, _policies.ALLOW, rules))
    denies = list(_enforced(applied, _policies.DENY, rules))
    asks = list(_enforced(applied, _policies.CUSTOM, rules))
    if not any(policy.action == _policies.ALLOW for policy in applied):
        allows = [(None, Rule())]
    for policy, rule in allows:
        namespace = policy.ref.namespace if policy else ""
        for source in _describe.sources(rule, namespace):
            barred = list(_barred(source, denies))
            if None in barred:
                continue
            asked = [f"{_sentence(*each)}, if the external authorizer refuses" for each in asks]
            yield Access(
                source=source,
                target=f"{target.namespace}/{target.name}",
                operations=_describe.restrictions(rule),
                kind=target.kind,
                proxy=proxy,
                unless=(*(said for said in barred if said), *asked),
                policies=(policy.ref,) if policy else (),
            )


def _enforced(
    applied: Iterable[Policy], action: str, rules: _rules.Rules
) -> Iterator[tuple[Policy, Rule]]:
    """Yield the rules that can match at all, as the proxy enforces them, one for each source."""
    for policy in applied:
        for index, rule in enumerate(policy.rules):
            translated = rules.translate(policy, rule)
            if policy.action != action or translated is None:
                continue
            if rules.matches(policy, rule) is not False:
                named = dataclasses.replace(policy, ref=policy.rule_ref(index))
                for clause in translated.sources or ((),):
                    yield named, dataclasses.replace(translated, sources=(clause,))


def _barred(source: str, denies: Iterable[tuple[Policy, Rule]]) -> Iterator[str | None]:
    """Yield what DENY rules refuse a source; None: everything."""
    for policy, rule in denies:
        who = _describe.sources(rule, policy.ref.namespace)
        if not any(_may_be(source, each) for each in who):
            continue
        all_of_it = _describe.restrictions(rule) == _describe.EVERYTHING
        if all_of_it and _are_all(source, who):
            yield None
        else:
            yield _sentence(policy, rule)


def _are_all(source: str, who: Sequence[str]) -> bool:
    """Return whether each client that a description of sources is about is among others."""
    identified = not source.startswith(_describe.EVERYBODY)
    among = {_describe.EVERYBODY, source, *([_describe.IDENTIFIED] if identified else [])}
    return not among.isdisjoint(who)


def _may_be(source: str, other: str) -> bool:
    """Return whether two descriptions of sources may be about the same one."""
    return source == other or not (_is_one(source) and _is_one(other))


def _is_one(source: str) -> bool:
    return "*" not in source and " " not in source


def _sentence(policy: Policy, rule: Rule) -> str:
    who = ", ".join(_describe.sources(rule, policy.ref.namespace))
    what = _describe.restrictions(rule)
    everybody = who == _describe.EVERYBODY
    return what if everybody else f"{who}: {what}"


def _refused(hop: Hop) -> Iterator[str]:
    """Yield what ztunnel may refuse to the waypoint."""
    if hop.decision is not Decision.CONDITIONAL:
        return
    if hop.only:
        yield f"at {hop.where} only {' or '.join(each.text for each in hop.only)}"
    for each in hop.unless:
        yield f"at {hop.where} {each.text}"


def _merged(found: Iterable[Access]) -> list[Access]:
    """Return what is the same but for the rules that say so as one."""
    merged: dict[Access, list[PolicyRef]] = {}
    for access in found:
        refs = merged.setdefault(dataclasses.replace(access, policies=()), [])
        refs += [ref for ref in access.policies if ref not in refs]
    return [
        dataclasses.replace(
            access, policies=tuple(sorted(refs, key=lambda r: (r.namespace, r.name, r.rule or 0)))
        )
        for access, refs in merged.items()
    ]
