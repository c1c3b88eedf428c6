# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Remedies for a denied request: what to type so that it is allowed."""

import dataclasses
import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from istio_ambient import authorization, beacon, resources
from istio_ambient.authorization import AccessRequest, evaluator
from istio_ambient.explain import origins, outcomes, own_policy
from istio_ambient.explain.applications import NamedDestination, NamedSource, SourceKind
from istio_ambient.values.config import InvalidEntriesError

ENDPOINT = "service-mesh"
METRICS_ENDPOINT = "metrics-endpoint"
_PROVIDES_IDENTITY, _REQUIRES_IDENTITY = "provide-cmr-mesh", "require-cmr-mesh"
"""Endpoints of the published library over which models tell each other names."""
_UNKNOWN_SOURCE = "remote-"
"""The beginning of the names under which Juju shows applications of other models."""


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
    request: evaluator.Request
    beacons: frozenset[str] = frozenset()
    """`<model>/<application>` of the beacons of the cluster."""
    trust_domain: str = evaluator.DEFAULT_TRUST_DOMAIN
    """That of the mesh."""

    def own_policy(self, hop: evaluator.Hop) -> str:
        """Return the command that allows the request at a proxy; empty: there is none."""
        return own_policy.command(
            self.source, self.destination, self.request, hop, trust_domain=self.trust_domain
        )

    @property
    def beacon(self) -> str:
        """Application and endpoint to integrate with."""
        return f"{self.facts.app}:{ENDPOINT}"

    @property
    def is_local(self) -> bool:
        """Whether the source is of the beacon's model."""
        return self.source.namespace == self.facts.model


def remedies(case: Case) -> list[str]:
    """Return what to do, as instructions in their order; empty where the request is not denied."""
    hop = case.verdict.decisive
    if hop is None or hop.decision is not evaluator.Decision.DENIED:
        return []
    if case.destination.is_wrong_port:
        return [_right_port(case)]
    if hop.reason is evaluator.Reason.DENY:
        return [_lift_denial(hop)]
    if any(each.proxy is evaluator.Proxy.WAYPOINT for each in _earlier(case.verdict, hop)):
        return list(allow_waypoint(case, hop))
    return [
        *join_mesh(case),
        *_request_access(case, hop),
        *_own_policy(case, hop),
        *_leave_hardened_mode(case, hop),
    ]


def _earlier(verdict: evaluator.Verdict, hop: evaluator.Hop) -> tuple[evaluator.Hop, ...]:
    return verdict.hops[: verdict.hops.index(hop)]


def _right_port(case: Case) -> str:
    """Return the remedy for a port that nothing is known to listen on."""
    listens = case.destination.listens
    app = case.destination.application or case.destination.address.name
    return (
        f"port {case.request.port} is the wrong port: {app} listens on "
        f"{', '.join(map(str, listens))}; send the request there: port={listens[0]}"
    )


def _lift_denial(hop: evaluator.Hop) -> str:
    policy = hop.policy
    if policy is None:
        return "a DENY policy takes precedence over ALLOW"
    owner = resources.owner(policy.annotations)
    name, namespace = _word(policy.name), _word(policy.namespace)
    what = f"authorizationpolicies.security.istio.io {name} -n {namespace}"
    by_hand = f"kubectl edit {what}), or delete it: kubectl delete {what}"
    if not owner:
        return (
            f"a DENY policy takes precedence over ALLOW: change {policy}, which {writer(policy)} "
            f"wrote ({by_hand}"
        )
    model, _, app = owner.partition("/")
    way = f"change its options or relations: juju run -m {model} {app}/leader list-policies"
    if resources.is_written_by_owner(policy.metadata):
        return f"a DENY policy of {owner} takes precedence over ALLOW, {policy}: {way}"
    return (
        f"a DENY policy that says it is of {owner} takes precedence over ALLOW, {policy}: {way}; "
        f"if that does not list it, change it by hand ({by_hand}"
    )


def writer(policy: evaluator.PolicyRef) -> str:
    """Return who wrote a policy, or as whose it passes itself off: `none of these charms`."""
    named = resources.owner_text(policy.annotations) or "none of these charms"
    is_uncertain = bool(resources.owner(policy.annotations)) and not (
        resources.is_written_by_owner(policy.metadata)
    )
    return f"an author who names {named}" if is_uncertain else named


def allow_waypoint(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    """Yield how a waypoint, which let a request pass, may reach the pods.

    Args:
        case: the request.
        hop: ztunnel's, whose source is the waypoint.
    """
    if case.control_plane:
        yield (
            "allow waypoints to reach the pods of their Services: "
            f"juju config {_of(case.control_plane)} auto-allow-waypoint-policy=true"
        )
    else:
        yield "set PILOT_AUTO_ALLOW_WAYPOINT_POLICY=true in istiod's environment"
    command = case.own_policy(hop)
    if command:
        yield f"or allow {hop.source}, the waypoint, in a policy that selects the pods: {command}"


def join_mesh(case: Case) -> Iterator[str]:
    """Yield how the source of a case gets an identity, if it has none."""
    source = case.source
    if source.on_mesh:
        return
    if source.kind is not SourceKind.APPLICATION:
        label = (
            f"kubectl label namespace {_word(source.namespace)} istio.io/dataplane-mode=ambient"
        )
        yield f"put the pods of {source} on the mesh, so that they have an identity: {label}"
    elif case.is_local:
        integrate = f"juju integrate {_word(source.name)} {case.beacon}"
        yield f"put {source.name} on the mesh, so that it has an identity: {integrate}"
    else:
        offer = f"juju offer {case.facts.model}.{case.beacon}"
        integrate = (
            f"juju integrate -m {_word(source.namespace)} {_word(source.name)} "
            f"{case.facts.model}.{case.facts.app}"
        )
        yield f"put {source} on the mesh, so that it has an identity: {offer}; {integrate}"


def _request_access(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    """Yield why requests for this access do not allow it, or who has to request it."""
    facts, destination = case.facts, case.destination
    if destination.address.namespace != facts.model:
        yield _ask_other_beacon(case)
        return
    if not facts.config.manage_authorization_policies:
        option = "manage-authorization-policies=true"
        yield f"turn access requests into policies: juju config {facts.app} {option}"
    if _is_closed(case):
        app = destination.application
        yield (
            f"requests of {app} cannot be read, so it is closed; upgrade its charm, and see "
            f"which: juju run {facts.app}/leader list-requests app={_word(app)}"
        )
        return
    found = [
        outcomes.of_request(facts, request)
        for request in (*facts.requests, *facts.extra.requests, *facts.gateway_requests)
        if _names(request, case.source) and origins.is_about(request.target, destination)
    ]
    # What is granted to an identity that the source does not have yet may well suffice.
    satisfied = {outcomes.Outcome.UNMANAGED}
    if not case.source.on_mesh:
        satisfied.add(outcomes.Outcome.GRANTED)
    yield from (_insufficient(each) for each in found if each.outcome not in satisfied)
    if not found:
        yield from _not_requested(case, hop)


def _names(request: AccessRequest, source: NamedSource) -> bool:
    """Return whether a request is for a source by its identity, or that of its namespace."""
    kinds = (authorization.SourceKind.IDENTITY, authorization.SourceKind.NAMESPACE)
    found = request.source
    return found is not None and found.kind in kinds and found.may_include(source.identity)


def _ask_other_beacon(case: Case) -> str:
    """Return the command that explains the request where the target is."""
    namespace = case.destination.address.namespace
    target = f"{namespace}/{case.destination.address.name}"
    there = sorted(each for each in case.beacons if each.startswith(f"{namespace}/"))
    if not there:
        return f"model {namespace} has no beacon, which would request access to {target}"
    app = there[0].partition("/")[2]
    asked = f"source={_word(str(case.source))} target={_word(target)}"
    command = f"juju run -m {_word(namespace)} {app}/leader explain {asked}"
    return f"the beacon of model {namespace} decides there: {command}"


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


def _not_requested(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    source, app = case.source, case.destination.application
    if not app:
        yield f"no application owns {case.destination.address}, so that none requests access to it"
    elif source.kind is SourceKind.GATEWAY:
        yield from _integrate_gateway(case, hop)
    elif app == case.facts.app:
        yield (
            f"no relation of {app} lets {source} in: "
            f"juju integrate {_word(source.name)} {_word(app)}:{METRICS_ENDPOINT}"
        )
    else:
        if app not in case.members:
            yield (
                f"integrate {app} with the beacon, to request access to itself: "
                f"juju integrate {_word(app)} {case.beacon}"
            )
        if source.kind is SourceKind.APPLICATION:
            yield _integrate(case, app)
        else:
            yield f"{source} is no Juju application, so that no charm requests access for it"
            yield from extra_access(case, {"service-account": source.identity}, hop)


def extra_access(
    case: Case, clients: Mapping[str, Any], hop: evaluator.Hop | None = None
) -> Iterator[str]:
    """Yield the entry of the option `extra-access` that allows a request, if the option reads it.

    Args:
        case: the request.
        clients: the member `from` of the entry.
        hop: that denies the request; None, or ztunnel: methods and paths are of no use.
    """
    request, app = case.request, case.destination.application
    if not app or case.destination.address.namespace != case.facts.model:
        return
    entry: dict[str, Any] = {"from": dict(clients), "to": app}
    if request.port is not None:
        entry["ports"] = [request.port]
    if hop is not None and hop.proxy is evaluator.Proxy.WAYPOINT:
        if not own_policy.is_exact(request):
            return
        entry |= {"methods": [request.method]} if request.method else {}
        entry |= {"paths": [request.path.partition("?")[0]]} if request.path else {}
    text = json.dumps([entry])
    try:
        beacon.parse_extra_access(text)
    except InvalidEntriesError:
        # What a log names as a client may be no name that Kubernetes has.
        return
    yield f"add this to the option extra-access of {case.facts.app}: {text}"


def _integrate_gateway(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    """Yield how an ingress gateway gets access: its own application writes the policy."""
    app, owner = case.destination.application, case.source.owner
    if not owner:
        yield f"{case.source} is a gateway of another installer, so that no charm requests access"
        return
    model, _, ingress = owner.partition("/")
    if hop.proxy is evaluator.Proxy.WAYPOINT and _is_exposed(case):
        yield (
            f"{ingress} exposes {app} since the last hook, and the next one lets its gateway pass "
            f"the waypoint: juju run {case.facts.app}/leader reconcile"
        )
        return
    written = [ref for ref in hop.applied if resources.owner(ref.annotations) == owner]
    if written:
        yield (
            f"{ingress} is integrated with {app} and wrote {written[0]}, which allows other "
            f"requests: juju run -m {model} {ingress}/leader list-policies"
        )
    elif model == case.facts.model:
        yield f"expose {app} at the gateway: juju integrate {_word(app)} {ingress}:ingress"
    else:
        yield (
            f"expose {app} at the gateway: juju offer {model}.{ingress}:ingress; "
            f"juju integrate -m {case.facts.model} {_word(app)} {model}.{ingress}"
        )


def _is_exposed(case: Case) -> bool:
    """Return whether an ingress lets its gateway, the source, reach the pods of the target."""
    return any(
        exposure.gateway.label == case.source.identity
        and exposure.selector.items() <= case.destination.labels.items()
        for exposure in case.facts.ingress.exposures
    )


def _integrate(case: Case, app: str) -> str:
    """Return how an application comes to request access for the source.

    Juju's client alone knows the endpoints of other applications. Two charms with the published
    library have a pair for `cross_model_mesh` in both directions, so that a command without
    endpoints is ambiguous.
    """
    source, model = case.source, case.facts.model
    reason = f"no application requests it: {app} has to request access for {source.name}"
    sender, owner, there = _word(source.name), _word(app), _word(source.namespace)
    if case.is_local:
        return (
            f"{reason} over {ENDPOINT}; its charm does so for applications on the endpoints that "
            f"it serves. List the endpoints of both: juju show-application {sender} {owner}; "
            f"and connect these: juju integrate {sender}:<endpoint> {owner}:<endpoint> "
            f"(not {ENDPOINT}, {_REQUIRES_IDENTITY} or {_PROVIDES_IDENTITY})"
        )
    identity = (
        f"juju offer {model}.{owner}:{_PROVIDES_IDENTITY} {owner}-cmr-mesh; "
        f"juju integrate -m {there} {sender}:{_REQUIRES_IDENTITY} "
        f"{model}.{owner}-cmr-mesh"
    )
    if any(_is_for_unknown_source(request, case) for request in case.facts.requests):
        return (
            f"{app} requests access for an application of another model whose name it does not "
            f"know; if that is {source}, let it know: {identity}"
        )
    return (
        f"{reason}, of another model. List the endpoints of both: juju show-application -m "
        f"{model} {owner}; juju show-application -m {there} {sender}; connect "
        f"these: juju offer {model}.{owner}:<endpoint>; juju integrate -m {there} "
        f"{sender}:<endpoint> {model}.{owner}; and let it know the name: {identity}"
    )


def _is_for_unknown_source(request: AccessRequest, case: Case) -> bool:
    account = request.source.service_account if request.source else ""
    is_about = origins.is_about(request.target, case.destination)
    return account.startswith(_UNKNOWN_SOURCE) and is_about


def _own_policy(case: Case, hop: evaluator.Hop) -> Iterator[str]:
    """Yield how an operator allows the request without any charm."""
    if case.destination.address.namespace != case.facts.model or not case.source.on_mesh:
        return
    command = case.own_policy(hop)
    if command:
        yield f"or allow it by a policy of your own, until you delete it: {command}"
    elif not own_policy.is_exact(case.request):
        yield (
            "no policy is shown that allows it: its method, path or host has what a policy "
            "reads as a pattern, or what proxies compare in another form"
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


def _word(name: str) -> str:
    """Return a name as one word of a command: names of other objects are data."""
    return shlex.quote(name)


def _of(owner: str) -> str:
    model, _, app = owner.partition("/")
    return f"-m {model} {app}"
