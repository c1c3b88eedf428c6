# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A scenario of istio-k8s: a collector, an ingress with an authorizer, and authorities."""

import base64

from tests.authorities import START
from tests.unit.control_plane import authorities
from tests.unit.whole_charm.cases.gateway_charms import SLICE
from tests.unit.whole_charm.scenarios import Scenario

SYSTEM = "istio-system"
MESH = f"ConfigMap {SYSTEM}/istio: data.mesh"
VALUES = f"ConfigMap {SYSTEM}/istio-sidecar-injector: data.values.global"
ISTIOD = f"Deployment {SYSTEM}/istiod: spec.template"
CNI = f"DaemonSet {SYSTEM}/istio-cni-node: spec.template"
ZTUNNEL = f"DaemonSet {SYSTEM}/ztunnel: spec.template"
CACERTS = f"Secret {SYSTEM}/cacerts"
HARDENED = f"AuthorizationPolicy {SYSTEM}/istio-{SYSTEM}-policy-global-allow-nothing"
PROVIDER = f"{MESH}.extensionProviders[ext-authz-gate]"
SECRET, COPY = "secret:mesh0000000000000000", "secret:copy0000000000000000"


def _secret(name: str, root: authorities.Authority) -> dict[str, str]:
    return authorities.secret(authorities.Authority(name, root, start=START), root)


ROOT = authorities.Authority("root", start=START)
OTHER_ROOT = authorities.Authority("other root", start=START)
AUTHORITY, OTHER_AUTHORITY = _secret("mesh", ROOT), _secret("other mesh", OTHER_ROOT)
REVOKED = ROOT.revocations(7)
EXPIRED = authorities.secret(authorities.Authority("mesh", ROOT, start=START, days=1), ROOT)

AUTHORIZER = {
    "ext_authz_service_name": "oauth2-proxy.iam.svc",
    "ext_authz_port": "4180",
    "ext_authz_protocol": "http",
    "ext_authz_path_prefix": "/auth",
    "include_headers_in_check": ["cookie"],
    "headers_to_upstream_on_allow": ["authorization"],
    "headers_to_downstream_on_allow": ["set-cookie"],
    "headers_to_downstream_on_deny": ["content-type"],
}

INGRESS = {"endpoint": "istio-ingress-config", "app": "gate", "app_data": AUTHORIZER}

BASE: Scenario = {
    "charm": "istio-k8s",
    "app": "istio",
    "model": SYSTEM,
    "relations": {
        "collector": {
            "endpoint": "workload-tracing",
            "app": "tempo",
            "app_data": {
                "receivers": [{"protocol": {"name": "otlp_grpc"}, "url": "tempo.cos.svc:4317"}]
            },
        },
        "ingress": INGRESS,
        "authority": {
            "endpoint": "jwks-ca-cert",
            "app": "vault",
            "app_data": {"version": "1", "certificates": [ROOT.pem]},
        },
        "beacon": {"endpoint": "istio-metadata", "app": "beacon"},
        "prometheus": {"endpoint": "metrics-endpoint", "app": "prometheus"},
        "grafana": {"endpoint": "grafana-dashboard", "app": "grafana"},
    },
    "objects": {"Node node-0": {"spec": {}}, f"EndpointSlice {SYSTEM}/istiod-1": SLICE},
    "secrets": {SECRET: AUTHORITY},
}


def encoded(text: str) -> str:
    """Return a text as Secrets hold it."""
    return base64.b64encode(f"{text.strip()}\n".encode()).decode()
