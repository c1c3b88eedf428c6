# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What applications ask of the gateway: plain values, out of whichever databag they came."""

import enum
from dataclasses import dataclass
from typing import Literal, TypeAlias

from istio_ambient import authorization

Scheme: TypeAlias = Literal["http", "https", "h2c", "grpc"]
"""What a backend's port speaks: HTTP/1.1, HTTP over TLS, HTTP/2 without TLS, what the client does
(gRPC: HTTP/2)."""


class Protocol(enum.StrEnum):
    """What a route is made as."""

    HTTP = "HTTP"
    GRPC = "GRPC"


class PathType(enum.StrEnum):
    """How a path is compared, in Gateway API's words."""

    EXACT = "Exact"
    PREFIX = "PathPrefix"
    """By whole segments."""
    REGEX = "RegularExpression"
    """RE2, of the whole path."""


@dataclass(frozen=True)
class IngressRequest:
    """One application that wants to be reached at `/<model>-<name>`: interface `ingress`."""

    requester: authorization.Requester
    relation_id: int
    model: str
    """Where it runs, by its own account."""
    name: str
    """Of its Service there."""
    port: int
    """Of the Service."""
    strip_prefix: bool = False
    scheme: Scheme = "http"
    authenticated: bool = True
    """Behind forward authentication and JWT, where these are on."""

    @property
    def order(self) -> tuple[str, str, int]:
        """What requests are sorted by."""
        return self.requester.app, self.requester.endpoint, self.relation_id


@dataclass(frozen=True, order=True)
class Match:
    """One way for a request to be a route's: everything that is set must fit.

    A gRPC method is a path: `/<service>/<method>`, or `/<service>` and what is below it.
    """

    path_type: PathType = PathType.PREFIX
    path: str = "/"
    method: str = ""
    """Of HTTP; empty: any."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sorted pairs of a name in lower case and the exact value."""
    grpc: tuple[str, str] | None = None
    """gRPC service and method (empty: all of them) where the path stands for these."""

    @classmethod
    def of_grpc(
        cls, service: str, method: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> "Match":
        """Return the match of a gRPC method, or of all methods of a service."""
        path = f"/{service}/{method}" if method else f"/{service}"
        path_type = PathType.EXACT if method else PathType.PREFIX
        return cls(path_type, path, headers=headers, grpc=(service, method))


@dataclass(frozen=True)
class PathModifier:
    """How the path of a request, or of the address that it is sent on to, is changed."""

    value: str
    whole: bool
    """The value replaces the whole path, else the prefix that matched."""


@dataclass(frozen=True)
class Rewrite:
    """What is changed of a request before the backend gets it."""

    hostname: str = ""
    path: PathModifier | None = None


@dataclass(frozen=True)
class Redirect:
    """The answer that sends a client elsewhere; what is not set stays as it was asked for."""

    scheme: Literal["", "http", "https"] = ""
    hostname: str = ""
    port: int = 0
    """0: the scheme's."""
    path: PathModifier | None = None
    status: int = 301


@dataclass(frozen=True, order=True)
class ServiceRef:
    """A Service that an application names as its backend."""

    name: str
    port: int
    weight: int | None = None


@dataclass(frozen=True)
class RouteRequest:
    """One route that an application asks for: interface `istio_ingress_route`."""

    field: str
    """Where it stands in the databag: `http_routes[2]`."""
    name: str
    protocol: Protocol
    port: int
    """Of the listener."""
    backends: tuple[ServiceRef, ...]
    """Empty only where `redirect` is set."""
    matches: tuple[Match, ...] = (Match(),)
    """Never empty; the order says nothing."""
    hostnames: tuple[str, ...] = ()
    """Empty: those of the listener. May begin with `*.`."""
    rewrite: Rewrite | None = None
    redirect: Redirect | None = None


@dataclass(frozen=True)
class RouteConfiguration:
    """Everything that one application asks for over one `istio_ingress_route` relation."""

    requester: authorization.Requester
    relation_id: int
    model: str
    """Where it runs, by its own account."""
    authenticated: bool = True
    """Behind forward authentication and JWT, where these are on."""
    ports: tuple[int, ...] = ()
    """Of the listeners that it wants, whether or not a route uses them."""
    routes: tuple[RouteRequest, ...] = ()
    faulty: bool = False
    """Something of it could not be read."""

    @property
    def order(self) -> tuple[str, str, int]:
        """What configurations are sorted by."""
        return self.requester.app, self.requester.endpoint, self.relation_id
