# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What other applications, and a secret, add to the control plane."""

from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.cases.base_control_plane import (
    AUTHORITY,
    CACERTS,
    COPY,
    EXPIRED,
    INGRESS,
    MESH,
    OTHER_AUTHORITY,
    OTHER_ROOT,
    PROVIDER,
    SECRET,
    SYSTEM,
    encoded,
)
from tests.unit.whole_charm.outcomes import ABSENT, PRESENT, blocked
from tests.unit.whole_charm.scenarios import Case

COLLECTOR = f"{MESH}.extensionProviders[otel-tracing].opentelemetry"


def authorizer(key: str, value: Any, field: str, expected: Any) -> Case:
    """Return the case for a key of an ingress' databag that becomes a field of its provider."""
    return Case(
        {"relations": {"ingress": {"app_data": {key: value}}}},
        {f"{PROVIDER}.envoyExtAuthzHttp.{field}": expected},
    )


def receiver(url: str) -> Mapping[str, Any]:
    """Return a databag of a collector that takes spans there."""
    return {"receivers": [{"protocol": {"name": "otlp_grpc"}, "url": url}]}


CASES: Mapping[str, Case] = {
    "no collector": Case(
        {"relations": {"collector": None}},
        {f"{MESH}.enableTracing": ABSENT, f"{MESH}.extensionProviders[otel-tracing]": ABSENT},
    ),
    "a collector that cannot be read": Case(
        {"relations": {"collector": {"app_data": receiver("tempo")}}},
        {"status": blocked("tempo:workload-tracing receivers[0].url")},
    ),
    "a collector elsewhere": Case(
        {"relations": {"collector": {"app_data": receiver("traces.cos.svc:4318")}}},
        {f"{COLLECTOR}.service": "traces.cos.svc", f"{COLLECTOR}.port": 4318},
    ),
    "no authorizer": Case(
        {"relations": {"ingress": {"app_data": {"ext_authz_service_name": None}}}},
        {PROVIDER: ABSENT, "app databag ingress: ext_authz_provider_name": ABSENT},
    ),
    "an ingress of another name": Case(
        {"relations": {"ingress": {"app": "door"}}},
        {
            f"{MESH}.extensionProviders[ext-authz-door]": PRESENT,
            "app databag ingress: ext_authz_provider_name": "ext-authz-door",
        },
    ),
    "an ingress that is integrated twice": Case(
        {"relations": {"ingress again": {**INGRESS, "app": "gate"}}},
        {"status": blocked("gate:istio-ingress-config")},
        given={"relations": {"ingress again": {**INGRESS, "app": "door"}}},
    ),
    "an authorizer's service": authorizer(
        "ext_authz_service_name", "other.iam.svc", "service", "other.iam.svc"
    ),
    "an authorizer's port": authorizer("ext_authz_port", "4181", "port", 4181),
    "an authorizer's protocol": Case(
        {"relations": {"ingress": {"app_data": {"ext_authz_protocol": "grpc"}}}},
        {f"{PROVIDER}.envoyExtAuthzGrpc.port": 4180},
    ),
    "an authorizer's path prefix": Case(
        {"relations": {"ingress": {"app_data": {"ext_authz_path_prefix": "/decisions"}}}},
        {
            f"{PROVIDER}.envoyExtAuthzHttp.pathPrefix": "/decisions",
            "app databag ingress: ext_authz_path_prefix": "/decisions",
        },
    ),
    "headers that an authorizer sees": authorizer(
        "include_headers_in_check", ["x-one"], "includeRequestHeadersInCheck", ["x-one"]
    ),
    "headers that an application sees": authorizer(
        "headers_to_upstream_on_allow", ["x-two"], "headersToUpstreamOnAllow", ["x-two"]
    ),
    "headers that a client sees": authorizer(
        "headers_to_downstream_on_allow", ["x-three"], "headersToDownstreamOnAllow", ["x-three"]
    ),
    "headers that a refused client sees": authorizer(
        "headers_to_downstream_on_deny", ["x-four"], "headersToDownstreamOnDeny", ["x-four"]
    ),
    "an authorizer that cannot be read": Case(
        {"relations": {"ingress": {"app_data": {"ext_authz_port": "http"}}}},
        {"status": blocked("gate:istio-ingress-config ext_authz_port")},
    ),
    "another authority for keys": Case(
        {"relations": {"authority": {"app_data": {"certificates": [OTHER_ROOT.pem]}}}},
        {f"ConfigMap {SYSTEM}/pilot-jwks-extra-cacerts: data[extra.pem]": OTHER_ROOT.pem},
    ),
    "an authority for keys whose units tell": Case(
        {"relations": {"authority": {"unit_data": {"chain": [OTHER_ROOT.pem]}}}},
        {f"ConfigMap {SYSTEM}/pilot-jwks-extra-cacerts: data[extra.pem]": OTHER_ROOT.pem},
        given={"relations": {"authority": {"app_data": {"version": "0", "certificates": None}}}},
    ),
    "an authority for keys that cannot be read": Case(
        {"relations": {"authority": {"app_data": {"certificates": ["none"]}}}},
        {"status": blocked("vault:jwks-ca-cert certificates[0]")},
    ),
    "the secret of the authority in use cannot be read any more": Case(
        {"earlier": {"secrets": {SECRET: AUTHORITY}, "config": {"mesh-config": ""}}},
        {f"{MESH}.accessLogFile": "/dev/null"}
        | {f"{CACERTS}: data[{key}.pem]": encoded(text) for key, text in AUTHORITY.items()},
        given={
            "config": {"ca-secret": SECRET, "mesh-config": "accessLogFile: /dev/null"},
            "secrets": {SECRET: None},
        },
        same={"status": blocked("config ca-secret", "juju grant-secret <name> istio")},
    ),
    "the authority in use has expired": Case(
        {"config": {"mesh-config": "accessLogFile: /dev/null"}},
        {f"{MESH}.accessLogFile": "/dev/null"},
        given={
            "config": {"ca-secret": SECRET},
            "secrets": {SECRET: EXPIRED},
            "earlier": {"secrets": {SECRET: AUTHORITY}, "config": {"mesh-config": ""}},
            "meanwhile": {
                CACERTS: {"data": {f"{key}.pem": encoded(EXPIRED[key]) for key in EXPIRED}}
            },
        },
        same={"status": blocked("config ca-secret ca-cert")}
        | {f"{CACERTS}: data[{key}.pem]": encoded(text) for key, text in EXPIRED.items()},
    ),
    "another authority in the secret": Case(
        {"secrets": {SECRET: OTHER_AUTHORITY}},
        {
            f"{CACERTS}: data[{key}.pem]": encoded(OTHER_AUTHORITY[key])
            for key in ("ca-cert", "ca-key", "root-cert", "cert-chain")
        },
        given={"config": {"ca-secret": SECRET}},
    ),
    "another secret with the same authority": Case(
        {"config": {"ca-secret": COPY}, "secrets": {COPY: AUTHORITY}},
        {f"{CACERTS}: metadata.annotations[charmed-istio/ca-secret]": COPY},
        given={"config": {"ca-secret": SECRET}},
    ),
}
