# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The configurations that are compared, and the same configurations as input of istioctl.

The input of istioctl is written out here, in the terms of Istio's charts: it does not come from
the code under test.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import allpairspy
from istio_ambient import manifests
from istio_ambient.interfaces import istio_ingress_config, tracing
from istio_ambient.values.pods import PodSettings

HTTP_PROVIDER = {
    "ext-authz-ingress": istio_ingress_config.Authorizer(
        ext_authz_service_name="oauth2.iam.svc.cluster.local",
        ext_authz_port=4180,
        include_headers_in_check=("authorization", "cookie"),
        headers_to_upstream_on_allow=("authorization", "path"),
        headers_to_downstream_on_allow=("set-cookie",),
        headers_to_downstream_on_deny=("content-type", "set-cookie"),
        ext_authz_path_prefix="/decisions",
    )
}
GRPC_PROVIDER = {
    "ext-authz-other": istio_ingress_config.Authorizer(
        ext_authz_service_name="authz.other.svc.cluster.local",
        ext_authz_port=9000,
        ext_authz_protocol="grpc",
    )
}
TELEMETRY_LABEL = {"charms.canonical.com/prod.istio.telemetry": "aggregated"}
TOLERATION = {"key": "dedicated", "value": "mesh", "effect": "NoSchedule"}
NODES = {"site.example.com/mesh": "true"}
CHOSEN_PODS = PodSettings.model_validate(
    {
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "4Gi"}},
        "tolerations": [TOLERATION],
        "node_selector": NODES,
    }
)
UNTOLERANT_PODS = PodSettings.model_validate(
    {"resources": {"limits": {"cpu": "1500m"}}, "tolerations": []}
)
EVERY_RESOURCE = {
    "requests": {"cpu": "0.5", "memory": "3Gi", "ephemeral-storage": "1Gi"},
    "limits": {
        "cpu": "2",
        "memory": "4Gi",
        "ephemeral-storage": "2Gi",
        "hugepages-2Mi": "64Mi",
        "example.com/device": "1",
    },
}
PODS_WITH_EVERY_RESOURCE = PodSettings.model_validate({"resources": EVERY_RESOURCE})
PODS = (PodSettings(), CHOSEN_PODS, UNTOLERANT_PODS, PODS_WITH_EVERY_RESOURCE)
ISTIOD_ENV = {"ISTIO_GPRC_MAXRECVMSGSIZE": "8388608", "COMPLIANCE_POLICY": "fips-140-3"}
AFFINITY: dict[str, Any] = {
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}
        ]
    }
}
SPREAD: tuple[dict[str, Any], ...] = (
    {
        "maxSkew": 2,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "istiod"}},
    },
)
CNI_ENV = {"NATIVE_NFTABLES": "true", "SITE": "169.254.7.128"}
ZTUNNEL_ENV = {"RUST_LOG": "debug", "LOG_FORMAT": "json", "SECRET_TTL": "12h"}
OVERLAY: dict[str, Any] = {
    "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
    "defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}},
}
MESH_CA = manifests.MeshCA(
    ca_cert="site CA", ca_key="its key", root_cert="site root", cert_chain="site CA, site root"
)

MESH_CA_WITH_CRL = dataclasses.replace(MESH_CA, crl="its revocations")

VALUES: Mapping[str, tuple[Any, ...]] = {
    "platform": ("", "microk8s", "k3s", "k3d", "minikube", "gke", "openshift"),
    "ext_authz_providers": ({}, HTTP_PROVIDER, {**HTTP_PROVIDER, **GRPC_PROVIDER}),
    "istiod": PODS,
    "cni": PODS,
    "ztunnel": PODS,
    "namespace": ("istio-system", "mesh"),
    "hub": ("docker.io/istio", "registry.example.com/mirror/istio"),
    "tag": (manifests.VERSION, f"{manifests.VERSION}-site.1"),
    "cni_bin_dir": ("", "/opt/site/cni/bin"),
    "cni_conf_dir": ("", "/etc/site/cni"),
    "auto_allow_waypoint_policy": (True, False),
    "tracing": (None, tracing.Endpoint(host="tempo.cos.svc", port=4317)),
    "jwks_ca": ("", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    "replicas": (1, 3),
    "pod_labels": ({}, TELEMETRY_LABEL),
    "image_pull_policy": ("", "Always"),
    "image_pull_secrets": ((), ("registry-credentials",)),
    "mesh_config": ({}, OVERLAY),
    "mesh_ca": (None, MESH_CA, MESH_CA_WITH_CRL),
    "ca_address": ("", "cert-manager-istio-csr.cert-manager.svc:443"),
    "istiod_env": ({}, ISTIOD_ENV),
    "istiod_affinity": ({}, AFFINITY),
    "istiod_topology_spread": (None, SPREAD),
    "istiod_priority_class": ("", "system-cluster-critical"),
    "dual_stack": (False, True),
    "cni_env": ({}, CNI_ENV),
    "ztunnel_env": ({}, ZTUNNEL_ENV),
}
"""Name → its values, the default first; longest first for a small cover.

A name is a field of ControlPlane, an option, or a component with `PodSettings`.
"""


def pairwise() -> list[manifests.ControlPlane]:
    """Return configurations that together contain every pair of values of two fields."""
    positions = cast(
        Iterable[list[int]],
        allpairspy.AllPairs([list(range(len(values))) for values in VALUES.values()]),
    )
    return [
        _control_plane({field: VALUES[field][at] for field, at in zip(VALUES, row, strict=True)})
        for row in positions
    ]


def _control_plane(chosen: Mapping[str, Any]) -> manifests.ControlPlane:
    options: dict[str, object] = {}
    others: dict[str, Any] = {}
    for field, value in chosen.items():
        if isinstance(value, PodSettings):
            options |= _pod_options(field, value)
        elif field in ("mesh_config", "istiod_affinity") or field.endswith("_env"):
            options[field] = json.dumps(value)
        elif field == "istiod_topology_spread":
            options[field] = json.dumps(value) if value else ""
        elif field == "image_pull_secrets":
            options[field] = ",".join(value)
        elif field in manifests.Config.model_fields:
            options[field] = value
        else:
            others[field] = value
    config = manifests.Config.model_validate(options)
    assert not config.problems, config.problems
    return manifests.ControlPlane(config=config, **others)


def _pod_options(component: str, chosen: PodSettings) -> dict[str, object]:
    """Return the settings as options, in JSON, which is YAML."""
    found = chosen.model_dump(exclude_unset=True)
    return {f"{component}_{name}": json.dumps(value) for name, value in found.items()}


def value_of(control_plane: manifests.ControlPlane, field: str) -> Any:
    """Return the value of a key of `VALUES`."""
    if isinstance(VALUES[field][0], PodSettings):
        return control_plane.config.pods(field)
    of_config = field in manifests.Config.model_fields
    return getattr(control_plane.config if of_config else control_plane, field)


def parse(arguments: list[str]) -> manifests.ControlPlane:
    """Read `field=value` arguments; a value is one of `VALUES`, or its position, from 0.

    Raises:
        ValueError: no such field or value; the message lists the valid ones.
    """
    chosen = {field: values[0] for field, values in VALUES.items()}
    for argument in arguments:
        field, _, text = argument.partition("=")
        if field not in VALUES:
            raise ValueError(f"{field}: not one of {', '.join(VALUES)}")
        values = VALUES[field]
        found = [value for value in values if str(value).lower() == text.lower()]
        if not found and text.isdigit() and int(text) < len(values):
            found = [values[int(text)]]
        if not found:
            raise ValueError(f"{argument}: not one of {', '.join(map(repr, values))}")
        chosen[field] = found[0]
    return _control_plane(chosen)


def describe(control_plane: manifests.ControlPlane) -> str:
    """Return the fields that differ from their defaults, in the form that `parse` reads."""
    chosen = {field: value_of(control_plane, field) for field in VALUES}
    return " ".join(
        f"{field}={value if _is_short(value) else VALUES[field].index(value)}"
        for field, value in chosen.items()
        if value != VALUES[field][0]
    )


def _is_short(value: object) -> bool:
    return isinstance(value, str | int) and "\n" not in str(value)


def operator(control_plane: manifests.ControlPlane) -> dict[str, Any]:
    """Return the IstioOperator with which istioctl renders the same control plane."""
    labels = dict(control_plane.pod_labels)
    config = control_plane.config
    return {
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "spec": {
            "profile": "ambient",
            "hub": config.hub,
            "tag": config.tag,
            "meshConfig": _mesh_config(control_plane),
            "values": {
                "global": {
                    "istioNamespace": control_plane.namespace,
                    "platform": control_plane.platform,
                    "imagePullPolicy": config.image_pull_policy,
                    "imagePullSecrets": list(config.image_pull_secrets),
                    "caAddress": config.ca_address,
                    "priorityClassName": config.istiod_priority_class,
                },
                "pilot": _pilot(control_plane)
                | {"podLabels": labels}
                | _pods(value_of(control_plane, "istiod")),
                "cni": dict(_cni(control_plane)) | {"podLabels": labels},
                "ztunnel": dict(_ztunnel(control_plane))
                | {"podLabels": labels}
                | _pods(value_of(control_plane, "ztunnel")),
            },
            # The chart of istio-cni lacks values for some fields; istioctl adds these.
            "components": {"cni": {"k8s": _pods(value_of(control_plane, "cni"))}},
        },
    }


def _pilot(control_plane: manifests.ControlPlane) -> dict[str, Any]:
    values: dict[str, Any] = {
        "autoscaleMin": control_plane.replicas,
        "autoscaleMax": control_plane.replicas,
        "jwksResolverExtraRootCA": control_plane.jwks_ca,
    }
    config = control_plane.config
    if config.dual_stack:
        values["ipFamilyPolicy"] = "PreferDualStack"
    if config.istiod_affinity:
        values["affinity"] = AFFINITY
    if config.istiod_topology_spread:
        values["topologySpreadConstraints"] = list(SPREAD)
    env = ISTIOD_ENV.copy() if config.istiod_env else {}
    if config.ca_address:
        env["ENABLE_CA_SERVER"] = "false"
    if config.dual_stack:
        env["ISTIO_DUAL_STACK"] = "true"
    if config.auto_allow_waypoint_policy:
        env["PILOT_AUTO_ALLOW_WAYPOINT_POLICY"] = "true"
    return values | {"env": env}


def _pods(chosen: PodSettings) -> dict[str, Any]:
    if chosen == CHOSEN_PODS:
        return {
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "4Gi"}},
            "tolerations": [TOLERATION],
            "nodeSelector": NODES,
        }
    if chosen == UNTOLERANT_PODS:
        return {"resources": {"limits": {"cpu": "1500m"}}, "tolerations": []}
    return {"resources": EVERY_RESOURCE} if chosen == PODS_WITH_EVERY_RESOURCE else {}


def _cni(control_plane: manifests.ControlPlane) -> Iterator[tuple[str, Any]]:
    yield "ambient", {"reconcileIptablesOnStartup": True}
    if control_plane.config.cni_bin_dir:
        yield "cniBinDir", control_plane.config.cni_bin_dir
    if control_plane.config.cni_conf_dir:
        yield "cniConfDir", control_plane.config.cni_conf_dir
    if control_plane.config.cni_env:
        yield "env", CNI_ENV


def _ztunnel(control_plane: manifests.ControlPlane) -> Iterator[tuple[str, Any]]:
    if control_plane.config.ca_address:
        yield "caAddress", control_plane.config.ca_address
    if control_plane.mesh_ca == MESH_CA_WITH_CRL:
        yield "peerCaCrl", {"enabled": True}
    if control_plane.config.ztunnel_env:
        yield "logLevel", "debug"
        yield "logAsJson", True
        yield "env", {"SECRET_TTL": "12h"}


def _mesh_config(control_plane: manifests.ControlPlane) -> dict[str, Any]:
    settings: dict[str, Any] = {"accessLogFile": "/dev/stdout"} | dict(
        control_plane.config.mesh_config
    )
    if control_plane.config.dual_stack:
        own: dict[str, Any] = settings.get("defaultConfig", {})
        metadata = {**own.get("proxyMetadata", {}), "ISTIO_DUAL_STACK": "true"}
        settings["defaultConfig"] = {**own, "proxyMetadata": metadata}
    providers: list[dict[str, Any]] = []
    if control_plane.tracing:
        settings["enableTracing"] = True
        settings["defaultProviders"] = {"tracing": ["otel-tracing"]}
        settings["defaultConfig"] = {"tracing": {"sampling": 100}} | settings.get(
            "defaultConfig", {}
        )
        providers.append(OTEL_TRACING)
    providers.extend(PROVIDERS[name] for name in control_plane.ext_authz_providers)
    if providers:
        settings["extensionProviders"] = providers
    return settings


OTEL_TRACING = {
    "name": "otel-tracing",
    "opentelemetry": {"service": "tempo.cos.svc", "port": 4317},
}
PROVIDERS: dict[str, dict[str, Any]] = {
    "ext-authz-ingress": {
        "name": "ext-authz-ingress",
        "envoyExtAuthzHttp": {
            "service": "oauth2.iam.svc.cluster.local",
            "port": 4180,
            "pathPrefix": "/decisions",
            "includeRequestHeadersInCheck": ["authorization", "cookie"],
            "includeAdditionalHeadersInCheck": {
                "x-forwarded-host": "%REQ(:AUTHORITY)%",
                "x-forwarded-method": "%REQ(:METHOD)%",
                "x-forwarded-proto": "%REQ(X-FORWARDED-PROTO)%",
                "x-forwarded-uri": "%REQ(:PATH)%",
            },
            "headersToUpstreamOnAllow": ["authorization", "path"],
            "headersToDownstreamOnAllow": ["set-cookie"],
            "headersToDownstreamOnDeny": ["content-type", "set-cookie"],
        },
    },
    "ext-authz-other": {
        "name": "ext-authz-other",
        "envoyExtAuthzGrpc": {"service": "authz.other.svc.cluster.local", "port": 9000},
    },
}
