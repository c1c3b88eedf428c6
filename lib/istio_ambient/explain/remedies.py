# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What would have to be integrated, set or asked for, so that a denied request passes."""

import dataclasses
from collections.abc import Iterator

from istio_ambient import beacon, kube
from istio_ambient.authorization import evaluator
from istio_ambient.explain import origins, outcomes
from istio_ambient.explain.applications import Destination, Source

ENDPOINT = "service-mesh"


@dataclasses.dataclass(frozen=True)
class Case:
    """Everything that is known about one request."""

    facts: beacon.Facts
    members: frozenset[str]
    """Applications that are integrated with us over `service-mesh`."""
    control_plane: str
    """`<model>/<application>` that installed istiod; empty: another installer."""
    root_namespace: str
    source: Source
    destination: Destination
    verdict: evaluator.Verdict

    @property
    def beacon(self) -> str:
        """The endpoint to integrate with."""
        return f"{self.facts.app}:{ENDPOINT}"


def remedies(case: Case) -> list[str]:
    """Return what to do, the first thing first; nothing where nothing is denied."""
    hop = case.verdict.decisive
    if hop is None or hop.decision is not evaluator.Decision.DENIED:
        return []
    if hop.reason is evaluator.Reason.DENY:
        return [f"a DENY policy wins over all that allows: change {hop.policy}, {_owned(hop)}"]
    if any(before.proxy is evaluator.Proxy.WAYPOINT for before in _before(case.verdict, hop)):
        return list(_open_to_waypoint(case, hop))
    return [*_join(case), *_ask(case), *_lift(case, hop)]


def _before(verdict: evaluator.Verdict, hop: evaluator.Hop) -> tuple[evaluator.Hop, ...]:
    return verdict.hops[: verdict.hops.index(hop)]


def _owned(hop: evaluator.Hop) -> str:
    owner = hop.policy.annotations.get(kube.OWNER_ANNOTATION) if hop.policy else None
    return f"which {owner} made" if owner else "which none of these charms made"


def _open_to_waypoint(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    if case.control_plane:
        yield (
            "let waypoints through to the pods behind them: "
            f"juju config {_of(case.control_plane)} auto-allow-waypoint-policy=true"
        )
    else:
        yield "set PILOT_AUTO_ALLOW_WAYPOINT_POLICY=true in istiod's environment"
    yield f"or allow {hop.source}, the waypoint, in a policy that selects the pods"


def _join(case: Case) -> Iterator[str]:
    """Say how a source gets an identity."""
    app = case.source.name
    if case.source.on_mesh:
        return
    if case.source.namespace == case.facts.model:
        yield f"put {app} on the mesh, so that it has an identity: {_integrate(app, case.beacon)}"
    else:
        yield f"put {app} on the mesh in model {case.source.namespace}, with a beacon there"


def _ask(case: Case) -> Iterator[str]:
    """Say what was asked for and did not help, or who has to ask."""
    facts, target = case.facts, case.destination
    where = target.target.namespace
    if where != facts.model:
        yield f"ask the beacon of model {where}, which decides there: run explain on it"
        return
    if not facts.config.manage_authorization_policies:
        option = "manage-authorization-policies=true"
        yield f"let what is asked for become policies: juju config {facts.app} {option}"
    if _is_closed(case):
        yield (
            f"what {target.application} asks for cannot be read, so it is closed: "
            f"juju run {facts.app}/leader list-requests app={target.application}"
        )
        return
    asked = [
        outcomes.of_request(facts, request)
        for request in facts.requests
        if request.source is not None
        and str(request.source) == case.source.identity
        and origins.is_about(request.target, target)
    ]
    yield from (_tried(each) for each in asked if each.outcome is not outcomes.Outcome.UNMANAGED)
    if not asked:
        yield from _nobody_asked(case)


def _is_closed(case: Case) -> bool:
    return any(
        origins.is_about(request.target, case.destination) and outcomes.closes(case.facts, request)
        for request in case.facts.requests
    )


def _tried(asked: outcomes.Asked) -> str:
    where = f"{asked.requester} {asked.field}"
    if asked.outcome is outcomes.Outcome.GRANTED:
        return f"{asked.application} asked for no more than {asked.operations} ({where})"
    remedy = f"; {asked.remedy}" if asked.remedy else ""
    return f"{where} asked for it, {asked.outcome}: {asked.reason}{remedy}"


def _nobody_asked(case: Case) -> Iterator[str]:
    app, source = case.destination.application, case.source.name
    if not app:
        yield f"no application owns {case.destination.target}: write a policy for it"
        return
    if app not in case.members:
        yield f"let {app} ask for access to itself: {_integrate(app, case.beacon)}"
    why = f"nobody asked for it: {app} has to request access for {source} over {ENDPOINT}"
    yield f"{why}; its charm does so for those that it serves: " + (
        _integrate(source, app)
        if case.source.namespace == case.facts.model
        else f"juju offer {app}:<endpoint>, and in model {case.source.namespace} "
        f"juju integrate {source} {case.facts.model}.{app}"
    )


def _lift(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    """Offer to lift hardened mode, where nothing else closes the target."""
    everywhere = [ref.namespace == case.root_namespace for ref in hop.applied if not ref.synthetic]
    if everywhere and all(everywhere) and case.control_plane:
        yield (
            "or open the whole mesh to everybody whom no policy speaks of: "
            f"juju config {_of(case.control_plane)} hardened-mode=false"
        )


def _of(owner: str) -> str:
    model, _, app = owner.partition("/")
    return f"-m {model} {app}"


def _integrate(left: str, right: str) -> str:
    return f"juju integrate {left} {right}"
