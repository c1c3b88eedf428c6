# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Kubernetes objects as the engine handles them: references and the plain JSON form."""

import copy
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from lightkube.core import resource as lightkube_resource

Resource: TypeAlias = Any
"""An instance of a lightkube resource class, typed or generic."""

ResourceType: TypeAlias = Any
"""A lightkube resource class."""

Manifest: TypeAlias = dict[str, Any]
"""An object in Kubernetes' JSON form."""


@dataclass(frozen=True, order=True)
class Ref:
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
    kind = type_of(obj)
    return ref_in(kind, obj.metadata.name, (obj.metadata.namespace or "") * is_namespaced(kind))


def kind_of(resource_type: ResourceType) -> str:
    """Return the name of the kind of a class, such as `Deployment`."""
    return lightkube_resource.api_info(resource_type).resource.kind


def ref_in(resource_type: ResourceType, name: str, namespace: str = "") -> Ref:
    """Return the reference to an object of this class."""
    definition = lightkube_resource.api_info(resource_type).resource
    return Ref(definition.api_version, definition.kind, namespace, name)


def manifest_of(obj: Resource) -> Manifest:
    """Return a deep copy of an object in JSON form, with apiVersion and kind, without nulls."""
    ref = ref_of(obj)
    content = _without_nulls(json.loads(json.dumps(obj.to_dict())))
    return {**content, "apiVersion": ref.api_version, "kind": ref.kind}


def written_at(obj: Resource) -> datetime.datetime | None:
    """Return when an object of a typed class was written last, its status aside; None: unknown."""
    entries = (obj.metadata.managedFields if obj.metadata else None) or ()
    times = [entry.time for entry in entries if entry.time and not entry.subresource]
    return max(times, default=None)


def section(manifest: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the map under a key; an empty one where it is absent."""
    return cast(dict[str, Any], manifest.get(key) or {})


def items(manifest: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the list of maps under a key; an empty one where it is absent."""
    return cast(list[dict[str, Any]], manifest.get(key) or [])


def content_hash(manifest: Manifest) -> str:
    """Return a hash of a manifest, independent of the order of its keys: 16 hex digits."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_metadata(
    manifest: Manifest, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Manifest:
    """Return a copy of the manifest with these labels and annotations added."""
    result = copy.deepcopy(manifest)
    metadata = result["metadata"]
    metadata["labels"] = {**metadata.get("labels", {}), **labels}
    metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}
    return result


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
