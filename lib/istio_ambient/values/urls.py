# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""URLs, and the paths and methods of requests, as functions and as field types of pydantic models.

A URL here is one that the mesh sends requests to, or that it fetches keys from. Each type of path
accepts what the Gateway API or Istio, istiod and Envoy all accept. Envoy rejects the whole
configuration of a gateway or waypoint, with the routes and policies of all applications, for one
path template or expression that it cannot compile; istiod passes some of these on. So no type here
is laxer than istio/istio's `pkg/config/security` and `pkg/config/validation`.

See https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPPathMatch, GRPCMethodMatch) and
https://github.com/google/re2/wiki/Syntax.
"""

import ipaddress
import re
from typing import Annotated, Any, Literal, TypeAlias, cast
from urllib import parse

import msgspec
import pydantic

from istio_ambient.values import hostnames, networks
from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.validation import checked

MAX_URL = 2048
"""Characters of one URL: `maxLength` of Istio's CRD for `jwksUri`."""

DEFAULT_PORTS = {"http": 80, "https": 443}
"""By scheme."""
_PORT_REMEDY = "use a port from 1 to 65535"
# No quotes, backslashes or spaces: readers do not agree on what they mean in a URL.
_URL = r"https?://[A-Za-z0-9._~:/?@!$&()*+,;=%\[\]-]+"


class Url(msgspec.Struct, frozen=True):
    """An absolute http or https URL, in its parts."""

    base: str
    """Scheme, host in lower case and, where the URL has one, port: `http://[::1]:80`."""
    host: str
    """A DNS name in lower case, or an IP address without brackets."""
    port: int
    """The port of the scheme where the URL has none."""
    path: str
    query: str

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address."""
        return hostnames.is_ip(self.host)


def split(text: str) -> Url:
    """Return the parts of a URL.

    Raises:
        InvalidValueError: no request can be sent to it: another scheme, a user or password, a
            fragment, or a host that is neither a DNS name nor an IP address.
    """
    if len(text) > MAX_URL or not re.fullmatch(_URL, text):
        raise InvalidValueError("not an http or https URL", "use http://<host>[:<port>][/<path>]")
    try:
        parts = parse.urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidValueError("not a URL", _PORT_REMEDY) from error
    if "@" in parts.netloc:
        raise InvalidValueError("a URL with user or password", "leave them out")
    host = parts.hostname or ""
    if not (hostnames.is_ip(host) or _is_name(host)):
        raise InvalidValueError("a URL without a valid host", "use a DNS name or an IP address")
    netloc = hostnames.in_url(host) + (f":{port}" if port is not None else "")
    if port == 0 or netloc != parts.netloc.lower():
        raise InvalidValueError("not a URL", _PORT_REMEDY)
    return Url(
        base=f"{parts.scheme}://{netloc}",
        host=host,
        port=port or DEFAULT_PORTS[parts.scheme],
        path=parts.path,
        query=parts.query,
    )


def _is_name(host: str) -> bool:
    # Some readers take a last label that begins with a digit for a part of an IPv4 address.
    return hostnames.is_hostname(host) and not host.rpartition(".")[2][0].isdigit()


def fetched(text: str) -> str:
    """Return a URL that may be fetched from another place in the network than its sender's.

    Addresses that mean the fetching program itself or the metadata service of a cloud are refused.
    What a name resolves to is checked by the program that fetches.

    Raises:
        InvalidValueError: as `split`, or the host is such an address.
    """
    url = split(text)
    if url.is_ip:
        is_internal = networks.is_forbidden(ipaddress.ip_address(url.host))
    else:
        is_internal = url.host.rpartition(".")[2] == "localhost"
    if is_internal:
        raise InvalidValueError("an address of the control plane's own", "use a public host")
    return text


def _decimal(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        return int(value)
    return value


Port: TypeAlias = Annotated[
    pydantic.StrictInt, checked(range(1, 65536).__contains__, "not a port", _PORT_REMEDY)
]
PortText: TypeAlias = Annotated[Port, pydantic.BeforeValidator(_decimal)]
"""A port, as a number or as a text of decimal digits."""
FetchedUrl: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(fetched)]


MAX_PATH = 1024
MAX_PROGRAM = 4096
"""Instructions of a compiled expression; Istio's Envoys accept eight times as many."""
_MAX_MEMORY = 512 * 1024
"""Bytes with which RE2 stops to compile an expression: some 8,000 instructions. With its default,
an expression that is too big takes 80 ms to be refused."""

# What `:path` can hold: no query or fragment, which RBAC matching cuts off first.
_POLICY_PATH = r"[A-Za-z0-9._~%!$&'()*+,;:@=/{}-]+"
_TEMPLATE_SEGMENT = r"[A-Za-z0-9._~%!$&'()+,;:@=-]+"
_PATH_PREFIX = r"(/[A-Za-z0-9._~!$&'()+,;=:@-]+)*"
_REQUEST_PATH = r"/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*"
_NOT_IN_REQUEST_PATH = r"(?i)//|/\.\.?(/|$)|%2f"
_PRINTABLE = r"[ -~]+"
_GRPC_NAME = rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_PATH - 1}}}"
_GRPC_SERVICE = rf"{_GRPC_NAME}(\.{_GRPC_NAME})*"
_GRPC = ("not a name in gRPC", "use letters, digits and '_'")


def _policy_path(value: str) -> str:
    if not value or len(value) > MAX_PATH:
        raise InvalidValueError("empty or too long", f"use 1 to {MAX_PATH} characters")
    if not re.fullmatch(_POLICY_PATH, value):
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
        if segment not in ("{*}", "{**}") and not re.fullmatch(_TEMPLATE_SEGMENT, segment):
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
    if len(value) > MAX_PATH or not re.fullmatch(_PATH_PREFIX, value) or {".", ".."} & {*segments}:
        raise InvalidValueError("not a path prefix", "use a path such as /decisions")
    return value


def _request_path(value: str) -> str:
    is_path = len(value) <= MAX_PATH and re.fullmatch(_REQUEST_PATH, value)
    if not is_path or re.search(_NOT_IN_REQUEST_PATH, value):
        remedy = (
            "begin with '/', use the characters of URL paths, and no '//', '/./', '/../', '%2f'"
        )
        raise InvalidValueError("not a path", remedy)
    return value


def _replacement(value: str) -> str:
    return _request_path(value) if value else "/"


def _too_big() -> InvalidValueError:
    return InvalidValueError("too big an expression", "use fewer or smaller repetitions")


def _expression(value: str) -> str:
    # Few applications send expressions, and the package takes long to import.
    import re2 as package

    re2 = cast(Any, package)  # It has no types.
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    # Envoy's engine reads a path as bytes, so \x{100} is an error.
    options.encoding = re2.Options.Encoding.LATIN1
    # \C matches one byte in RE2 only; the engine of istiod, which is Go's, refuses it.
    if len(value) > MAX_PATH or not re.fullmatch(_PRINTABLE, value) or r"\C" in value:
        raise InvalidValueError("not an expression", f"use 1 to {MAX_PATH} ASCII characters")
    try:
        size = int(re2.compile(value.encode(), options).programsize)
    except re2.error as error:
        if "too large" in str(error):
            raise _too_big() from None
        remedy = "leave out look-around, back-references and the like"
        raise InvalidValueError("not a regular expression of RE2", remedy) from error
    if size > MAX_PROGRAM:
        raise _too_big()
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
    checked(_GRPC_SERVICE, *_GRPC),
    checked(lambda name: len(name) <= MAX_PATH, "too long", f"use at most {MAX_PATH} characters"),
]
GrpcMethod: TypeAlias = Annotated[pydantic.StrictStr, checked(_GRPC_NAME, *_GRPC)]
Method: TypeAlias = Literal[
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"
]
