# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Led back: from the policy that decides to the application and the endpoint that asked for it."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from istio_ambient import authorization, beacon, kube, resources
from istio_ambient.authorization import AccessRequest, Target, TargetKind, evaluator
from istio_ambient.explain import outcomes
from istio_ambient.explain.applications import Destination


@dataclasses.dataclass(frozen=True)
class Origin:
    """Who a policy is from."""

    owner: str = ""
    """`<model>/<application>` that made it; empty: none of these charms."""
    requested_by: tuple[str, ...] = ()
    """Who asked that the source be let in: `details:service-mesh policies[2]`. Of policies that
    another application made, application and endpoint alone."""


def of_policy(
    ref: evaluator.PolicyRef,
    facts: beacon.Facts,
    request: evaluator.Request,
    snapshot: evaluator.Snapshot,
) -> Origin:
    """Return who a policy is from, and whose request lets the source in by it.

    What our own policies grant is recomputed from what applications ask for now; of those that
    others made, the annotation tells.

    Args:
        ref: the policy.
        facts: of our own hook.
        request: what is explained.
        snapshot: that it was judged by.
    """
    owner = ref.annotations.get(resources.OWNER_ANNOTATION, "")
    if owner != f"{facts.model}/{facts.app}":
        return Origin(owner, tuple(_annotated(ref.annotations, request.source)))
    manifest = next((m for m in snapshot.policies if _names(ref, m)), None)
    target = authorization.target_of(dict(manifest)) if manifest else None
    scene = _scene(snapshot, request)
    asked = [
        each
        for each in asked_for(facts, request.source)
        if each.target == target and _lets_in(each, facts, request, scene)
    ]
    return Origin(owner, tuple(_place(each) for each in asked))


def asked_for(facts: beacon.Facts, source: str | None) -> Iterator[AccessRequest]:
    """Yield what applications, and we, ask for on behalf of one source."""
    for request in (*facts.requests, *facts.own_requests):
        if request.source is not None and str(request.source) == source:
            yield request


def is_about(target: Target, destination: Destination) -> bool:
    """Return whether a request for a target is about what is to be reached."""
    if target.kind is TargetKind.SERVICE:
        named = evaluator.Target.service(target.namespace, target.name)
        return destination.target == named
    return (
        destination.target.namespace == target.namespace
        and dict(target.labels).items() <= destination.labels.items()
    )


def _scene(snapshot: evaluator.Snapshot, request: evaluator.Request) -> evaluator.Snapshot:
    """Return the part of a cluster that a request meets: thousands of policies are tried in it."""
    judge = evaluator.Evaluator(snapshot)
    hops = judge.evaluate(request).hops
    guarded = {hop.where for hop in hops if hop.proxy is evaluator.Proxy.ZTUNNEL}
    senders = judge.topology.pods_of_identity(request.source or "")
    sender = sorted(senders, key=judge.topology.on_mesh)[-1:]
    target = request.target.namespace, request.target.name
    met = {request.target.namespace, *(each.partition("/")[0] for each in guarded)}
    met.add((request.source or "").partition("/")[0])
    return dataclasses.replace(
        snapshot,
        namespaces=tuple(each for each in snapshot.namespaces if each["metadata"]["name"] in met),
        services=tuple(each for each in snapshot.services if _name(each) == target),
        pods=tuple(
            pod
            for pod in snapshot.pods
            if "/".join(_name(pod)) in guarded
            or evaluator.GATEWAY_LABEL in (pod["metadata"].get("labels") or {})
            or pod in sender
        ),
    )


def _lets_in(
    asked: AccessRequest,
    facts: beacon.Facts,
    request: evaluator.Request,
    snapshot: evaluator.Snapshot,
) -> bool:
    """Return whether what was asked for, alone, would let the request pass that proxy."""
    if asked in facts.requests:
        outcome = outcomes.of_request(facts, asked).outcome
        if outcome is not outcomes.Outcome.GRANTED:
            return False
    granted = authorization.policies((asked,), model=facts.model, app=facts.app)
    alone = dataclasses.replace(snapshot, policies=tuple(map(kube.manifest_of, granted)))
    proxy = evaluator.Proxy.ZTUNNEL
    if asked.target.kind is TargetKind.SERVICE:
        proxy = evaluator.Proxy.WAYPOINT
    hops = [hop for hop in evaluator.evaluate(alone, request).hops if hop.proxy is proxy]
    return any(hop.decision is not evaluator.Decision.DENIED for hop in hops)


def _place(request: AccessRequest) -> str:
    return f"{request.requester} {request.field}".rstrip()


def _annotated(annotations: Mapping[str, str], source: str | None) -> Iterable[str]:
    """Yield who asked, from an annotation that anybody may have written."""
    try:
        told: object = json.loads(annotations.get(authorization.REQUESTED_BY, "{}"))
    except (ValueError, RecursionError):
        return
    if isinstance(told, dict):
        requesters = cast(dict[str, object], told).get(source or "")
        if isinstance(requesters, list):
            yield from (each for each in cast(list[object], requesters) if isinstance(each, str))


def _names(ref: evaluator.PolicyRef, manifest: evaluator.Manifest) -> bool:
    return _name(manifest) == (ref.namespace, ref.name)


def _name(manifest: evaluator.Manifest) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
