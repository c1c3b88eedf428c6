# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

from typing import Any

from istio_ambient import manifests

TEMPO = manifests.TracingCollector(service="tempo.cos.svc", port=4317)


def mesh_config(**values: Any) -> dict[str, Any]:
    return manifests.mesh_config(manifests.ControlPlane(namespace="prod", **values))


def test_defaults():
    config = mesh_config()
    assert config["accessLogFile"] == "/dev/stdout"
    assert config["rootNamespace"] == "prod"
    assert config["trustDomain"] == "cluster.local"
    assert config["defaultConfig"]["proxyMetadata"] == {"ISTIO_META_ENABLE_HBONE": "true"}
    assert "extensionProviders" not in config
    assert "enableTracing" not in config


def test_tracing():
    config = mesh_config(tracing=TEMPO)
    assert config["enableTracing"] is True
    assert config["defaultProviders"] == {"metrics": ["prometheus"], "tracing": ["otel-tracing"]}
    assert config["defaultConfig"]["tracing"] == {"sampling": 100}
    assert config["extensionProviders"] == [
        {"name": "otel-tracing", "opentelemetry": {"service": "tempo.cos.svc", "port": 4317}}
    ]


def test_ext_authz_over_http_and_grpc():
    http = manifests.ExtAuthzProvider(
        name="ext_authz-a",
        service="a.b.svc",
        port=4180,
        include_request_headers_in_check=("cookie",),
        headers_to_downstream_on_deny=("set-cookie",),
    )
    grpc = manifests.ExtAuthzProvider(name="ext_authz-c", service="c", port=9000, protocol="grpc")
    assert mesh_config(ext_authz_providers=(http, grpc))["extensionProviders"] == [
        {
            "name": "ext_authz-a",
            "envoyExtAuthzHttp": {
                "service": "a.b.svc",
                "port": 4180,
                "includeRequestHeadersInCheck": ["cookie"],
                "headersToDownstreamOnDeny": ["set-cookie"],
            },
        },
        {"name": "ext_authz-c", "envoyExtAuthzGrpc": {"service": "c", "port": 9000}},
    ]


def test_the_overlay_wins_over_defaults_and_tracing_settings():
    overlay = {
        "accessLogFile": "",
        "defaultConfig": {"tracing": {"sampling": 1}, "holdApplicationUntilProxyStarts": True},
    }
    config = mesh_config(tracing=TEMPO, mesh_config=overlay)
    assert config["accessLogFile"] == ""
    assert config["defaultConfig"]["tracing"] == {"sampling": 1}
    assert config["defaultConfig"]["holdApplicationUntilProxyStarts"] is True
    assert config["defaultConfig"]["discoveryAddress"] == "istiod.prod.svc:15012"


def test_the_overlay_cannot_take_what_the_control_plane_stands_on():
    overlay: dict[str, Any] = {
        "rootNamespace": "elsewhere",
        "trustDomain": "evil",
        "defaultConfig": {
            "discoveryAddress": "elsewhere:15012",
            "proxyMetadata": {"ISTIO_META_ENABLE_HBONE": "false", "OTHER": "kept"},
        },
    }
    config = mesh_config(mesh_config=overlay)
    assert config["rootNamespace"] == "prod"
    assert config["trustDomain"] == "cluster.local"
    assert config["defaultConfig"]["discoveryAddress"] == "istiod.prod.svc:15012"
    assert config["defaultConfig"]["proxyMetadata"] == {
        "ISTIO_META_ENABLE_HBONE": "true",
        "OTHER": "kept",
    }


def test_an_overlay_of_the_wrong_shape_does_no_harm():
    shapes: tuple[object, ...] = (None, 5, "text", [])
    for wrong in shapes:
        config = mesh_config(tracing=TEMPO, mesh_config={"defaultConfig": wrong})
        assert config["defaultConfig"]["discoveryAddress"] == "istiod.prod.svc:15012"
        config = mesh_config(tracing=TEMPO, mesh_config={"extensionProviders": wrong})
        assert [each["name"] for each in config["extensionProviders"]] == ["otel-tracing"]


def test_providers_merge_by_name():
    overlay: dict[str, Any] = {
        "extensionProviders": [
            {"name": "otel-tracing", "opentelemetry": {"service": "elsewhere", "port": 1}},
            {"name": "own", "prometheus": {}},
        ]
    }
    config = mesh_config(tracing=TEMPO, mesh_config=overlay)
    assert config["extensionProviders"] == [
        {"name": "own", "prometheus": {}},
        {"name": "otel-tracing", "opentelemetry": {"service": "tempo.cos.svc", "port": 4317}},
    ]


def test_the_values_are_not_changed():
    overlay = {"defaultConfig": {"proxyMetadata": {"A": "1"}}}
    mesh_config(tracing=TEMPO, mesh_config=overlay)
    assert overlay == {"defaultConfig": {"proxyMetadata": {"A": "1"}}}
