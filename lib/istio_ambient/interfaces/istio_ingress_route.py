# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `istio_ingress_route` interface, provider side: a host out, listeners and routes in.

The requirer's application databag holds `config`, a JSON object of `model`, `listeners`,
`http_routes` and `grpc_routes`, as the models of `charmlibs.interfaces.istio_ingress_route` dump
it. The provider's holds `external_host` and `tls_enabled` (`True` or `False`), plain strings.

An invalid listener or route is dropped; the others stay.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

import msgspec
import pydantic

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import decoded, headers, hostnames, urls
from istio_ambient.values.hostnames import WildcardHostname
from istio_ambient.values.problems import InvalidValueError, Problem, inside

CONFIG = "config"
EXTERNAL_HOST, TLS_ENABLED = "external_host", "tls_enabled"
"""The keys of the provider's application databag."""

MAX_LISTENERS = 62
"""Of one application: a Gateway has 64, and two are always there."""
MAX_ROUTES = 1_000
"""Of each kind, of one application."""
MAX_VALUES = 16
"""Hostnames, backends or headers of one route or match: `maxItems` of the Gateway API."""
MAX_MATCHES = 64
"""Likewise."""
MAX_PLACES = 2_048
"""Matches of all routes of one databag, each once for every hostname of its route."""
MAX_EXPRESSIONS = 64
"""Regular expressions of one databag: each takes milliseconds to check."""


class Listener(Databag):
    """A port of the gateway."""

    port: urls.Port
    protocol: Literal["HTTP", "GRPC"]


class Backend(Databag):
    """A Service, in the namespace of the application's model."""

    service: hostnames.DnsLabel
    port: urls.Port
    weight: Annotated[int, pydantic.Field(strict=True, ge=1, le=100)] | None = None


class ExactPath(Databag):
    """A path, or all paths below it."""

    type: Literal["Exact", "PathPrefix"]
    value: urls.RequestPath


class PathExpression(Databag):
    """All paths that a regular expression of RE2 describes from begin to end."""

    type: Literal["RegularExpression"]
    value: urls.Expression


_Path: TypeAlias = Annotated[ExactPath | PathExpression, pydantic.Field(discriminator="type")]


def _once(members: object) -> object:
    if isinstance(members, dict):
        names = [str(name).lower() for name in cast(dict[Any, Any], members)]
        # Later, names that differ in case only would have become one.
        if len(set(names)) != len(names):
            raise InvalidValueError("a header given twice", "give each header once")
    return cast(object, members)


_LowerName = Annotated[headers.HeaderName, pydantic.AfterValidator(str.lower)]
_Headers = Annotated[
    dict[_LowerName, headers.HeaderValue],
    pydantic.Field(max_length=MAX_VALUES),
    pydantic.BeforeValidator(_once),
]


class HttpMatch(Databag):
    """Conditions on a request; a member that is null restricts nothing."""

    path: _Path | None = None
    method: urls.Method | None = None
    headers: _Headers | None = None


class GrpcMethod(Databag):
    """A method, or all methods of a service."""

    service: urls.GrpcService
    method: urls.GrpcMethod | None = None


class GrpcMatch(Databag):
    """Conditions on a call; a member that is null restricts nothing."""

    method: GrpcMethod | None = None
    headers: _Headers | None = None


class FullPath(Databag):
    """Another path in place of the path of the request."""

    type: Literal["ReplaceFullPath"]
    value: urls.RequestPath = pydantic.Field(alias="replaceFullPath")


class PathPrefix(Databag):
    """Another path in place of the prefix that matched."""

    type: Literal["ReplacePrefixMatch"]
    value: urls.Replacement = pydantic.Field(alias="replacePrefixMatch")


_Modifier: TypeAlias = Annotated[FullPath | PathPrefix, pydantic.Field(discriminator="type")]


class UrlRewrite(Databag):
    """Changes of a request before the backend receives it."""

    hostname: hostnames.Hostname | None = None
    path: _Modifier | None = None


class RequestRedirect(Databag):
    """The URL that a client is redirected to; a member that is null is that of the request."""

    scheme: Literal["http", "https"] | None = None
    hostname: hostnames.Hostname | None = None
    path: _Modifier | None = None
    port: urls.Port | None = None
    status: Literal[301, 302, 303, 307, 308] = pydantic.Field(default=301, alias="statusCode")

    @pydantic.model_validator(mode="after")
    def _changes_something(self) -> "RequestRedirect":
        if not (self.scheme or self.hostname or self.path or self.port):
            remedy = "set scheme, hostname, path or port"
            raise InvalidValueError("redirects to the URL of the request", remedy)
        return self


class UrlRewriteFilter(Databag):
    """A rewrite among a route's filters."""

    type: Literal["URLRewrite"]
    rewrite: UrlRewrite = pydantic.Field(alias="urlRewrite")


class RequestRedirectFilter(Databag):
    """A redirect among a route's filters."""

    type: Literal["RequestRedirect"]
    redirect: RequestRedirect = pydantic.Field(alias="requestRedirect")


_HttpFilter: TypeAlias = Annotated[
    UrlRewriteFilter | RequestRedirectFilter, pydantic.Field(discriminator="type")
]
_T = TypeVar("_T")
_Matches = Annotated[tuple[_T, ...], pydantic.Field(max_length=MAX_MATCHES, fail_fast=True)]
_Values = Annotated[tuple[_T, ...], pydantic.Field(max_length=MAX_VALUES, fail_fast=True)]


class _Route(Databag):
    name: hostnames.DnsLabel
    listener: Listener
    backends: _Values[Backend]
    hostnames: _Values[WildcardHostname] | None = None
    """Null or empty: those of the listener."""

    @property
    def rewrite(self) -> UrlRewrite | None:
        """Changes of its requests."""
        return None

    @property
    def redirect(self) -> RequestRedirect | None:
        """The redirect of its clients; requests reach no backend then."""
        return None

    @pydantic.model_validator(mode="after")
    def _has_a_backend(self) -> "_Route":
        if not self.backends and self.redirect is None:
            raise InvalidValueError("without backend and redirect", "name a backend, or redirect")
        services = [(backend.service, backend.port) for backend in self.backends]
        if len(set(services)) != len(services):
            raise InvalidValueError("a backend given twice", "give each backend once")
        return self


class HttpRoute(_Route):
    """A route for HTTP requests."""

    matches: _Matches[HttpMatch] | None = None
    """Any of them; null or empty: every request."""
    filters: _Values[_HttpFilter] | None = None

    @property
    def rewrite(self) -> UrlRewrite | None:
        """Changes of its requests."""
        found = (each.rewrite for each in self.filters or () if each.type == "URLRewrite")
        return next(found, None)

    @property
    def redirect(self) -> RequestRedirect | None:
        """The redirect of its clients; requests reach no backend then."""
        found = (each.redirect for each in self.filters or () if each.type == "RequestRedirect")
        return next(found, None)

    @pydantic.model_validator(mode="after")
    def _one_filter(self) -> "HttpRoute":
        if len(self.filters or ()) > 1:
            raise InvalidValueError("more than one filter", "use one rewrite, or one redirect")
        change = self.rewrite or self.redirect
        if change is None or change.path is None or change.path.type != "ReplacePrefixMatch":
            return self
        paths = [match.path for match in self.matches or ()]
        if len(paths) > 1 or any(path is None or path.type != "PathPrefix" for path in paths):
            message = "ReplacePrefixMatch without the one prefix that it replaces"
            remedy = "use one match, of type PathPrefix, or ReplaceFullPath"
            raise InvalidValueError(message, remedy)
        return self


class GrpcRoute(_Route):
    """A route for gRPC calls."""

    matches: _Matches[GrpcMatch] | None = None
    """Any of them; null or empty: every call."""
    filters: Annotated[tuple[RequestRedirectFilter, ...], pydantic.Field(max_length=1)] | None = (
        None
    )

    @property
    def redirect(self) -> RequestRedirect | None:
        """The redirect of its clients; requests reach no backend then."""
        return self.filters[0].redirect if self.filters else None


class Configuration(msgspec.Struct, frozen=True):
    """The valid part of what an application requests."""

    model: str
    listeners: tuple[Listener, ...] = ()
    http_routes: tuple[tuple[str, HttpRoute], ...] = ()
    """Each with its place: `http_routes[2]`."""
    grpc_routes: tuple[tuple[str, GrpcRoute], ...] = ()


class _Envelope(Databag):
    """The configuration, with the members of its lists unread."""

    model: hostnames.DnsLabel
    listeners: Annotated[tuple[Any, ...], pydantic.Field(max_length=MAX_LISTENERS)] | None = None
    http_routes: Annotated[tuple[Any, ...], pydantic.Field(max_length=MAX_ROUTES)] | None = None
    grpc_routes: Annotated[tuple[Any, ...], pydantic.Field(max_length=MAX_ROUTES)] | None = None


class _Limits(msgspec.Struct):
    """What the routes of one databag may have together; decided before they are read."""

    places: int = MAX_PLACES
    expressions: int = MAX_EXPRESSIONS

    def within(self, reader: Reader, routes: Sequence[object], field: str) -> Sequence[object]:
        """Return the routes before the first that exceeds a limit; report the others as one."""
        for number, route in enumerate(routes):
            matches = _elements(route, "matches")
            expressions = sum(_is_expression(match) for match in matches)
            self.places -= max(1, len(matches)) * max(1, len(_elements(route, "hostnames")))
            self.expressions -= expressions
            if self.places < 0 or self.expressions < 0:
                message = f"{len(routes) - number} routes from here on were not read"
                remedy = f"use at most {MAX_PLACES} matches, times hostnames"
                if self.expressions < 0:
                    remedy = f"use at most {MAX_EXPRESSIONS} regular expressions"
                reader.report(inside(field, number), InvalidValueError(message, remedy))
                return routes[:number]
        return routes


def _elements(entry: object, key: str) -> Sequence[object]:
    return decoded.elements(decoded.members(entry).get(key))


def _is_expression(match: object) -> bool:
    path = decoded.members(decoded.members(match).get("path"))
    return path.get("type") == "RegularExpression"


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Configuration | None, list[Problem]]:
    """Read what an application requests.

    None where it requests nothing (yet), or where the configuration around the lists is invalid.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    if not databag.get(CONFIG):
        return None, []
    reader = Reader(databag, app=app, endpoint=endpoint)
    envelope = reader.object(CONFIG, _Envelope)
    if envelope is None:
        return None, reader.problems
    listeners = reader.entries(Listener, envelope.listeners or (), "listeners")
    limits = _Limits()
    http = limits.within(reader, envelope.http_routes or (), "http_routes")
    grpc = limits.within(reader, envelope.grpc_routes or (), "grpc_routes")
    http_routes = reader.entries(HttpRoute, http, "http_routes")
    grpc_routes = reader.entries(GrpcRoute, grpc, "grpc_routes")
    configuration = Configuration(
        model=envelope.model,
        listeners=tuple(listeners.values()),
        http_routes=tuple(http_routes.items()),
        grpc_routes=tuple(grpc_routes.items()),
    )
    return configuration, reader.problems


def dump(external_host: str, *, tls: bool) -> dict[str, str]:
    """Return the provider's application databag.

    Args:
        external_host: host, and port where it is not the scheme's, that clients use.
        tls: whether clients connect with TLS.
    """
    return {EXTERNAL_HOST: external_host, TLS_ENABLED: str(tls)}
