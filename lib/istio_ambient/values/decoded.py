# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Members and elements of data that was decoded from JSON or YAML, of whatever shape it is."""

import json
from typing import Any, cast

import yaml

_UNREADABLE = (
    yaml.YAMLError,
    ValueError,  # `2026-13-01` looks like a date.
    ArithmeticError,  # A date before the year 1, in another time zone.
    AttributeError,  # `!!timestamp foo`
    LookupError,  # `!!bool x`, `!!int ''`
    TypeError,
    RecursionError,
)
"""What PyYAML raises: its constructors expect the text that a tag promises."""

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def members(value: object) -> dict[str, Any]:
    """Return a mapping; an empty one in place of any other value."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def yaml_members(text: str) -> dict[str, Any]:
    """Return the mapping that YAML text holds; an empty one in place of anything else.

    Text that no YAML reader takes is anything else too.
    """
    try:
        return members(yaml.safe_load(text))
    except _UNREADABLE:
        return {}


def is_true(text: str | None) -> bool:
    """Return whether Go's `strconv.ParseBool`, with which istiod reads text, takes it for true."""
    return text in _TRUE


def json_value(text: str | None) -> object:
    """Return the value of JSON text, such as that of an annotation; None for all other text."""
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def elements(value: object) -> list[object]:
    """Return a list; an empty one in place of any other value."""
    return cast(list[object], value) if isinstance(value, list) else []
