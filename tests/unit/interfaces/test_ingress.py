# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The ingress interface's requirer databag: what is read, and what becomes of bad data."""

import json
import re
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient.interfaces import ingress
from istio_ambient.values.problems import Problem

GOOD = {"model": '"shop"', "name": '"productpage"', "port": "9080"}


def parse(**databag: str) -> tuple[ingress.IngressRequirerData | None, list[Problem]]:
    return ingress.parse({**GOOD, **databag}, app="productpage", endpoint="ingress")


def test_keys_at_their_default_are_left_out():
    request, problems = parse()
    assert problems == []
    assert request is not None
    assert (request.model, request.name, request.port) == ("shop", "productpage", 9080)
    assert (request.strip_prefix, request.redirect_https, request.scheme) == (False, False, "http")


def test_every_key_of_the_protocol():
    request, problems = parse(
        **{
            "strip-prefix": "true",
            "redirect-https": "true",
            "scheme": '"h2c"',
            "healthcheck_params": '{"path": "/health", "interval": "30s"}',
            "is_port_open": "true",
        }
    )
    assert problems == []
    assert request is not None
    assert (request.strip_prefix, request.redirect_https, request.scheme) == (True, True, "h2c")


def test_nulls_are_defaults():
    keys = ("strip-prefix", "redirect-https", "scheme", "healthcheck_params", "of-a-later-release")
    request, problems = parse(**dict.fromkeys(keys, "null"))
    assert problems == []
    assert request is not None
    assert request.strip_prefix is False


def test_an_empty_databag_requests_nothing():
    assert ingress.parse({}, app="a", endpoint="ingress") == (None, [])


@pytest.mark.parametrize(
    ("key", "text", "remedy"),
    [
        ("port", "{", "send valid JSON"),
        ("name", "productpage", "send valid JSON"),
        ("port", '"9080"', "use an integer"),
        ("port", "9080.0", "use an integer"),
        ("port", "true", "use an integer"),
        ("port", "0", "use a port from 1 to 65535"),
        ("port", "65536", "use a port from 1 to 65535"),
        ("name", '"../admin"', "a-z, 0-9"),
        ("name", '"Productpage"', "a-z, 0-9"),
        ("model", '"shop/../other"', "a-z, 0-9"),
        ("model", '["shop"]', "use a string"),
        ("strip-prefix", '"yes"', "use true or false"),
        ("strip-prefix", "1", "use true or false"),
        ("scheme", '"ftp"', "use 'http', 'https' or 'h2c'"),
        ("healthcheck_params", "[]", "use an object"),
        ("allowed-cidrs", '"10.0.0.0/8"', "leave it out"),
    ],
)
def test_an_invalid_key_is_a_problem_with_place_and_remedy(key: str, text: str, remedy: str):
    request, problems = parse(**{key: text})
    assert request is None
    assert [(p.app, p.endpoint, p.field) for p in problems] == [("productpage", "ingress", key)]
    assert remedy in problems[0].remedy


def test_each_missing_key_is_a_problem():
    request, problems = ingress.parse({"port": "80"}, app="a", endpoint="ingress")
    assert request is None
    assert [(p.field, p.remedy) for p in problems] == [("model", "add it"), ("name", "add it")]


def test_problems_do_not_quote_values():
    _, problems = parse(name='"s3cret value"')
    assert "s3cret" not in "".join(map(str, problems))


def test_dump_is_json_that_the_requirer_reads():
    assert {key: json.loads(value) for key, value in ingress.dump("http://a/b-c").items()} == {
        "ingress": {"url": "http://a/b-c"}
    }


_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_keys = st.sampled_from([*GOOD, "strip-prefix", "scheme", "is_port_open"]) | st.text(max_size=8)
_texts = st.text(max_size=12) | _values.map(json.dumps) | st.sampled_from([*GOOD.values()])


@hypothesis.given(st.dictionaries(_keys, _texts, max_size=6), st.booleans())
def test_every_databag_is_read_or_has_a_problem(databag: dict[str, str], start_good: bool):
    full = {**GOOD, **databag} if start_good else databag
    request, problems = ingress.parse(full, app="a", endpoint="ingress")
    assert (request is None) == bool(problems or not full)
    for problem in problems:
        assert problem.remedy
        assert "\n" not in str(problem)
    if request is not None:
        assert json.loads(full["name"]) == request.name
        assert 1 <= request.port <= 65535


def url(text: object) -> tuple[str, list[Problem]]:
    databag = {"ingress": json.dumps({"url": text})}
    return ingress.parse_url(databag, app="front", endpoint="upstream-ingress")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("http://203.0.113.10/shop-gate", "http://203.0.113.10/shop-gate"),
        ("https://Front.example.com:8443/a/b/", "https://front.example.com:8443/a/b"),
        ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
    ],
)
def test_the_url_of_a_provider(text: str, read: str):
    assert url(text) == (read, [])


@pytest.mark.parametrize(
    "text",
    [
        "ftp://x",
        "//x",
        "http:///x",
        "http://me@x/",
        "http://x:0",
        "http://x:99999",
        "http://x?y",
        "http://x/#",
        "http://x/a b",
        "http://x//y",
        "http://a_b/",
        "http://1.2.3/",
        "http://[fe80::1%25eth0]/",
        "http://x/" + "y" * 2048,
        "",
        7,
        None,
    ],
)
def test_an_invalid_url_is_a_problem(text: object):
    read, problems = url(text)
    assert read == ""
    assert str(problems[0]).startswith("front:upstream-ingress ingress.url: ")


def test_a_provider_without_a_url_yet():
    assert ingress.parse_url({}, app="front", endpoint="upstream-ingress") == ("", [])


@hypothesis.given(
    st.one_of(st.text(), st.text().map(lambda text: json.dumps({"url": "http://" + text})))
)
def test_no_answer_of_a_provider_raises(text: str):
    read, _ = ingress.parse_url({"ingress": text}, app="front", endpoint="upstream-ingress")
    assert re.fullmatch(r"(https?://[a-z0-9.:\[\]-]+(/[!-~]*)?)?", read)
