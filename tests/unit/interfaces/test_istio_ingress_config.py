# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient.interfaces import istio_ingress_config
from istio_ambient.values.problems import Problem

GOOD = {"ext_authz_service_name": "oauth2-proxy.iam.svc", "ext_authz_port": "4180"}


def parse(**databag: str) -> tuple[istio_ingress_config.Authorizer | None, list[Problem]]:
    return istio_ingress_config.parse({**GOOD, **databag}, app="ingress", endpoint="config")


def test_service_and_port_are_enough():
    authorizer, problems = parse()
    assert problems == []
    assert authorizer is not None
    assert (authorizer.service, authorizer.port) == ("oauth2-proxy.iam.svc", 4180)
    assert (authorizer.protocol, authorizer.include_headers_in_check) == ("http", ())


def test_protocol_and_headers():
    authorizer, problems = parse(
        ext_authz_protocol="grpc",
        include_headers_in_check='["cookie", "x-*"]',
        headers_to_upstream_on_allow='["authorization"]',
        headers_to_downstream_on_allow="null",
        headers_to_downstream_on_deny="[]",
    )
    assert problems == []
    assert authorizer is not None
    assert authorizer.protocol == "grpc"
    assert authorizer.include_headers_in_check == ("cookie", "x-*")
    assert authorizer.headers_to_upstream_on_allow == ("authorization",)
    assert authorizer.headers_to_downstream_on_allow == ()


@pytest.mark.parametrize(
    "databag",
    [
        {},
        {"ext_authz_service_name": "x"},
        {"ext_authz_port": "1"},
        {"ext_authz_service_name": "fake_host", "ext_authz_port": "5432"},
    ],
)
def test_no_authorizer_yet_or_no_longer(databag: dict[str, str]):
    assert istio_ingress_config.parse(databag, app="i", endpoint="e") == (None, [])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ext_authz_service_name", ""),
        ("ext_authz_service_name", "fake_host"),
        ("ext_authz_service_name", "*.iam.svc"),
        ("ext_authz_service_name", "iam/a/b"),
        ("ext_authz_service_name", "http://x"),
        ("ext_authz_port", "0"),
        ("ext_authz_port", "65536"),
        ("ext_authz_port", "4_180"),
        ("ext_authz_port", " 4180"),
        ("ext_authz_port", "٤١٨٠"),
        ("ext_authz_protocol", "HTTP"),
        ("include_headers_in_check", "cookie"),
        ("include_headers_in_check", '"cookie"'),
        ("include_headers_in_check", '["a b"]'),
        ("include_headers_in_check", "[null]"),
        ("include_headers_in_check", '["*"]'),
        ("ext_authz_path_prefix", "decisions"),
        ("ext_authz_path_prefix", "/a/../b"),
        ("ext_authz_path_prefix", "/a?b"),
        ("ext_authz_path_prefix", "/a b"),
        ("headers_to_upstream_on_allow", '[""]'),
        ("headers_to_downstream_on_deny", json.dumps(["x"] * 65)),
    ],
)
def test_an_authorizer_with_an_invalid_key_is_dropped_with_a_problem(key: str, value: str):
    authorizer, problems = parse(**{key: value})
    assert authorizer is None
    assert problems[0].field.partition("[")[0] == key


@pytest.mark.parametrize(("text", "prefix"), [("/a/b", "/a/b"), ("/a/", "/a"), ("/", "")])
def test_the_path_prefix(text: str, prefix: str):
    authorizer, problems = parse(ext_authz_path_prefix=text)
    assert problems == []
    assert authorizer is not None
    assert authorizer.path_prefix == prefix


def test_the_reply_of_the_control_plane():
    def read(**databag: str) -> tuple[istio_ingress_config.Reply, list[Problem]]:
        return istio_ingress_config.parse_reply(databag, app="i", endpoint="e")

    reply_of = istio_ingress_config.Reply
    assert read() == (reply_of(), [])
    assert read(ext_authz_provider_name="ext_authz-i") == (reply_of("ext_authz-i"), [])
    for reply in (reply_of("ext-authz-i"), reply_of("ext-authz-i", "/decisions")):
        assert read(**istio_ingress_config.dump(reply)) == (reply, [])
    reply, problems = read(ext_authz_provider_name="a\nb")
    assert (reply, problems[0].field) == (reply_of(), "ext_authz_provider_name")


KEYS = [
    "ext_authz_path_prefix",
    "ext_authz_service_name",
    "ext_authz_port",
    "ext_authz_protocol",
    "include_headers_in_check",
    "headers_to_upstream_on_allow",
    "unknown",
]


@hypothesis.given(st.dictionaries(st.sampled_from(KEYS), st.text() | st.text().map(json.dumps)))
def test_foreign_data_never_raises(databag: dict[str, str]):
    authorizer, _ = istio_ingress_config.parse({**GOOD, **databag}, app="i", endpoint="e")
    assert authorizer is None or 1 <= authorizer.port <= 65535
