# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What must change so that the cluster equals the desired objects: pure, and first-class."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from istio_ambient.kube import _compare, _kinds, _objects
from istio_ambient.kube._client import FIELD_MANAGER
from istio_ambient.kube._identity import HASH_ANNOTATION, OWNER_ANNOTATION, Identity
from istio_ambient.kube._live import Live
from istio_ambient.kube._objects import Manifest, Ref, Resource, ResourceType


class Verb(enum.StrEnum):
    """What is done with one object."""

    CREATE = "create"
    UPDATE = "update"
    """Server-side apply: the object is ours alone."""
    REPLACE = "replace"
    """A PUT: somebody else wrote into the object, which an apply would not take back."""
    UNCHANGED = "unchanged"
    DELETE = "delete"
    REFUSED = "refused"
    """Somebody else's object has this name: it is left alone."""
    DEFERRED = "deferred"
    """The API server does not serve the kind (yet): its CRD is missing or not established."""
    HELD = "held"
    """What is live stays as it is for now: something else has to come first."""


WRITES = frozenset({Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.DELETE})


@dataclass(frozen=True)
class Change:
    """One object, what is to be done with it, and why."""

    verb: Verb
    ref: Ref
    kind: ResourceType
    reason: str = ""
    manifest: Manifest | None = None
    """What is wanted: sent where something is to be written."""
    existing: Manifest | None = None
    """Somebody else's object of this name, where the change is refused."""

    def __str__(self) -> str:
        return f"{self.verb}: {self.ref}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True)
class Plan:
    """The change of every object that is wanted or live, in the order of application."""

    changes: tuple[Change, ...] = ()

    def of(self, *verbs: Verb) -> tuple[Change, ...]:
        """Return the changes with one of these verbs."""
        return tuple(change for change in self.changes if change.verb in verbs)

    @property
    def writes(self) -> tuple[Change, ...]:
        """The changes that write to the cluster."""
        return self.of(*WRITES)

    def __str__(self) -> str:
        lines = [str(change) for change in self.changes if change.verb is not Verb.UNCHANGED]
        return "\n".join(lines) or "no change"


def plan(
    desired: Iterable[Resource],
    live: Live,
    taken: Mapping[Ref, Resource] | None = None,
    held: Mapping[Ref, str] | None = None,
) -> Plan:
    """Return the changes that make the cluster equal to the desired objects.

    Args:
        desired: lightkube objects with name and, where namespaced, namespace.
        live: our objects, from read_live.
        taken: wanted objects that exist and are not in live, from read_taken.
        held: objects whose next version has to wait, and for what. They are created where they
            are absent and repaired where they drifted; neither changed otherwise nor deleted.

    Raises:
        ValueError: two desired objects have one name, or a kind was not read, so that it could
            not be pruned.
    """
    wanted: dict[Ref, Change] = {}
    for obj in desired:
        change = _or_held(_change(obj, live, taken or {}), live, held or {})
        if change.ref in wanted:
            raise ValueError(f"{change.ref} is wanted twice")
        wanted[change.ref] = change
    stale = [
        _or_held(Change(Verb.DELETE, ref, type(obj), "no longer wanted"), live, held or {})
        for ref, obj in live.objects.items()
        if ref not in wanted and ref.kind not in _kinds.KEPT
    ]
    ordered = sorted(wanted.values(), key=_order)
    return Plan((*ordered, *sorted(stale, key=_order, reverse=True)))


def is_applied(obj: Resource, live: Live) -> bool:
    """Return whether a wanted object is live in exactly the version that is wanted, or drifted."""
    wanted = stamped(_objects.manifest_of(obj), live.identity)
    return _applied_hash(live.manifest(_objects.ref_of(obj))) == _applied_hash(wanted)


def _or_held(change: Change, live: Live, held: Mapping[Ref, str]) -> Change:
    if change.ref not in held or change.verb not in (Verb.UPDATE, Verb.REPLACE, Verb.DELETE):
        return change
    applied = _applied_hash(live.manifest(change.ref))
    if change.verb is not Verb.DELETE and applied == _applied_hash(change.manifest):
        return change
    return Change(Verb.HELD, change.ref, change.kind, held[change.ref])


def _applied_hash(manifest: Manifest | None) -> str | None:
    metadata = _objects.section(manifest or {}, "metadata")
    return _objects.section(metadata, "annotations").get(HASH_ANNOTATION)


def creations(plan: Plan) -> dict[Ref, ResourceType]:
    """Return the objects that a plan would create: their names may be taken."""
    return {change.ref: change.kind for change in plan.of(Verb.CREATE)}


def _order(change: Change) -> tuple[int, Ref]:
    return _kinds.stage_of(change.ref), change.ref


def _change(obj: Resource, live: Live, taken: Mapping[Ref, Resource]) -> Change:
    ref, kind = _objects.ref_of(obj), _objects.type_of(obj)
    manifest = stamped(_objects.manifest_of(obj), live.identity)
    current = live.manifest(ref)
    if kind not in live.kinds:
        raise ValueError(f"{ref.kind} is not among the kinds that were read")
    if kind in live.missing:
        return Change(Verb.DEFERRED, ref, kind, f"the cluster does not serve {ref.kind} yet")
    if current is None:
        if ref not in taken:
            return Change(Verb.CREATE, ref, kind, manifest=manifest)
        current = _objects.manifest_of(taken[ref])
        if not live.identity.may_take(current):
            reason = "exists, and is not ours"
            return Change(Verb.REFUSED, ref, kind, reason, manifest, existing=current)
    verb, reason = _verdict(manifest, current)
    if verb is Verb.UNCHANGED:
        return Change(verb, ref, kind)
    manifest = _kinds.keep_what_others_set(manifest, current)
    if verb is Verb.REPLACE:
        manifest = _replacement(manifest, current)
    return Change(verb, ref, kind, reason, manifest)


def stamped(manifest: Manifest, identity: Identity) -> Manifest:
    """Return the manifest with our labels, owner and hash of content."""
    owned = _objects.with_metadata(manifest, identity.labels, {OWNER_ANNOTATION: identity.owner})
    return _objects.with_metadata(owned, {}, {HASH_ANNOTATION: _objects.content_hash(owned)})


def _verdict(manifest: Manifest, current: Manifest) -> tuple[Verb, str]:
    """Compare one wanted manifest with the live object: what to do, and why."""
    applied = _applied_hash(current)
    wanted_hash = manifest["metadata"]["annotations"][HASH_ANNOTATION]
    drift = _compare.differences(_kinds.keep_what_others_set(manifest, current), current)
    reason = f"differs in {_first(drift)}" if drift else ""
    if applied is None:
        reason = "taken over"
    elif applied != wanted_hash:
        reason = f"wanted otherwise: {_first(drift)}" if drift else "wanted otherwise"
    if not reason:
        return Verb.UNCHANGED, ""
    return (Verb.REPLACE if _others_wrote(current) else Verb.UPDATE), reason


def _replacement(manifest: Manifest, current: Manifest) -> Manifest:
    """Return the whole object to PUT: our content, and the metadata that others added.

    The resourceVersion makes the API server refuse it if the object changed since it was read.
    Replicas that are left to an autoscaler stay as they are: a PUT without them means one.
    """
    was = current["metadata"]
    kept = ("resourceVersion", "finalizers", "ownerReferences")
    metadata = {key: was[key] for key in kept if key in was} | manifest["metadata"]
    for group in ("labels", "annotations"):
        metadata[group] = {**_objects.section(was, group), **metadata[group]}
    replaced = {**manifest, "metadata": metadata}
    if manifest["kind"] == "Deployment" and "replicas" in _objects.section(current, "spec"):
        replicas = current["spec"]["replicas"]
        replaced["spec"] = {"replicas": replicas, **manifest["spec"]}
    return replaced


def _first(paths: Sequence[str]) -> str:
    shown = [path for path in paths if HASH_ANNOTATION not in path] or list(paths)
    return shown[0] + (f" and {len(shown) - 1} more" if len(shown) > 1 else "")


def _others_wrote(current: Manifest) -> bool:
    """Return whether a field manager other than our apply owns part of an object's content.

    Server-side apply takes fields over, and leaves what others added beside them; an
    allow-nothing policy to which somebody added a rule stays open until it is replaced.
    """
    for entry in _objects.items(current["metadata"], "managedFields"):
        ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        if ours or entry.get("subresource"):
            continue
        if _objects.section(entry, "fieldsV1").keys() - {"f:metadata", "f:status"}:
            return True
    return False
