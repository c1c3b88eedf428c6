# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The live objects of an owner: one LIST for each kind, for any number of objects."""

import concurrent.futures
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from istio_ambient.kube import _faults
from istio_ambient.kube._client import Client, prepare_decoders
from istio_ambient.kube._identity import Identity
from istio_ambient.kube._objects import (
    Manifest,
    Ref,
    Resource,
    ResourceType,
    is_namespaced,
    manifest_of,
    ref_in,
    ref_of,
)

ALL_NAMESPACES = "*"
"""lightkube's notation for all namespaces."""

PARALLEL = 8
"""The number of requests that are sent at the same time."""

LOOKING_SECONDS = 2.0
"""How long a hook looks for a controller's answer to what it wrote."""
_PAUSE_SECONDS = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class Live:
    """The objects of one owner as they were read."""

    identity: Identity
    kinds: tuple[ResourceType, ...] = ()
    objects: Mapping[Ref, Resource] = field(default_factory=dict[Ref, Resource])
    missing: frozenset[ResourceType] = frozenset()
    """Kinds that the API server does not serve, since their CRD is not installed."""

    def get(self, kind: ResourceType, name: str, namespace: str = "") -> Resource | None:
        """Return the owner's object of this name, or None."""
        return self.objects.get(ref_in(kind, name, namespace))

    def of(self, kind: ResourceType) -> list[Resource]:
        """Return all the owner's objects of a kind, sorted by name."""
        ordered = map(self.objects.__getitem__, sorted(self.objects))
        return [obj for obj in ordered if isinstance(obj, kind)]

    def manifest(self, ref: Ref) -> Manifest | None:
        """Return the owner's object of this name in JSON form, or None."""
        obj = self.objects.get(ref)
        return None if obj is None else manifest_of(obj)


def read_live(client: Client, identity: Identity, kinds: Sequence[ResourceType]) -> Live:
    """LIST each kind once by the owner's labels, and keep the objects that belong to it.

    Raises:
        httpx2.HTTPError: on any answer but success or 404 (a kind that is not served).
    """
    prepare_decoders(kinds)
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        tasks = [pool.submit(list_kind, client, kind, dict(identity.labels)) for kind in kinds]
        listed = [task.result() for task in tasks]
    objects: dict[Ref, Resource] = {}
    for found in listed:
        objects.update((ref_of(o), o) for o in found or () if identity.owns(manifest_of(o)))
    missing = frozenset(k for k, found in zip(kinds, listed, strict=True) if found is None)
    return Live(identity, tuple(kinds), objects, missing)


def read_taken(client: Client, refs: Mapping[Ref, ResourceType]) -> dict[Ref, Resource]:
    """Return those of the named objects that exist, of any owner: one LIST a kind.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    by_kind: dict[ResourceType, list[Ref]] = {}
    for ref, kind in refs.items():
        by_kind.setdefault(kind, []).append(ref)
    prepare_decoders(by_kind)
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        tasks = [pool.submit(_existing, client, *item) for item in by_kind.items()]
        return {ref_of(obj): obj for task in tasks for obj in task.result()}


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


def list_kind(
    client: Client,
    kind: ResourceType,
    labels: dict[str, str] | None = None,
    namespace: str | None = None,
    fields: dict[str, str] | None = None,
) -> list[Resource] | None:
    """LIST a kind in one request, in all namespaces unless one is given.

    Returns:
        The objects, or None where the API server does not serve the kind.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    scope = (namespace or ALL_NAMESPACES) if is_namespaced(kind) else None
    with _faults.absence_allowed():
        return list(client.list(kind, namespace=scope, labels=labels, fields=fields))
    return None


def first_of(client: Client, kind: ResourceType) -> Resource | None:
    """Return one object of a cluster-scoped kind, or None; the request is for one object only."""
    return next(iter(client.list(kind, chunk_size=1)), None)


def _existing(client: Client, kind: ResourceType, refs: Sequence[Ref]) -> list[Resource]:
    namespaces = {ref.namespace for ref in refs}
    namespace = namespaces.pop() if len(namespaces) == 1 else None
    fields = {"metadata.name": refs[0].name} if len(refs) == 1 else None
    listed, named = list_kind(client, kind, namespace=namespace, fields=fields) or (), set(refs)
    return [obj for obj in listed if ref_of(obj) in named]
