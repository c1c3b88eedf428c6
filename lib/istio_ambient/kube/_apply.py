# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Apply a plan: phase after phase; a fault holds back what depends on it."""

import concurrent.futures
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from istio_ambient.kube import _faults, _guards, _kinds, _requests
from istio_ambient.kube._client import Client
from istio_ambient.kube._faults import RequestError
from istio_ambient.kube._identity import RELEASED, Identity
from istio_ambient.kube._live import Live
from istio_ambient.kube._objects import Manifest, Ref, Resource, manifest_of, section, type_of
from istio_ambient.kube._phases import Phase
from istio_ambient.kube._plan import WRITES, Change, Plan, Verb
from istio_ambient.kube._write import Write, Writer

logger = logging.getLogger(__name__)

WRITERS = 8
"""Writes at the same time: with more, the API server is no faster."""


class Applied(msgspec.Struct, frozen=True):
    """The outcome of a plan."""

    done: tuple[Change, ...] = ()
    faults: tuple[_faults.Fault, ...] = ()
    failed: Mapping[Ref, Change] = msgspec.field(default_factory=dict[Ref, Change])
    """What the faults are about."""
    held: tuple[Change, ...] = ()
    """Changes that were not made, since they depend on one that failed."""
    objects: Mapping[Ref, Resource] = msgspec.field(default_factory=dict[Ref, Resource])
    """Each object created, updated or replaced, as the API server returned it."""

    def live(self, before: Live) -> Live:
        """Return the live objects after the plan, without another read.

        A deleted object with finalizers is still there.
        """
        if not (self.done or self.objects):
            return before
        deleted = {change.ref for change in self.done if change.verb is Verb.DELETE}
        kept = {
            ref: obj
            for ref, obj in before.objects.items()
            if ref not in deleted or obj.metadata.finalizers
        }
        return msgspec.structs.replace(before, objects={**kept, **self.objects})


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
    if not plan.writes:
        return Applied()
    run = _Run(client, identity, plan, dict(failed))
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        for stage in _stages(plan):
            run.send(pool, run.permitted(stage))
    return Applied(
        done=tuple(run.done),
        faults=tuple(run.faults),
        failed=run.failed,
        held=tuple(run.held),
        objects=run.objects,
    )


def _stages(plan: Plan) -> Iterator[list[Write]]:
    """Yield what may be written in parallel, and unchanged objects, which guards concern."""

    def stage(write: Write) -> tuple[int, int]:
        change = write.change
        phase = Phase.NARROW if write.is_interim else change.phase
        ordered = phase in (Phase.NEUTRAL, Phase.REMOVE)
        number = _kinds.stage_of(change.ref) if ordered else 0
        return phase, -number if change.verb is Verb.DELETE else number

    writes = [Write(change, is_interim=True) for change in plan.writes if change.interim]
    writes += [Write(change) for change in plan.changes]
    for _, found in itertools.groupby(sorted(writes, key=stage), stage):
        yield list(found)


class _Run(msgspec.Struct):
    """The state of one application of a plan."""

    client: Client
    identity: Identity
    plan: Plan
    failed: dict[Ref, Change]
    done: list[Change] = msgspec.field(default_factory=list[Change])
    faults: list[_faults.Fault] = msgspec.field(default_factory=list[_faults.Fault])
    held: list[Change] = msgspec.field(default_factory=list[Change])
    objects: dict[Ref, Resource] = msgspec.field(default_factory=dict[Ref, Resource])

    def permitted(self, stage: Sequence[Write]) -> list[Write]:
        """Return what is written of a stage; a change that has to wait goes to `held`."""
        guards = [str(ref) for ref in self.plan.guards & self.failed.keys()]
        permitted: list[Write] = []
        for write in stage:
            change = write.change
            reason = self._obstacle(change)
            if reason:
                change = msgspec.structs.replace(change, verb=Verb.HELD, reason=reason)
            change = _guards.held_back(change, guards, self.identity.access)
            if change.verb in WRITES:
                permitted.append(msgspec.structs.replace(write, change=change))
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

    def send(self, pool: concurrent.futures.Executor, writes: Sequence[Write]) -> None:
        """Send all at the same time; keep the outcomes."""
        writer = Writer(self.client, self.identity, self.objects)
        tasks = [pool.submit(writer.send, write) for write in writes]
        for write, outcome in zip(writes, [task.result() for task in tasks], strict=True):
            change = write.change
            if outcome.answer is not None:
                self.objects[change.ref] = outcome.answer
            if outcome.fault is not None:
                self.faults.append(outcome.fault)
                self.failed[change.ref] = msgspec.structs.replace(change, altered=outcome.altered)
            elif not write.is_interim:
                logger.info("%s", change)
                self.done.append(change)


def release(client: Client, live: Live) -> tuple[RequestError, ...]:
    """Release the kinds that are never deleted: remove the labels, so that another may adopt them.

    Returns:
        What failed; the others are released.
    """
    identity = live.identity
    marks = {identity.owner_annotation: RELEASED, identity.hash_annotation: None}
    failed: list[RequestError] = []
    for ref, obj in live.objects.items():
        if ref.kind in _kinds.KEPT:
            annotations = section(manifest_of(obj)["metadata"], "annotations")
            former = dict.fromkeys(identity.former_marks(annotations))
            metadata = {"labels": dict.fromkeys(identity.labels), "annotations": marks | former}
            body: Manifest = {"metadata": metadata}
            try:
                with _faults.absence_allowed():
                    _requests.send_patch(
                        client,
                        type_of(obj),
                        ref,
                        body,
                        identity.field_manager,
                        doing=f"release {ref}",
                    )
            except RequestError as error:
                failed.append(error)
    return tuple(failed)
