# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Tracing: from the policy that decides to the application and endpoint that asked for it."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping

from istio_ambient import authorization, beacon, gateways, kube, resources
from istio_ambient.authorization import AccessRequest, Target, TargetKind, evaluator
from istio_ambient.explain import outcomes
from istio_ambient.explain.applications import NamedDestination
from istio_ambient.values import decoded
from istio_ambient.values.text import MAX_NAME, printable

_MOST_REQUESTERS = 50
"""Requesters of one policy that are shown."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """The owner of a policy, and the requests behind it."""

    owner: str = ""
    """`<model>/<application>` that wrote it, or `resources.UNKNOWN_OWNER`; empty: none of these
    charms."""
    is_owner_certain: bool = False
    """Whether the owner certainly wrote it; else, only an annotation says so."""
    requested_by: tuple[str, ...] = ()
    """The requests that allow the source: `details:service-mesh policies[2]`; of a policy that
    another application wrote, without the field."""
    is_confirmed: bool = False
    """Whether applications make these requests now; else, only the policy itself says so, whose
    annotations anybody may have written."""


def of_policy(
    ref: evaluator.PolicyRef,
    facts: beacon.Facts,
    request: evaluator.Request,
    snapshot: evaluator.Snapshot,
) -> Origin:
    """Return the owner of a policy, and the requests by which it allows the source.

    For our own policies these are found among the requests that applications make now, for those
    of other owners in the policy's annotation.

    Args:
        ref: the policy.
        facts: of our own hook.
        request: the request that is explained.
        snapshot: by which it was evaluated.
    """
    written = recorded(ref, request.source)
    owner = written.owner
    if owner != f"{facts.model}/{facts.app}":
        return written
    name = ref.namespace, ref.name
    manifest = next((each for each in snapshot.policies if evaluator.key(each) == name), None)
    target = authorization.target_of(dict(manifest)) if manifest else None
    excerpt = _excerpt(snapshot, request)
    behind = (
        f"{each.requester} {each.field}".rstrip()
        for each in requests_for(facts, request.source)
        if each.target == target and _allows(each, facts, request, excerpt)
    )
    requested_by = tuple(behind)
    return dataclasses.replace(written, requested_by=requested_by, is_confirmed=bool(requested_by))


def recorded(ref: evaluator.PolicyRef, source: str | None) -> Origin:
    """Return the owner of a policy and the requests behind it, as its annotations record them."""
    requesters = itertools.islice(_annotated(ref.annotations, source), _MOST_REQUESTERS)
    return Origin(
        resources.owner_text(ref.annotations),
        resources.is_written_by_owner(ref.metadata),
        tuple(printable(each, MAX_NAME) for each in requesters),
    )


def requests_for(facts: beacon.Facts, source: str | None) -> Iterator[AccessRequest]:
    """Yield the access requests that may be about a source, also of the charm and its options."""
    for request in _all_requests(facts):
        if request.source is not None and request.source.may_include(source):
            yield request


def _all_requests(facts: beacon.Facts) -> tuple[AccessRequest, ...]:
    extra = (*facts.extra.requests, *facts.gateway_requests)
    return (*facts.requests, *facts.own_requests, *extra)


def ports_requested(facts: beacon.Facts, destination: NamedDestination) -> frozenset[int]:
    """Return the ports that access requests, those of the charm itself too, name for pods."""
    return frozenset(
        port
        for request in _all_requests(facts)
        if is_about(request.target, destination)
        for operation in request.operations
        for port in operation.ports
    )


def is_about(target: Target, destination: NamedDestination) -> bool:
    """Return whether a policy for a target applies to a destination."""
    if target.kind is TargetKind.SERVICE:
        service = evaluator.Destination.service(target.namespace, target.name)
        return destination.address == service
    return (
        destination.address.namespace == target.namespace
        and dict(target.labels).items() <= destination.labels.items()
    )


def _excerpt(snapshot: evaluator.Snapshot, request: evaluator.Request) -> evaluator.Snapshot:
    """Return the objects that decide about a request: they are evaluated once for each policy."""
    evaluation = evaluator.Evaluator(snapshot)
    hops = evaluation.evaluate(request).hops
    guarded = {hop.where for hop in hops if hop.proxy is evaluator.Proxy.ZTUNNEL}
    senders = evaluation.topology.pods_of_identity(request.source or "")
    sender = sorted(senders, key=evaluation.topology.on_mesh)[-1:]
    destination = request.destination.namespace, request.destination.name
    namespaces = {request.destination.namespace, *(each.partition("/")[0] for each in guarded)}
    namespaces.add((request.source or "").partition("/")[0])
    return dataclasses.replace(
        snapshot,
        namespaces=tuple(
            each for each in snapshot.namespaces if each["metadata"]["name"] in namespaces
        ),
        services=tuple(each for each in snapshot.services if evaluator.key(each) == destination),
        pods=tuple(
            pod
            for pod in snapshot.pods
            if "/".join(evaluator.key(pod)) in guarded
            or gateways.NAME_LABEL in evaluator.labels(pod)
            or pod in sender
        ),
    )


def _allows(
    requested: AccessRequest,
    facts: beacon.Facts,
    request: evaluator.Request,
    snapshot: evaluator.Snapshot,
) -> bool:
    """Return whether the policy of one access request, alone, allows a request at its proxy."""
    if requested in facts.requests:
        outcome = outcomes.of_request(facts, requested).outcome
        if outcome is not outcomes.Outcome.GRANTED:
            return False
    granted = authorization.policies((requested,), model=facts.model, app=facts.app)
    with_policy = dataclasses.replace(snapshot, policies=tuple(map(kube.manifest_of, granted)))
    proxy = evaluator.Proxy.ZTUNNEL
    if requested.target.kind is TargetKind.SERVICE:
        proxy = evaluator.Proxy.WAYPOINT
    hops = [hop for hop in evaluator.evaluate(with_policy, request).hops if hop.proxy is proxy]
    return any(hop.decision is not evaluator.Decision.DENIED for hop in hops)


def _annotated(annotations: Mapping[str, str], source: str | None) -> Iterable[str]:
    """Yield the requesters of an annotation, which may have been written by another owner."""
    text = resources.mark(annotations, resources.REQUESTED_BY)
    named = decoded.members(decoded.json_value(text))
    requesters = next((named[each] for each in _labels(source) if each in named), None)
    yield from (each for each in decoded.elements(requesters) if isinstance(each, str))


def _labels(source: str | None) -> Iterator[str]:
    """Yield the labels under which a source may be recorded: its own, then those of wider ones."""
    namespace, slash, _ = (source or "").partition("/")
    yield source or evaluator.OUTSIDE
    if slash:
        yield f"{namespace}/*"
    yield evaluator.ANY_CLIENT
