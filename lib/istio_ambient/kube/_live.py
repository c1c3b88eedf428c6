# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The live objects of an owner: one LIST for each kind, for any number of objects."""

import concurrent.futures
import datetime
import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from istio_ambient.kube._client import Client
from istio_ambient.kube._faults import RequestError
from istio_ambient.kube._identity import Identity
from istio_ambient.kube._objects import (
    Manifest,
    Ref,
    Resource,
    ResourceType,
    manifest_of,
    metadata_of,
    ref_in,
    ref_of,
)
from istio_ambient.kube._requests import list_kind

READERS = 3
"""Reads at the same time: a hook has a dozen, and another connection costs more than it saves."""

LOOKING_SECONDS = 2.0
"""How long a hook looks for a controller's answer to what it wrote."""
_PAUSE_SECONDS = 0.1

T = TypeVar("T")
U = TypeVar("U")


class Live(msgspec.Struct, frozen=True, dict=True):
    """The objects of one owner as they were read."""

    identity: Identity
    kinds: tuple[ResourceType, ...] = ()
    objects: Mapping[Ref, Resource] = msgspec.field(default_factory=dict[Ref, Resource])
    missing: frozenset[ResourceType] = frozenset()
    """Kinds that the API server does not serve, since their CRD is not installed."""
    unread: Mapping[ResourceType, RequestError] = msgspec.field(
        default_factory=dict[ResourceType, RequestError]
    )
    """Kinds that could not be read, such as one whose conversion webhook is down. Nothing is known
    of their objects, so they stay as they are."""
    unknown: str = ""
    """What else is not known, such as "all relations of service-mesh"; empty: nothing. Only what
    takes access away is written then, whatever the kind."""

    @property
    def since(self) -> datetime.datetime | None:
        """The creation time of the oldest object; None: there is none.

        A missing object has been missing since then at most.
        """
        made = [obj.metadata.creationTimestamp for obj in self.objects.values()]
        return min((time for time in made if time is not None), default=None)

    def get(self, kind: ResourceType, name: str, namespace: str = "") -> Resource | None:
        """Return the owner's object of this name, or None."""
        return self.objects.get(ref_in(kind, name, namespace))

    def of(self, kind: ResourceType) -> list[Resource]:
        """Return all the owner's objects of a kind, sorted by name."""
        return [self.objects[ref] for ref in self._refs(kind)]

    def at_home(self, kind: ResourceType) -> list[Resource]:
        """Return the owner's objects of a kind in its own namespace, sorted by name.

        Whoever may write in another namespace can make an object there that has all the owner's
        labels and annotations, so what such an object says is no memory of the owner.
        """
        home = self.identity.namespace
        return [self.objects[ref] for ref in self._refs(kind) if ref.namespace == home]

    def manifests(self, kind: ResourceType) -> list[Manifest]:
        """Return all the owner's objects of a kind in JSON form, as `manifest`, sorted by name."""
        return [self._manifests[ref] for ref in self._refs(kind)]

    def manifest(self, ref: Ref) -> Manifest | None:
        """Return the owner's object of this name in JSON form, or None; it must not be changed."""
        return self._manifests.get(ref)

    def _refs(self, kind: ResourceType) -> list[Ref]:
        return sorted(ref for ref, obj in self.objects.items() if isinstance(obj, kind))

    @functools.cached_property
    def _manifests(self) -> Mapping[Ref, Manifest]:
        return {ref: manifest_of(obj) for ref, obj in self.objects.items()}


def read_live(client: Client, identity: Identity, kinds: Sequence[ResourceType]) -> Live:
    """LIST each kind once by the owner's labels, and keep the objects that belong to it.

    Raises:
        RequestError: no kind can be read.
    """
    found, unread = _each(kinds, lambda kind: list_kind(client, kind, dict(identity.labels)))
    if unread and not found:
        raise next(iter(unread.values()))
    objects: dict[Ref, Resource] = {}
    for listed in found.values():
        objects.update((ref_of(o), o) for o in listed or () if identity.owns(metadata_of(o)))
    missing = frozenset(kind for kind, listed in found.items() if listed is None)
    return Live(identity, tuple(kinds), objects, missing, unread)


class Taken(msgspec.Struct, frozen=True):
    """Objects that have the names of desired ones, of any owner."""

    objects: Mapping[Ref, Resource] = msgspec.field(default_factory=dict[Ref, Resource])
    unread: Mapping[ResourceType, RequestError] = msgspec.field(
        default_factory=dict[ResourceType, RequestError]
    )
    """Kinds that could not be read: nobody knows whether the names are taken."""


def read_taken(client: Client, refs: Mapping[Ref, ResourceType]) -> Taken:
    """Return those of the named objects that exist, of any owner: one LIST a kind."""
    by_kind: dict[ResourceType, list[Ref]] = {}
    for ref, kind in refs.items():
        by_kind.setdefault(kind, []).append(ref)
    found, unread = _each(tuple(by_kind), lambda kind: _existing(client, kind, by_kind[kind]))
    return Taken({ref_of(obj): obj for listed in found.values() for obj in listed}, unread)


def _each(
    kinds: Sequence[ResourceType], read: Callable[[ResourceType], T]
) -> tuple[dict[ResourceType, T], dict[ResourceType, RequestError]]:
    """Return what is read of each kind, in parallel, and the failures."""
    found: dict[ResourceType, T] = {}
    unread: dict[ResourceType, RequestError] = {}
    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        for kind, task in [(kind, pool.submit(read, kind)) for kind in kinds]:
            try:
                found[kind] = task.result()
            except RequestError as error:
                unread[kind] = error
    return found, unread


def read_together(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Return the results of two reads that are made at the same time.

    Args:
        first: is made in a thread.
        second: in this one.

    Raises:
        RequestError: where both fail, that of the first.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        task = pool.submit(first)
        try:
            found = second()
        finally:
            earlier = task.result()
        return earlier, found


def read_until(
    read: Callable[[], T],
    settled: Callable[[T], bool],
    *,
    seconds: float = LOOKING_SECONDS,
    first_pause: float = 0,
    pause: float = _PAUSE_SECONDS,
) -> T:
    """Return what is read once it is settled, or what was read last when the time is over.

    A hook looks only for the answer to what it has just written, which takes a controller a
    fraction of a second; the next hook looks again.

    Args:
        read: is called at least once.
        settled: whether what was read is the answer.
        seconds: for all pauses and reads together; a read that has begun is finished.
        first_pause: seconds before the first read.
        pause: seconds between two reads.
    """
    # Nothing sets the event: its wait() is a pause that a test distinguishes from time.sleep.
    event, end = threading.Event(), time.monotonic() + seconds
    event.wait(first_pause)
    found = read()
    while not settled(found) and time.monotonic() + pause < end:
        event.wait(pause)
        found = read()
    return found


def _existing(client: Client, kind: ResourceType, refs: Sequence[Ref]) -> list[Resource]:
    namespaces = {ref.namespace for ref in refs}
    namespace = namespaces.pop() if len(namespaces) == 1 else None
    fields = {"metadata.name": refs[0].name} if len(refs) == 1 else None
    listed, named = list_kind(client, kind, namespace=namespace, fields=fields) or (), set(refs)
    return [obj for obj in listed if ref_of(obj) in named]
