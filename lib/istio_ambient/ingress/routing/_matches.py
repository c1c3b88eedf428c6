# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Matches of the routes that applications request."""

from collections.abc import Mapping

from istio_ambient.ingress.model import Match, PathType
from istio_ambient.interfaces.istio_ingress_route import GrpcMatch, GrpcRoute, HttpMatch, HttpRoute


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
    return Match.of_http(path_type, path, match.method or "", _headers(match.headers))


def _grpc_match(match: GrpcMatch) -> Match:
    headers = _headers(match.headers)
    if match.method is None:
        return Match(headers=headers)
    return Match.of_grpc(match.method.service, match.method.method or "", headers)


def _headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((headers or {}).items()))
