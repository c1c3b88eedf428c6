# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the policies of now say about a recorded request, and what would let it pass. Pure.

The cause is the recorded one where only the proxy knew it, such as a token or an authorizer's
decision; the rest is the evaluator's.
"""

import dataclasses
import shlex
from collections.abc import Iterator

from istio_ambient import beacon, gateways, ingress
from istio_ambient.authorization import evaluator
from istio_ambient.explain import applications, remedies
from istio_ambient.explain.access_log import Cause
from istio_ambient.explain.applications import NamedSource
from istio_ambient.explain.denials import Judgement
from istio_ambient.explain.directory import Attempt, Origin
from istio_ambient.ingress import authentication

_NOBODY = NamedSource("", "a client without an identity", "", on_mesh=False)
_CLAIMED = (
    "cannot be told: the source is not known, since a client, or a proxy before the waypoint, "
    "wrote X-Forwarded-For"
)
_ASK_WHO = (
    "find out who sent it, such as from the logs of the proxy in between, and ask for that one: "
    "explain source=… target=…"
)
_GONE = "cannot be told: nothing has the address {} now"


@dataclasses.dataclass(frozen=True)
class MeshJudge:
    """Judges requests that a waypoint or ztunnel recorded.

    Args:
        evaluation: of the cluster as it is now.
        facts: of the beacon.
        members: applications that are integrated with the beacon over `service-mesh`.
        control_plane: `<model>/<application>` that installed istiod; empty: another installer.
    """

    evaluation: evaluator.Evaluator
    facts: beacon.Facts
    members: frozenset[str]
    control_plane: str

    def __call__(self, attempt: Attempt) -> Judgement:
        """Return the judgement of a recorded request."""
        destination = attempt.destination
        if attempt.proxy is evaluator.Proxy.GATEWAY:
            namespace, _, name = attempt.where.partition("/")
            verdict = _at_gateway(self.evaluation, (namespace, name), attempt)
            remedy = f"juju run -m {namespace} {name}/leader list-denials has what would allow it"
            return _judgement(verdict, attempt.proxy, (remedy,))
        if destination is None:
            return Judgement(_GONE.format(attempt.recorded.destination_ip))
        if attempt.sender.origin is Origin.CLAIMED:
            return Judgement(_CLAIMED, remedies=(_ASK_WHO,))
        request = request_of(attempt)
        try:
            verdict = self.evaluation.evaluate(request)
        except evaluator.UnknownDestinationError as error:
            return Judgement(f"cannot be told: {error}")
        snapshot = self.evaluation.topology.snapshot
        case = remedies.Case(
            facts=self.facts,
            members=self.members,
            control_plane=self.control_plane,
            root_namespace=snapshot.root_namespace,
            trust_domain=snapshot.mesh.trust_domain,
            source=self._source(attempt),
            destination=destination,
            verdict=verdict,
            request=request,
            beacons=applications.beacons(snapshot),
        )
        instructions = tuple(self._remedies(attempt, case))
        return _judgement(verdict, attempt.proxy, instructions)

    def _source(self, attempt: Attempt) -> NamedSource:
        """Return the sender as `explain` knows it by its name."""
        named = attempt.sender.named
        if named is None:
            return _NOBODY
        try:
            found = applications.source(self.evaluation.topology, str(named), self.facts.model)
        except applications.UnknownNameError:
            return named
        return found if found.identity == named.identity else named

    def _remedies(self, attempt: Attempt, case: remedies.Case) -> Iterator[str]:
        cause = attempt.recorded.refusal.cause if attempt.recorded.refusal else None
        app = case.destination.application or "the target"
        if cause is Cause.PLAIN_TEXT:
            if attempt.sender.origin is Origin.WORKLOAD:
                plain = dataclasses.replace(case.source, on_mesh=False)
                yield from remedies.join_mesh(dataclasses.replace(case, source=plain))
            else:
                yield f"clients outside the mesh reach {app} through an ingress gateway"
            if self.control_plane:
                model, _, control_plane = self.control_plane.partition("/")
                option = "mtls-mode=permissive"
                yield f"or accept plain text: juju config -m {model} {control_plane} {option}"
            return
        if case.verdict.decision is evaluator.Decision.ALLOWED:
            return
        if cause in (Cause.AUTHORIZER, Cause.AUTHORIZER_FAILED):
            yield "see the log of the external authorizer, which decides about this request"
            return
        is_workload = attempt.sender.origin is Origin.WORKLOAD
        if not is_workload and not _is_denied_by_rule(case.verdict):
            yield (
                f"the client is not on the mesh, so it has no identity: {app} is for clients "
                "outside through an ingress gateway only"
            )
            if attempt.recorded.source_ip and attempt.sender.origin is Origin.OUTSIDE:
                networks = [attempt.recorded.source_ip]
                for each in remedies.extra_access(case, {"outside": networks}):
                    yield f"or {each}"
            return
        hop = case.verdict.decisive
        if cause is Cause.LACK_OF_ALLOW and hop and self._is_waypoint(attempt):
            yield from remedies.allow_waypoint(case, hop)
            return
        yield from remedies.remedies(case)

    def _is_waypoint(self, attempt: Attempt) -> bool:
        """Return whether a waypoint sent a request, on behalf of a client that it let pass."""
        sender = attempt.sender.named
        found = self.evaluation.topology.gateways.get(
            (sender.namespace, sender.name) if sender else ("", "")
        )
        return found is not None and gateways.is_waypoint(found)


@dataclasses.dataclass(frozen=True)
class GatewayJudge:
    """Judges requests that an ingress gateway recorded.

    Args:
        evaluation: of the cluster as it is now.
        facts: of the ingress.
    """

    evaluation: evaluator.Evaluator
    facts: ingress.Facts

    def __call__(self, attempt: Attempt) -> Judgement:
        """Return the judgement of a recorded request."""
        verdict = _at_gateway(self.evaluation, (self.facts.model, self.facts.app), attempt)
        remedies_now = tuple(self._remedies(attempt, verdict.hops[0]))
        return _judgement(verdict, attempt.proxy, remedies_now)

    def _remedies(self, attempt: Attempt, hop: evaluator.Hop) -> Iterator[str]:
        refusal = attempt.recorded.refusal
        if refusal is None:
            return
        app, policy = self.facts.app, refusal.policy
        authorizer = "the application at forward-auth, which decides about logins"
        if refusal.cause is Cause.JWT:
            yield "send a token that is valid: signed by the issuer, not expired, for the audience"
        elif refusal.cause is Cause.AUTHORIZER:
            yield f"log in, or see the log of {authorizer}"
        elif refusal.cause is Cause.AUTHORIZER_FAILED:
            yield f"see juju status of {authorizer}: it gives the gateway no answer"
        elif refusal.cause is Cause.AT_THE_POD:
            namespace = attempt.destination.address.namespace if attempt.destination else "?"
            yield (
                "the gateway let it pass, and ztunnel at the backend refused the gateway: "
                f"run list-denials on the beacon of model {namespace}"
            )
        elif policy and authentication.requires_token(app, policy.name):
            yield "send a token of an issuer that the application trusts: the request had none"
        elif policy and authentication.asks_authorizer(app, policy.name):
            yield f"the login is not set up, so that it is refused: see juju status {app}"
        elif refusal.cause is Cause.LACK_OF_ALLOW:
            yield from self._admit(attempt, hop)
        elif policy:
            # By the object of that name that is enforced now.
            name = policy.namespace, policy.name
            same = (ref for ref in hop.applied if (ref.namespace, ref.name) == name)
            yield f"change {policy}, which {remedies.writer(next(same, policy))} wrote"

    def _admit(self, attempt: Attempt, hop: evaluator.Hop) -> Iterator[str]:
        """Yield how clients of a network are admitted, where they are not."""
        source_ip, config = attempt.recorded.source_ip, self.facts.config
        if hop.decision is evaluator.Decision.ALLOWED or not source_ip:
            return
        if attempt.sender.origin is not Origin.OUTSIDE:
            # Whoever comes by way of the node has its address.
            shared = f"do not admit {source_ip}, which is of the cluster and of many clients"
            if config.external_traffic_policy == "Local":
                yield f"{shared}: clients within the cluster do not need the gateway"
                return
            command = f"juju config {self.facts.app} external-traffic-policy=Local"
            yield f"{shared}; let the gateway see the client's own address: {command}"
            return
        networks = config.external_traffic_policy_cidrs.replace(" ", "")
        length = 128 if ":" in source_ip else 32
        wanted = ",".join(filter(None, (networks, f"{source_ip}/{length}")))
        option = shlex.quote(f"external-traffic-policy-cidrs={wanted}")
        yield f"admit the client's network: juju config {self.facts.app} {option}"


def request_of(attempt: Attempt) -> evaluator.Request:
    """Return the request for the evaluator; the attempt has a destination.

    Raises:
        UnknownDestinationError: it has none.
    """
    recorded, sender = attempt.recorded, attempt.sender
    if attempt.destination is None:
        raise evaluator.UnknownDestinationError(_GONE.format(recorded.destination_ip))
    named = sender.named
    # What ztunnel did not identify came as plain text, whoever has the address.
    is_plain = attempt.proxy is evaluator.Proxy.ZTUNNEL and not sender.identified
    source = named.identity if named and named.on_mesh and not is_plain else None
    client = evaluator.ClientKind.OUTSIDE if source is None else None
    return evaluator.Request(
        client=client,
        source=source,
        destination=attempt.destination.address,
        port=recorded.port,
        method=recorded.method or None,
        path=recorded.path or None,
        host=recorded.host or None,
        source_ip=recorded.source_ip or None,
    )


def _at_gateway(
    evaluation: evaluator.Evaluator, gateway: tuple[str, str], attempt: Attempt
) -> evaluator.Verdict:
    """Return the verdict of an ingress gateway, whose only hop is the gateway."""
    recorded = attempt.recorded
    request = evaluator.Request(
        source=None,
        destination=evaluator.Destination.service(*gateway),
        port=recorded.port,
        method=recorded.method or None,
        path=recorded.path or None,
        host=recorded.host or None,
        source_ip=recorded.source_ip or None,
    )
    hop = evaluation.at_gateway(gateway, request)
    return evaluator.Verdict(hop.decision, (hop,), not_weighed=evaluation.not_weighed((hop,)))


def _judgement(
    verdict: evaluator.Verdict, proxy: evaluator.Proxy, instructions: tuple[str, ...]
) -> Judgement:
    hop = verdict.decisive
    applied = tuple(ref for each in verdict.hops if each.proxy is proxy for ref in each.applied)
    decided = f"{hop.decided}, by {hop.proxy} {hop.where}" if hop else str(verdict.decision)
    note = f"; {verdict.note}" if verdict.note and not hop else ""
    policy = f" ({hop.policy})" if hop and hop.policy else ""
    return Judgement(
        f"{decided}{policy}{note}",
        verdict.decision is evaluator.Decision.DENIED,
        applied,
        instructions,
        verdict.not_weighed,
    )


def _is_denied_by_rule(verdict: evaluator.Verdict) -> bool:
    hop = verdict.decisive
    return hop is not None and hop.reason is evaluator.Reason.DENY
