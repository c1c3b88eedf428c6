# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Paths and methods of requests in policies and routes, as field types of pydantic models.

Each type accepts what the Gateway API or Istio, istiod and Envoy all accept. Envoy rejects the
whole configuration of a gateway or waypoint, with the routes and policies of all applications, for
one path template or expression that it cannot compile; istiod passes some of these on. So no type
here is laxer than istio/istio's `pkg/config/security` and `pkg/config/validation`.

See https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPPathMatch, GRPCMethodMatch) and
https://github.com/google/re2/wiki/Syntax.
"""

import re
from typing import Annotated, Any, Literal, TypeAlias, cast

import pydantic
import re2

from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.validation import checked

MAX_PATH = 1024
MAX_PROGRAM = 4096
"""Instructions of a compiled expression; Istio's Envoys accept eight times as many."""

# What `:path` can hold: no query or fragment, which RBAC matching cuts off first.
_POLICY_PATH = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;:@=/{}-]+")
_TEMPLATE_SEGMENT = re.compile(r"[A-Za-z0-9._~%!$&'()+,;:@=-]+")
_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()+,;=:@-]+)*")
_REQUEST_PATH = re.compile(r"/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*")
_NOT_IN_REQUEST_PATH = re.compile(r"//|/\.\.?(/|$)|%2f", re.IGNORECASE)
_PRINTABLE = re.compile(r"[ -~]+")
_GRPC_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_PATH - 1}}}")
_GRPC_SERVICE = re.compile(rf"{_GRPC_NAME.pattern}(\.{_GRPC_NAME.pattern})*")
_GRPC = ("not a name in gRPC", "use letters, digits and '_'")

# The package has no types.
_re2 = cast(Any, re2)


def _policy_path(value: str) -> str:
    if not value or len(value) > MAX_PATH:
        raise InvalidValueError("empty or too long", f"use 1 to {MAX_PATH} characters")
    if not _POLICY_PATH.fullmatch(value):
        remedy = "leave out query, fragment, spaces and the like"
        raise InvalidValueError("holds what a request path cannot", remedy)
    if "{" in value or "}" in value:
        return _template(value)
    if "*" in value[1:-1] or (len(value) > 1 and value[0] == value[-1] == "*"):
        remedy = "use {*} for one segment of the path"
        raise InvalidValueError("'*' works as first or last character only", remedy)
    if value[0] not in "/*":
        raise InvalidValueError("does not begin with '/'", "begin the path with '/' or '*'")
    return value


def _template(value: str) -> str:
    segments = value.strip("/").split("/")
    # istiod lets a template begin with its first segment; Envoy refuses one without the slash.
    if not value.startswith("/") or value.startswith("//") or value.endswith("//"):
        raise InvalidValueError("not a path template", "begin the template with one '/'")
    for number, segment in enumerate(segments):
        if segment == "{**}" and number != len(segments) - 1:
            raise InvalidValueError("{**} is not the last segment", "use {*} before the end")
        if segment not in ("{*}", "{**}") and not _TEMPLATE_SEGMENT.fullmatch(segment):
            remedy = "use {*} or {**} as whole segments, without other '*'"
            raise InvalidValueError("not a path template", remedy)
    return value


def path_prefix(value: str) -> str:
    """Return a `PathPrefix`.

    Raises:
        InvalidValueError: it is none.
    """
    value = value.rstrip("/")
    segments = value.split("/")
    if len(value) > MAX_PATH or not _PATH_PREFIX.fullmatch(value) or {".", ".."} & {*segments}:
        raise InvalidValueError("not a path prefix", "use a path such as /decisions")
    return value


def _request_path(value: str) -> str:
    is_path = len(value) <= MAX_PATH and _REQUEST_PATH.fullmatch(value)
    if not is_path or _NOT_IN_REQUEST_PATH.search(value):
        remedy = (
            "begin with '/', use the characters of URL paths, and no '//', '/./', '/../', '%2f'"
        )
        raise InvalidValueError("not a path", remedy)
    return value


def _replacement(value: str) -> str:
    return _request_path(value) if value else "/"


def _expression(value: str) -> str:
    options = _re2.Options()
    options.log_errors = False
    # Envoy's engine reads a path as bytes, so \x{100} is an error.
    options.encoding = _re2.Options.Encoding.LATIN1
    # \C matches one byte in RE2 only; the engine of istiod, which is Go's, refuses it.
    if len(value) > MAX_PATH or not _PRINTABLE.fullmatch(value) or r"\C" in value:
        raise InvalidValueError("not an expression", f"use 1 to {MAX_PATH} ASCII characters")
    try:
        size = int(_re2.compile(value.encode(), options).programsize)
    except _re2.error as error:
        remedy = "leave out look-around, back-references and the like"
        raise InvalidValueError("not a regular expression of RE2", remedy) from error
    if size > MAX_PROGRAM:
        raise InvalidValueError("too big an expression", "use fewer or smaller repetitions")
    return value


PolicyPath: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(_policy_path)]
"""Exact, a prefix `/x*`, a suffix `*x`, or a template with `{*}` and `{**}`, see
https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation."""
PathPrefix: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(path_prefix)]
"""A text that a proxy puts before the path of a request; a `/` at its end is cut off."""
RequestPath: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(_request_path)]
Replacement: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(_replacement)]
"""A path in place of a matched prefix; empty becomes `/`."""
Expression: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(_expression)]
"""A regular expression of RE2 that describes a whole path."""
GrpcService: TypeAlias = Annotated[
    pydantic.StrictStr,
    checked(_GRPC_SERVICE.fullmatch, *_GRPC),
    checked(lambda name: len(name) <= MAX_PATH, "too long", f"use at most {MAX_PATH} characters"),
]
GrpcMethod: TypeAlias = Annotated[pydantic.StrictStr, checked(_GRPC_NAME.fullmatch, *_GRPC)]
Method: TypeAlias = Literal[
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"
]
