# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The custom resource types of Istio and of the Gateway API that the charms read and write.

Each name is a lightkube generic resource: a `dict` with the fields of the Kubernetes object, for
example `AuthorizationPolicy({"metadata": {...}, "spec": {...}})`. lightkube keeps one class per
(apiVersion, kind) and process; when another library got there first, its class is used.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from lightkube import generic_resource
from lightkube.core import resource, resource_registry

Namespaced = generic_resource.GenericNamespacedResource
Cluster = generic_resource.GenericGlobalResource

# lightkube leaves the last, optional parameter of these untyped.
_create_namespaced = cast(
    Callable[[str, str, str, str], type[Namespaced]],
    generic_resource.create_namespaced_resource,  # pyright: ignore[reportUnknownMemberType]
)
_create_cluster = cast(
    Callable[[str, str, str, str], type[Cluster]],
    generic_resource.create_global_resource,  # pyright: ignore[reportUnknownMemberType]
)


def _registered(group: str, version: str, kind: str, plural: str, namespaced: bool) -> type | None:
    """Return the class that this process already has for the resource, if any.

    Raises:
        TypeError: something is registered under that name that is not this resource.
    """
    api_version = f"{group}/{version}"
    found = resource_registry.resource_registry.get(api_version, kind)
    if found is None:
        return None
    base = Namespaced if namespaced else Cluster
    if not issubclass(found, base) or resource.api_info(found).plural != plural:
        raise TypeError(
            f"lightkube already has {api_version} {kind} as {found!r}: expected a generic "
            f"{'namespaced' if namespaced else 'cluster'} resource with plural {plural}"
        )
    return found


def _namespaced(group: str, version: str, kind: str, plural: str) -> type[Namespaced]:
    found = _registered(group, version, kind, plural, namespaced=True)
    return found or _create_namespaced(group, version, kind, plural)


def _cluster(group: str, version: str, kind: str, plural: str) -> type[Cluster]:
    found = _registered(group, version, kind, plural, namespaced=False)
    return found or _create_cluster(group, version, kind, plural)


def defined_by(crd: Mapping[str, Any]) -> type[Namespaced] | type[Cluster]:
    """Return the class of the resources that a definition, in JSON form, defines."""
    spec = crd["spec"]
    version = next(each["name"] for each in spec["versions"] if each["served"])
    make = _namespaced if spec["scope"] == "Namespaced" else _cluster
    return make(spec["group"], version, spec["names"]["kind"], spec["names"]["plural"])


_SECURITY = "security.istio.io"
_GATEWAY = "gateway.networking.k8s.io"

AuthorizationPolicy = _namespaced(_SECURITY, "v1", "AuthorizationPolicy", "authorizationpolicies")
PeerAuthentication = _namespaced(_SECURITY, "v1", "PeerAuthentication", "peerauthentications")
RequestAuthentication = _namespaced(
    _SECURITY, "v1", "RequestAuthentication", "requestauthentications"
)
DestinationRule = _namespaced("networking.istio.io", "v1", "DestinationRule", "destinationrules")
Telemetry = _namespaced("telemetry.istio.io", "v1", "Telemetry", "telemetries")
GatewayClass = _cluster(_GATEWAY, "v1", "GatewayClass", "gatewayclasses")
Gateway = _namespaced(_GATEWAY, "v1", "Gateway", "gateways")
HTTPRoute = _namespaced(_GATEWAY, "v1", "HTTPRoute", "httproutes")
GRPCRoute = _namespaced(_GATEWAY, "v1", "GRPCRoute", "grpcroutes")
