# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The clients that policies may treat differently, and short names for many of them together."""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar

from istio_ambient import gateways
from istio_ambient.authorization.evaluator import (
    _describe,
    _match,
    _policies,
    _request,
    _snapshot,
    _topology,
    _waypoint,
    _ztunnel,
)
from istio_ambient.authorization.evaluator._access import Client
from istio_ambient.authorization.evaluator._policies import Policy

V = TypeVar("V")

OUTSIDE = "outside"
"""Label of any client outside of the mesh; part of the JSON of actions."""
_OTHER = "~other"
"""Namespace and service account that no object can have: they stand for all that are not named."""
_NS, _SA = "/ns/", "/sa/"


@dataclasses.dataclass(frozen=True)
class Check:
    """A value that a policy compares with the identity of a source."""

    attribute: str
    value: str
    policy: Policy = dataclasses.field(compare=False, repr=False)
    namespace: str = ""
    """Of the policy, where the value is read in it."""
    trust_domains: tuple[str, ...] = (_snapshot.DEFAULT_TRUST_DOMAIN,)
    """That of the mesh, and its aliases."""

    @functools.cached_property
    def named(self) -> str:
        """The one identity that has the value; empty: it is none, or several have it."""
        if self.attribute == _policies.SERVICE_ACCOUNT:
            return self.value if "/" in self.value else f"{self.namespace}/{self.value}"
        is_one = self.attribute == _policies.PRINCIPAL and _match.ANY not in self.value
        if not is_one or _SA not in self.value:
            return ""
        domain, _, _ = self.value.partition(_NS)
        return _describe.short(self.value) if self._is_ours(domain) else self.value

    @functools.cached_property
    def whole_namespace(self) -> str:
        """The namespace whose identities have the value; empty: it is about something else."""
        if self.attribute == _policies.NAMESPACE and _match.ANY not in self.value:
            return self.value
        domain, _, path = self.value.partition(_NS)
        if self.attribute != _policies.PRINCIPAL:
            return ""
        found, _, rest = path.partition("/")
        # istiod replaces the trust domain of principals with all their parts only.
        is_ours = self._is_ours(domain) if rest == "sa/*" else domain in self.trust_domains
        return found if is_ours and rest in ("*", "sa/*") else ""

    def _is_ours(self, trust_domain: str) -> bool:
        """Return whether policies name identities of the mesh by a trust domain."""
        # `cluster.local` stands for that of the mesh, whatever that is.
        return trust_domain in (*self.trust_domains, _snapshot.DEFAULT_TRUST_DOMAIN)


@dataclasses.dataclass(frozen=True, order=True)
class ClientClass:
    """A class of clients, and a member of it that the evaluator is asked about."""

    label: str
    client: Client
    identity: str | None
    """`<namespace>/<service account>` or a principal; None: it has none."""
    pattern: Check | None = dataclasses.field(default=None, compare=False)
    """The value of a policy that all members have, where that is not one namespace or identity."""
    alike: tuple[str, ...] = dataclasses.field(default=(), compare=False, repr=False)
    """Identities that policies tell from their namespace, and not from `identity`."""


MESH = ClientClass(_describe.ANY_IDENTITY, Client.MESH, f"{_OTHER}/{_OTHER}")
NO_IDENTITY = ClientClass(OUTSIDE, Client.OUTSIDE, None)
ANY = ClientClass(_describe.ANY_CLIENT, Client.ANY, None)
"""`MESH`, `NO_IDENTITY` and the ingress gateways together."""


class Clients:
    """The clients of a cluster, as far as policies and the ways of requests tell them apart."""

    def __init__(self, topology: _topology.Topology):
        mesh = topology.snapshot.mesh
        self._trust_domains = (mesh.trust_domain, *mesh.trust_domain_aliases)
        self._gateways = topology.ingress_gateways
        pods = [
            pod
            for pod in topology.pods.values()
            if gateways.NAME_LABEL not in _snapshot.labels(pod)
        ]
        on_mesh = {_snapshot.identity(pod) for pod in pods if topology.on_mesh(pod)}
        # Proxies, and pods whose identity no proxy learns.
        self._without = topology.waypoint_identities | {_snapshot.identity(pod) for pod in pods}
        self._without |= self._gateways
        self._without -= on_mesh
        self._workloads = on_mesh - self._gateways
        self._seen: dict[tuple[Check, str], tuple[_match.Truth, ...]] = {}
        self._alike: dict[tuple[Check, ...], list[tuple[str, ...]]] = {}

    def sources(self, checks: Collection[Check]) -> list[ClientClass]:
        """Return the sources that policies with these checks may treat differently, sorted."""
        described = tuple(check for check in checks if _pattern(check))
        named = {each.named for each in checks if each.named}
        namespaces = {each.whole_namespace for each in checks if each.whole_namespace}
        namespaces |= {each.partition("/")[0] for each in named if _NS not in each}
        # Without patterns, what is not named is treated as the rest of its namespace.
        groups = self._groups(described) if described else []
        namespaces |= {group[0].partition("/")[0] for group in groups}
        return sorted(
            {
                MESH,
                NO_IDENTITY,
                *(ClientClass(name, Client.GATEWAY, name) for name in self._gateways),
                *(ClientClass(name, Client.IDENTITY, name) for name in named - self._without),
                *(
                    ClientClass(f"{name}/*", Client.MESH, f"{name}/{_OTHER}")
                    for name in namespaces
                ),
                *filter(None, map(_pattern, checks)),
                *(
                    ClientClass(other, Client.IDENTITY, other, alike=group)
                    for group in groups
                    for other in itertools.islice((each for each in group if each not in named), 1)
                ),
            },
            key=lambda each: (each.label, each.identity or ""),
        )

    def _groups(self, described: tuple[Check, ...]) -> list[tuple[str, ...]]:
        """Return the workloads in groups of one namespace of which the same patterns are true.

        One of each group is asked about, so that one pattern in a policy of the mesh does not make
        every workload a source of every target.
        """
        if described not in self._alike:
            groups: dict[tuple[object, ...], set[str]] = collections.defaultdict(set)
            for identity in self._workloads:
                values = (self._values(check, identity) for check in described)
                groups[identity.partition("/")[0], *values].add(identity)
            self._alike[described] = [tuple(sorted(each)) for each in groups.values()]
        return self._alike[described]

    def checks(self, policies: Iterable[Policy]) -> list[Check]:
        """Return the values that policies compare with the identity of a source."""
        found: dict[Check, None] = {}
        for policy in policies:
            for rule in policy.rules:
                clauses = (*rule.sources, rule.conditions)
                for check in (each for clause in clauses for each in clause):
                    found.update(dict.fromkeys(self._checks(policy, check)))
        return list(found)

    def _checks(self, policy: Policy, check: _policies.Check) -> Iterator[Check]:
        if check.attribute not in _describe.IDENTITY:
            return
        where = policy.ref.namespace if check.attribute == _policies.SERVICE_ACCOUNT else ""
        for value in (*check.values, *check.not_values):
            yield Check(check.attribute, value, policy, where, self._trust_domains)

    def signature(self, source: ClientClass, checks: Iterable[Check]) -> tuple[object, ...]:
        """Return what the checks make of a source; sources with the same are treated alike."""
        if source.identity is None or source.client is Client.GATEWAY:
            return (source.label,)
        return tuple(self._values(check, source.identity) for check in checks)

    def describes(self, pattern: ClientClass, source: ClientClass) -> bool:
        """Return whether a source is one of those that a pattern describes."""
        if pattern.pattern is None or source.identity is None:
            return False
        return any(self._values(pattern.pattern, source.identity))

    def _values(self, check: Check, identity: str) -> tuple[_match.Truth, ...]:
        found = self._seen.get((check, identity))
        if found is None:
            seen = _match.Attributes(
                _request.principal(identity, self._trust_domains[0]),
                trust_domains=self._trust_domains,
            )
            found = self._seen[check, identity] = tuple(
                value(check.policy, check.attribute, check.value, seen)
                for value in (_waypoint.value, _ztunnel.value)
            )
        return found


def together(
    found: Mapping[ClientClass, V | None], clients: Clients
) -> Iterator[tuple[ClientClass, tuple[str, ...], V]]:
    """Yield few sources that describe many, with their value and the labels that they exclude.

    Args:
        found: a value for each source of `Clients.sources`; None: nothing is yielded for it.
        clients: which the sources are from.
    """
    excluded: dict[ClientClass, list[str]] = collections.defaultdict(list)
    apart = _apart(found, clients, excluded)
    values = dict(found)
    for source in list(apart):
        others = [each for each in _members(source, found) if each != source]
        apart += others
        values.update(dict.fromkeys(others, found[source]))
    mesh = found[MESH]
    proxies = [each for each in found if each.client is Client.GATEWAY]
    if mesh is not None and mesh == found[NO_IDENTITY]:
        differing = [each.label for each in proxies if found[each] != mesh]
        yield ANY, tuple(sorted([*excluded[MESH], *differing])), mesh
        # An excluded namespace may be that of a gateway.
        proxies = proxies if excluded[MESH] else [each for each in proxies if found[each] != mesh]
    else:
        apart = [MESH, NO_IDENTITY, *apart]
    for source in (*apart, *proxies):
        value = values[source]
        if value is not None:
            yield source, tuple(sorted(excluded[source])), value


def _apart(
    found: Mapping[ClientClass, V | None], clients: Clients, excluded: dict[ClientClass, list[str]]
) -> list[ClientClass]:
    """Return the sources of the mesh whose value is not that of the wider ones they belong to.

    Args:
        found: as for `together`.
        clients: as for `together`.
        excluded: the labels are added by which wider sources exclude these.
    """
    patterns = [each for each in found if each.pattern and found[each] != found[MESH]]
    excluded[MESH] += [each.label for each in patterns]
    apart = list(patterns)
    namespaces: dict[str, ClientClass] = {}
    spaces = [each for each in found if each.client is Client.MESH and not each.pattern]
    for source in (*spaces, *(each for each in found if each.client is Client.IDENTITY)):
        namespace = (source.identity or "").partition("/")[0]
        wider = [each for each in patterns if clients.describes(each, source)]
        if namespace in namespaces:
            wider.append(namespaces[namespace])
        wider = wider or [MESH]
        if all(found[each] == found[source] for each in wider):
            continue
        apart.append(source)
        for each in wider:
            excluded[each] += [member.label for member in _members(source, found)]
        if source.client is Client.MESH:
            namespaces[namespace] = source
    return apart


def _members(source: ClientClass, found: Collection[ClientClass]) -> list[ClientClass]:
    """Return a source, and those that are treated alike and are not sources of their own."""
    labels = {each.label for each in found} if source.alike else frozenset[str]()
    others = [each for each in source.alike if each not in labels]
    return [source, *(ClientClass(each, Client.IDENTITY, each) for each in others)]


def _pattern(check: Check) -> ClientClass | None:
    """Return the source of a value that identities of several namespaces may have."""
    value = check.value
    if check.named or check.whole_namespace or value == _match.ANY:
        return None
    other = f"{check.trust_domains[0]}{_NS}{_OTHER}{_SA}{_OTHER}"
    if check.attribute == _policies.NAMESPACE:
        namespace = value.replace(_match.ANY, _OTHER)
        return ClientClass(f"{value}/*", Client.MESH, f"{namespace}/{_OTHER}", check)
    if check.attribute == _policies.TRUST_DOMAIN:
        if _match.trust_domain(value, other):
            return None
        domain = value.replace(_match.ANY, "")
        return ClientClass(f"{value}/…", Client.MESH, f"{domain}{_NS}{_OTHER}{_SA}{_OTHER}", check)
    if check.attribute != _policies.PRINCIPAL or _match.ANY not in value:
        return None
    return ClientClass(
        _describe.short(value), Client.MESH, _member(value, check.trust_domains[0]), check
    )


def _member(pattern: str, trust_domain: str) -> str:
    """Return a principal that `prefix*` or `*suffix` matches, and few other patterns do."""
    if pattern.endswith(_match.ANY):
        found = pattern[:-1] + _OTHER
        found = found if _NS in found else f"{found}{_NS}{_OTHER}"
        return found if _SA in found else f"{found}{_SA}{_OTHER}"
    suffix = pattern[1:]
    if _NS in suffix:
        return _OTHER + suffix
    found = f"{trust_domain}{_NS}{_OTHER}"
    return found + suffix if _SA in suffix else f"{found}{_SA}{_OTHER}{suffix}"
