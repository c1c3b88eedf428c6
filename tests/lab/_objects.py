# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Kubernetes objects as plain JSON values, and the few API calls that the lab itself makes."""

from typing import Any

import lightkube
import msgspec
from lightkube import generic_resource, types
from lightkube.core import decoders, exceptions, resource, resource_registry
from lightkube.models import authentication_v1, meta_v1
from lightkube.resources import core_v1

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as a mapping."""
Key = tuple[str, str]
"""Namespace ("" for cluster scope) and name."""


_DECODED_IN_THREADS: tuple[type[msgspec.Struct], ...] = (
    meta_v1.Status,
    # Of every list.
    decoders.ListMetadata,
    core_v1.ConfigMap,
    core_v1.Namespace,
    core_v1.Pod,
    core_v1.PodStatus,
    core_v1.Secret,
    core_v1.Service,
    core_v1.ServiceAccountToken,
    core_v1.ServiceStatus,
)


def prepare_decoders() -> None:
    """Prepare the decoders of the types that the lab's threads decode, before there are threads.

    msgspec builds a decoder when it first decodes a type, and crashes the interpreter when two
    threads build decoders of types that share a part.
    """
    for kind in _DECODED_IN_THREADS:
        msgspec.json.Decoder(kind)


def custom(group: str, version: str, kind: str, plural: str) -> Any:
    """Return the class of a namespaced custom resource, registered once with lightkube."""
    known = resource_registry.resource_registry.get(f"{group}/{version}", kind)
    make: Any = generic_resource
    return known or make.create_namespaced_resource(group, version, kind, plural)


def key(found: Object) -> Key:
    """Return namespace and name of an object."""
    metadata = found["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def mapping(found: Object | None, *path: str) -> Object:
    """Return a part that is a mapping; empty where it is missing or null."""
    for step in path:
        found = (found or {}).get(step)
    return found or {}


def texts(found: Object | None, *path: str) -> dict[str, str]:
    """Return a part that maps text to text (labels, annotations, data)."""
    return mapping(found, *path)


def sequence(found: Object | None, *path: str) -> list[Object]:
    """Return a part that is a list; empty where it is missing or null."""
    result: Any = mapping(found, *path)
    return list(result)


def words(found: Object | None, *path: str) -> list[str]:
    """Return a part that is a list of texts."""
    result: Any = mapping(found, *path)
    return list(result)


def patch(
    client: lightkube.Client,
    kind: Any,
    where: Key,
    change: Object,
    patch_type: types.PatchType = types.PatchType.STRATEGIC,
) -> None:
    """Patch an object."""
    namespaced = issubclass(kind, resource.NamespacedResource | resource.NamespacedSubResource)
    arguments: dict[str, Any] = {"namespace": where[0]} if namespaced else {}
    api: Any = client
    api.patch(kind, where[1], change, patch_type=patch_type, **arguments)


def delete_pod(client: lightkube.Client, pod: Object) -> None:
    """Delete a pod's object at once, if it still exists."""
    namespace, name = key(pod)
    try:
        client.delete(core_v1.Pod, name, namespace=namespace, grace_period=0)
    except exceptions.ApiError as error:
        if error.status.code != 404:
            raise


def request_token(
    client: lightkube.Client, namespace: str, service_account: str, audience: str | None
) -> str:
    """Return a token of a ServiceAccount from the API server."""
    request = core_v1.ServiceAccountToken(
        metadata=meta_v1.ObjectMeta(),
        spec=authentication_v1.TokenRequestSpec(
            audiences=[audience] if audience else [], expirationSeconds=12 * 3600
        ),
    )
    answer: Any = client.create(request, service_account, namespace=namespace)
    return answer.status.token
