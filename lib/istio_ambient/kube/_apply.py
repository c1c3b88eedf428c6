# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Apply a plan: phase after phase; a fault holds back what depends on it."""

import concurrent.futures
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import httpx2
from lightkube.types import PatchType

from istio_ambient.kube import _compare, _faults, _guards, _kinds
from istio_ambient.kube._client import Client, prepare_decoders, send_patch
from istio_ambient.kube._identity import RELEASED, Identity
from istio_ambient.kube._live import PARALLEL, Live
from istio_ambient.kube._objects import Manifest, Ref, Resource, ResourceType, manifest_of, type_of
from istio_ambient.kube._phases import Phase
from istio_ambient.kube._plan import WRITES, Change, Plan, Verb

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Applied:
    """The outcome of a plan."""

    done: tuple[Change, ...] = ()
    faults: tuple[_faults.Fault, ...] = ()
    failed: Mapping[Ref, Change] = field(default_factory=dict[Ref, Change])
    """What the faults are about."""
    held: tuple[Change, ...] = ()
    """Changes that were not made, since they depend on one that failed."""
    objects: Mapping[Ref, Resource] = field(default_factory=dict[Ref, Resource])
    """Each object created, updated or replaced, as the API server returned it."""

    def live(self, before: Live) -> Live:
        """Return the live objects after the plan, without another read.

        A deleted object with finalizers is still there.
        """
        deleted = {change.ref for change in self.done if change.verb is Verb.DELETE}
        kept = {
            ref: obj
            for ref, obj in before.objects.items()
            if ref not in deleted or obj.metadata.finalizers
        }
        return replace(before, objects={**kept, **self.objects})


_NONE: Mapping[Ref, Change] = {}


def apply(
    client: Client,
    plan: Plan,
    identity: Identity,
    failed: Mapping[Ref, Change] = _NONE,
) -> Applied:
    """Apply the writes of a plan; a fault holds back what depends on it, and nothing else.

    What depends on a failed change is the same object's final content, after its interim one; what
    a guard guards that could not be narrowed; and a guard that widens access, while an object that
    it guards could not be changed or deleted. A deletion that takes access away never waits.

    Args:
        client: used from several threads at once (lightkube's allows that).
        plan: made for the same identity.
        identity: the owner of the objects; for the field manager, its `Access`, and faults.
        failed: what failed earlier in this hook, which is not tried again.
    """
    run = _Run(client, identity, plan, dict(failed))
    prepare_decoders(change.kind for change in plan.changes)
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        for stage in _stages(plan):
            run.send(pool, run.permitted(stage))
    return Applied(
        done=tuple(run.done),
        faults=tuple(run.faults),
        failed=run.failed,
        held=tuple(run.held),
        objects=run.objects,
    )


@dataclass(frozen=True)
class _Write:
    """One request to write: the change itself, or its interim content."""

    change: Change
    is_interim: bool = False

    @property
    def manifest(self) -> Manifest | None:
        return self.change.interim if self.is_interim else self.change.manifest


def _stages(plan: Plan) -> Iterator[list[_Write]]:
    """Yield what may be written in parallel, and unchanged objects, which guards concern."""

    def stage(write: _Write) -> tuple[int, int]:
        change = write.change
        phase = Phase.NARROW if write.is_interim else change.phase
        ordered = phase in (Phase.NEUTRAL, Phase.REMOVE)
        number = _kinds.stage_of(change.ref) if ordered else 0
        return phase, -number if change.verb is Verb.DELETE else number

    writes = [_Write(change, is_interim=True) for change in plan.writes if change.interim]
    writes += [_Write(change) for change in plan.changes]
    for _, found in itertools.groupby(sorted(writes, key=stage), stage):
        yield list(found)


@dataclass
class _Run:
    """The state of one application of a plan."""

    client: Client
    identity: Identity
    plan: Plan
    failed: dict[Ref, Change]
    done: list[Change] = field(default_factory=list[Change])
    faults: list[_faults.Fault] = field(default_factory=list[_faults.Fault])
    held: list[Change] = field(default_factory=list[Change])
    objects: dict[Ref, Resource] = field(default_factory=dict[Ref, Resource])

    def permitted(self, stage: Sequence[_Write]) -> list[_Write]:
        """Return what is written of a stage; a change that has to wait goes to `held`."""
        guards = [str(ref) for ref in self.plan.guards & self.failed.keys()]
        permitted: list[_Write] = []
        for write in stage:
            change = write.change
            reason = self._obstacle(change)
            if reason:
                change = replace(change, verb=Verb.HELD, reason=reason)
            change = _guards.held_back(change, guards, self.identity.access)
            if change.verb in WRITES:
                permitted.append(replace(write, change=change))
            elif change is not write.change:
                self.held.append(change)
        return permitted

    def _obstacle(self, change: Change) -> str:
        """Return what a change has to wait for; empty: nothing."""
        if change.verb not in WRITES:
            return ""
        failed = self.failed.get(change.ref)
        if failed and (failed.verb is change.verb or change.verb is not Verb.DELETE):
            return f"{change.ref} waits until it can be changed"
        guards, widens = self.plan.guards, change.phase > Phase.NEUTRAL
        for ref, other in sorted(self.failed.items()):
            served = ref.kind in self.identity.access.guarded and other.verb is not Verb.CREATE
            if (ref in guards and change.ref in self.plan.excepted) or (
                widens and change.ref in guards and (ref in guards or served)
            ):
                return f"{change.ref} waits until {ref} is changed"
        return ""

    def send(self, pool: concurrent.futures.Executor, writes: Sequence[_Write]) -> None:
        """Send all at the same time; keep the outcomes."""
        tasks = [pool.submit(self._attempt, write) for write in writes]
        for write, task in zip(writes, tasks, strict=True):
            answer, fault = task.result()
            change = write.change
            if answer is not None:
                self.objects[change.ref] = answer
            if fault is not None:
                self.faults.append(fault)
                altered = answer is not None and _differs(write, answer)
                self.failed[change.ref] = replace(change, altered=altered)
            elif not write.is_interim:
                logger.info("%s", change)
                self.done.append(change)

    def _attempt(self, write: _Write) -> tuple[Resource | None, _faults.Fault | None]:
        change = write.change
        doing = f"{change.verb} {change.ref}"
        try:
            if change.verb is Verb.DELETE and not write.is_interim:
                delete(self.client, change.kind, change.ref.name, change.ref.namespace)
                return None, None
            if change.repairs:
                # Nothing is written again and again that does not last.
                fault = self._alteration(write, self._put(write, dry_run=True))
                if fault is not None:
                    return None, fault
            answer = self._put(write)
            return answer, self._alteration(write, answer)
        except httpx2.HTTPError as error:
            return None, _faults.fault_of(error, doing, self.identity)

    def _alteration(self, write: _Write, answer: Resource) -> _faults.Fault | None:
        """Return a fault where the API server's answer is not what was sent to it."""
        found = _compare.differences(write.manifest or {}, manifest_of(answer))
        if not found:
            return None
        text = f"exempt {write.change.ref} from the webhook that changes it: {found[0]}"
        return _faults.Fault(text, transient=False)

    def _put(self, write: _Write, *, dry_run: bool = False) -> Resource:
        change, manifest = write.change, write.manifest or {}
        manager = self.identity.field_manager
        try:
            if change.verb is Verb.REPLACE:
                return self._replace(change, manifest, dry_run=dry_run)
            return _patch(self.client, change, manifest, manager, dry_run=dry_run)
        except httpx2.HTTPStatusError as error:
            recreatable = change.ref.kind in _kinds.RECREATABLE and not dry_run
            if _faults.code_of(error) != 422 or not recreatable:
                raise
            logger.warning("%s: recreating, since %s", change.ref, error)
            delete(self.client, change.kind, change.ref.name, change.ref.namespace)
            return _patch(self.client, change, manifest, manager)

    def _replace(self, change: Change, manifest: Manifest, *, dry_run: bool) -> Resource:
        """PUT an object; once more where only its status changed since it was read (409)."""
        kind, metadata = change.kind, manifest["metadata"]
        written = self.objects.get(change.ref)
        if written is not None:
            metadata = {**metadata, **_version(written)}

        def put(version: Manifest) -> Resource:
            obj = kind.from_dict({**manifest, "metadata": {**metadata, **version}})
            manager = self.identity.field_manager
            return self.client.replace(obj, field_manager=manager, dry_run=dry_run)

        try:
            return put({})
        except httpx2.HTTPStatusError as error:
            if _faults.code_of(error) != 409:
                raise
            namespace = change.ref.namespace or None
            current = _version(self.client.get(kind, change.ref.name, namespace=namespace))
            known = current["generation"] is not None
            if not known or current["generation"] != metadata.get("generation"):
                raise
        return put(current)


def _version(obj: Resource) -> Manifest:
    """Return what tells an object's versions apart; the generation is that of its content."""
    metadata = obj.metadata
    return {"resourceVersion": metadata.resourceVersion, "generation": metadata.generation}


def _differs(write: _Write, answer: Resource) -> bool:
    """Return whether an answer has other content than what was sent, beside its metadata."""
    paths = _compare.differences(write.manifest or {}, manifest_of(answer))
    return not all(path.startswith("metadata.") for path in paths)


def _patch(
    client: Client, change: Change, manifest: Manifest, manager: str, *, dry_run: bool = False
) -> Resource:
    # A resourceVersion would bind the apply to the object that was read.
    metadata = {k: value for k, value in manifest["metadata"].items() if k != "resourceVersion"}
    body, apply = {**manifest, "metadata": metadata}, PatchType.APPLY
    return send_patch(client, change.kind, change.ref, body, manager, apply, dry_run=dry_run)


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
