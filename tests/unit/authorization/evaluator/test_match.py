# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Values of policies that anybody may write: matching them never takes for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.authorization.evaluator import _match

IDENTITY = "cluster.local/ns/shop/sa/web"
LONG = "a" * 2000
STARS = 40


def test_a_wildcard_with_many_parts_is_decided():
    # An engine that backtracks takes longer than the age of the universe for each of these.
    pattern = "*" + "a*" * STARS + "b"
    assert not _match.namespace(pattern, f"cluster.local/ns/shop/sa/{LONG}")
    assert _match.namespace(pattern, f"cluster.local/ns/{LONG}b/sa/web")
    template = "/" + "{**}a" * STARS + "{**}b"
    assert not _match.path(template, f"/{LONG}")
    assert _match.path(template, f"/{LONG}b")


def test_repeated_parts_of_an_identity_are_decided():
    repeated = "/ns/a/sa/b" * 2000
    assert not _match.service_account("a/c", "shop", f"cluster.local{repeated}")
    assert _match.service_account("a/b", "shop", f"cluster.local{repeated}")


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("shop", True), ("sh*", True), ("*op", True), ("s*p", True), ("*", True), ("sho", False)],
)
def test_namespaces_with_a_wildcard(pattern: str, matches: bool):
    assert _match.namespace(pattern, IDENTITY) is matches


def test_an_expression_that_is_too_large_for_the_engine_matches_nothing():
    assert not _match.path("{*}" * 400_000, "/a")


@given(st.text(), st.text())
def test_any_text_is_matched_with_any_other(one: str, other: str):
    _match.namespace(one, other)
    _match.service_account(one, other, other)
    _match.trust_domain(one, other)
    _match.path("{**}" + one, other)
    assert _match.service_account(f"a/{one}", "", f"x/ns/a/sa/{one}")


def test_a_lone_surrogate_is_a_text():
    assert _match.service_account("shop/\ud800", "", "x/ns/shop/sa/\ud800")
    assert not _match.namespace("\ud800", IDENTITY)
