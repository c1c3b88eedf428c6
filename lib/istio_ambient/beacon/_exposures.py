# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What ingress gateways may do at a waypoint that their requests pass.

The policy of an ingress at a backend's pods (L4) names the gateway and the pods' ports. With the
waypoint in between, the pods see the waypoint, and the waypoint sees the gateway. So what the
ingress allows at the pods is allowed at the Services in front of them: nothing opens or closes.
An application that requests access for the ingress, by the name of its application, decides
itself: those rules are for the gateway then.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from istio_ambient import authorization, gateways, kube, resources
from istio_ambient.authorization import (
    AccessRequest,
    Operation,
    ServiceFacts,
    Source,
    Target,
    TargetKind,
)
from istio_ambient.values import decoded

OPTION = "ingress-use-waypoint"
REQUESTER = authorization.Requester("config", OPTION)
"""The operator, who had the requests of gateways sent through the waypoint."""


class Exposure(msgspec.Struct, frozen=True):
    """Pods that an ingress gateway is allowed to reach, by a policy of its application."""

    ingress: Source
    """The application that runs the gateway; charms request access for it by this name."""
    gateway: Source
    """The identity of the gateway's proxies."""
    selector: Mapping[str, str]
    """Labels of the pods."""
    ports: frozenset[int]
    """Of the pods."""


class IngressFacts(msgspec.Struct, frozen=True):
    """What decides about the requests of gateways, as one hook has read it."""

    exposures: tuple[Exposure, ...] = ()
    """In our namespace."""
    hardened: bool = False
    """Whether waypoints deny what no policy allows."""
    auto_allow: bool = True
    """Whether the pods' ztunnel lets waypoints in without a policy."""


def exposures(policies: Iterable[kube.Manifest], namespace: str) -> tuple[Exposure, ...]:
    """Return the pods of a namespace that ingress gateways are allowed to reach.

    Only a policy of the gateway's own application counts, as its annotation says. Whoever may
    write another one there may open these pods anyway.

    Args:
        policies: AuthorizationPolicies in JSON form, of any owner and namespace.
        namespace: of the pods.
    """
    found = (each for each in policies if each["metadata"].get("namespace") == namespace)
    return tuple(made for each in found for made in _exposures(each))


def settings_in_force(policies: Iterable[kube.Manifest]) -> tuple[bool, bool]:
    """Return `hardened` and `auto_allow` of `IngressFacts`, as our policies show them.

    Where istiod is away, or there seem to be several, the settings of the mesh are not known. With
    others than before, gateways would lose what they have, or the waypoint would gain.

    Args:
        policies: of this application, in JSON form.
    """
    made = {
        target
        for target, found in authorization.requesters_of(policies).items()
        if found.requesters == frozenset({str(REQUESTER)})
    }
    kinds = {target.kind for target in made}
    return TargetKind.SERVICE in kinds, TargetKind.WORKLOAD not in kinds


def _exposures(policy: kube.Manifest) -> Iterator[Exposure]:
    spec = decoded.members(policy.get("spec"))
    selector = decoded.members(decoded.members(spec.get("selector")).get("matchLabels"))
    owner = resources.owner(kube.section(policy["metadata"], "annotations"))
    model, _, app = owner.partition("/")
    if not (selector and app) or spec.get("action", "ALLOW") != "ALLOW":
        return
    gateway = Source(model, f"{app}-{gateways.INGRESS_CLASS}")
    for rule in map(decoded.members, decoded.elements(spec.get("rules"))):
        ports = _ports(rule)
        if ports and _is_from(rule, gateway):
            yield Exposure(Source(model, app), gateway, selector, ports)


def _is_from(rule: Mapping[str, Any], gateway: Source) -> bool:
    """Return whether a rule is for one identity alone, in whichever trust domains."""
    sources = [decoded.members(each) for each in decoded.elements(rule.get("from"))]
    named = decoded.members(sources[0].get("source")) if len(sources) == 1 else {}
    principals = decoded.elements(named.get("principals"))
    identity = gateway.principal.partition("/")[2]
    is_alone = named.keys() == {"principals"} and bool(principals)
    return is_alone and all(str(each).partition("/")[2] == identity for each in principals)


def _ports(rule: Mapping[str, Any]) -> frozenset[int]:
    """Return the ports of a rule that is about ports alone; empty: it is about something else."""
    clauses = map(decoded.members, decoded.elements(rule.get("to")))
    operations = [decoded.members(each.get("operation")) for each in clauses]
    if rule.get("when") or any(operation.keys() != {"ports"} for operation in operations):
        return frozenset()
    named = (decoded.elements(operation["ports"]) for operation in operations)
    numbers = (str(number) for listed in named for number in listed)
    return frozenset(int(number) for number in numbers if number.isdecimal())


def requests(
    facts: IngressFacts,
    services: Iterable[ServiceFacts],
    granted: Sequence[AccessRequest],
    *,
    waypoint: Source,
) -> Iterator[AccessRequest]:
    """Yield the requests by which gateways pass the waypoint, as they reach the pods today.

    A Service that no policy is about is left alone outside of hardened mode, where ztunnel lets
    waypoints in: all clients may reach it, the gateway too, and a first policy would close it for
    the others. So is one that is closed because an application's requests cannot be read.

    Args:
        facts: of gateways.
        services: those behind the waypoint.
        granted: all other requests that are granted.
        waypoint: its identity.
    """
    by_target: dict[Target, list[AccessRequest]] = {}
    for request in granted:
        by_target.setdefault(request.target, []).append(request)
    for service in services:
        target = Target.service(service.namespace, service.name)
        about = by_target.get(target, [])
        for exposure in facts.exposures:
            ports = _offered(service, exposure)
            if ports:
                # Where the pods admit no waypoint, nobody reaches the Service before.
                closes = facts.hardened or not facts.auto_allow or bool(about)
                yield from _at_service(exposure, target, about, ports if closes else ())
                yield from _at_pods(exposure, service.namespace, waypoint, facts)


def _offered(service: ServiceFacts, exposure: Exposure) -> tuple[int, ...]:
    """Return the ports of a Service in front of pods and ports that a gateway may reach."""
    if not (service.selector and exposure.selector.items() <= service.selector.items()):
        return ()
    return tuple(sorted(p.port for p in service.ports if p.target in exposure.ports))


def _at_service(
    exposure: Exposure, target: Target, about: Collection[AccessRequest], ports: tuple[int, ...]
) -> Iterator[AccessRequest]:
    own = [each for each in about if each.source in (exposure.ingress, exposure.gateway)]
    yield from (
        msgspec.structs.replace(each, source=exposure.gateway)
        for each in own
        if each.source == exposure.ingress
    )
    is_closed = any(each.source is None for each in about)
    if ports and not own and not is_closed:
        operations = (Operation(ports=ports),)
        yield AccessRequest(REQUESTER, "", target, exposure.gateway, operations)


def _at_pods(
    exposure: Exposure, namespace: str, waypoint: Source, facts: IngressFacts
) -> Iterator[AccessRequest]:
    """Yield the request by which the waypoint reaches the pods; they are closed to it already."""
    if not facts.auto_allow:
        target = Target.workload(namespace, exposure.selector)
        operations = (Operation(ports=tuple(sorted(exposure.ports))),)
        yield AccessRequest(REQUESTER, "", target, waypoint, operations)
