# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The options `istiod-env`, `cni-env` and `ztunnel-env`: environment variables of a component.

Names are those of the pinned release: istio/istio pilot/pkg/features and security/pkg, its
cni/pkg/cmd, and istio/ztunnel src/config.rs.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypeAlias

import pydantic

from istio_ambient.values.config import InvalidEntriesError
from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.text import shown
from istio_ambient.values.yaml_text import mapping

Component: TypeAlias = Literal["istiod", "cni", "ztunnel"]

NO_VARIABLES: Mapping[str, str] = {}

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
_MAX_VALUE = 4096
_REMOVE = "remove it"

_LEVEL = "none|error|fatal|warn|info|debug"
_LEVELS = rf"([a-z0-9_-]+:)?({_LEVEL})(,[a-z0-9_-]+:({_LEVEL}))*"
_SWITCH = "true|false"
_FLAGS: Mapping[str, tuple[str, str, str]] = {
    "LOG_OUTPUT_LEVEL": ("--log_output_level", _LEVELS, "use a level such as debug, or ads:debug"),
    "LOG_AS_JSON": ("--log_as_json", _SWITCH, "use true or false"),
}
"""What istiod and istio-cni take as flags only: name → the flag, its values, the remedy. They stop
for a value that they do not know."""


def _same(remedy: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), remedy)


_POD = _same(_REMOVE, "POD_NAME POD_NAMESPACE NODE_NAME SERVICE_ACCOUNT INSTANCE_IP")

OWNED: Mapping[Component, Mapping[str, str]] = {
    "istiod": {
        **_POD,
        **_same("use the option platform", "PLATFORM"),
        **_same("use the option auto-allow-waypoint-policy", "PILOT_AUTO_ALLOW_WAYPOINT_POLICY"),
        **_same("use limits.cpu of istiod-resources", "GOMAXPROCS"),
        **_same("use the option dual-stack", "ISTIO_DUAL_STACK"),
        **_same("use the option cluster-id", "CLUSTER_ID"),
        **_same("use the option trust-domain", "TRUST_DOMAIN"),
        # Which istiod it is.
        **_same(
            _REMOVE,
            "REVISION KUBECONFIG EXTERNAL_ISTIOD ISTIOD_CUSTOM_HOST "
            "ISTIO_WATCH_NAMESPACE LOCAL_CLUSTER_SECRET_WATCHER SHARED_MESH_CONFIG "
            "VALIDATION_WEBHOOK_CONFIG_NAME "
            "INJECTION_WEBHOOK_CONFIG_NAME PILOT_IGNORE_RESOURCES PILOT_INCLUDE_RESOURCES "
            "ENABLE_LEADER_ELECTION",
        ),
        **_same("use the option ca-address", "ENABLE_CA_SERVER CA_ADDR"),
        # Whom it signs for, and with which authority.
        **_same(
            _REMOVE,
            "CA_TRUSTED_NODE_ACCOUNTS PILOT_CERT_PROVIDER EXTERNAL_CA K8S_SIGNER "
            "CERT_SIGNER_DOMAIN ROOT_CA_DIR USE_REMOTE_CERTS USE_CACERTS_FOR_SELF_SIGNED_CA "
            "TOKEN_ISSUER TOKEN_AUDIENCES AUDIENCE JWT_POLICY JWT_RULE "
            "PILOT_CA_CERT_CONFIGMAP PILOT_CRL_CONFIGMAP PILOT_ENABLE_CA_CRL "
            "ENABLE_CLUSTER_TRUST_BUNDLE_API ISTIO_MULTIROOT_MESH",
        ),
        # What access depends on, and the answers by which the charms learn what is in force.
        **_same(
            _REMOVE,
            "XDS_AUTH XDS_AUTH_PLAINTEXT PILOT_ENABLE_XDS_IDENTITY_CHECK TRUSTED_GATEWAY_CIDR "
            "PILOT_SKIP_VALIDATE_TRUST_DOMAIN ENABLE_DEBUG_ON_HTTP ENABLE_DEBUG_ENDPOINT_AUTH "
            "ENABLE_XDS_API_GENERATOR_AUTH DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES "
            "UNSAFE_ENABLE_ADMIN_ENDPOINTS BLOCKED_CIDRS_IN_JWKS_URIS "
            "JWKS_RESOLVER_INSECURE_SKIP_VERIFY PILOT_JWT_ENABLE_REMOTE_JWKS "
            "PILOT_INSECURE_MULTICLUSTER_KUBECONFIG_OPTIONS "
            "ISTIO_WORKLOAD_ENTRY_VALIDATE_IDENTITY ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY "
            "ENABLE_LAYERED_WAYPOINT_AUTHORIZATION_POLICIES "
            "HTTP_STRIP_FRAGMENT_FROM_PATH_UNSAFE_IF_DISABLED "
            "PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS",
        ),
        # What makes it an istiod of ambient mode, with waypoints and gateways.
        **_same(
            _REMOVE,
            "PILOT_ENABLE_AMBIENT PILOT_ENABLE_GATEWAY_API PILOT_ENABLE_GATEWAY_API_STATUS "
            "PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER "
            "PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER "
            "PILOT_ENABLE_GATEWAY_API_COPY_LABELS_ANNOTATIONS "
            "PILOT_GATEWAY_API_CONTROLLER_NAME PILOT_GATEWAY_API_DEFAULT_GATEWAYCLASS_NAME "
            "ENABLE_GATEWAY_API_MANUAL_DEPLOYMENT PILOT_SCOPE_GATEWAY_TO_NAMESPACE "
            "PILOT_ENABLE_STRICT_GATEWAY_MERGING INJECT_ENABLED",
        ),
        **_same(
            _REMOVE,
            "PILOT_MULTICLUSTER_KUBECONFIG_PATH CITADEL_SELF_SIGNED_CA_RSA_KEY_SIZE "
            "METRICS_LOCALHOST_ACCESS_ONLY",
        ),
    },
    "cni": {
        **_POD,
        **_same("use the option platform", "CNI_CONF_NAME CHAINED_CNI_PLUGIN"),
        **_same("use limits of cni-resources", "GOMAXPROCS GOMEMLIMIT"),
        **_same(
            _REMOVE,
            "CURRENT_AGENT_VERSION AMBIENT_ENABLED AMBIENT_ENABLEMENT_SELECTOR EXCLUDE_NAMESPACES "
            "ALLOW_SWITCH_TO_HOST_NS REPAIR_NODE_NAME REPAIR_RUN_AS_DAEMON "
            "REPAIR_SIDECAR_ANNOTATION MOUNTED_CNI_NET_DIR CNI_AGENT_RUN_DIR ZTUNNEL_UDS_ADDRESS "
            "CNI_NETWORK_CONFIG CNI_NETWORK_CONFIG_FILE KUBE_CA_FILE SKIP_TLS_VERIFY "
            "KUBECONFIG_MODE MONITORING_PORT SYSTEM_NAMESPACE AMBIENT_DISABLE_SAFE_UPGRADE",
        ),
        # Whatever comes from this address passes ztunnel by, to every port of every pod.
        **_same(_REMOVE, "HOST_PROBE_SNAT_IP HOST_PROBE_SNAT_IPV6"),
    },
    "ztunnel": {
        **_POD,
        **_same("use the option cluster-id", "CLUSTER_ID ISTIO_META_CLUSTER_ID"),
        **_same("use the option trust-domain", "TRUST_DOMAIN"),
        **_same(
            "use cpu of ztunnel-resources, or ZTUNNEL_WORKER_THREADS",
            "ZTUNNEL_CPU_LIMIT ZTUNNEL_RESOURCE_CPU_LIMIT ZTUNNEL_RESOURCE_CPU_REQUEST",
        ),
        **_same("use the option ca-address", "CA_ADDRESS"),
        **_same(
            _REMOVE,
            "XDS_ADDRESS CA_ROOT_CA XDS_ROOT_CA ALT_CA_HOSTNAME ALT_XDS_HOSTNAME "
            "AUTH_TOKEN FAKE_CA LOCAL_XDS LOCAL_XDS_PATH XDS_ON_DEMAND CLUSTER_DOMAIN "
            "ISTIO_META_ENABLE_HBONE ENABLE_PROXY PROXY_MODE PROXY_CONFIG "
            "PROXY_WORKLOAD_INFO LOCALHOST_APP_TUNNEL INPOD_ENABLED INPOD_UDS INPOD_PORT_REUSE "
            "PACKET_MARK ENABLE_ORIG_SRC CRL_PATH TERMINATION_GRACE_PERIOD_SECONDS "
            "TRANSPARENT_NETWORK_POLICIES",
        ),
    },
}
"""Component → what the charm sets, or must stay as Istio has it → what to do instead.

A mesh with another value of one of these is not the mesh that the charms check, explain and
report: identities, the authority, who may ask istiod, and which pods are on the mesh.
"""

_OWNED_PREFIXES = ("KUBERNETES_", "XDS_HEADER_", "CA_HEADER_")
"""How names begin that say where the API server is, or what else ztunnel sends to istiod."""

DEFAULTS: Mapping[Component, Mapping[str, str]] = {
    "istiod": {"PILOT_TRACE_SAMPLING": "1", "PILOT_ENABLE_ANALYSIS": "false"},
    "cni": {
        "AMBIENT_DNS_CAPTURE": "true",
        "AMBIENT_IPV6": "true",
        "AMBIENT_RECONCILE_POD_RULES_ON_STARTUP": "true",
        "ENABLE_AMBIENT_DETECTION_RETRY": "false",
        "ISTIO_OWNED_CNI_CONFIG": "false",
        "REPAIR_ENABLED": "true",
        "REPAIR_LABEL_PODS": "false",
        "REPAIR_DELETE_PODS": "false",
        "REPAIR_REPAIR_PODS": "true",
        "REPAIR_INIT_CONTAINER_NAME": "istio-validation",
        "REPAIR_BROKEN_POD_LABEL_KEY": "cni.istio.io/uninitialized",
        "REPAIR_BROKEN_POD_LABEL_VALUE": "true",
        "NATIVE_NFTABLES": "false",
    },
    "ztunnel": {"RUST_LOG": "info", "RUST_BACKTRACE": "1"},
}
"""Component → variables with the values of Istio's charts, which an operator may replace."""

# As Istio's chart does: with this policy istiod's Go runtime refuses other algorithms.
_FIPS = ("COMPLIANCE_POLICY", "fips-140-3")
_GO_FIPS = {"GODEBUG": "fips140=only"}


def merged(component: Component, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a component: the defaults, with what an operator gives."""
    flags = _flags(component)
    found = {**DEFAULTS[component], **given}
    if component == "istiod" and _FIPS in given.items():
        found = {**_GO_FIPS, **found}
    return {name: value for name, value in found.items() if name not in flags}


def log_arguments(component: Component, given: Mapping[str, str], default: str) -> list[str]:
    """Return the flags of a component's log: its levels, and JSON where it is asked for.

    Args:
        component: istiod or istio-cni.
        given: what an operator gives.
        default: the levels where the operator gives none.
    """
    chosen = {"LOG_OUTPUT_LEVEL": default, **given}
    return [
        f"{flag}={chosen[name]}"
        for name, (flag, *_) in _flags(component).items()
        if name in chosen
    ]


def _flags(component: Component) -> Mapping[str, tuple[str, str, str]]:
    return {} if component == "ztunnel" else _FLAGS


def _parser(component: Component) -> Callable[[object], object]:
    """Return the validator of a component's option.

    It raises `InvalidValueError` for a text that is no mapping in YAML, and `InvalidEntriesError`,
    with the other variables, for those that are refused.
    """

    def parse(text: object) -> object:
        if not isinstance(text, str):
            return text
        valid: dict[str, str] = {}
        errors: list[InvalidValueError] = []
        for name, value in mapping(text).items():
            try:
                valid[name] = _variable(component, name, value)
            except InvalidValueError as error:
                errors.append(error)
        if errors:
            raise InvalidEntriesError(valid, errors)
        return valid

    return parse


def _variable(component: Component, name: str, value: object) -> str:
    """Return the value of a variable as text; numbers and booleans are taken as they are meant."""
    if not re.fullmatch(_NAME, name):
        message = f"{shown(name)} is no name of a variable"
        raise InvalidValueError(message, "use letters, digits and '_'")
    if name in OWNED[component]:
        raise InvalidValueError("is set by the charm", OWNED[component][name], name)
    if name.startswith(_OWNED_PREFIXES):
        raise InvalidValueError("is not for operators", _REMOVE, name)
    if isinstance(value, list | dict):
        kind = "list" if isinstance(value, list) else "mapping"
        raise InvalidValueError(f"a {kind}, not a value", "use text; quote it", name)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) > _MAX_VALUE or not text.isprintable():
        remedy = f"use at most {_MAX_VALUE} printable characters"
        raise InvalidValueError(f"{shown(text)} is no value of a variable", remedy, name)
    _, accepted, remedy = _flags(component).get(name, ("", ".*", ""))
    if not re.fullmatch(accepted, text):
        raise InvalidValueError(f"{shown(text)} is not known", remedy, name)
    return text


IstiodVariables = Annotated[Mapping[str, str], pydantic.BeforeValidator(_parser("istiod"))]
CniVariables = Annotated[Mapping[str, str], pydantic.BeforeValidator(_parser("cni"))]
ZtunnelVariables = Annotated[Mapping[str, str], pydantic.BeforeValidator(_parser("ztunnel"))]
