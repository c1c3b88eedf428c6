# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `istio_ingress_route` interface, provider side: a host out, listeners and routes in.

The requirer's application databag holds `config`, a JSON object of `model`, `listeners`,
`http_routes` and `grpc_routes`, as the models of `charmlibs.interfaces.istio_ingress_route` dump
it. The provider's holds `external_host` and `tls_enabled` (`True` or `False`), plain strings.

Each listener and each route is read by itself, so that one that is bad spoils none of the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

import pydantic

from istio_ambient.interfaces import _fields, _json, _route_fields, _validation
from istio_ambient.values.problems import Problem

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

# An unknown key may be a restriction, so whatever has one is left out whole.
_MODEL = pydantic.ConfigDict(extra="forbid", frozen=True)


class Listener(pydantic.BaseModel):
    """A port of the gateway."""

    model_config = _MODEL

    port: _fields.Port
    protocol: Literal["HTTP", "GRPC"]


class Backend(pydantic.BaseModel):
    """A Service, in the namespace of the application's model."""

    model_config = _MODEL

    service: _fields.DnsLabel
    port: _fields.Port
    weight: Annotated[int, pydantic.Field(strict=True, ge=1, le=100)] | None = None


class ExactPath(pydantic.BaseModel):
    """A path, or all paths below it."""

    model_config = _MODEL

    type: Literal["Exact", "PathPrefix"]
    value: _route_fields.RequestPath


class PathExpression(pydantic.BaseModel):
    """All paths that an expression of RE2 describes as a whole."""

    model_config = _MODEL

    type: Literal["RegularExpression"]
    value: _route_fields.Expression


_Path: TypeAlias = Annotated[ExactPath | PathExpression, pydantic.Field(discriminator="type")]


def _once(headers: object) -> object:
    if isinstance(headers, dict):
        names = [str(name).lower() for name in cast(dict[Any, Any], headers)]
        # Told here: names that differ by case alone would become one.
        if len(set(names)) != len(names):
            raise _validation.refused("a header given twice", "give each header once")
    return cast(object, headers)


_Headers = Annotated[
    dict[_route_fields.HeaderName, _route_fields.HeaderValue],
    pydantic.Field(max_length=MAX_VALUES),
    pydantic.BeforeValidator(_once),
]


class HttpMatch(pydantic.BaseModel):
    """What a request must be like; what is null restricts nothing."""

    model_config = _MODEL

    path: _Path | None = None
    method: _fields.Method | None = None
    headers: _Headers | None = None


class GrpcMethod(pydantic.BaseModel):
    """A method, or all methods of a service."""

    model_config = _MODEL

    service: _route_fields.GrpcService
    method: _route_fields.GrpcMethod | None = None


class GrpcMatch(pydantic.BaseModel):
    """What a call must be like; what is null restricts nothing."""

    model_config = _MODEL

    method: GrpcMethod | None = None
    headers: _Headers | None = None


class FullPath(pydantic.BaseModel):
    """Another path instead of the whole."""

    model_config = _MODEL

    type: Literal["ReplaceFullPath"]
    value: _route_fields.RequestPath = pydantic.Field(alias="replaceFullPath")


class PathPrefix(pydantic.BaseModel):
    """Another path instead of the prefix that matched."""

    model_config = _MODEL

    type: Literal["ReplacePrefixMatch"]
    value: _route_fields.Replacement = pydantic.Field(alias="replacePrefixMatch")


_Modifier: TypeAlias = Annotated[FullPath | PathPrefix, pydantic.Field(discriminator="type")]


class UrlRewrite(pydantic.BaseModel):
    """What is changed of a request before the backend gets it."""

    model_config = _MODEL

    hostname: _route_fields.Hostname | None = None
    path: _Modifier | None = None


class RequestRedirect(pydantic.BaseModel):
    """Where a client is sent."""

    model_config = _MODEL

    scheme: Literal["http", "https"] | None = None
    hostname: _route_fields.Hostname | None = None
    path: _Modifier | None = None
    port: _fields.Port | None = None
    status: Literal[301, 302, 303, 307, 308] = pydantic.Field(default=301, alias="statusCode")

    @pydantic.model_validator(mode="after")
    def _lead_elsewhere(self) -> "RequestRedirect":
        if not (self.scheme or self.hostname or self.path or self.port):
            raise _validation.refused(
                "leads to where it came from", "set scheme, hostname, path or port"
            )
        return self


class UrlRewriteFilter(pydantic.BaseModel):
    """A rewrite among a route's filters."""

    model_config = _MODEL

    type: Literal["URLRewrite"]
    rewrite: UrlRewrite = pydantic.Field(alias="urlRewrite")


class RequestRedirectFilter(pydantic.BaseModel):
    """A redirect among a route's filters."""

    model_config = _MODEL

    type: Literal["RequestRedirect"]
    redirect: RequestRedirect = pydantic.Field(alias="requestRedirect")


_HttpFilter: TypeAlias = Annotated[
    UrlRewriteFilter | RequestRedirectFilter, pydantic.Field(discriminator="type")
]
_Backends = Annotated[tuple[Backend, ...], pydantic.Field(max_length=MAX_VALUES)]
_Hostnames = Annotated[
    tuple[_route_fields.RouteHostname, ...], pydantic.Field(max_length=MAX_VALUES)
]


class _Route(pydantic.BaseModel):
    model_config = _MODEL

    name: _fields.DnsLabel
    listener: Listener
    backends: _Backends
    hostnames: _Hostnames | None = None
    """Null or empty: those of the listener."""

    @property
    def rewrite(self) -> UrlRewrite | None:
        """What is changed of its requests."""
        return None

    @property
    def redirect(self) -> RequestRedirect | None:
        """Where its clients are sent; the backends do not matter then."""
        return None

    @pydantic.model_validator(mode="after")
    def _lead_somewhere(self) -> "_Route":
        if not self.backends and self.redirect is None:
            raise _validation.refused("leads nowhere", "name a backend, or redirect")
        services = [(backend.service, backend.port) for backend in self.backends]
        if len(set(services)) != len(services):
            raise _validation.refused("a backend given twice", "give each backend once")
        return self


class HttpRoute(_Route):
    """A route for HTTP requests."""

    matches: Annotated[tuple[HttpMatch, ...], pydantic.Field(max_length=MAX_MATCHES)] | None = None
    """Any of them; null or empty: every request."""
    filters: Annotated[tuple[_HttpFilter, ...], pydantic.Field(max_length=MAX_VALUES)] | None = (
        None
    )

    @property
    def rewrite(self) -> UrlRewrite | None:
        """What is changed of its requests."""
        found = (each.rewrite for each in self.filters or () if each.type == "URLRewrite")
        return next(found, None)

    @property
    def redirect(self) -> RequestRedirect | None:
        """Where its clients are sent; the backends do not matter then."""
        found = (each.redirect for each in self.filters or () if each.type == "RequestRedirect")
        return next(found, None)

    @pydantic.model_validator(mode="after")
    def _one_filter(self) -> "HttpRoute":
        if len(self.filters or ()) > 1:
            raise _validation.refused("more than one filter", "use one rewrite, or one redirect")
        change = self.rewrite or self.redirect
        if change is None or change.path is None or change.path.type != "ReplacePrefixMatch":
            return self
        paths = [match.path for match in self.matches or ()]
        if len(paths) > 1 or any(path is None or path.type != "PathPrefix" for path in paths):
            raise _validation.refused(
                "ReplacePrefixMatch without the one prefix that it replaces",
                "use one match, of type PathPrefix, or ReplaceFullPath",
            )
        return self


class GrpcRoute(_Route):
    """A route for gRPC calls."""

    matches: Annotated[tuple[GrpcMatch, ...], pydantic.Field(max_length=MAX_MATCHES)] | None = None
    """Any of them; null or empty: every call."""
    filters: Annotated[tuple[RequestRedirectFilter, ...], pydantic.Field(max_length=1)] | None = (
        None
    )

    @property
    def redirect(self) -> RequestRedirect | None:
        """Where its clients are sent; the backends do not matter then."""
        return self.filters[0].redirect if self.filters else None


@dataclass(frozen=True)
class Configuration:
    """What an application asks for, as far as it could be read."""

    model: str
    listeners: tuple[Listener, ...] = ()
    http_routes: tuple[tuple[str, HttpRoute], ...] = ()
    """Each with its place: `http_routes[2]`."""
    grpc_routes: tuple[tuple[str, GrpcRoute], ...] = ()


class _Envelope(pydantic.BaseModel):
    """The configuration without what stands in its lists."""

    model_config = _MODEL

    model: _fields.DnsLabel
    listeners: Annotated[tuple[Any, ...], pydantic.Field(max_length=MAX_LISTENERS)] | None = None
    http_routes: Annotated[tuple[Any, ...], pydantic.Field(max_length=MAX_ROUTES)] | None = None
    grpc_routes: Annotated[tuple[Any, ...], pydantic.Field(max_length=MAX_ROUTES)] | None = None


_M = TypeVar("_M", bound=pydantic.BaseModel)


class _Reader:
    """Reads entries one by one and collects what is wrong."""

    def __init__(self, app: str, endpoint: str):
        self._app, self._endpoint = app, endpoint
        self.problems: list[Problem] = []

    def one(self, kind: type[_M], data: object, field: str) -> _M | None:
        """Return the entry; None where anything is wrong in it."""
        try:
            return kind.model_validate(data)
        except pydantic.ValidationError as error:
            self.problems += _validation.problems_of(
                error, app=self._app, endpoint=self._endpoint, field=field
            )
            return None

    def each(self, kind: type[_M], data: Iterable[object], key: str) -> tuple[tuple[str, _M], ...]:
        """Return those entries of a list that are good, with their places."""
        places = ((f"{key}[{number}]", entry) for number, entry in enumerate(data))
        found = ((place, self.one(kind, entry, place)) for place, entry in places)
        return tuple((place, entry) for place, entry in found if entry is not None)


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Configuration | None, list[Problem]]:
    """Read what an application asks for; never raises for what stands in the databag.

    None where it asks for nothing (yet), or where it cannot be told what it asks for at all.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it came in by, for the problems.
    """
    if not databag.get(CONFIG):
        return None, []
    try:
        content = _json.decode(databag[CONFIG])
    except _json.MalformedError as error:
        return None, [Problem(app, endpoint, CONFIG, str(error), error.remedy)]
    if isinstance(content, dict):
        # Keys of a later release that hold null ask for nothing.
        items = cast(dict[str, Any], content).items()
        content = {key: value for key, value in items if value is not None}
    reader = _Reader(app, endpoint)
    envelope = reader.one(_Envelope, content, CONFIG)
    if envelope is None:
        return None, reader.problems
    listeners = reader.each(Listener, envelope.listeners or (), "listeners")
    configuration = Configuration(
        model=envelope.model,
        listeners=tuple(listener for _, listener in listeners),
        http_routes=reader.each(HttpRoute, envelope.http_routes or (), "http_routes"),
        grpc_routes=reader.each(GrpcRoute, envelope.grpc_routes or (), "grpc_routes"),
    )
    return configuration, reader.problems


def dump(external_host: str, *, tls: bool) -> dict[str, str]:
    """Return the provider's application databag.

    Args:
        external_host: host, and port where it is not the scheme's, that clients use.
        tls: whether what clients see is TLS.
    """
    return {EXTERNAL_HOST: external_host, TLS_ENABLED: str(tls)}
