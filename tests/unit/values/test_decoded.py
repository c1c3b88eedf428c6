# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""YAML of others: whatever it is, there is a mapping."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from istio_ambient.values import decoded

TAGS = (
    "bool",
    "int",
    "float",
    "timestamp",
    "binary",
    "null",
    "set",
    "omap",
    "pairs",
    "map",
    "seq",
)


def test_yaml_text_becomes_a_mapping():
    assert decoded.yaml_members("a: 1") == {"a": 1}
    assert decoded.yaml_members("[1]") == {}


@pytest.mark.parametrize(
    "value",
    ["!!bool x", "!!timestamp foo", "!!int ''", "!!float ''", "2026-13-01", "!!python/name:os"],
)
def test_yaml_whose_tag_promises_something_else_is_no_mapping(value: str):
    assert decoded.yaml_members(f"a: {value}") == {}


@given(st.sampled_from(TAGS), st.text() | st.from_regex(r"[-+0-9:. TZeE_]{1,40}", fullmatch=True))
@example("timestamp", "0001-01-01T00:00:00+23:00")
def test_yaml_of_any_tag_and_text_raises_nothing(tag: str, text: str):
    decoded.yaml_members(f"a: !!{tag} {text}")
    decoded.yaml_members(f"? !!{tag} '{text}'\n: 1")
