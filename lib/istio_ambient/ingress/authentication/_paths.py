# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The paths that need authentication, as operations in the rules of an AuthorizationPolicy.

A policy at the gateway knows no routes: its paths apply at every listener and for every hostname.
So there are two steps. All requests need authentication but those for paths of open
(unauthenticated) routes. Of these paths, those that a closed (authenticated) route may serve need
it as well, except where an open route takes precedence over the closed one for certain.

Paths are compared as Envoy's RBAC filter sees them: normalized (`pathNormalization: BASE` of
MeshConfig resolves `.` and `..`), without query and fragment, and case matters.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from istio_ambient.ingress.routing import PathType

Operation = Mapping[str, Sequence[str]]
"""Of a policy's rule: `paths` and `notPaths`; both have to hold."""

_LITERAL = re.compile(r"[A-Za-z0-9/_~%!&',:;=@-]*")
"""Characters without a special meaning in a regular expression (RE2) and in a policy's path."""
_NOT_EXPRESSIBLE = re.compile(r"[*{}]")
"""Characters with a special meaning in a policy's path."""


_RANK = (PathType.REGEX, PathType.PREFIX, PathType.EXACT)


@dataclass(frozen=True, order=True)
class PathMatch:
    """The paths of one match of a route at its listener."""

    path: str
    """Begins with `/`."""
    path_type: PathType = PathType.PREFIX
    below: bool = False
    """Of a prefix: the paths below it, without the path itself."""
    where: tuple[str, ...] = ()
    """Listener, kind and hostnames of the route; Istio compares paths where these are equal."""
    restricted: bool = False
    """The match has more conditions than the path: method or headers."""

    @property
    def stem(self) -> str:
        """The path without the slashes at its end; empty for all paths."""
        return self.path.rstrip("/") if self.path_type is not PathType.EXACT else self.path

    def is_expressible(self) -> bool:
        """Return whether a policy can name these paths, and no others."""
        return self.path_type is not PathType.REGEX and not _NOT_EXPRESSIBLE.search(self.path)

    def patterns(self) -> tuple[str, ...]:
        """Return policy paths that match these; where not expressible, these and others."""
        if not self.is_expressible():
            literal = _LITERAL.match(self.path)
            start = literal.group() if literal and self.path.startswith("/") else ""
            # What follows may repeat the last character no times, and `|` leads anywhere.
            start = "" if self.path_type is PathType.REGEX and "|" in self.path else start[:-1]
            return (f"{start}*" if start else "/*",)
        if self.path_type is PathType.EXACT:
            return (self.path,)
        below = f"{self.stem}/*"
        return (self.stem, below) if self.stem and not self.below else (below,)

    def takes_precedence_over(self, other: "PathMatch") -> bool:
        """Return whether this match takes precedence for certain where both match.

        As istiod sorts the routes of one host (`sortHTTPRoutes`, pilot/pkg/config/kube/gateway):
        exact paths, then prefixes, then regular expressions; the longer ones first.
        """
        if self.restricted or self.where != other.where or not self.is_expressible():
            return False
        if (
            other.path_type is PathType.REGEX
            or self.path_type is other.path_type is PathType.EXACT
        ):
            return other.path_type is PathType.REGEX
        if _RANK.index(self.path_type) < _RANK.index(other.path_type):
            return False
        inside = self.stem.startswith(f"{other.stem}/")
        return inside or (self.path_type is PathType.EXACT and self.path == other.stem)


def overlap(one: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether any path matches patterns of both."""
    return any(_overlap(a, b) for a in one for b in others)


def _overlap(a: str, b: str) -> bool:
    if a.endswith("*") and b.endswith("*"):
        return a[:-1].startswith(b[:-1]) or b[:-1].startswith(a[:-1])
    if a.endswith("*"):
        return b.startswith(a[:-1])
    return a.startswith(b[:-1]) if b.endswith("*") else a == b


def closed(matches: Iterable[PathMatch], open_matches: Iterable[PathMatch]) -> list[Operation]:
    """Return operations for the paths that closed routes may serve, sorted.

    Args:
        matches: of routes that need authentication.
        open_matches: of routes that need none.
    """
    exceptions = [match for match in open_matches if match.is_expressible()]
    paths_by_exceptions: dict[tuple[str, ...], set[str]] = {}
    for match in matches:
        exempt = {
            p
            for other in exceptions
            if other.takes_precedence_over(match)
            for p in other.patterns()
        }
        paths_by_exceptions.setdefault(tuple(sorted(exempt)), set()).update(match.patterns())
    return [
        {"paths": sorted(paths), **({"notPaths": list(not_paths)} if not_paths else {})}
        for not_paths, paths in sorted(paths_by_exceptions.items())
    ]


def authenticated(
    closed_matches: Iterable[PathMatch], open_matches: Iterable[PathMatch]
) -> list[Operation]:
    """Return operations for all requests that need authentication; empty: all do."""
    opened = list(open_matches)
    exempt = {
        pattern for match in opened if match.is_expressible() for pattern in match.patterns()
    }
    if not exempt:
        return []
    inside = [match for match in closed_matches if overlap(match.patterns(), exempt)]
    return [{"notPaths": sorted(exempt)}, *closed(inside, opened)]


def still_closed(
    closed_matches: Sequence[PathMatch], open_matches: Iterable[PathMatch]
) -> Iterator[tuple[PathMatch, PathMatch | None]]:
    """Yield the matches of open routes that need authentication all the same, with the reason.

    The reason is the closed match that may serve the paths; None: they are not expressible.
    """
    for match in open_matches:
        if not match.is_expressible():
            yield match, None
            continue
        for other in closed_matches:
            decided = match.takes_precedence_over(other) or other.takes_precedence_over(match)
            if not decided and overlap(match.patterns(), other.patterns()):
                yield match, other
                break
