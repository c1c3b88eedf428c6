# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The result of an evaluation: the verdict, and the hop, policy and rule that decide it."""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any


class Decision(enum.StrEnum):
    """Whether a request is allowed."""

    ALLOWED = "allowed"
    DENIED = "denied"
    CONDITIONAL = "conditional"
    """It depends on unspecified members of the request, or on an external authorizer."""


class Reason(enum.StrEnum):
    """Why a proxy decides as it does."""

    NO_POLICY = "no policy applies"
    ALLOW = "allowed by an ALLOW policy"
    NO_DENY = "no DENY policy matches, and no ALLOW policy applies"
    DENY = "denied by a DENY policy"
    LACK_OF_ALLOW = "no ALLOW policy matches"
    CUSTOM = "an external authorizer decides"
    PLAIN_TEXT = "plain text is refused by a PeerAuthentication"
    UNAUTHORIZED = "the token is malformed, so that a RequestAuthentication refuses it"
    UNREACHABLE = "no proxy answers there"


class Proxy(enum.StrEnum):
    """The kinds of proxies that decide about requests."""

    GATEWAY = "gateway"
    """An ingress gateway, for requests from outside of the mesh."""
    WAYPOINT = "waypoint"
    ZTUNNEL = "ztunnel"


@dataclasses.dataclass(frozen=True)
class PolicyRef:
    """One rule of an AuthorizationPolicy, or the whole policy."""

    namespace: str
    name: str
    rule: int | None = None
    """Index in `spec.rules`; None: the whole policy."""
    action: str = "ALLOW"
    """`ALLOW`, `DENY` or `CUSTOM`."""
    metadata: Mapping[str, Any] = dataclasses.field(
        default_factory=dict[str, Any], compare=False, repr=False
    )
    """Of the object, in JSON form; empty: none is known."""
    kind: str = "AuthorizationPolicy"
    """Another one where another object decides: PeerAuthentication, RequestAuthentication, a
    Gateway without pods, a Service with a port that no waypoint serves."""
    synthetic: bool = False
    """Whether istiod generates the policy (PILOT_AUTO_ALLOW_WAYPOINT_POLICY), so that no object in
    the cluster has it."""

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of the object."""
        return self.metadata.get("annotations") or {}

    @property
    def order(self) -> tuple[str, str, int]:
        """The sort key of references."""
        return self.namespace, self.name, self.rule or 0

    def __str__(self) -> str:
        rule = "" if self.rule is None else f" rule {self.rule}"
        kind = "" if self.kind == "AuthorizationPolicy" else f"{self.kind} "
        return f"{kind}{self.namespace}/{self.name}{rule}"


@dataclasses.dataclass(frozen=True)
class Condition:
    """A rule that matches some values of the unspecified members, and not others."""

    policy: PolicyRef
    text: str
    """The values that it matches: `GET /health, /details/* on port 9080`."""


@dataclasses.dataclass(frozen=True)
class Hop:
    """One proxy that decides about a request on its way, and its decision."""

    proxy: Proxy
    where: str
    """`<namespace>/<name>` of the Gateway, or of the pod in front of which ztunnel is."""
    source: str | None
    """The source that this proxy sees, `<namespace>/<service account>`: after a waypoint that is
    the waypoint."""
    port: int | None
    """The port that policies see here: the Service's at a waypoint, else the pod's."""
    decision: Decision = Decision.ALLOWED
    reason: Reason = Reason.NO_POLICY
    policy: PolicyRef | None = None
    """The rule that decides; None where several together do, or none does."""
    only: tuple[Condition, ...] = ()
    """Conditional: allowed if one of these holds; empty: no ALLOW rule restricts the request."""
    unless: tuple[Condition, ...] = ()
    """Conditional: denied if one of these holds."""
    asked: tuple[Condition, ...] = ()
    """The requests of which an external authorizer decides, by rule."""
    checks_token: bool = False
    """Whether the proxy looks at the request's token, of which it is not known whether it is
    valid."""
    applied: tuple[PolicyRef, ...] = ()
    """All policies that this proxy enforces for the destination, sorted."""

    @property
    def asks(self) -> tuple[PolicyRef, ...]:
        """CUSTOM rules that match or may match: their authorizer has to allow the request."""
        return tuple(dict.fromkeys(each.policy for each in self.asked))

    @property
    def decided(self) -> str:
        """The decision with its reason, as text: `denied, no ALLOW policy matches`."""
        decision, reason = str(self.decision), str(self.reason)
        if self.decision is Decision.CONDITIONAL and not self.asks:
            return decision
        return reason if reason.startswith(decision) else f"{decision}, {reason}"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a request is allowed, and the hops that decide it."""

    decision: Decision
    hops: tuple[Hop, ...] = ()
    """In the order in which the request passes them; empty: no proxy of the mesh is on the way.
    Where the pods of a Service differ, there is a hop for each kind of pod, and the request takes
    one of these."""
    note: str = ""
    """Facts that are no policies: the destination is not on the mesh, its waypoint is missing."""
    not_weighed: tuple[str, ...] = ()
    """What may decide otherwise and is not known here: NetworkPolicies, tokens, authorizers."""
    has_open_pods: bool = False
    """Whether the request may also reach a pod whose ztunnel does not decide about it: one that is
    not on the mesh, or that takes plain text past its ztunnel."""

    @property
    def allowed(self) -> bool:
        """Whether the request is allowed, whatever the unspecified members are."""
        return self.decision is Decision.ALLOWED

    @property
    def decisive(self) -> Hop | None:
        """The first hop that denies, else the first that is conditional, else the last."""
        for decision in (Decision.DENIED, Decision.CONDITIONAL):
            for hop in self.hops:
                if hop.decision is decision:
                    return hop
        return self.hops[-1] if self.hops else None
