# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import functools
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from istio_ambient import manifests
from istio_ambient.interfaces import istio_ingress_config, tracing
from istio_ambient.manifests import _mesh_config
from istio_ambient.manifests.mesh_overlay import _check

from tools import generate_crds, generate_mesh_config

FORWARDED = {
    "x-forwarded-host": "%REQ(:AUTHORITY)%",
    "x-forwarded-method": "%REQ(:METHOD)%",
    "x-forwarded-proto": "%REQ(X-FORWARDED-PROTO)%",
    "x-forwarded-uri": "%REQ(:PATH)%",
}
TEMPO = tracing.Endpoint(host="tempo.cos.svc", port=4317)


def mesh_config(**values: Any) -> dict[str, Any]:
    # Without validation: what the overlay may hold is checked in `mesh_overlay`.
    overlay = values.pop("mesh_config", {})
    config = manifests.Config.model_construct(mesh_config=overlay)
    control_plane = manifests.ControlPlane(namespace="prod", config=config, **values)
    return _mesh_config.mesh_config(control_plane)


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
    http = istio_ingress_config.Authorizer(
        ext_authz_service_name="a.b.svc",
        ext_authz_port=4180,
        include_headers_in_check=("cookie",),
        headers_to_downstream_on_deny=("set-cookie",),
    )
    grpc = istio_ingress_config.Authorizer(
        ext_authz_service_name="c", ext_authz_port=9000, ext_authz_protocol="grpc"
    )
    providers = {"ext-authz-a": http, "ext-authz-c": grpc}
    assert mesh_config(ext_authz_providers=providers)["extensionProviders"] == [
        {
            "name": "ext-authz-a",
            "envoyExtAuthzHttp": {
                "service": "a.b.svc",
                "port": 4180,
                "includeRequestHeadersInCheck": ["cookie"],
                "includeAdditionalHeadersInCheck": FORWARDED,
                "headersToDownstreamOnDeny": ["set-cookie"],
            },
        },
        {"name": "ext-authz-c", "envoyExtAuthzGrpc": {"service": "c", "port": 9000}},
    ]


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        (("cookie", "X-Forwarded-Uri", "x-forwarded-for"), ["cookie", "x-forwarded-for"]),
        (
            ("x-*", "*-prefix", "x-forwarded-*", "*-uri", "x-forwarded-pre*", "x-real-*"),
            ["x-real-*"],
        ),
        (("x-forwarded-prefix",), None),
    ],
)
def test_an_authorizer_is_told_of_a_request_by_the_gateway_and_not_by_the_client(
    asked: tuple[str, ...], passed: list[str] | None
):
    authorizer = istio_ingress_config.Authorizer(
        ext_authz_service_name="a.b.svc", ext_authz_port=4180, include_headers_in_check=asked
    )
    (provider,) = mesh_config(ext_authz_providers={"a": authorizer})["extensionProviders"]
    settings = provider["envoyExtAuthzHttp"]
    assert settings["includeAdditionalHeadersInCheck"] == FORWARDED
    assert settings.get("includeRequestHeadersInCheck") == passed


def test_the_overlay_takes_precedence_over_defaults_and_tracing_settings():
    overlay = {
        "accessLogFile": "",
        "defaultConfig": {"tracing": {"sampling": 1}, "holdApplicationUntilProxyStarts": True},
    }
    config = mesh_config(tracing=TEMPO, mesh_config=overlay)
    assert config["accessLogFile"] == ""
    assert config["defaultConfig"]["tracing"] == {"sampling": 1}
    assert config["defaultConfig"]["holdApplicationUntilProxyStarts"] is True
    assert config["defaultConfig"]["discoveryAddress"] == "istiod.prod.svc:15012"


def test_the_overlay_cannot_change_what_the_control_plane_depends_on():
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


def test_an_overlay_of_another_shape_changes_nothing_else():
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


def test_the_list_of_fields_is_that_of_the_pinned_istio():
    first, _, rest = generate_mesh_config.TARGET.read_text().partition("\n")
    source = f"istio.io/api@{generate_crds.pinned('istio.io/api')}"
    assert first == f"# Generated by tools/generate_mesh_config.py from {source}; do not edit"
    assert generate_mesh_config.content(json.loads(rest), source) == f"{first}\n{rest}"


def test_every_type_of_a_field_is_known():
    known = _check.mesh_config_fields()
    scalars = {"string", "bytes", "bool", "number", "duration", "object", "any"}
    scalars |= {"int32", "uint32", "int64", "uint64"}
    for name, message in known.messages.items():
        for field, kind in message.fields.items():
            single = kind.removeprefix("list of ").removeprefix("map of ")
            named = single in known.messages or single in known.enums
            assert named or single in scalars, f"{name}.{field}: {kind}"
        assert {field for choice in message.one_of for field in choice} <= message.fields.keys()


def paths(config: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from paths(cast(dict[str, Any], value), (*prefix, key))
        else:
            yield (*prefix, key)


def value_at(config: dict[str, Any], path: tuple[str, ...]) -> Any:
    return functools.reduce(lambda found, key: found[key], path, cast(Any, config))


def test_what_an_overlay_cannot_change_is_refused():
    for path in paths(mesh_config()):
        overlay: Any = functools.reduce(lambda value, key: {key: value}, reversed(path), "other")
        dotted = ".".join(path)
        if value_at(mesh_config(mesh_config=overlay), path) != "other":
            assert dotted in _check.OWNED_FIELDS


def test_fields_of_ours_exist():
    known = _check.mesh_config_fields()
    for path in _check.OWNED_FIELDS:
        first, *rest = path.split(".")
        kind = known.messages[known.root].fields[first]
        if rest:
            assert rest[0] in known.messages[kind].fields
    config = mesh_config(tracing=TEMPO)
    assert config.keys() <= known.messages[known.root].fields.keys()
