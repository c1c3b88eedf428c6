# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Rules of MeshConfig over several fields of one message.

Sources: istio/istio pkg/config/validation/agent, and what Envoy's protocol buffers require.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from istio_ambient.values.problems import InvalidValueError, inside
from istio_ambient.values.text import shown

from . import _log_formats

Members: TypeAlias = Mapping[str, Any]

_PROVIDER = "MeshConfig.ExtensionProvider"
_REACHED = ("service", "port")

REQUIRED: Mapping[str, tuple[str, ...]] = {
    f"{_PROVIDER}.DatadogTracingProvider": _REACHED,
    f"{_PROVIDER}.EnvoyExternalAuthorizationGrpcProvider": _REACHED,
    f"{_PROVIDER}.EnvoyExternalAuthorizationHttpProvider": _REACHED,
    f"{_PROVIDER}.EnvoyExternalAuthorizationRequestBody": ("maxRequestBytes",),
    f"{_PROVIDER}.EnvoyHttpGrpcV3LogProvider": _REACHED,
    f"{_PROVIDER}.EnvoyTcpGrpcV3LogProvider": _REACHED,
    f"{_PROVIDER}.EnvoyOpenTelemetryLogProvider": _REACHED,
    f"{_PROVIDER}.HttpHeader": ("name", "value"),
    f"{_PROVIDER}.HttpService": ("path", "timeout"),
    f"{_PROVIDER}.OpenTelemetryTracingProvider": _REACHED,
    f"{_PROVIDER}.SkyWalkingTracingProvider": _REACHED,
    f"{_PROVIDER}.ZipkinTracingProvider": _REACHED,
    "ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive": ("interval", "timeout"),
    "LabelSelectorRequirement": ("key", "operator"),
    "LocalityLoadBalancerSetting.Distribute": ("from", "to"),
    "LocalityLoadBalancerSetting.Failover": ("from", "to"),
    "Tracing.Datadog": ("address",),
    "Tracing.Environment": ("name",),
    "Tracing.Literal": ("value",),
    "Tracing.RequestHeader": ("name",),
    "Tracing.Zipkin": ("address",),
    "ZoneAwareLoadBalancerSetting.Failover": ("from", "to"),
}
"""Message → the fields that it cannot be without."""

NOT_EMPTY: Mapping[str, tuple[str, ...]] = {
    "ConnectionPoolSettings": ("http", "tcp"),
    "Tracing.CustomTag": ("literal", "environment", "header"),
}
"""Message → the fields of which it needs one."""

EXCLUSIVE: Mapping[str, tuple[str, ...]] = {
    f"{_PROVIDER}.OpenTelemetryTracingProvider": ("grpc", "http"),
    "LocalityLoadBalancerSetting": ("distribute", "failover"),
}
"""Message → fields that exclude each other, beside those of the list of fields."""

BUILT_IN: Mapping[str, str] = {"envoy": "envoyFileAccessLog", "prometheus": "prometheus"}
"""Providers that istiod always has, and their kinds."""

_TOPOLOGY = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
)


def _logs(mesh: Members) -> None:
    if "accessLogFormat" in mesh:
        is_json = mesh.get("accessLogEncoding") == "JSON"
        check = _log_formats.check_json if is_json else _log_formats.check_text
        check(mesh["accessLogFormat"], "accessLogFormat")


def _mesh_tls(mesh: Members) -> None:
    if "ecdhCurves" in mesh.get("meshMTLS", {}):
        message = "istiod accepts no curves for the traffic of the mesh"
        raise InvalidValueError(message, "remove it", "meshMTLS.ecdhCurves")


def check_kind(provider: Members) -> None:
    """Raise for an extension provider without a kind, or with another than Istio's of that name.

    Raises:
        InvalidValueError: as said.
    """
    name, kinds = provider["name"], [kind for kind in provider if kind != "name"]
    if not kinds:
        raise InvalidValueError(f"{shown(name)} has no kind", "add one, such as opentelemetry")
    if kinds[0] != BUILT_IN.get(name, kinds[0]):
        message = f"{shown(name)} is a provider of Istio, of another kind"
        raise InvalidValueError(message, "use another name", "name")


_USES: Mapping[str, frozenset[str]] = {
    "accessLogging": frozenset(
        ("envoyFileAccessLog", "envoyHttpAls", "envoyOtelAls", "envoyTcpAls")
    ),
    "metrics": frozenset(("prometheus",)),
    "tracing": frozenset(("datadog", "opentelemetry", "skywalking", "zipkin")),
}
"""Field of `defaultProviders` → the kinds of providers that can do it."""


def check_default_providers(mesh: Members, others: Mapping[str, str]) -> None:
    """Raise where a default provider does not exist, or is of a kind that cannot do its work.

    Args:
        mesh: the overlay, whose members have been checked.
        others: kinds of the providers that relations bring, by name.

    Raises:
        InvalidValueError: a name is unknown, or of another kind.
    """
    kinds = {**BUILT_IN, **others}
    for provider in mesh.get("extensionProviders", ()):
        kinds[provider["name"]] = next(kind for kind in provider if kind != "name")
    for use, names in mesh.get("defaultProviders", {}).items():
        for index, name in enumerate(names):
            if kinds.get(name) not in _USES[use]:
                message = f"{shown(name)} is no provider for {use}"
                remedy = f"use one of kind {', '.join(sorted(_USES[use]))}"
                place = inside(inside("defaultProviders", use), index)
                raise InvalidValueError(message, remedy, place)


def _requirement(requirement: Members) -> None:
    needs_values = requirement["operator"] in ("In", "NotIn")
    if needs_values != bool(requirement.get("values")):
        remedy = "add values" if needs_values else "remove them"
        message = f"{requirement['operator']} with{'out' if needs_values else ''} values"
        raise InvalidValueError(message, remedy, "values")


def _outlier_detection(settings: Members) -> None:
    field = "consecutiveLocalOriginFailures"
    if settings.get(field) and not settings.get("splitExternalLocalOriginErrors"):
        remedy = "set splitExternalLocalOriginErrors: true"
        raise InvalidValueError("has no effect alone", remedy, field)


def _http_pool(settings: Members) -> None:
    if settings.get("h2UpgradePolicy") == "UPGRADE" and settings.get("useClientProtocol"):
        raise InvalidValueError(
            "excludes h2UpgradePolicy UPGRADE", "keep one", "useClientProtocol"
        )


def _locality(settings: Members) -> None:
    entries = settings.get("distribute", [])
    _check_apart([entry["from"] for entry in entries], "distribute")
    for index, entry in enumerate(entries):
        place = inside(inside("distribute", index), "to")
        weight = sum(entry["to"].values())
        if weight != 100:
            raise InvalidValueError(f"the weights add up to {weight}", "let them make 100", place)
        _check_apart(entry["to"], place)
    priorities = settings.get("failoverPriority", [])
    if "failover" in settings:
        _check_no_topology(priorities, "excludes failover")
    _failovers(settings)


def _check_apart(localities: Iterable[str], place: str) -> None:
    """Raise where a locality is inside another: `a/b` and `a/*`."""
    paths = sorted((_path(name), name) for name in localities)
    for (outer, name), (inner, other) in itertools.pairwise(paths):
        if inner[: len(outer)] == outer:
            message = f"{shown(other)} is inside {shown(name)}"
            raise InvalidValueError(message, "let them not overlap", place)


def _path(locality: str) -> list[str]:
    return [part for part in locality.split("/") if part != "*"]


def _zone_aware(settings: Members) -> None:
    _check_no_topology(settings.get("failoverPriority", []), "is done in any case")
    _failovers(settings)


def _check_no_topology(priorities: list[str], message: str) -> None:
    for index, label in enumerate(priorities):
        if label in _TOPOLOGY:
            raise InvalidValueError(message, "remove it", inside("failoverPriority", index))


def _failovers(settings: Members) -> None:
    for index, failover in enumerate(settings.get("failover", [])):
        if failover["from"] == failover["to"]:
            place = inside("failover", index)
            raise InvalidValueError("goes to itself", "use another region", place)


CHECKS: Mapping[str, tuple[Callable[[Members], None], ...]] = {
    "MeshConfig": (_logs, _mesh_tls),
    "ConnectionPoolSettings.HTTPSettings": (_http_pool,),
    "LabelSelectorRequirement": (_requirement,),
    "LocalityLoadBalancerSetting": (_locality,),
    "OutlierDetection": (_outlier_detection,),
    "ZoneAwareLoadBalancerSetting": (_zone_aware,),
}
"""Message → checks that raise `InvalidValueError`, once its members have been checked."""
