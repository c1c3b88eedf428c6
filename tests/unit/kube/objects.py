# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Objects for the engine's tests: desired ones, and as the API server would return them."""

from collections.abc import Iterable
from typing import Any

from istio_ambient import kube, resources
from istio_ambient.authorization import order
from istio_ambient.kube import _objects
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Service
from lightkube.resources.rbac_authorization_v1 import ClusterRole

IDENTITY = resources.identity("shop", "beacon", frozenset({"istio-waypoint"}), order.ACCESS)
KINDS = (
    ConfigMap,
    Service,
    ClusterRole,
    resources.AuthorizationPolicy,
    resources.Gateway,
    resources.HTTPRoute,
)


def config_map(name: str = "settings", **data: str) -> kube.Resource:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="shop"), data=data)


def policy(name: str = "allow", **spec: Any) -> kube.Resource:
    metadata = ObjectMeta(name=name, namespace="shop")
    return resources.AuthorizationPolicy(metadata=metadata, spec=spec)


def as_live(
    obj: kube.Resource, manager: str = "charmed-istio", operation: str = "Apply", **owned: Any
) -> kube.Resource:
    """Return an object as the API server holds it after an apply and a write of `manager`."""
    empty = kube.Live(IDENTITY, KINDS)
    (change,) = kube.plan([obj], empty).changes
    manifest = change.manifest or {}
    fields: dict[str, Any] = {"f:spec": {}, **owned}
    entry = {"manager": manager, "operation": operation, "fieldsV1": fields}
    manifest["metadata"] |= {"uid": f"of-{obj.metadata.name}", "resourceVersion": "7"}
    manifest["metadata"] |= {"managedFields": [entry]}
    return _objects.type_of(obj).from_dict(manifest)


def edited(obj: kube.Resource, **metadata: Any) -> kube.Resource:
    """Return a copy of a live object with other metadata."""
    manifest = kube.manifest_of(obj)
    manifest["metadata"] |= metadata
    return _objects.type_of(obj).from_dict(manifest)


def live(*objects: kube.Resource, missing: Iterable[kube.ResourceType] = ()) -> kube.Live:
    found = {kube.ref_of(obj): obj for obj in objects}
    return kube.Live(IDENTITY, KINDS, found, frozenset(missing))
