# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What becomes of a request, and who decides it by what."""

import dataclasses
import enum
from collections.abc import Mapping


class Decision(enum.StrEnum):
    """Whether a request passes."""

    ALLOWED = "allowed"
    DENIED = "denied"
    CONDITIONAL = "conditional"
    """It depends on what the request leaves open, or on an external authorizer."""


class Reason(enum.StrEnum):
    """Why a proxy decides as it does."""

    NO_POLICY = "no policy speaks of it"
    ALLOW = "allowed by an ALLOW policy"
    NO_DENY = "no DENY policy matches, and no ALLOW policy speaks of it"
    DENY = "denied by a DENY policy"
    LACK_OF_ALLOW = "no ALLOW policy matches"
    CUSTOM = "an external authorizer decides"


class Proxy(enum.StrEnum):
    """What judges a request."""

    GATEWAY = "gateway"
    """An ingress gateway, which judges what comes in from outside."""
    WAYPOINT = "waypoint"
    ZTUNNEL = "ztunnel"


@dataclasses.dataclass(frozen=True)
class PolicyRef:
    """One rule of an AuthorizationPolicy, or the policy as a whole."""

    namespace: str
    name: str
    rule: int | None = None
    """Index in `spec.rules`; None: no rule of it in particular."""
    action: str = "ALLOW"
    """`ALLOW`, `DENY` or `CUSTOM`."""
    annotations: Mapping[str, str] = dataclasses.field(
        default_factory=dict[str, str], compare=False
    )
    synthetic: bool = False
    """istiod made it up (PILOT_AUTO_ALLOW_WAYPOINT_POLICY); it is no object in the cluster."""

    @property
    def is_allow(self) -> bool:
        """Whether it lets somebody in."""
        return self.action == "ALLOW"

    def __str__(self) -> str:
        rule = "" if self.rule is None else f" rule {self.rule}"
        return f"{self.namespace}/{self.name}{rule}"


@dataclasses.dataclass(frozen=True)
class Condition:
    """A rule that decides only for some of the requests that the open members stand for."""

    policy: PolicyRef
    text: str
    """What the request would have to be: `GET /health, /details/* on port 9080`."""


@dataclasses.dataclass(frozen=True)
class Hop:
    """One proxy on the way, and what it says."""

    proxy: Proxy
    where: str
    """`<namespace>/<name>` of the Gateway, or of the pod that ztunnel guards."""
    source: str | None
    """Who asks here, `<namespace>/<service account>`: behind a waypoint it is the waypoint."""
    port: int | None
    """The port as policies see it here: the Service's at a waypoint, else the pod's."""
    decision: Decision
    reason: Reason
    policy: PolicyRef | None = None
    """The rule that decides; None where several together do, or none does."""
    only: tuple[Condition, ...] = ()
    """Conditional: it passes if one of these holds; empty: no ALLOW rule restricts it."""
    unless: tuple[Condition, ...] = ()
    """Conditional: it is denied if one of these holds."""
    asks: tuple[PolicyRef, ...] = ()
    """CUSTOM rules that match or may: their external authorizer has to agree."""
    applied: tuple[PolicyRef, ...] = ()
    """All policies that this proxy applies for the target, sorted."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What becomes of a request in the end."""

    decision: Decision
    hops: tuple[Hop, ...] = ()
    """In the order in which they are passed; empty: no proxy of the mesh judges it. Behind a
    Service whose pods differ there is a hop for each kind of pod, and one of them is taken."""
    note: str = ""
    """What is not about policies: the target is not on the mesh, its waypoint is not there, …."""

    @property
    def allowed(self) -> bool:
        """Whether every request that this one stands for passes."""
        return self.decision is Decision.ALLOWED

    @property
    def decisive(self) -> Hop | None:
        """The first hop that says no, else the first that says it depends, else the last."""
        for decision in (Decision.DENIED, Decision.CONDITIONAL):
            for hop in self.hops:
                if hop.decision is decision:
                    return hop
        return self.hops[-1] if self.hops else None
