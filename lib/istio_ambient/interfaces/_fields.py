# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Databag field types that hold what Istio and Kubernetes accept, and nothing else.

What istiod passes on but Envoy refuses is worse than what istiod refuses: a waypoint that is sent
one bad path template rejects its whole configuration, everybody's. So these types are never laxer
than istio/istio's `pkg/config/security` and `pkg/config/validation`, and stricter where Envoy is.
"""

import re
from typing import Annotated, Literal, TypeAlias

import pydantic

from istio_ambient.interfaces import _validation

MAX_PATH = 1024
MAX_HOST = 255
MAX_HEADER = 128

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_HOST = re.compile(r"\*|\*?[A-Za-z0-9._:\[\]-]+|[A-Za-z0-9._:\[\]-]+\*")
# What `:path` can hold: no query or fragment, which RBAC matching cuts off first.
_PATH = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;:@=/{}-]+")
_DOMAIN_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]+")
_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()+,;=:@-]+)*")
_TEMPLATE_SEGMENT = re.compile(r"[A-Za-z0-9._~%!$&'()+,;:@=-]+")


def _port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise _validation.refused("not a port", "use a port from 1 to 65535")
    return value


def _dns_label(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise _validation.refused(
            "not a DNS label",
            "use at most 63 of a-z, 0-9 and '-', with '-' neither first nor last",
        )
    return value


def _label_key(value: str) -> str:
    prefix, slash, name = value.rpartition("/")
    if not _LABEL_NAME.fullmatch(name) or (slash and not _LABEL_PREFIX.fullmatch(prefix)):
        raise _validation.refused("not a label key", "use a Kubernetes label key")
    return value


def _label_value(value: str) -> str:
    if value and not _LABEL_NAME.fullmatch(value):
        raise _validation.refused("not a label value", "use a Kubernetes label value")
    return value


def _host(value: str) -> str:
    if len(value) > MAX_HOST or not _HOST.fullmatch(value):
        raise _validation.refused(
            "not a host", "use a host name, with at most one '*', first or last in it"
        )
    return value


def _service_host(value: str) -> str:
    """Check `<host>` or `<namespace>/<host>`: how extension providers name a service."""
    namespace, slash, host = value.rpartition("/")
    labels = host.split(".")
    if (
        len(host) > MAX_HOST
        or not all(_DOMAIN_LABEL.fullmatch(label) for label in labels)
        or (slash and not _DNS_LABEL.fullmatch(namespace))
    ):
        raise _validation.refused("not a host name", "use the full name of a Service")
    return value


def header_name(value: str) -> str:
    """Return the value where it is the name of a header (RFC 9110, section 5.1).

    Raises:
        pydantic_core.PydanticCustomError: it is not.
    """
    if len(value) > MAX_HEADER or not _HEADER_NAME.fullmatch(value):
        raise _validation.refused("not a header name", "use the name of a header")
    return value


def _header(value: str) -> str:
    """Check a header name, `x-*` or `*-x`: a lone `*` is none that istiod takes."""
    name = value.removeprefix("*") if value.startswith("*") else value.removesuffix("*")
    if len(value) > MAX_HEADER or not _HEADER_NAME.fullmatch(name):
        raise _validation.refused(
            "not a header name", "use a header name, with at most one '*', first or last in it"
        )
    return value


def _path_prefix(value: str) -> str:
    """Check what is put before a request's path; `/` and nothing are the same."""
    value = value.rstrip("/")
    segments = value.split("/")
    if len(value) > MAX_PATH or not _PATH_PREFIX.fullmatch(value) or {".", ".."} & {*segments}:
        raise _validation.refused("not a path prefix", "use a path such as /decisions")
    return value


def _path(value: str) -> str:
    """Check an exact path, a prefix `/x*`, a suffix `*x`, or a template of `{*}` and `{**}`.

    See https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation.
    """
    if not value or len(value) > MAX_PATH:
        raise _validation.refused("empty or too long", f"use 1 to {MAX_PATH} characters")
    if not _PATH.fullmatch(value):
        raise _validation.refused(
            "holds what a request path cannot", "leave out query, fragment, spaces and the like"
        )
    if "{" in value or "}" in value:
        return _template(value)
    if "*" in value[1:-1] or (len(value) > 1 and value[0] == value[-1] == "*"):
        raise _validation.refused(
            "'*' works as first or last character only", "use {*} for one segment of the path"
        )
    if value[0] not in "/*":
        raise _validation.refused("does not begin with '/'", "begin the path with '/' or '*'")
    return value


def _template(value: str) -> str:
    segments = value.strip("/").split("/")
    # istiod lets a template begin with its first segment; Envoy refuses one without the slash.
    if not value.startswith("/") or value.startswith("//") or value.endswith("//"):
        raise _validation.refused("not a path template", "begin the template with one '/'")
    for number, segment in enumerate(segments):
        if segment == "{**}" and number != len(segments) - 1:
            raise _validation.refused("{**} is not the last segment", "use {*} before the end")
        if segment not in ("{*}", "{**}") and not _TEMPLATE_SEGMENT.fullmatch(segment):
            raise _validation.refused(
                "not a path template", "use {*} or {**} as whole segments, without other '*'"
            )
    return value


_Str: TypeAlias = Annotated[str, pydantic.Field(strict=True)]

Port: TypeAlias = Annotated[int, pydantic.Field(strict=True), pydantic.AfterValidator(_port)]
DnsLabel: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_dns_label)]
LabelKey: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_label_key)]
LabelValue: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_label_value)]
Host: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_host)]
ServiceHost: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_service_host)]
Header: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_header)]
PathPrefix: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_path_prefix)]
Path: TypeAlias = Annotated[_Str, pydantic.AfterValidator(_path)]
Method: TypeAlias = Literal[
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"
]
