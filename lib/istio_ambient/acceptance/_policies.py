# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether policies are enforced: istiod's conditions on them, and the proxies that hold them.

istiod sets `WaypointAccepted` and `ZtunnelAccepted` on an AuthorizationPolicy, and nothing on a
RequestAuthentication. A condition says that the policy is bound, nothing of what is in it.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from istio_ambient import kube
from istio_ambient.acceptance._proxies import PATIENCE
from istio_ambient.acceptance._reports import ZTUNNEL, Proxy, Report
from istio_ambient.acceptance._verdicts import Finding
from istio_ambient.values import tables
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem
from istio_ambient.values.text import printable

_BAD_REASONS = frozenset({"UnsupportedValue", "PartiallyInvalid"})
_UNBOUND = frozenset({"AncestorNotBound", "TargetNotFound"})
"""Reasons that say that the application has not joined the mesh (yet): its Service is not behind
the waypoint. The policy is fine, and listed as not accepted."""
_NAME, _WORDS = 40, 40
"""Characters of names, and of istiod's words, in a status."""
_KIND = "AuthorizationPolicy"
_REQUIRED: Mapping[str, frozenset[str]] = {
    ZTUNNEL: frozenset({"Authorization"}),
    "waypoint": frozenset({"Listener"}),
    "router": frozenset({"Listener"}),
}
"""Kinds of configuration that carry policies to a type of proxy."""


def has_conditions(policies: Iterable[kube.Manifest]) -> bool:
    """Return whether istiod has judged one of the policies, as it is now or as it was."""
    return any(kube.items(kube.section(each, "status"), "conditions") for each in policies)


def policy_findings(
    policies: Iterable[kube.Manifest], now: datetime.datetime, *, judged: bool = True
) -> Iterator[Finding]:
    """Yield which AuthorizationPolicies istiod does not take, or is not rid of.

    Args:
        policies: of ours, in JSON form.
        now: the time by the API server's clock.
        judged: whether istiod is known to write conditions.
    """
    for policy in policies:
        metadata = policy["metadata"]
        what = _what(policy)
        deleted = kube.time_of(metadata.get("deletionTimestamp"))
        if deleted is not None and _age(deleted, now) > PATIENCE:
            finalizers = printable(", ".join(metadata.get("finalizers", ())), _NAME)
            message = f"its deletion waits for {finalizers}"
            yield _problem(Code.POLICY_NOT_DELETED, what, message, "remove this finalizer")
        elif policy["kind"] == _KIND and deleted is None:
            yield from _judgements(policy, what, now if judged else None)


def _judgements(
    policy: kube.Manifest, what: str, now: datetime.datetime | None
) -> Iterator[Finding]:
    """Yield what istiod says of a policy, and, if the time is given, that it should by now."""
    refs = kube.items(kube.section(policy, "spec"), "targetRefs")
    if any(ref.get("kind") == "GatewayClass" for ref in refs):
        # istiod judges it by the root namespace, and not again when that changes: the conditions
        # of an istiod that has lost and found its MeshConfig stay wrong.
        return
    conditions = current_conditions(policy)
    for condition in conditions:
        if _is_bad(condition) and condition.get("reason") not in _UNBOUND:
            message = printable(str(condition.get("message") or condition.get("reason")), _WORDS)
            message = f"istiod does not accept it: {message}"
            yield _problem(Code.POLICY_NOT_ACCEPTED, what, message, "")
    if not conditions and now is not None and is_settled(policy, now):
        reason = "istiod has not looked at it, so it may not be enforced"
        yield kube.Readiness(what, ready=False, reason=reason, code=Code.POLICY_NOT_SEEN)


def provider_findings(
    policies: Iterable[kube.Manifest], reports: Iterable[Report]
) -> Iterator[Finding]:
    """Yield the policies whose external authorizer some istiod does not know.

    istiod denies every request for such a policy, and its conditions do not show it.

    Args:
        policies: AuthorizationPolicies of ours, in JSON form.
        reports: of all istiods, with their MeshConfig.
    """
    known = [r.mesh_config.providers for r in reports if r.mesh_config is not None]
    for policy in policies:
        spec = kube.section(policy, "spec")
        provider = str(kube.section(spec, "provider").get("name", ""))
        if spec.get("action") == "CUSTOM" and any(provider not in each for each in known):
            message = f"istiod has no authorizer {printable(provider, _NAME)}"
            remedy = "see the status of istio-k8s"
            yield _problem(Code.AUTHORIZER_UNKNOWN, _what(policy), message, remedy)


def current_conditions(policy: kube.Manifest) -> list[Mapping[str, Any]]:
    """Return istiod's conditions on the policy as it is now, not on an earlier version."""
    generation = policy["metadata"].get("generation", 0)
    conditions = kube.items(kube.section(policy, "status"), "conditions")
    return [each for each in conditions if _generation(each) >= generation]


def _is_bad(condition: Mapping[str, Any]) -> bool:
    return condition.get("status") == "False" or condition.get("reason") in _BAD_REASONS


def _generation(condition: Mapping[str, Any]) -> int:
    """Return `observedGeneration`, which istiod writes as text (int64 in protobuf's JSON)."""
    try:
        return int(condition.get("observedGeneration", 0))
    except (TypeError, ValueError):
        return 0


class Enforcement(msgspec.Struct, frozen=True):
    """Whether one policy is enforced; the members are keys of the JSON."""

    policy: str
    target: str
    accepted: str
    """`yes`, `not yet`, or istiod's words."""
    held_by: str
    """Of each type of proxy that has to enforce it, how many hold it: `waypoint 2/2`."""
    since: str
    """When istiod accepted it; empty: it has not."""


def enforcements(
    policies: Iterable[kube.Manifest], reports: Sequence[Report], gateways: Mapping[str, str]
) -> list[Enforcement]:
    """Return each policy with istiod's judgement and the proxies that hold it.

    Args:
        policies: AuthorizationPolicies, in JSON form.
        reports: of all istiods, with the proxies of all namespaces.
        gateways: Gateway in the policies' namespace to the Deployment of its pods.
    """
    proxies = [proxy for report in reports for proxy in report.proxies]
    return [
        _enforcement(policy, proxies, gateways)
        for policy in sorted(policies, key=lambda each: each["metadata"]["name"])
    ]


def _enforcement(
    policy: kube.Manifest, proxies: Sequence[Proxy], gateways: Mapping[str, str]
) -> Enforcement:
    metadata, conditions = policy["metadata"], current_conditions(policy)
    bad = [str(c.get("message") or c.get("reason")) for c in conditions if _is_bad(c)]
    accepted = "; ".join(bad) or ("yes" if conditions else "not yet")
    enforcing = _enforcing(policy, proxies, gateways)
    types = sorted({proxy.type for proxy in enforcing}) or ["no proxy"]
    held = [_held(kind, enforcing, seen=bool(conditions)) for kind in types]
    times = sorted(str(c.get("lastTransitionTime", "")) for c in conditions)
    return Enforcement(
        policy=f"{metadata['namespace']}/{metadata['name']}",
        target=_target(policy),
        accepted=accepted,
        held_by=", ".join(held),
        since=times[-1] if times and accepted == "yes" else "",
    )


def _held(kind: str, proxies: Sequence[Proxy], *, seen: bool) -> str:
    """Return how many proxies of a type hold a policy: none before istiod has seen it."""
    those = [proxy for proxy in proxies if proxy.type == kind]
    holding = sum(seen and _holds(proxy) for proxy in those)
    return f"{kind} {holding}/{len(those)}" if those else kind


def _holds(proxy: Proxy) -> bool:
    """Return whether a proxy acknowledged the last configuration that carries policies."""
    needed = _REQUIRED.get(proxy.type, frozenset())
    found = {each.kind for each in proxy.acknowledgements if each.is_current and not each.error}
    return needed <= found


def _enforcing(
    policy: kube.Manifest, proxies: Sequence[Proxy], gateways: Mapping[str, str]
) -> list[Proxy]:
    """Return the connected proxies that have to enforce a policy."""
    refs = kube.items(kube.section(policy, "spec"), "targetRefs")
    if not refs:
        return [proxy for proxy in proxies if proxy.type == ZTUNNEL]
    namespace = policy["metadata"]["namespace"]
    gateway = {str(ref.get("name")) for ref in refs if ref.get("kind") == "Gateway"}
    # A Service has the policies at its waypoint; ours is the only one that is known here.
    workloads = {w for name, w in gateways.items() if name in gateway or not gateway}
    return [
        proxy
        for proxy in proxies
        if proxy.namespace == namespace and proxy.deployment in workloads
    ]


def _target(policy: kube.Manifest) -> str:
    spec = kube.section(policy, "spec")
    refs = [f"{ref.get('kind')} {ref.get('name')}" for ref in kube.items(spec, "targetRefs")]
    labels = kube.section(kube.section(spec, "selector"), "matchLabels")
    pods = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return ", ".join(refs) or (f"pods {pods}" if pods else "all pods")


def table(entries: Sequence[Enforcement]) -> str:
    """Return the entries as a table for people."""
    headings = ("POLICY", "TARGET", "ACCEPTED", "HELD BY", "SINCE")
    rows = [(e.policy, e.target, e.accepted, e.held_by, e.since) for e in entries]
    return tables.table(headings, rows, empty="no policies")


def written_at(manifest: kube.Manifest) -> datetime.datetime | None:
    """Return when an object was written last, its status left aside; None: unknown."""
    metadata = manifest["metadata"]
    times = [
        each.get("time")
        for each in kube.items(metadata, "managedFields")
        if each.get("subresource") != "status"
    ]
    found = map(kube.time_of, [*times, metadata.get("creationTimestamp")])
    return max((time for time in found if time is not None), default=None)


def is_settled(manifest: kube.Manifest, now: datetime.datetime) -> bool:
    """Return whether an object was written so long ago that its readers have had the time."""
    written = written_at(manifest)
    return written is not None and _age(written, now) > PATIENCE


def _age(time: datetime.datetime, now: datetime.datetime) -> float:
    return (now - time).total_seconds()


def _what(policy: kube.Manifest) -> str:
    return f"policy {printable(policy['metadata']['name'], _NAME)}"


def _problem(code: Code, what: str, message: str, remedy: str) -> Problem:
    return Problem("", what, "", message=message, remedy=remedy, code=code)
