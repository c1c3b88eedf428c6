# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Carry out a plan: stage after stage, in parallel within one, deletions last."""

import concurrent.futures
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import httpx2
from lightkube.types import PatchType

from istio_ambient.kube import _decoders, _faults, _kinds
from istio_ambient.kube._client import FIELD_MANAGER, Client
from istio_ambient.kube._identity import HASH_ANNOTATION, OWNER_ANNOTATION, RELEASED
from istio_ambient.kube._live import PARALLEL, Live
from istio_ambient.kube._objects import Manifest, Ref, Resource, ResourceType, type_of
from istio_ambient.kube._plan import Change, Plan, Verb

logger = logging.getLogger(__name__)

RECREATABLE = frozenset(
    {
        "ClusterRoleBinding",
        "ConfigMap",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "RoleBinding",
        "Secret",
    }
)
"""Kinds that may be deleted and made again where a field cannot be changed: nothing runs in
them. A workload is not among them: its pods would end."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan."""

    plan: Plan
    done: tuple[Change, ...] = ()
    faults: tuple[_faults.Fault, ...] = ()
    objects: Mapping[Ref, Resource] = field(default_factory=dict[Ref, Resource])
    """What the API server answered for each object created, updated or replaced."""

    def live(self, before: Live) -> Live:
        """Return our objects as they are now, without reading them again."""
        deleted = {change.ref for change in self.done if change.verb is Verb.DELETE}
        kept = {ref: obj for ref, obj in before.objects.items() if ref not in deleted}
        return replace(before, objects={**kept, **self.objects})


def apply(client: Client, plan: Plan, app: str) -> Applied:
    """Apply the writes of a plan; an unfinished stage ends the run, and the next one goes on.

    Creations and updates are server-side applies, one request an object. Deletions come only
    after everything wanted is there, so that what replaces an object stands before it goes.

    Args:
        client: its requests must be safe to make from several threads (lightkube's are).
        plan: what to do.
        app: the application's name, for messages.
    """
    done: list[Change] = []
    faults: list[_faults.Fault] = []
    objects: dict[Ref, Resource] = {}
    _decoders.prepare_decoders(change.kind for change in plan.writes)
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        for stage in _stages(plan):
            tasks = [pool.submit(_attempt, client, change, app) for change in stage]
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
    return Applied(plan, tuple(done), tuple(faults), objects)


def _stages(plan: Plan) -> list[Sequence[Change]]:
    wanted = [change for change in plan.writes if change.verb is not Verb.DELETE]
    stale = list(plan.of(Verb.DELETE))
    return [
        list(stage)
        for changes in (wanted, stale)
        for _, stage in itertools.groupby(changes, lambda change: _kinds.stage_of(change.ref))
    ]


def _attempt(client: Client, change: Change, app: str) -> Resource | _faults.Fault | None:
    try:
        return _write(client, change)
    except httpx2.HTTPError as error:
        return _faults.fault_of(error, f"{change.verb} {change.ref}", app)


def _write(client: Client, change: Change) -> Resource | None:
    if change.verb is Verb.DELETE:
        delete(client, change.kind, change.ref.name, change.ref.namespace)
        return None
    try:
        return _replace(client, change) if change.verb is Verb.REPLACE else _patch(client, change)
    except httpx2.HTTPStatusError as error:
        if _faults.code_of(error) != 422 or change.ref.kind not in RECREATABLE:
            raise
        logger.warning("%s: recreating, since %s", change.ref, error)
        delete(client, change.kind, change.ref.name, change.ref.namespace)
        return _patch(client, change)


def _patch(client: Client, change: Change) -> Resource:
    manifest = dict(change.manifest or {})
    # An apply may not carry what a read brought along.
    manifest["metadata"] = {
        key: value for key, value in manifest["metadata"].items() if key != "resourceVersion"
    }
    return client.patch(
        change.kind,
        change.ref.name,
        manifest,
        patch_type=PatchType.APPLY,
        field_manager=FIELD_MANAGER,
        force=True,
        namespace=change.ref.namespace or None,
    )


def _replace(client: Client, change: Change) -> Resource:
    return client.replace(change.kind.from_dict(change.manifest), field_manager=FIELD_MANAGER)


def release(client: Client, live: Live) -> None:
    """Give up what is kept when an application goes: without our label, for the next to take.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    metadata = {
        "labels": dict.fromkeys(live.identity.labels),
        "annotations": {OWNER_ANNOTATION: RELEASED, HASH_ANNOTATION: None},
    }
    for ref, obj in live.objects.items():
        if ref.kind in _kinds.KEPT:
            _merge(client, type_of(obj), ref, {"metadata": metadata})


def _merge(client: Client, kind: ResourceType, ref: Ref, body: Manifest) -> None:
    namespace = ref.namespace or None
    try:
        client.patch(kind, ref.name, body, patch_type=PatchType.MERGE, namespace=namespace)
    except httpx2.HTTPStatusError as error:
        if _faults.code_of(error) != 404:
            raise


def delete(client: Client, kind: ResourceType, name: str, namespace: str = "") -> None:
    """Delete one object; that it is gone already is no error.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    try:
        client.delete(kind, name, namespace=namespace or None)
    except httpx2.HTTPStatusError as error:
        if _faults.code_of(error) != 404:
            raise
