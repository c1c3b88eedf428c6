# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""MeshConfig: the defaults, the settings of relations, and the overlay of the operator.

Field names are those of Istio's reference, "Global Mesh Options".
"""

from collections.abc import Mapping
from typing import Any, cast

from ._mesh_overlay import TRACING_PROVIDER
from ._values import ControlPlane, ExtAuthzProvider, TracingCollector


def mesh_config(control_plane: ControlPlane) -> dict[str, Any]:
    """Return MeshConfig in its JSON form.

    The operator's overlay takes precedence over the defaults. The settings that the control plane
    depends on (root namespace, trust domain, its own address, HBONE, the providers of relations)
    take precedence over the overlay. Mappings merge key by key, `extensionProviders` by name;
    any other value is replaced.
    """
    merged: dict[str, Any] = {}
    for layer in (
        _defaults(),
        _tracing_settings(control_plane.tracing),
        control_plane.config.mesh_config,
        _owned(control_plane),
        _providers_of_relations(control_plane),
    ):
        merged = merge(merged, layer)
    return merged


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new mapping: `below` with `above` merged into it; neither is changed."""
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
        # Services with this label are reachable from other clusters.
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
