# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Apply a plan: stage after stage, in parallel within a stage, deletions last."""

import concurrent.futures
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import httpx2
from lightkube.types import PatchType

from istio_ambient.kube import _faults, _kinds
from istio_ambient.kube._client import Client, prepare_decoders, send_patch
from istio_ambient.kube._identity import RELEASED, Identity
from istio_ambient.kube._live import PARALLEL, Live
from istio_ambient.kube._objects import Manifest, Ref, Resource, ResourceType, type_of
from istio_ambient.kube._plan import Change, Plan, Verb

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Applied:
    """The outcome of a plan."""

    done: tuple[Change, ...] = ()
    faults: tuple[_faults.Fault, ...] = ()
    objects: Mapping[Ref, Resource] = field(default_factory=dict[Ref, Resource])
    """Each object created, updated or replaced, as the API server returned it."""

    def live(self, before: Live) -> Live:
        """Return the live objects after the plan, without another read."""
        deleted = {change.ref for change in self.done if change.verb is Verb.DELETE}
        kept = {ref: obj for ref, obj in before.objects.items() if ref not in deleted}
        return replace(before, objects={**kept, **self.objects})


def apply(client: Client, plan: Plan, identity: Identity) -> Applied:
    """Apply the writes of a plan; a fault ends the run after its stage, and the next run goes on.

    Creations and updates are server-side applies, one request an object. Deletions come last, so
    that an object exists before the one that it replaces is deleted.

    Args:
        client: used from several threads at once (lightkube's allows that).
        plan: made for the same identity.
        identity: the owner of the objects; for the field manager, the order, and faults.
    """
    done: list[Change] = []
    faults: list[_faults.Fault] = []
    objects: dict[Ref, Resource] = {}
    prepare_decoders(change.kind for change in plan.writes)
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        for stage in _stages(plan, identity.guards):
            tasks = [pool.submit(_attempt, client, change, identity) for change in stage]
            for change, task in zip(stage, tasks, strict=True):
                outcome = task.result()
                if isinstance(outcome, _faults.Fault):
                    faults.append(outcome)
                    continue
                logger.info("%s", change)
                done.append(change)
                if outcome is not None:
                    objects[change.ref] = outcome
            if faults:
                break
    return Applied(tuple(done), tuple(faults), objects)


def _stages(plan: Plan, guards: frozenset[str]) -> list[Sequence[Change]]:
    desired = [change for change in plan.writes if change.verb is not Verb.DELETE]
    stale = list(plan.of(Verb.DELETE))
    return [
        list(stage)
        for changes in (desired, stale)
        for _, stage in itertools.groupby(changes, lambda c: _kinds.stage_of(c.ref, guards))
    ]


def _attempt(
    client: Client, change: Change, identity: Identity
) -> Resource | _faults.Fault | None:
    try:
        return _write(client, change, identity.field_manager)
    except httpx2.HTTPError as error:
        return _faults.fault_of(error, f"{change.verb} {change.ref}", identity)


def _write(client: Client, change: Change, field_manager: str) -> Resource | None:
    if change.verb is Verb.DELETE:
        delete(client, change.kind, change.ref.name, change.ref.namespace)
        return None
    try:
        if change.verb is Verb.REPLACE:
            return client.replace(
                change.kind.from_dict(change.manifest), field_manager=field_manager
            )
        return _patch(client, change, field_manager)
    except httpx2.HTTPStatusError as error:
        if _faults.code_of(error) != 422 or change.ref.kind not in _kinds.RECREATABLE:
            raise
        logger.warning("%s: recreating, since %s", change.ref, error)
        delete(client, change.kind, change.ref.name, change.ref.namespace)
        return _patch(client, change, field_manager)


def _patch(client: Client, change: Change, field_manager: str) -> Resource:
    manifest = dict(change.manifest or {})
    # A resourceVersion would bind the apply to the object that was just deleted.
    manifest["metadata"] = {
        key: value for key, value in manifest["metadata"].items() if key != "resourceVersion"
    }
    apply = PatchType.APPLY
    return send_patch(client, change.kind, change.ref, manifest, field_manager, apply)


def release(client: Client, live: Live) -> None:
    """Release the kinds that are never deleted: remove the labels, so that another may adopt them.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    identity = live.identity
    metadata = {
        "labels": dict.fromkeys(identity.labels),
        "annotations": {identity.owner_annotation: RELEASED, identity.hash_annotation: None},
    }
    for ref, obj in live.objects.items():
        if ref.kind in _kinds.KEPT:
            body: Manifest = {"metadata": metadata}
            with _faults.absence_allowed():
                send_patch(client, type_of(obj), ref, body, identity.field_manager)


def delete(client: Client, kind: ResourceType, name: str, namespace: str = "") -> None:
    """Delete one object; one that does not exist counts as deleted.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    with _faults.absence_allowed():
        client.delete(kind, name, namespace=namespace or None)
