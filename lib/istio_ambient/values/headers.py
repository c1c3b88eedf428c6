# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Names and values of HTTP headers, as field types of pydantic models.

A name is a token of RFC 9110, section 5.6.2, as the Gateway API and Istio want it too.
"""

import re
from typing import Annotated, TypeAlias

import pydantic

from istio_ambient.values.validation import checked

MAX_NAME = 128
MAX_VALUE = 4096
"""`maxLength` of the Gateway API's HTTPHeaderMatch."""
MAX_PATTERNS = 64

_NAME = rf"[A-Za-z0-9!#$%&'*+.^_`|~-]{{1,{MAX_NAME}}}"
_EXACT_NAME = rf"[A-Za-z0-9!#$%&'+.^_`|~-]{{1,{MAX_NAME}}}"
_VALUE = rf"(?=.{{1,{MAX_VALUE}}}\Z)[!-~]([ -~]*[!-~])?"


def _is_pattern(value: str) -> bool:
    name = value.removeprefix("*") if value.startswith("*") else value.removesuffix("*")
    return len(value) <= MAX_NAME and bool(re.fullmatch(_EXACT_NAME, name))


_INVALID = "not a header name", "use letters, digits and '-'"
HeaderName: TypeAlias = Annotated[pydantic.StrictStr, checked(_NAME, *_INVALID)]
ExactHeaderName: TypeAlias = Annotated[pydantic.StrictStr, checked(_EXACT_NAME, *_INVALID)]
"""A name without `*`: RFC 9110 allows it, and some fields of Istio hold patterns."""
_PATTERN_REMEDY = "use a header name, with at most one '*', first or last in it"
HeaderPattern: TypeAlias = Annotated[
    pydantic.StrictStr, checked(_is_pattern, "not a header name", _PATTERN_REMEDY)
]
"""A name, a prefix `x-*` or a suffix `*-x`; istiod refuses a lone `*`."""
HeaderPatterns: TypeAlias = Annotated[
    tuple[HeaderPattern, ...], pydantic.Field(max_length=MAX_PATTERNS)
]
_VALUE_REMEDY = "use visible ASCII characters, with spaces only between them"
HeaderValue: TypeAlias = Annotated[
    pydantic.StrictStr,
    checked(_VALUE, "not a header value", _VALUE_REMEDY),
]


def matches(pattern: str, name: str) -> bool:
    """Return whether a header's name matches a name or a `HeaderPattern`; case is ignored."""
    pattern, name = pattern.lower(), name.lower()
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
