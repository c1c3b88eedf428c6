# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Matches of routes in one form: those of both interfaces, of gRPC and of live routes compare."""

import enum
import re

import msgspec

LITERAL = re.compile(r"[A-Za-z0-9/_~%!&',:;=@-]*")
"""Characters without a special meaning in a regular expression (RE2) and in a policy's path."""


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


class Match(msgspec.Struct, frozen=True, order=True):
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
    def of_http(
        cls,
        path_type: PathType,
        path: str,
        method: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> "Match":
        """Return the match of an HTTP path; prefixes are compared without a slash at their end."""
        if path_type is PathType.PREFIX:
            path = path.rstrip("/") or "/"
        return cls(path_type, path, method, headers)

    @classmethod
    def of_grpc(
        cls, service: str, method: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> "Match":
        """Return the match of a gRPC method, or of all methods of a service."""
        path = f"/{service}/{method}" if method else f"/{service}"
        path_type = PathType.EXACT if method else PathType.PREFIX
        return cls(path_type, path, headers=headers, grpc=(service, method))
