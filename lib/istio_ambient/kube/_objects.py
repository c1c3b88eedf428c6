# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Kubernetes objects as the engine handles them: references and the plain JSON form."""

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

import msgspec
from lightkube.core import resource as lightkube_resource

Resource: TypeAlias = Any
"""An instance of a lightkube resource class, typed or generic."""

ResourceType: TypeAlias = Any
"""A lightkube resource class."""

Manifest: TypeAlias = dict[str, Any]
"""An object in Kubernetes' JSON form."""


class Ref(msgspec.Struct, frozen=True, order=True):
    """A reference to one object in a cluster; `namespace` is empty for cluster-scoped kinds."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


def is_namespaced(resource_type: ResourceType) -> bool:
    """Return whether objects of this kind have a namespace."""
    return issubclass(resource_type, lightkube_resource.NamespacedResource)


def type_of(obj: Resource) -> ResourceType:
    """Return the lightkube class of an object."""
    return cast(ResourceType, type(obj))


def ref_of(obj: Resource) -> Ref:
    """Return the reference to an object; its class supplies the kind."""
    # The metadata of a custom resource is decoded whenever it is asked for.
    kind, metadata = type_of(obj), obj.metadata
    return ref_in(kind, metadata.name, (metadata.namespace or "") * is_namespaced(kind))


def kind_of(resource_type: ResourceType) -> str:
    """Return the name of the kind of a class, such as `Deployment`."""
    return lightkube_resource.api_info(resource_type).resource.kind


def ref_in(resource_type: ResourceType, name: str, namespace: str = "") -> Ref:
    """Return the reference to an object of this class."""
    definition = lightkube_resource.api_info(resource_type).resource
    return Ref(definition.api_version, definition.kind, namespace, name)


def manifest_of(obj: Resource) -> Manifest:
    """Return a deep copy of an object in JSON form, with apiVersion and kind, without nulls."""
    definition = lightkube_resource.api_info(type_of(obj)).resource
    text = _json(obj.to_dict())
    try:
        content = msgspec.json.decode(text)
    except msgspec.DecodeError:  # Half of a surrogate pair, or a number beyond those of floats.
        content = json.loads(text)
    if b"null" in text:
        content = _without_nulls(content)
    return {**content, "apiVersion": definition.api_version, "kind": definition.kind}


def metadata_of(obj: Resource) -> Manifest:
    """Return a manifest that has the metadata of an object alone, which must not be changed."""
    metadata: Any = cast(Manifest, obj)["metadata"] if isinstance(obj, dict) else obj.metadata
    return {"metadata": metadata if isinstance(metadata, dict) else metadata.to_dict()}


def written_at(obj: Resource) -> datetime.datetime | None:
    """Return when an object of a typed class was written last, its status aside; None: unknown."""
    entries = (obj.metadata.managedFields if obj.metadata else None) or ()
    times = [entry.time for entry in entries if entry.time and not entry.subresource]
    return max(times, default=None)


def time_of(text: object) -> datetime.datetime | None:
    """Return a time of an object in JSON form; None for what is none, or has no time zone.

    RFC 3339 has times that Python has not, such as one of the year 0.
    """
    try:
        found = datetime.datetime.fromisoformat(text) if isinstance(text, str) else text
    except ValueError:
        return None
    if not isinstance(found, datetime.datetime) or found.tzinfo is None:
        return None
    return found


def section(manifest: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the map under a key; an empty one where it is absent."""
    return cast(dict[str, Any], manifest.get(key) or {})


def items(manifest: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the list of maps under a key; an empty one where it is absent."""
    return cast(list[dict[str, Any]], manifest.get(key) or [])


def content_hash(manifest: Manifest) -> str:
    """Return a hash of a manifest, independent of the order of its keys: 16 hex digits."""
    return hashlib.sha256(_json(manifest)).hexdigest()[:16]


def _json(content: Manifest) -> bytes:
    """Return content as JSON, with sorted keys and without spaces."""
    try:
        return msgspec.json.encode(content, order="deterministic")
    except UnicodeEncodeError:
        # Half of a surrogate pair: JSON can escape it, and UTF-8 cannot hold it.
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def with_metadata(
    manifest: Manifest, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Manifest:
    """Return the manifest with these labels and annotations added; it shares all else."""
    metadata = manifest["metadata"]
    added = {
        "labels": {**section(metadata, "labels"), **labels},
        "annotations": {**section(metadata, "annotations"), **annotations},
    }
    return {**manifest, "metadata": {**metadata, **added}}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def ref_in_manifest(manifest: Manifest) -> Ref:
    """Return the reference to the object of a manifest."""
    metadata = manifest["metadata"]
    return Ref(
        manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"]
    )


def current_conditions(
    status: Mapping[str, Any], manifest: Manifest
) -> Iterator[Mapping[str, Any]]:
    """Yield the conditions on an object as it is now; those on an earlier version say nothing.

    Args:
        status: of the object, or a part of it, such as that of one parent of a route.
        manifest: the object in JSON form.
    """
    generation = manifest["metadata"].get("generation", 0)
    for condition in items(status, "conditions"):
        if condition.get("observedGeneration", generation) >= generation:
            yield condition
