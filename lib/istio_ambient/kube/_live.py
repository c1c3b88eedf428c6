# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What is in the cluster of ours: one LIST for each kind, whatever the number of objects."""

import concurrent.futures
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import lightkube
from lightkube.core.client import ALL_NS  # type: ignore[attr-defined]

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

PARALLEL = 8
"""Requests under way at once."""


@dataclass(frozen=True)
class Live:
    """The objects of one identity as they were when they were read."""

    identity: Identity
    kinds: tuple[ResourceType, ...] = ()
    objects: Mapping[Ref, Resource] = field(default_factory=dict[Ref, Resource])
    missing: frozenset[ResourceType] = frozenset()
    """Kinds that the API server does not serve: their CRD is not installed."""

    def get(self, kind: ResourceType, name: str, namespace: str = "") -> Resource | None:
        """Return our object of this name, or None."""
        return self.objects.get(ref_in(kind, name, namespace))

    def of(self, kind: ResourceType) -> list[Resource]:
        """Return all our objects of a kind, by name."""
        found = [(ref, obj) for ref, obj in self.objects.items() if isinstance(obj, kind)]
        return [obj for _, obj in sorted(found, key=lambda pair: pair[0])]

    def manifest(self, ref: Ref) -> Manifest | None:
        """Return our object of this name in JSON form, or None."""
        obj = self.objects.get(ref)
        return None if obj is None else manifest_of(obj)


def read_live(client: lightkube.Client, identity: Identity, kinds: Sequence[ResourceType]) -> Live:
    """LIST each kind once by our instance label and keep what is ours.

    Raises:
        lightkube.ApiError: on any answer but success or 404 (a kind that is not served).
    """
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        listed = list(pool.map(lambda kind: list_kind(client, kind, identity.labels), kinds))
    objects: dict[Ref, Resource] = {}
    for found in listed:
        objects.update((ref_of(o), o) for o in found or () if identity.owns(manifest_of(o)))
    missing = frozenset(k for k, found in zip(kinds, listed, strict=True) if found is None)
    return Live(identity, tuple(kinds), objects, missing)


def read_taken(client: lightkube.Client, refs: Mapping[Ref, ResourceType]) -> frozenset[Ref]:
    """Return those of the named objects that exist, whoever made them: one LIST a kind."""
    by_kind: dict[ResourceType, list[Ref]] = {}
    for ref, kind in refs.items():
        by_kind.setdefault(kind, []).append(ref)
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        found = pool.map(lambda item: _existing(client, *item), by_kind.items())
        return frozenset(ref for existing in found for ref in existing)


def list_kind(
    client: lightkube.Client,
    kind: ResourceType,
    labels: Mapping[str, str] | None = None,
    namespace: str | None = None,
    fields: Mapping[str, str] | None = None,
) -> list[Resource] | None:
    """LIST a kind in one request, in all namespaces unless one is given; None: not served."""
    where = {"namespace": namespace or ALL_NS} if is_namespaced(kind) else {}
    try:
        return list(client.list(kind, labels=labels, fields=fields, **where))
    except lightkube.ApiError as error:
        if error.status.code == 404:
            return None
        raise


def _existing(client: lightkube.Client, kind: ResourceType, refs: Sequence[Ref]) -> Iterable[Ref]:
    namespaces = {ref.namespace for ref in refs}
    namespace = namespaces.pop() if len(namespaces) == 1 else None
    fields = {"metadata.name": refs[0].name} if len(refs) == 1 else None
    listed = list_kind(client, kind, namespace=namespace, fields=fields) or ()
    return {ref_of(obj) for obj in listed} & set(refs)
