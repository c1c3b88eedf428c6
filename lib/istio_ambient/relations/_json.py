# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Decode JSON that somebody else wrote: bounded, strict, and never fatal."""

import json
from typing import Any

MAX_LENGTH = 8 * 1024 * 1024
"""Characters of one databag value that are looked at."""


class MalformedError(ValueError):
    """A databag value that cannot be decoded.

    The text says what is wrong; `cure` what the sender is to do.
    """

    def __init__(self, message: str, cure: str):
        super().__init__(message)
        self.cure = cure


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


def _object(pairs: list[tuple[str, Any]]) -> "dict[str, Any] | Ambiguous":
    result = dict(pairs)
    if len(result) != len(pairs):
        return Ambiguous("a key given twice")
    return result
