# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The changes that make the cluster equal to the desired objects, as a value: pure."""

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from istio_ambient.kube import _compare, _kinds, _objects
from istio_ambient.kube._identity import Identity, former_name
from istio_ambient.kube._labels import LabelPatch
from istio_ambient.kube._live import Live
from istio_ambient.kube._objects import Manifest, Ref, Resource, ResourceType
from istio_ambient.kube._phases import Phase, Placement, Transition
from istio_ambient.values.problems import Problem
from istio_ambient.values.text import make_printable


class Verb(enum.StrEnum):
    """What is done with one object."""

    CREATE = "create"
    UPDATE = "update"
    """Server-side apply: no other field manager wrote into the object's content."""
    REPLACE = "replace"
    """A PUT: another field manager wrote into the content, and an apply would leave that."""
    UNCHANGED = "unchanged"
    DELETE = "delete"
    REFUSED = "refused"
    """An object of another owner has this name, and stays as it is."""
    DEFERRED = "deferred"
    """The API server does not serve the kind yet: its CRD is missing or not established."""
    HELD = "held"
    """The live object stays as it is until another one is ready."""


WRITES = frozenset({Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.DELETE})


class Change(msgspec.Struct, frozen=True):
    """One object, what is to be done with it, and why."""

    verb: Verb
    ref: Ref
    kind: ResourceType
    reason: str = ""
    manifest: Manifest | None = None
    """The desired object, as it is sent."""
    existing: Manifest | None = None
    """The object of another owner, where the change is refused."""
    uid: str = ""
    """Of the live object, where one is changed or deleted; another one stays as it is."""
    version: str = ""
    """Its resourceVersion."""
    repairs: bool = False
    """The desired content was applied before, and another writer changed it."""
    altered: bool = False
    """The API server keeps other content than was sent to it."""
    phase: Phase = Phase.NEUTRAL
    interim: Manifest | None = None
    """The object as it is sent in phase NARROW already, before the change itself."""

    def __post_init__(self) -> None:
        make_printable(self)

    def __str__(self) -> str:
        return f"{self.verb}: {self.ref}" + (f" ({self.reason})" if self.reason else "")


class Plan(msgspec.Struct, frozen=True):
    """One change for each object that is desired or live, in the order of application."""

    changes: tuple[Change, ...] = ()
    guards: frozenset[Ref] = frozenset()
    excepted: frozenset[Ref] = frozenset()
    """Both as in `Desired`."""

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


class Desired(msgspec.Struct, frozen=True):
    """Everything that should exist, and the problems that kept a part of it out.

    A builder makes it from facts. The same value is applied (`plan`, `apply`, `apply_labels`),
    shown as a preview, and compared in tests. Objects of the same owner that are not in it are
    deleted, so a builder returns the complete list every time.
    """

    objects: tuple[Resource, ...] = ()
    """lightkube objects with a name and, where the kind is namespaced, a namespace; each once."""
    labels: tuple[LabelPatch, ...] = ()
    """Labels on objects of other owners; a patch that restarts the caller's own pod comes last."""
    problems: tuple[Problem, ...] = ()
    """What an operator has to correct. With problems the rest is still applied, unless `hold`."""
    warnings: tuple[Problem, ...] = ()
    """Problems in spite of which the status may be active."""
    held: Mapping[Ref, str] = msgspec.field(default_factory=dict[Ref, str])
    """Objects that keep their live version for now, each with the reason; see `plan`."""
    guards: frozenset[Ref] = frozenset()
    """Those of the objects without which nothing of the kinds that `Access.guarded` names may be
    served."""
    excepted: frozenset[Ref] = frozenset()
    """Live objects for whose sake guards except something. They are deleted after the guards have
    been narrowed: what the guards except would be that of another object then."""
    message: str = ""
    """The status text where everything works and no problem is left."""
    hold: bool = False
    """Whether nothing is written at all: the input is invalid, and the last valid state stays."""


def plan(
    desired: Iterable[Resource],
    live: Live,
    taken: Mapping[Ref, Resource] | None = None,
    held: Mapping[Ref, str] | None = None,
    guards: Collection[Ref] = (),
    excepted: Collection[Ref] = (),
    abandoned: Collection[str] = (),
) -> Plan:
    """Return the changes that make the cluster equal to the desired objects.

    Args:
        desired: lightkube objects with name and, where namespaced, namespace.
        live: the objects of the owner, from `read_live`.
        taken: objects of desired names that are not in live, from `read_taken`.
        held: objects that keep their live version for now, each with the reason. They are
            created where they are absent and repaired where they drifted, and nothing else.
        guards: the objects that others need in force; see `Desired.guards`.
        excepted: the objects that are deleted after these; see `Desired.excepted`.
        abandoned: owners of taken objects that are no more, so that their objects are adopted.

    Raises:
        ValueError: two desired objects have one name, or a kind of them was not read, so that
            it could not be pruned.
    """
    changes: dict[Ref, Change] = {}
    for obj in desired:
        change = _or_held(_change(obj, live, taken or {}, abandoned), live, held or {})
        if change.ref in changes:
            raise ValueError(f"{change.ref} is desired twice")
        changes[change.ref] = change
    stale = [
        _or_held(_deletion(ref, obj), live, held or {})
        for ref, obj in live.objects.items()
        if ref not in changes and ref.kind not in _kinds.KEPT
    ]
    placed = [
        _or_unknown(change, live) for change in _placed((*changes.values(), *stale), live, guards)
    ]

    def order(change: Change) -> tuple[int, Ref]:
        return _kinds.stage_of(change.ref), change.ref

    ordered = sorted((c for c in placed if c.verb is not Verb.DELETE), key=order)
    deleted = sorted((c for c in placed if c.verb is Verb.DELETE), key=order, reverse=True)
    ordered = sorted((*ordered, *deleted), key=lambda change: change.phase)
    return Plan(tuple(ordered), frozenset(guards), frozenset(excepted))


_NOTHING_TAKEN: Mapping[Ref, Resource] = {}


def plan_of(
    desired: Desired,
    live: Live,
    taken: Mapping[Ref, Resource] = _NOTHING_TAKEN,
    abandoned: Collection[str] = (),
) -> Plan:
    """Return the plan for desired objects with all that `Desired` says of them; see `plan`."""
    return plan(
        desired.objects,
        live,
        taken,
        held=desired.held,
        guards=desired.guards,
        excepted=desired.excepted,
        abandoned=abandoned,
    )


def _deletion(ref: Ref, obj: Resource) -> Change:
    if obj.metadata.deletionTimestamp:
        reason = f"{ref} is being deleted, and waits for its finalizers"
        return Change(Verb.HELD, ref, type(obj), reason)
    reason, was = "no longer desired", obj.metadata
    return Change(
        Verb.DELETE,
        ref,
        type(obj),
        reason,
        uid=was.uid or "",
        version=was.resourceVersion or "",
    )


def _or_unknown(change: Change, live: Live) -> Change:
    """Return a change, or what of it takes access away where others could not be read.

    Among the objects that decide about access, one without the others means something else: the
    rest of the change is held. What gives access is deleted all the same.
    """
    access, unread = live.identity.access, _unread_access(live)
    gives = change.verb is Verb.DELETE and change.ref.kind in access.guarded
    if not unread or gives or change.verb not in WRITES:
        return change
    decides = change.ref.kind in access.kinds
    if (decides and change.phase in (Phase.NARROW, Phase.WITHDRAW)) or (
        not decides and not live.unknown
    ):
        return change
    reason = f"waits until {unread[0]} can be read"
    if change.interim is not None:
        verb = Verb.UPDATE if change.verb is Verb.DELETE else change.verb
        content, phase = change.interim, Phase.NARROW
        return msgspec.structs.replace(
            change, verb=verb, manifest=content, interim=None, phase=phase, reason=reason
        )
    return Change(Verb.HELD, change.ref, change.kind, reason)


def _unread_access(live: Live) -> list[str]:
    """Return what decides about access and could not be read."""
    kinds = {_objects.kind_of(kind) for kind in live.unread} & live.identity.access.kinds
    return [*filter(None, [live.unknown]), *sorted(kinds)]


def _placed(changes: Iterable[Change], live: Live, guards: Collection[Ref]) -> Iterable[Change]:
    """Return the changes with their phases, and with what is written in advance."""
    listed = list(changes)
    if not any(change.verb in WRITES for change in listed):
        yield from listed
        return
    access = live.identity.access
    transitions = [
        Transition(
            ref=change.ref,
            before=(before := live.manifest(change.ref)),
            after=before if change.verb is Verb.UNCHANGED else change.manifest,
            guards=change.ref in guards,
        )
        for change in listed
        if change.ref.kind in access.kinds and change.verb in (Verb.UNCHANGED, *WRITES)
    ]
    placements: Mapping[Ref, Placement] = {}
    if transitions:
        placements = access.placements(transitions, bool(_unread_access(live)))
    for change in listed:
        default = Phase.REMOVE if change.verb is Verb.DELETE else Phase.NEUTRAL
        placement = placements.get(change.ref, Placement(default))
        interim = placement.interim and _interim(change, placement.interim, live)
        yield msgspec.structs.replace(change, phase=placement.phase, interim=interim)


def _interim(change: Change, content: Manifest, live: Live) -> Manifest:
    """Return content that is written in advance, as it is sent: with marks of its own.

    Its hash is not that of the desired object, so a run that ends after it is continued.
    """
    metadata = {
        key: value for key, value in content["metadata"].items() if key in ("name", "namespace")
    }
    annotations = dict(_objects.section(content["metadata"], "annotations"))
    annotations.pop(live.identity.hash_annotation, None)
    content = {
        **{key: value for key, value in content.items() if key not in ("metadata", "status")},
        "metadata": {**metadata, "annotations": annotations},
    }
    manifest = stamped(content, live.identity)
    current = live.manifest(change.ref)
    if change.verb is Verb.REPLACE and current:
        return _replacement(manifest, current, live.identity)
    return manifest


def others_wrote(current: Manifest, identity: Identity) -> bool:
    """Return whether a field manager other than the owner's apply owns part of the content.

    A server-side apply leaves fields that other managers added: a rule that an operator added to
    an allow-nothing policy stays until the object is replaced.
    """
    ours = ("Apply", identity.field_manager)
    return any(
        _objects.section(entry, "fieldsV1").keys() - {"f:metadata", "f:status"}
        for entry in _objects.items(current["metadata"], "managedFields")
        if (entry.get("operation"), entry.get("manager")) != ours and not entry.get("subresource")
    )


def is_unchanged(obj: Resource, live: Live) -> bool:
    """Return whether a desired object is in the cluster as it would be applied: no drift.

    Raises:
        ValueError: its kind was not read.
    """
    return _change(obj, live, _NOTHING_TAKEN, ()).verb is Verb.UNCHANGED


def is_applied(obj: Resource, live: Live) -> bool:
    """Return whether the desired version of an object was applied last, drifted since or not."""
    desired, applied = _objects.manifest_of(obj), live.manifest(_objects.ref_of(obj))
    identity = live.identity
    if not _annotation(applied, identity.hash_annotation) and identity.former_domain:
        # Its hash is that of the content with the marks of an earlier release.
        desired, identity = _with_former_marks(desired, identity)
    desired = stamped(desired, identity)
    key = identity.hash_annotation
    return _annotation(applied, key) == _annotation(desired, key)


def _with_former_marks(manifest: Manifest, identity: Identity) -> tuple[Manifest, Identity]:
    def renamed(key: str) -> str:
        return former_name(key, identity.former_domain)

    ours = identity.owner_annotation.rpartition("/")[0]
    annotations = _objects.section(manifest["metadata"], "annotations")
    metadata = {
        **manifest["metadata"],
        "annotations": {
            renamed(key) if key.startswith(f"{ours}/") else key: text
            for key, text in annotations.items()
        },
    }
    former = msgspec.structs.replace(
        identity,
        owner_annotation=renamed(identity.owner_annotation),
        hash_annotation=renamed(identity.hash_annotation),
    )
    return {**manifest, "metadata": metadata}, former


def _or_held(change: Change, live: Live, held: Mapping[Ref, str]) -> Change:
    if change.ref not in held or change.verb not in (Verb.UPDATE, Verb.REPLACE, Verb.DELETE):
        return change
    key = live.identity.hash_annotation
    applied = _annotation(live.manifest(change.ref), key)
    if change.verb is not Verb.DELETE and applied == _annotation(change.manifest, key):
        return change
    return Change(Verb.HELD, change.ref, change.kind, held[change.ref])


def _annotation(manifest: Manifest | None, key: str) -> str | None:
    metadata = _objects.section(manifest or {}, "metadata")
    return _objects.section(metadata, "annotations").get(key)


def creations(plan: Plan) -> dict[Ref, ResourceType]:
    """Return the objects that a plan would create, whose names may be taken by other owners."""
    return {change.ref: change.kind for change in plan.of(Verb.CREATE)}


def _change(
    obj: Resource, live: Live, taken: Mapping[Ref, Resource], abandoned: Collection[str]
) -> Change:
    ref, kind = _objects.ref_of(obj), _objects.type_of(obj)
    manifest = stamped(_objects.manifest_of(obj), live.identity)
    current = live.manifest(ref)
    if kind not in live.kinds:
        raise ValueError(f"{ref.kind} is not among the kinds that were read")
    if kind in live.missing:
        return Change(Verb.DEFERRED, ref, kind, f"the cluster does not serve {ref.kind} yet")
    if current is None and kind in live.unread:
        return Change(Verb.HELD, ref, kind, f"waits until {ref.kind} can be read")
    if current is None:
        if ref not in taken:
            return Change(Verb.CREATE, ref, kind, manifest=manifest)
        current = _objects.manifest_of(taken[ref])
        if not live.identity.may_adopt(current, abandoned):
            reason = "exists and belongs to another owner"
            return Change(Verb.REFUSED, ref, kind, reason, manifest, existing=current)
    verb, reason = _compared(manifest, current, live.identity)
    if verb is Verb.UNCHANGED:
        return Change(verb, ref, kind)
    key = live.identity.hash_annotation
    # Without our hash it was adopted, or an admission webhook removes the hash.
    applied = _annotation(current, key)
    repairs = applied == _annotation(manifest, key) or (
        applied is None and _annotation(current, live.identity.owner_annotation) is not None
    )
    manifest = _kinds.keep_what_others_set(manifest, current)
    if verb is Verb.REPLACE:
        manifest = _replacement(manifest, current, live.identity)
    was = current["metadata"]
    return Change(
        verb,
        ref,
        kind,
        reason,
        manifest,
        uid=str(was.get("uid") or ""),
        version=str(was.get("resourceVersion") or ""),
        repairs=repairs,
    )


def stamped(manifest: Manifest, identity: Identity) -> Manifest:
    """Return the manifest with the labels and annotations of its owner, and its content's hash."""
    owner = {identity.owner_annotation: identity.owner}
    owned = _objects.with_metadata(manifest, identity.labels, owner)
    content = {identity.hash_annotation: _objects.content_hash(owned)}
    return _objects.with_metadata(owned, {}, content)


def _compared(manifest: Manifest, current: Manifest, identity: Identity) -> tuple[Verb, str]:
    """Return what to do with a live object to make it the desired one, and why."""
    key = identity.hash_annotation
    applied = _annotation(current, key)
    drift = _compare.differences(_kinds.keep_what_others_set(manifest, current), current)
    reason = f"differs in {_first(drift, key)}" if drift else ""
    if applied is None:
        reason = "adopted"
    elif applied != _annotation(manifest, key):
        reason = f"changed: {_first(drift, key)}" if drift else "changed"
    if not reason:
        # An apply removes its own marks of an earlier release, and none that a patch wrote.
        left = identity.former_marks(_objects.section(current["metadata"], "annotations"))
        return (Verb.REPLACE, f"still has {left[0]}") if left else (Verb.UNCHANGED, "")
    return (Verb.REPLACE if others_wrote(current, identity) else Verb.UPDATE), reason


def _replacement(manifest: Manifest, current: Manifest, identity: Identity) -> Manifest:
    """Return the object to PUT: the desired content, and the metadata that others added.

    With the resourceVersion the API server refuses it (409) if the object changed since it was
    read. Replicas that an autoscaler sets stay as they are: a PUT without them means one.
    """
    was = current["metadata"]
    kept = ("resourceVersion", "generation", "finalizers", "ownerReferences")
    metadata = {key: was[key] for key in kept if key in was} | manifest["metadata"]
    for group in ("labels", "annotations"):
        metadata[group] = {**_objects.section(was, group), **metadata[group]}
    for key in identity.former_marks(metadata["annotations"]):
        del metadata["annotations"][key]
    replaced = {**manifest, "metadata": metadata}
    if manifest["kind"] == "Deployment" and "replicas" in _objects.section(current, "spec"):
        replicas = current["spec"]["replicas"]
        replaced["spec"] = {"replicas": replicas, **manifest["spec"]}
    return replaced


def _first(paths: Sequence[str], hash_annotation: str) -> str:
    shown = [path for path in paths if hash_annotation not in path] or list(paths)
    return shown[0] + (f" and {len(shown) - 1} more" if len(shown) > 1 else "")
