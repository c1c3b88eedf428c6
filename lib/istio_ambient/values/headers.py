# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Names and values of HTTP headers, as field types of pydantic models.

A name is a token of RFC 9110, section 5.6.2, as the Gateway API and Istio want it too.
"""

import re
from typing import Annotated, TypeAlias

import pydantic

from istio_ambient.values.problems import InvalidValueError

MAX_NAME = 128
MAX_VALUE = 4096
"""`maxLength` of the Gateway API's HTTPHeaderMatch."""
MAX_PATTERNS = 64

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


def _header_name(value: str) -> str:
    if len(value) > MAX_NAME or not _NAME.fullmatch(value):
        raise InvalidValueError("not a header name", "use letters, digits and '-'")
    return value


def _header_pattern(value: str) -> str:
    name = value.removeprefix("*") if value.startswith("*") else value.removesuffix("*")
    if len(value) > MAX_NAME or not _NAME.fullmatch(name):
        raise InvalidValueError(
            "not a header name", "use a header name, with at most one '*', first or last in it"
        )
    return value


def _header_value(value: str) -> str:
    if len(value) > MAX_VALUE or not _VALUE.fullmatch(value):
        raise InvalidValueError(
            "not a header value", "use visible ASCII characters, with spaces only between them"
        )
    return value


HeaderName: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(_header_name)]
HeaderPattern: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(_header_pattern)]
"""A name, a prefix `x-*` or a suffix `*-x`; istiod refuses a lone `*`."""
HeaderPatterns: TypeAlias = Annotated[
    tuple[HeaderPattern, ...], pydantic.Field(max_length=MAX_PATTERNS)
]
HeaderValue: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(_header_value)]
