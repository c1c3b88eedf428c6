# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Every parser of a databag, on every kind of hostile databag: it returns problems, never raises.

A new interface is one line of `PARSERS`; a parser that is not in it fails a test.
"""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient import interfaces
from istio_ambient.interfaces import (
    certificate_transfer,
    cross_model_mesh,
    forward_auth,
    ingress,
    istio_ingress_config,
    istio_ingress_route,
    istio_request_auth,
    service_mesh,
    tls_certificates,
    tracing,
)
from istio_ambient.values.problems import Problem

from tests import authorities
from tests.unit.interfaces import hostile

Parser = Callable[..., tuple[Any, list[Problem]]]

RULE = {"issuer": "https://issuer.example.com"}
POLICY = {
    "source_namespace": "shop",
    "source_app_name": "productpage",
    "target_namespace": "shop",
    "target_app_name": "details",
}
ROUTE = {
    "name": "r",
    "listener": {"port": 80, "protocol": "HTTP"},
    "backends": [{"service": "details", "port": 80}],
}
RECEIVER = {"protocol": {"name": "otlp_grpc", "type": "grpc"}, "url": "tempo.cos.svc:4317"}
HTTP_RECEIVER: dict[str, Any] = {
    "protocol": {"name": "otlp_http", "type": "http"},
    "url": "http://tempo.cos.svc:4318",
}

PARSERS: Mapping[Parser, Mapping[str, Any]] = {
    certificate_transfer.parse: {"certificates": [authorities.pem("one")]},
    cross_model_mesh.parse: {"cmr_data": {"app_name": "details", "juju_model_name": "shop"}},
    forward_auth.parse: {"decisions_address": "http://proxy.iam.svc:4180", "headers": ["x-a"]},
    ingress.parse: {"model": "shop", "name": "details", "port": 80, "strip-prefix": True},
    ingress.parse_url: {"ingress": {"url": "http://front.example.com/shop-gate"}},
    istio_ingress_config.parse: {
        "ext_authz_service_name": "proxy.iam.svc",
        "ext_authz_port": "4180",
        "include_headers_in_check": ["x-a"],
    },
    istio_ingress_config.parse_reply: {"ext_authz_provider_name": "ext-authz-gate"},
    istio_ingress_route.parse: {"config": {"model": "shop", "http_routes": [ROUTE]}},
    istio_request_auth.parse: {"jwt_rules": [RULE]},
    service_mesh.parse_policies: {"policies": [POLICY]},
    tls_certificates.parse: {"certificates": [], "request_errors": [], "capabilities": {}},
    tracing.parse: {"receivers": [RECEIVER]},
    tracing.parse_url: {"receivers": [HTTP_RECEIVER]},
}
"""A valid databag of each parser, before its values are encoded. A string stays as it is, but in
`ingress`, all values of which are JSON."""


def encoded(parser: Parser) -> dict[str, str]:
    """Return the valid databag of a parser."""
    is_json = parser is ingress.parse
    return {
        key: value if isinstance(value, str) and not is_json else json.dumps(value)
        for key, value in PARSERS[parser].items()
    }


def read(parser: Parser, databag: Mapping[str, str]) -> tuple[Any, list[Problem]]:
    """Return what a parser reads; checks what holds for the problems of every databag."""
    found, problems = parser(databag, app="other", endpoint="endpoint")
    for problem in problems:
        assert (problem.app, problem.endpoint) == ("other", "endpoint")
        assert problem.field and problem.message and problem.remedy
        assert str(problem).isprintable() and len(str(problem)) < 1000
    return found, problems


TEXTS = (
    "",
    " ",
    "null",
    "true",
    "0",
    "-1.5",
    '""',
    '"x"',
    "[]",
    "{}",
    "[null]",
    "[[]]",
    "[{}]",
    '[""]',
    "{",
    "NaN",
    "[Infinity]",
    "9" * 5000,
    "[" * 100_000,
    "[" * 500 + "]" * 500,
    '{"a":' * 500 + "1" + "}" * 500,
    '{"a": 1, "a": 2}',
    '[{"a": 1, "a": 2}]',
    '"\\ud800"',
    "\ud800",
    "\x00\x1b[31m",
    '["' + "x" * 2**20 + '"]',
    json.dumps({"x" * 2**20: 1}),
    "[0" + ",0" * 10_000 + "]",
    "[{}" + ",{}" * 10_000 + "]",
)


def name_of(parser: Parser) -> str:
    return f"{parser.__module__.rpartition('.')[2]}.{parser.__name__}"


@pytest.mark.parametrize("parser", PARSERS, ids=name_of)
def test_a_valid_databag_has_no_problem(parser: Parser):
    found, problems = read(parser, encoded(parser))
    assert problems == []
    assert found or parser is tls_certificates.parse


@pytest.mark.parametrize("parser", PARSERS, ids=name_of)
def test_no_hostile_value_of_any_key_raises(parser: Parser):
    valid = encoded(parser)
    for key in valid:
        for text in TEXTS:
            read(parser, {**valid, key: text})
            read(parser, {key: text})
    for text in TEXTS:
        read(parser, {**valid, "unknown": text, ascii(text): text})


@pytest.mark.parametrize("parser", PARSERS, ids=name_of)
def test_a_secret_in_an_invalid_value_is_in_no_problem(parser: Parser):
    valid = encoded(parser)
    for key in valid:
        for text in ("s3cret\n", '"s3cret\\n"', '["s3cret\\n"]', '{"a": "s3cret"}', '{"s3cret'):
            _, problems = read(parser, {**valid, key: text})
            assert "s3cret" not in "".join(map(str, problems))


ANYTHING = st.one_of(
    *hostile.anything(hostile.json_values(st.sampled_from([*POLICY, *ROUTE, *RULE, "url"])))
)


@pytest.mark.parametrize("parser", PARSERS, ids=name_of)
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=100, deadline=None)
def test_no_databag_at_all_raises(parser: Parser, data: st.DataObject):
    valid = encoded(parser)
    keys = st.sampled_from([*valid, "unknown"])
    read(parser, {**valid, **data.draw(st.dictionaries(keys, ANYTHING, max_size=3))})


def parsers() -> Iterator[Parser]:
    """Yield the public parsers of all interfaces."""
    for module in pkgutil.iter_modules(interfaces.__path__):
        loaded = importlib.import_module(f"{interfaces.__name__}.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            if name.startswith("parse") and function.__module__ == loaded.__name__:
                yield function


def test_every_parser_of_an_interface_is_in_the_table():
    assert {name_of(parser) for parser in parsers()} == {name_of(parser) for parser in PARSERS}
