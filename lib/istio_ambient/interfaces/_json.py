# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Decode JSON that somebody else wrote: bounded, strict, and never fatal."""

import json
from collections.abc import Mapping
from typing import Any, cast

MAX_LENGTH = 8 * 1024 * 1024
"""Characters of one databag value that are looked at."""
MAX_DEPTH = 16
"""Levels of lists and objects that any reader can be trusted with; interfaces have a few."""


class MalformedError(ValueError):
    """A databag value that cannot be decoded.

    The text says what is wrong; `remedy` what the sender is to do.
    """

    def __init__(self, message: str, remedy: str):
        super().__init__(message)
        self.remedy = remedy


class Ambiguous:
    """What stands in decoded data for something that JSON readers do not agree on.

    No databag model accepts it, so only the entry that holds it is refused.
    """

    def __init__(self, what: str):
        self.what = what


def decode(text: str) -> Any:
    """Return the value of a JSON text.

    An object that names a key twice, and `NaN` or `Infinity`, become `Ambiguous`: one reader
    would see the restriction that another one does not.

    Raises:
        MalformedError: the text is not JSON, or too long or too deeply nested to be looked at.
    """
    if len(text) > MAX_LENGTH:
        raise MalformedError(
            f"{len(text)} characters long", f"send at most {MAX_LENGTH} characters"
        )
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=Ambiguous)
    except RecursionError as error:
        raise MalformedError("nested too deeply", "send fewer levels") from error
    except ValueError as error:
        # The position tells enough; the text around it may be a secret.
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise MalformedError(f"not JSON{where}", "send valid JSON") from error


def is_shallow(value: Any) -> bool:
    """Return whether a decoded value has no more than `MAX_DEPTH` levels of lists and objects."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [member for each in level for member in _members(each)]
    return not level


def _members(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(cast(Mapping[str, Any], value).values())
    return cast(list[Any], value) if isinstance(value, list) else []


def _object(pairs: list[tuple[str, Any]]) -> "dict[str, Any] | Ambiguous":
    result = dict(pairs)
    if len(result) != len(pairs):
        return Ambiguous("a key given twice")
    return result
