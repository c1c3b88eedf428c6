# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which paths need authentication, said in the `to` of an AuthorizationPolicy's rules.

A policy at the gateway knows no routes: its paths hold at every listener and for every hostname.
So what is let through is said in two steps. Everything needs authentication but the paths of open
routes; and of those, whatever a closed route may serve needs it again. The second step leaves out
an open route's paths only where Istio surely prefers that route to the closed one.

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
"""What means itself at the beginning of a regular expression (RE2) and in a policy's path."""
_NOT_EXPRESSIBLE = re.compile(r"[*{}]")
"""What has a meaning of its own in a policy's path."""


_RANK = (PathType.REGEX, PathType.PREFIX, PathType.EXACT)


@dataclass(frozen=True, order=True)
class PathMatch:
    """What one route takes at one listener."""

    path: str
    """Begins with `/`."""
    path_type: PathType = PathType.PREFIX
    below: bool = False
    """Of a prefix: what is below the path, and not the path itself."""
    where: tuple[str, ...] = ()
    """Listener, kind of route and hostnames: only within the same does Istio compare paths."""
    restricted: bool = False
    """By more than the path: method, headers."""

    @property
    def stem(self) -> str:
        """The path without the slashes at its end; empty for all paths."""
        return self.path.rstrip("/") if self.path_type is not PathType.EXACT else self.path

    def is_expressible(self) -> bool:
        """Return whether a policy can name these paths, and no others."""
        return self.path_type is not PathType.REGEX and not _NOT_EXPRESSIBLE.search(self.path)

    def patterns(self) -> tuple[str, ...]:
        """Return a policy's words for these paths; where it has none, for more than these."""
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

    def beats(self, other: "PathMatch") -> bool:
        """Return whether Istio surely prefers this to the other wherever both match.

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
    """Return whether some path fits patterns of both."""
    return any(_overlap(a, b) for a in one for b in others)


def _overlap(a: str, b: str) -> bool:
    if a.endswith("*") and b.endswith("*"):
        return a[:-1].startswith(b[:-1]) or b[:-1].startswith(a[:-1])
    if a.endswith("*"):
        return b.startswith(a[:-1])
    return a.startswith(b[:-1]) if b.endswith("*") else a == b


def closed(matches: Iterable[PathMatch], open_matches: Iterable[PathMatch]) -> list[Operation]:
    """Return operations for what these closed routes may serve, sorted.

    Args:
        matches: of routes that need authentication.
        open_matches: of routes that need none.
    """
    exceptions = [match for match in open_matches if match.is_expressible()]
    paths_by_exceptions: dict[tuple[str, ...], set[str]] = {}
    for match in matches:
        beaten_by = {p for other in exceptions if other.beats(match) for p in other.patterns()}
        paths_by_exceptions.setdefault(tuple(sorted(beaten_by)), set()).update(match.patterns())
    return [
        {"paths": sorted(paths), **({"notPaths": list(not_paths)} if not_paths else {})}
        for not_paths, paths in sorted(paths_by_exceptions.items())
    ]


def authenticated(
    closed_matches: Iterable[PathMatch], open_matches: Iterable[PathMatch]
) -> list[Operation]:
    """Return operations for all that needs authentication; empty: everything does."""
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
    """Return open routes whose paths need authentication all the same, each with the reason.

    The reason is the closed route that might serve them; None: a policy cannot name the paths.
    """
    for match in open_matches:
        if not match.is_expressible():
            yield match, None
            continue
        for other in closed_matches:
            decided = match.beats(other) or other.beats(match)
            if not decided and overlap(match.patterns(), other.patterns()):
                yield match, other
                break
