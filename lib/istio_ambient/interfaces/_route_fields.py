# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Databag field types of routes: what the Gateway API, istiod and Envoy all accept.

See https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPPathMatch, HTTPHeaderMatch,
GRPCMethodMatch) and https://github.com/google/re2/wiki/Syntax. One expression that Envoy does not
compile would make it refuse the routes of everybody.
"""

import re
from typing import Annotated, Any, TypeAlias, cast

import pydantic
import re2

from istio_ambient.interfaces import _validation
from istio_ambient.values import hostnames

MAX_HOSTNAME = 253
MAX_PATH = 1024
MAX_HEADER_NAME = 256
MAX_HEADER_VALUE = 4096
MAX_PROGRAM = 4096
"""Instructions of a compiled expression; Istio's Envoys take eight times as many."""

_PATH = re.compile(r"/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*")
_NOT_IN_PATH = re.compile(r"//|/\.\.?(/|$)|%2f", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_PRINTABLE = re.compile(r"[ -~]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# The package has no types.
_re2 = cast(Any, re2)


def _hostname(value: str) -> str:
    text = value.lower()
    if not hostnames.is_hostname(text):
        raise _validation.refused("not a hostname", "use a DNS name, without port")
    return text


def _route_hostname(value: str) -> str:
    wildcard = "*." if value.startswith("*.") else ""
    text = wildcard + _hostname(value.removeprefix("*."))
    if len(text) > MAX_HOSTNAME:
        raise _validation.refused("not a hostname", "use a shorter one")
    return text


def _path(value: str) -> str:
    if len(value) > MAX_PATH or not _PATH.fullmatch(value) or _NOT_IN_PATH.search(value):
        raise _validation.refused(
            "not a path",
            "begin with '/', use what stands in paths of URLs, and no '//', '/./', '/../', '%2f'",
        )
    return value


def _replacement(value: str) -> str:
    return _path(value) if value else "/"


def _expression(value: str) -> str:
    options = _re2.Options()
    options.log_errors = False
    # As Envoy has it: to its engine a path is bytes, so that \x{100} is an error.
    options.encoding = _re2.Options.Encoding.LATIN1
    # One that matches bytes is RE2's own: istiod, whose engine is Go's, does not take it.
    if len(value) > MAX_PATH or not _PRINTABLE.fullmatch(value) or r"\C" in value:
        raise _validation.refused("not an expression", f"use 1 to {MAX_PATH} ASCII characters")
    try:
        size = int(_re2.compile(value.encode(), options).programsize)
    except _re2.error as error:
        raise _validation.refused(
            "not a regular expression of RE2",
            "leave out look-around, back-references and the like",
        ) from error
    if size > MAX_PROGRAM:
        raise _validation.refused("too big an expression", "use fewer or smaller repetitions")
    return value


def _header_name(value: str) -> str:
    if len(value) > MAX_HEADER_NAME or not _HEADER_NAME.fullmatch(value):
        raise _validation.refused("not a header name", "use letters, digits and '-'")
    return value.lower()


def _header_value(value: str) -> str:
    if len(value) > MAX_HEADER_VALUE or not _HEADER_VALUE.fullmatch(value):
        raise _validation.refused(
            "not a header value", "use visible ASCII characters, with spaces only between them"
        )
    return value


def _identifier(value: str) -> str:
    if len(value) > MAX_PATH or not _IDENTIFIER.fullmatch(value):
        raise _validation.refused("not a name in gRPC", "use letters, digits and '_'")
    return value


def _grpc_service(value: str) -> str:
    for part in value.split("."):
        _identifier(part)
    if len(value) > MAX_PATH:
        raise _validation.refused("too long", f"use at most {MAX_PATH} characters")
    return value


_Str: TypeAlias = Annotated[str, pydantic.Field(strict=True)]

Hostname: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_hostname)]
RouteHostname: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_route_hostname)]
RequestPath: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_path)]
Replacement: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_replacement)]
Expression: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_expression)]
HeaderName: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_header_name)]
HeaderValue: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_header_value)]
GrpcService: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_grpc_service)]
GrpcMethod: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_identifier)]
