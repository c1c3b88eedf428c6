# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""MeshConfig: what the control plane needs, what relations add, what the operator lays over it.

Field names are those of Istio's reference, "Global Mesh Options".
"""

from collections.abc import Mapping
from typing import Any, cast

from ._values import ControlPlane, ExtAuthzProvider, TracingCollector

TRACING_PROVIDER = "otel-tracing"
EXT_AUTHZ_PREFIX = "ext-authz-"
"""How the names of external authorization providers begin that relations bring."""

OWNED_FIELDS: Mapping[str, str] = {
    "rootNamespace": "it is the model that the charm is deployed in",
    "configSources": "istiod would not read the policies in this cluster any more",
    "trustDomain": "policies name workloads by it",
    "defaultConfig.discoveryAddress": "it is this istiod",
    "defaultConfig.proxyMetadata.ISTIO_META_ENABLE_HBONE": "ambient mode stands on it",
}
"""Fields that an overlay cannot set, and why; see `_owned`."""


def is_provider_of_relations(name: str) -> bool:
    """Return whether a provider's name is kept for those that relations bring."""
    return name == TRACING_PROVIDER or name.startswith(EXT_AUTHZ_PREFIX)


def mesh_config(control_plane: ControlPlane) -> dict[str, Any]:
    """Return MeshConfig in its JSON form.

    The operator's overlay wins over the defaults; what the control plane itself stands on (root
    namespace, trust domain, its own address, HBONE, the providers of relations) wins over the
    overlay. Mappings merge key by key, `extensionProviders` by name, anything else is replaced.
    """
    merged: dict[str, Any] = {}
    for layer in (
        _defaults(),
        _tracing_settings(control_plane.tracing),
        control_plane.mesh_config,
        _owned(control_plane),
        _providers_of_relations(control_plane),
    ):
        merged = merge(merged, layer)
    return merged


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new mapping with `above` laid over `below`; neither is changed."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merge(cast(Mapping[str, Any], old), cast(Mapping[str, Any], value))
        elif key == "extensionProviders" and isinstance(old, list) and isinstance(value, list):
            result[key] = _merge_by_name(cast(list[Any], old), cast(list[Any], value))
        else:
            result[key] = value
    return result


def _merge_by_name(below: list[Any], above: list[Any]) -> list[Any]:
    """Replace the providers that `above` names, keep the others, append the new ones."""
    replacing = {_name(provider) for provider in above}
    return [provider for provider in below if _name(provider) not in replacing] + above


def _name(provider: Any) -> Any:
    return cast(Mapping[str, Any], provider).get("name") if isinstance(provider, Mapping) else None


def _owned(control_plane: ControlPlane) -> dict[str, Any]:
    return {
        "rootNamespace": control_plane.namespace,
        "trustDomain": "cluster.local",
        "defaultConfig": {
            "discoveryAddress": f"istiod.{control_plane.namespace}.svc:15012",
            "proxyMetadata": {"ISTIO_META_ENABLE_HBONE": "true"},
        },
    }


def _defaults() -> dict[str, Any]:
    return {
        "accessLogFile": "/dev/stdout",
        "defaultConfig": {"image": {"imageType": "distroless"}},
        "defaultProviders": {"metrics": ["prometheus"]},
        "enablePrometheusMerge": True,
        # Which Services are reachable from other clusters: those that say so.
        "serviceScopeConfigs": [
            {
                "scope": "GLOBAL",
                "servicesSelector": {
                    "matchExpressions": [
                        {"key": "istio.io/global", "operator": "In", "values": ["true"]}
                    ]
                },
            }
        ],
    }


def _tracing_settings(tracing: TracingCollector | None) -> dict[str, Any]:
    if tracing is None:
        return {}
    return {
        "enableTracing": True,
        "defaultProviders": {"tracing": [TRACING_PROVIDER]},
        "defaultConfig": {"tracing": {"sampling": 100}},
    }


def _providers_of_relations(control_plane: ControlPlane) -> dict[str, Any]:
    providers: list[dict[str, Any]] = []
    if control_plane.tracing is not None:
        collector = control_plane.tracing
        providers.append(
            {
                "name": TRACING_PROVIDER,
                "opentelemetry": {"service": collector.service, "port": collector.port},
            }
        )
    providers.extend(_ext_authz(provider) for provider in control_plane.ext_authz_providers)
    return {"extensionProviders": providers} if providers else {}


def _ext_authz(provider: ExtAuthzProvider) -> dict[str, Any]:
    settings: dict[str, Any] = {"service": provider.service, "port": provider.port}
    if provider.protocol == "grpc":
        return {"name": provider.name, "envoyExtAuthzGrpc": settings}
    optional: dict[str, Any] = {
        "pathPrefix": provider.path_prefix,
        "includeRequestHeadersInCheck": list(provider.include_request_headers_in_check),
        "headersToUpstreamOnAllow": list(provider.headers_to_upstream_on_allow),
        "headersToDownstreamOnAllow": list(provider.headers_to_downstream_on_allow),
        "headersToDownstreamOnDeny": list(provider.headers_to_downstream_on_deny),
    }
    settings |= {key: value for key, value in optional.items() if value}
    return {"name": provider.name, "envoyExtAuthzHttp": settings}
