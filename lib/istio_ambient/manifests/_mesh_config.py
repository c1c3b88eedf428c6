# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""MeshConfig: the defaults, the settings of relations, and the overlay of the operator.

Field names are those of Istio's reference, "Global Mesh Options".
"""

from collections.abc import Mapping
from typing import Any, cast

from istio_ambient.interfaces.istio_ingress_config import Authorizer
from istio_ambient.values import headers

from ._values import ControlPlane

TRACING_PROVIDER = "otel-tracing"
EXT_AUTHZ_PREFIX = "ext-authz-"
"""Prefix of the names of external authorization providers that relations bring."""

_DEFAULTS: Mapping[str, Any] = {
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
_TRACING: Mapping[str, Any] = {
    "enableTracing": True,
    "defaultProviders": {"tracing": [TRACING_PROVIDER]},
    "defaultConfig": {"tracing": {"sampling": 100}},
}


_FORWARDED: Mapping[str, str] = {
    "x-forwarded-host": "%REQ(:AUTHORITY)%",
    "x-forwarded-method": "%REQ(:METHOD)%",
    # Envoy sets it; only a proxy that `numTrustedProxies` counts may have set it before.
    "x-forwarded-proto": "%REQ(X-FORWARDED-PROTO)%",
    "x-forwarded-uri": "%REQ(:PATH)%",
}
"""Headers of a check request by which authorizers know the request, in Envoy's notation: what the
gateway received, and not what the client claims."""
_NOT_OF_CLIENTS = (*_FORWARDED, "x-forwarded-prefix")


def mesh_config(control_plane: ControlPlane) -> dict[str, Any]:
    """Return MeshConfig in its JSON form.

    The operator's overlay takes precedence over the defaults. The settings that the control plane
    depends on (root namespace, trust domain, its own address, HBONE, the providers of relations)
    take precedence over the overlay. Mappings merge key by key, `extensionProviders` by name;
    any other value is replaced.
    """
    merged: dict[str, Any] = {}
    for layer in (
        _DEFAULTS,
        _TRACING if control_plane.tracing else {},
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
    config = control_plane.config
    metadata = {"ISTIO_META_ENABLE_HBONE": "true"}
    if config.dual_stack:
        metadata["ISTIO_DUAL_STACK"] = "true"
    aliases = {"trustDomainAliases": list(config.trust_domain_aliases)}
    return {
        **(aliases if config.trust_domain_aliases else {}),
        "rootNamespace": control_plane.namespace,
        "trustDomain": config.trust_domain,
        "defaultConfig": {
            "discoveryAddress": f"istiod.{control_plane.namespace}.svc:15012",
            "proxyMetadata": metadata,
        },
    }


def _providers_of_relations(control_plane: ControlPlane) -> dict[str, Any]:
    providers: list[dict[str, Any]] = []
    collector = control_plane.tracing
    if collector is not None:
        settings = {"service": collector.host, "port": collector.port}
        providers.append({"name": TRACING_PROVIDER, "opentelemetry": settings})
    authorizers = control_plane.ext_authz_providers.items()
    providers.extend({"name": name, **_ext_authz(provider)} for name, provider in authorizers)
    return {"extensionProviders": providers} if providers else {}


def _ext_authz(provider: Authorizer) -> dict[str, Any]:
    """Return the settings of a provider; for gRPC there are only a Service and a port."""
    settings: dict[str, Any] = {"service": provider.service, "port": provider.port}
    if provider.protocol == "grpc":
        return {"envoyExtAuthzGrpc": settings}
    optional: dict[str, Any] = {
        "pathPrefix": provider.path_prefix,
        "includeRequestHeadersInCheck": [
            pattern
            for pattern in provider.include_headers_in_check
            if not any(headers.matches(pattern, name) for name in _NOT_OF_CLIENTS)
        ],
        "includeAdditionalHeadersInCheck": dict(_FORWARDED),
        "headersToUpstreamOnAllow": list(provider.headers_to_upstream_on_allow),
        "headersToDownstreamOnAllow": list(provider.headers_to_downstream_on_allow),
        "headersToDownstreamOnDeny": list(provider.headers_to_downstream_on_deny),
    }
    settings |= {key: value for key, value in optional.items() if value}
    return {"envoyExtAuthzHttp": settings}
