# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Remedies for a denied request: what to integrate, to set, or to ask for."""

import dataclasses
from collections.abc import Iterator

from istio_ambient import beacon, resources
from istio_ambient.authorization import evaluator
from istio_ambient.explain import origins, outcomes
from istio_ambient.explain.applications import NamedDestination, NamedSource

ENDPOINT = "service-mesh"


@dataclasses.dataclass(frozen=True)
class Case:
    """A request that was evaluated, and the facts that remedies depend on."""

    facts: beacon.Facts
    members: frozenset[str]
    """Applications that are integrated with the beacon over `service-mesh`."""
    control_plane: str
    """`<model>/<application>` that installed istiod; empty: another installer."""
    root_namespace: str
    source: NamedSource
    destination: NamedDestination
    verdict: evaluator.Verdict

    @property
    def beacon(self) -> str:
        """Application and endpoint to integrate with."""
        return f"{self.facts.app}:{ENDPOINT}"


def remedies(case: Case) -> list[str]:
    """Return what to do, as instructions in their order; empty where the request is not denied."""
    hop = case.verdict.decisive
    if hop is None or hop.decision is not evaluator.Decision.DENIED:
        return []
    if hop.reason is evaluator.Reason.DENY:
        return [f"a DENY policy takes precedence over ALLOW: change {hop.policy}, {_owned(hop)}"]
    if any(each.proxy is evaluator.Proxy.WAYPOINT for each in _earlier(case.verdict, hop)):
        return list(_allow_waypoint(case, hop))
    return [*_join_mesh(case), *_request_access(case), *_leave_hardened_mode(case, hop)]


def _earlier(verdict: evaluator.Verdict, hop: evaluator.Hop) -> tuple[evaluator.Hop, ...]:
    return verdict.hops[: verdict.hops.index(hop)]


def _owned(hop: evaluator.Hop) -> str:
    owner = hop.policy.annotations.get(resources.OWNER_ANNOTATION) if hop.policy else None
    return f"which {owner} wrote" if owner else "which none of these charms wrote"


def _allow_waypoint(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    if case.control_plane:
        yield (
            "allow waypoints to reach the pods of their Services: "
            f"juju config {_of(case.control_plane)} auto-allow-waypoint-policy=true"
        )
    else:
        yield "set PILOT_AUTO_ALLOW_WAYPOINT_POLICY=true in istiod's environment"
    yield f"or allow {hop.source}, the waypoint, in a policy that selects the pods"


def _join_mesh(case: Case) -> Iterator[str]:
    """Yield how the source gets an identity."""
    app = case.source.name
    if case.source.on_mesh:
        return
    if case.source.namespace == case.facts.model:
        yield f"put {app} on the mesh, so that it has an identity: {_integrate(app, case.beacon)}"
    else:
        yield f"put {app} on the mesh in model {case.source.namespace}, with a beacon there"


def _request_access(case: Case) -> Iterator[str]:
    """Yield why requests for this access do not allow it, or who has to request it."""
    facts, destination = case.facts, case.destination
    namespace = destination.address.namespace
    if namespace != facts.model:
        yield f"run explain on the beacon of model {namespace}, which decides there"
        return
    if not facts.manage_policies:
        option = "manage-authorization-policies=true"
        yield f"turn access requests into policies: juju config {facts.app} {option}"
    if _is_closed(case):
        yield (
            f"requests of {destination.application} cannot be read, so it is closed: "
            f"juju run {facts.app}/leader list-requests app={destination.application}"
        )
        return
    found = [
        outcomes.of_request(facts, request)
        for request in facts.requests
        if request.source is not None
        and str(request.source) == case.source.identity
        and origins.is_about(request.target, destination)
    ]
    yield from (_insufficient(e) for e in found if e.outcome is not outcomes.Outcome.UNMANAGED)
    if not found:
        yield from _not_requested(case)


def _is_closed(case: Case) -> bool:
    return any(
        origins.is_about(request.target, case.destination) and outcomes.closes(case.facts, request)
        for request in case.facts.requests
    )


def _insufficient(request: outcomes.RequestOutcome) -> str:
    where = f"{request.requester} {request.field}"
    if request.outcome is outcomes.Outcome.GRANTED:
        return f"{request.application} requests {request.operations} only ({where})"
    remedy = f"; {request.remedy}" if request.remedy else ""
    return f"{where} requests it, {request.outcome}: {request.reason}{remedy}"


def _not_requested(case: Case) -> Iterator[str]:
    app, source = case.destination.application, case.source.name
    if not app:
        yield f"no application owns {case.destination.address}: write a policy for it"
        return
    if app not in case.members:
        integrate = _integrate(app, case.beacon)
        yield f"integrate {app} with the beacon, to request access to itself: {integrate}"
    reason = (
        f"no application requests it: {app} has to request access for {source} over {ENDPOINT}"
    )
    yield f"{reason}; its charm does so for the applications that it serves: " + (
        _integrate(source, app)
        if case.source.namespace == case.facts.model
        else f"juju offer {app}:<endpoint>, and in model {case.source.namespace} "
        f"juju integrate {source} {case.facts.model}.{app}"
    )


def _leave_hardened_mode(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    """Yield how to turn off hardened mode, where no other policy denies the request."""
    are_of_root = [
        ref.namespace == case.root_namespace for ref in hop.applied if not ref.synthetic
    ]
    if are_of_root and all(are_of_root) and case.control_plane:
        yield (
            "or allow all requests that no other policy applies to, in the whole mesh: "
            f"juju config {_of(case.control_plane)} hardened-mode=false"
        )


def _of(owner: str) -> str:
    model, _, app = owner.partition("/")
    return f"-m {model} {app}"


def _integrate(left: str, right: str) -> str:
    return f"juju integrate {left} {right}"
