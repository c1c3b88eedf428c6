# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient.interfaces import forward_auth
from istio_ambient.values.problems import Problem

ADDRESS = "http://oauth2-proxy.iam.svc.cluster.local:4180"


def parse(**databag: str) -> tuple[forward_auth.Decisions | None, list[Problem]]:
    return forward_auth.parse(databag, app="proxy", endpoint="forward-auth")


@pytest.mark.parametrize(
    ("address", "port", "path_prefix"),
    [
        (ADDRESS, 4180, ""),
        (f"{ADDRESS}/", 4180, ""),
        ("http://oathkeeper.iam.svc.cluster.local:4456/decisions", 4456, "/decisions"),
        ("http://oathkeeper.iam.svc.cluster.local:4456/a/b/", 4456, "/a/b"),
        ("http://oathkeeper.iam.svc.cluster.local", 80, ""),
        ("http://oathkeeper.iam.svc", 80, ""),
        ("https://oathkeeper.iam.svc.cluster.local/", 443, ""),
    ],
)
def test_the_address(address: str, port: int, path_prefix: str):
    decisions, problems = parse(decisions_address=address, app_names='["x"]')
    assert problems == []
    assert decisions is not None
    assert decisions.address.host.endswith(".iam.svc.cluster.local")
    assert (decisions.address.port, decisions.address.path) == (port, path_prefix)
    assert decisions.headers == ()


def test_the_headers():
    decisions, problems = parse(decisions_address=ADDRESS, headers='["X-User", "x-auth-*"]')
    assert problems == []
    assert decisions is not None
    assert decisions.headers == ("X-User", "x-auth-*")


def test_an_empty_databag_has_no_problem():
    assert parse() == (None, [])
    assert parse(app_names="[]") == (None, [])


@pytest.mark.parametrize(
    "address",
    [
        "oauth2-proxy:4180",
        "ftp://proxy.iam.svc",
        "grpc://proxy.iam.svc:9000",
        "http://",
        "http://:4180",
        "http://proxy.iam.svc:0",
        "http://proxy.iam.svc:65536",
        "http://proxy.iam.svc:",
        "http://user:secret@proxy.iam.svc",
        "http://proxy.iam.svc/a?b=c",
        "http://proxy.iam.svc/#a",
        "http://proxy.iam.svc/a/../b",
        "http://proxy.iam.svc/a//b",
        "http://proxy.iam.svc/%2e%2e",
        "http://proxy.iam.svc/a b",
        "http://proxy.iam.svc\\@evil",
        "http://proxy_.iam.svc",
        "http://10.1.2.3:4180",
        "http://[::1]:4180",
        "http://127.1:4180",
        "http://0x7f000001",
        "http://localhost:15014/decisions",
        "http://istiod.localhost:8080",
        "\ud800",
        "null",
    ],
)
def test_an_invalid_address_is_a_problem_that_does_not_quote_it(address: str):
    decisions, problems = parse(decisions_address=address)
    assert decisions is None
    assert [problem.field for problem in problems] == ["decisions_address"]
    assert "secret" not in str(problems)


@pytest.mark.parametrize(
    "headers", ['"x"', "[1]", '[""]', '["a b"]', '["*"]', '["x\\n"]', "{", '["x:y"]']
)
def test_invalid_headers_invalidate_the_databag(headers: str):
    decisions, problems = parse(decisions_address=ADDRESS, headers=headers)
    assert decisions is None
    assert problems[0].field.startswith("headers")


@hypothesis.given(
    st.text() | st.text().map(lambda text: f"http://{text}"),
    st.text() | st.lists(st.text()).map(json.dumps),
)
def test_foreign_data_never_raises(address: str, headers: str):
    decisions, problems = parse(decisions_address=address, headers=headers)
    assert decisions is None or not problems
    assert decisions is None or "*" not in decisions.headers


def test_what_we_write():
    assert forward_auth.dump(["b", "a", "b"]) == {"ingress_app_names": '["a", "b"]'}
    assert forward_auth.dump([]) == {"ingress_app_names": "[]"}
