# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Matches of routes in one form, so that those of both interfaces and of gRPC compare."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from istio_ambient.interfaces.istio_ingress_route import GrpcMatch, GrpcRoute, HttpMatch, HttpRoute


class Protocol(enum.StrEnum):
    """The kind of a route's object: HTTPRoute or GRPCRoute."""

    HTTP = "HTTP"
    GRPC = "GRPC"


class PathType(enum.StrEnum):
    """How a path is compared, in Gateway API's words."""

    EXACT = "Exact"
    PREFIX = "PathPrefix"
    """By whole segments."""
    REGEX = "RegularExpression"
    """RE2, of the whole path."""


@dataclass(frozen=True, order=True)
class Match:
    """One match of a route: a request has to meet all members that are set.

    A gRPC method is a path: `/<service>/<method>`, or `/<service>` and the paths below it.
    """

    path_type: PathType = PathType.PREFIX
    path: str = "/"
    method: str = ""
    """Of HTTP; empty: any."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sorted pairs of a name in lower case and the exact value."""
    grpc: tuple[str, str] | None = None
    """gRPC service and method (empty: all of them) that the path stands for."""

    @classmethod
    def of_grpc(
        cls, service: str, method: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> "Match":
        """Return the match of a gRPC method, or of all methods of a service."""
        path = f"/{service}/{method}" if method else f"/{service}"
        path_type = PathType.EXACT if method else PathType.PREFIX
        return cls(path_type, path, headers=headers, grpc=(service, method))


def matches(route: HttpRoute | GrpcRoute) -> tuple[Match, ...]:
    """Return the matches of a route, each once; one that takes every request where it has none."""
    found = (
        _http_match(match) if isinstance(match, HttpMatch) else _grpc_match(match)
        for match in route.matches or ()
    )
    return tuple(dict.fromkeys(found)) or (Match(),)


def _http_match(match: HttpMatch) -> Match:
    path_type, path = PathType.PREFIX, "/"
    if match.path is not None:
        path_type, path = PathType(match.path.type), match.path.value
    if path_type is PathType.PREFIX:
        # Prefixes are compared by whole segments, with or without a slash at the end.
        path = path.rstrip("/") or "/"
    return Match(path_type, path, match.method or "", _headers(match.headers))


def _grpc_match(match: GrpcMatch) -> Match:
    headers = _headers(match.headers)
    if match.method is None:
        return Match(headers=headers)
    return Match.of_grpc(match.method.service, match.method.method or "", headers)


def _headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((headers or {}).items()))
