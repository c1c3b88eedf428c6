# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient.interfaces import tracing
from istio_ambient.values.problems import Problem

GRPC = {"protocol": {"name": "otlp_grpc", "type": "grpc"}, "url": "tempo.cos.svc:4317"}
HTTP = {"protocol": {"name": "otlp_http", "type": "http"}, "url": "http://tempo.cos.svc:4318"}


def parse(receivers: Any) -> tuple[tracing.Endpoint | None, list[Problem]]:
    databag = {"receivers": json.dumps(receivers)}
    return tracing.parse(databag, app="tempo", endpoint="workload-tracing")


def with_url(url: Any) -> list[Any]:
    return [{**GRPC, "url": url}]


def test_the_request_names_the_protocol():
    assert tracing.request("otlp_grpc") == {"receivers": '["otlp_grpc"]'}


def test_only_the_grpc_receiver_is_used():
    expected = tracing.Endpoint(host="tempo.cos.svc", port=4317)
    assert parse([HTTP, GRPC]) == (expected, [])
    assert parse([HTTP]) == (None, [])


def test_an_empty_databag_has_no_problem():
    assert tracing.parse({}, app="tempo", endpoint="workload-tracing") == (None, [])


@pytest.mark.parametrize(
    "url",
    [
        "http://tempo.cos.svc:4317",
        "https://tempo:4317",
        "tempo.cos.svc",
        "tempo:0",
        "tempo:65536",
        "tempo:٤٣١٧",
        ":4317",
        "tempo/x/y:4317",
        "a b:4317",
        "*.cos.svc:4317",
        4317,
        None,
    ],
)
def test_an_address_that_istio_would_refuse_is_a_problem_with_its_place(url: Any):
    endpoint, problems = parse(with_url(url))
    assert endpoint is None
    assert [p.field.partition("url")[:2] for p in problems] == [("receivers[0].", "url")]


@pytest.mark.parametrize("text", ["{", "{}", '"x"', "[" * 100_000, "1" * 5000])
def test_an_unreadable_list_is_a_problem(text: str):
    endpoint, problems = tracing.parse({"receivers": text}, app="t", endpoint="e")
    assert endpoint is None
    assert problems


def test_the_url_of_the_http_receiver_is_read():
    listed = {"receivers": json.dumps([GRPC, HTTP])}
    url = HTTP["url"]
    assert tracing.parse_url(listed, app="tempo", endpoint="charm-tracing") == (url, [])
    assert tracing.parse_url({}, app="tempo", endpoint="charm-tracing") == ("", [])


@pytest.mark.parametrize(
    "url", ["tempo:4318", "gopher://[x", "http://u:p@tempo", "http://tempo?x=1", 1, None, "\ud800"]
)
def test_what_is_no_url_of_an_http_receiver_is_a_problem_with_its_place(url: Any):
    receiver = {"protocol": {"name": "otlp_http", "type": "http"}, "url": url}
    listed = {"receivers": json.dumps([receiver])}
    found, problems = tracing.parse_url(listed, app="tempo", endpoint="charm-tracing")
    assert found == ""
    assert [problem.field for problem in problems] == ["receivers[0].url"]


@hypothesis.given(
    st.one_of(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(json.dumps),
        st.text().map(lambda url: json.dumps(with_url(url))),
    )
)
def test_foreign_data_never_raises(text: str):
    endpoint, _ = tracing.parse({"receivers": text}, app="tempo", endpoint="workload-tracing")
    assert endpoint is None or 1 <= endpoint.port <= 65535
    url, _ = tracing.parse_url({"receivers": text}, app="tempo", endpoint="charm-tracing")
    assert not url or url.startswith(("http://", "https://"))
