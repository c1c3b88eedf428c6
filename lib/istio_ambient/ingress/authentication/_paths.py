# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The paths that need authentication, as operations in the rules of an AuthorizationPolicy.

A policy at the gateway knows listeners by their ports, and no routes: its paths apply for every
hostname. So there are two steps. All requests need authentication but those at a listener for
paths of its open (unauthenticated) routes. Of these paths, those that a closed (authenticated)
route of the listener may serve need it as well, except where an open route takes precedence over
the closed one for certain. A port without open routes is closed, even if it has no listener.

Paths are compared as Envoy's RBAC filter sees them: normalized (`pathNormalization: BASE` of
MeshConfig resolves `.` and `..`), without query and fragment, and case matters. Ports are those of
the listeners: the Service that istiod makes for a Gateway has no `targetPort`, so Envoy listens on
the same ones (`resolvePorts`, pilot/pkg/model/gateway.go).
"""

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from istio_ambient.ingress.authentication._patterns import Patterns
from istio_ambient.ingress.model import LITERAL, PathType
from istio_ambient.values.parts import parts

Operation: TypeAlias = Mapping[str, Sequence[str]]
"""Of a policy's rule: `ports` or `notPorts`, `paths` and `notPaths`; all have to hold."""

MAX_PATHS_SIZE = 64 * 1024
"""Characters of the `paths` of one operation; more paths make several operations."""

_NOT_EXPRESSIBLE = r"[*{}]"
"""Characters with a special meaning in a policy's path."""


_RANK = (PathType.REGEX, PathType.PREFIX, PathType.EXACT)


class PathMatch(msgspec.Struct, frozen=True, order=True):
    """The paths of one match of a route at its listener."""

    path: str
    """Begins with `/`."""
    path_type: PathType = PathType.PREFIX
    below: bool = False
    """Of a prefix: the paths below it, without the path itself."""
    port: int = 80
    """Of the listener; no two listeners share one."""
    where: tuple[str, ...] = ()
    """Kind and hostnames of the route; Istio compares paths where these and the port are equal."""
    restricted: bool = False
    """The match has more conditions than the path: method or headers."""

    @property
    def stem(self) -> str:
        """The path without the slashes at its end; empty for all paths."""
        return self.path.rstrip("/") if self.path_type is not PathType.EXACT else self.path

    def is_expressible(self) -> bool:
        """Return whether a policy can name these paths, and no others."""
        return self.path_type is not PathType.REGEX and not re.search(_NOT_EXPRESSIBLE, self.path)

    def patterns(self) -> tuple[str, ...]:
        """Return policy paths that match these; where not expressible, these and others."""
        if not self.is_expressible():
            literal = LITERAL.match(self.path)
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
        if self.restricted or self.place != other.place or not self.is_expressible():
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

    @property
    def place(self) -> "Place":
        """Where Istio compares this match with others."""
        return self.port, self.where


Place: TypeAlias = tuple[int, tuple[str, ...]]
_Segments: TypeAlias = tuple[str, ...]


def _segments(match: PathMatch) -> _Segments:
    return tuple(match.stem.split("/"))


_LAST: _Segments = ("\N{REPLACEMENT CHARACTER}",)
"""Sorts after any segment of a path, which is ASCII."""


class _Region(msgspec.Struct):
    """The paths that one operation is about."""

    segments: _Segments = ()
    paths: set[str] = msgspec.field(default_factory=set[str])
    not_paths: set[str] = msgspec.field(default_factory=set[str])


class Exceptions:
    """Matches that may take precedence over closed ones, found by place and path.

    Args:
        matches: of routes that need no authentication.
    """

    def __init__(self, matches: Iterable[PathMatch]):
        self._by_place: dict[Place, list[tuple[_Segments, PathMatch]]] = {}
        for match in matches:
            if match.is_expressible() and not match.restricted:
                entry = _segments(match), match
                self._by_place.setdefault(match.place, []).append(entry)
        for entries in self._by_place.values():
            # Of one path, the widest first.
            entries.sort(
                key=lambda entry: (
                    entry[0],
                    entry[1].path_type is PathType.EXACT,
                    entry[1].below,
                )
            )

    def patterns(self, place: Place) -> list[str]:
        """Return the policy paths of all matches of a place."""
        matches = (match for _, match in self._by_place.get(place, ()))
        return Patterns((p, None) for match in matches for p in match.patterns()).widest()

    def inside(self, place: Place, segments: _Segments) -> list[tuple[_Segments, PathMatch]]:
        """Return the matches of a place whose paths are at or below a path, by segments."""
        entries = self._by_place.get(place, [])
        start = bisect.bisect_left(entries, segments, key=lambda entry: entry[0])
        end = bisect.bisect_left(entries, (*segments, *_LAST), key=lambda entry: entry[0])
        return entries[start:end]

    def below(self, match: PathMatch) -> Iterator[PathMatch]:
        """Yield the matches of the place of a prefix whose paths are at or below its path."""
        if match.path_type is PathType.PREFIX and match.is_expressible():
            yield from (found for _, found in self.inside(match.place, _segments(match)))


def closed(matches: Iterable[PathMatch], exceptions: Exceptions) -> list[Operation]:
    """Return operations for the paths that closed routes may serve, sorted.

    Args:
        matches: of routes that need authentication.
        exceptions: of routes that need none.
    """
    by_place: dict[Place, list[PathMatch]] = {}
    for match in matches:
        by_place.setdefault(match.place, []).append(match)
    paths: dict[tuple[int, tuple[str, ...]], set[str]] = {}
    for place, group in by_place.items():
        for region in _regions(place, group, exceptions):
            key = place[0], tuple(sorted(region.not_paths))
            paths.setdefault(key, set()).update(region.paths)
    ports: dict[tuple[tuple[str, ...], tuple[str, ...]], set[int]] = {}
    for (port, not_paths), found in paths.items():
        ports.setdefault((not_paths, tuple(sorted(found))), set()).add(port)
    return [
        _operation(ports=ports[key], paths=part, not_paths=key[0])
        for key in sorted(ports)
        for part in parts(key[1], len, limit=MAX_PATHS_SIZE)
    ]


def _regions(
    place: Place, matches: Iterable[PathMatch], exceptions: Exceptions
) -> Iterator[_Region]:
    """Yield what the closed matches of one place may serve, with what is taken from them."""
    plain, expressions = _Region(), _Region()
    prefixes: list[tuple[_Segments, PathMatch]] = []
    for match in matches:
        if match.path_type is PathType.REGEX:
            expressions.paths.update(match.patterns())
        elif match.path_type is PathType.PREFIX and match.is_expressible():
            prefixes.append((_segments(match), match))
        else:
            plain.paths.update(match.patterns())
    if plain.paths:
        yield plain
    if expressions.paths:
        expressions.not_paths.update(exceptions.patterns(place))
        yield expressions
    yield from _nested(sorted(prefixes), place, exceptions)


def _nested(
    prefixes: Sequence[tuple[_Segments, PathMatch]], place: Place, exceptions: Exceptions
) -> list[_Region]:
    """Return one region for each closed prefix that is in no other region.

    One pass over closed and open matches in the order of their paths, each after the one around
    it: an open match is an exception in the region of the closed prefix that it is in, and what is
    closed inside of that open match begins a region of its own.
    """
    widest: list[_Segments] = []
    for segments, _ in prefixes:
        if not widest or segments[: len(widest[-1])] != widest[-1]:
            widest.append(segments)
    opened = (entry for around in widest for entry in exceptions.inside(place, around))
    entries = [*((s, True, m) for s, m in prefixes), *((s, False, m) for s, m in opened)]
    # Of one path, what is closed first. The sort is stable.
    entries.sort(key=lambda entry: (entry[0], not entry[1]))
    regions: list[_Region] = []
    around: list[tuple[_Segments, _Region | None]] = []
    for segments, is_closed, match in entries:
        while around and segments[: len(around[-1][0])] != around[-1][0]:
            around.pop()
        nearest, region = around[-1] if around else ((), None)
        if is_closed:
            if region is None:
                region = _Region(segments)
                regions.append(region)
            if region.segments == segments:
                region.paths.update(match.patterns())
            around.append((segments, region))
        elif region is not None and match.path_type is PathType.EXACT:
            region.not_paths.update(match.patterns())
        elif region is not None and nearest != segments:
            region.not_paths.update(match.patterns())
            around.append((segments, None))
    return regions


def _operation(
    *, ports: Iterable[int], paths: Sequence[str] = (), not_paths: Sequence[str] = ()
) -> Operation:
    members = {
        "ports": [str(port) for port in sorted(ports)],
        "paths": list(paths),
        "notPaths": list(not_paths),
    }
    return {name: values for name, values in members.items() if values}


def authenticated(
    closed_matches: Iterable[PathMatch], open_matches: Iterable[PathMatch]
) -> list[Operation]:
    """Return operations for all requests that need authentication; empty: all do."""
    opened = [match for match in open_matches if match.is_expressible()]
    patterns: dict[int, list[tuple[str, None]]] = {}
    for match in opened:
        entries = patterns.setdefault(match.port, [])
        entries += ((pattern, None) for pattern in match.patterns())
    if not patterns:
        return []
    exempt = {port: Patterns(entries) for port, entries in patterns.items()}
    ports: dict[tuple[str, ...], set[int]] = {}
    for port, found in exempt.items():
        ports.setdefault(tuple(found.widest()), set()).add(port)
    inside = [
        match
        for match in closed_matches
        if match.port in exempt and any(map(exempt[match.port].overlaps, match.patterns()))
    ]
    return [
        {"notPorts": [str(port) for port in sorted(exempt)]},
        *(_operation(ports=ports[key], not_paths=key) for key in sorted(ports)),
        *closed(inside, Exceptions(opened)),
    ]


def still_closed(
    operations: Sequence[Operation],
    closed_matches: Iterable[PathMatch],
    open_matches: Sequence[PathMatch],
) -> Iterator[tuple[PathMatch, PathMatch | None]]:
    """Yield the matches of open routes that need authentication all the same, with the reason.

    The operations decide, read as the gateway does. Paths that a closed match takes from an open
    one for certain are no reason: no request for them reaches the open route.

    Args:
        operations: for all requests that need authentication, as `authenticated` returns them.
        closed_matches: of routes that need authentication.
        open_matches: of routes that need none.

    Yields:
        The open match, and the closed match for whose paths it needs authentication; None: it
        needs authentication as all paths do that no operation excepts.
    """
    policy = _rules_by_port(operations, {match.port for match in open_matches})
    closed_by_place: dict[Place, list[tuple[str, PathMatch]]] = {}
    closed_by_path: dict[tuple[int, str], list[PathMatch]] = {}
    for match in closed_matches:
        for path in match.patterns():
            closed_by_place.setdefault(match.place, []).append((path, match))
            closed_by_path.setdefault((match.port, path), []).append(match)
    taken = {place: Patterns(pairs) for place, pairs in closed_by_place.items()}
    for match in open_matches:
        for pattern in match.patterns():
            rule = _closing(match, pattern, policy[match.port], taken.get(match.place))
            if rule is not None:
                reasons = closed_by_path[match.port, rule.path] if rule.has_paths else ()
                yield match, next(iter(reasons), None)
                break


class _Rule(msgspec.Struct, frozen=True):
    """One path of an operation."""

    path: str
    excepted: Patterns[None]
    has_paths: bool
    """False: the operation is about all paths."""


def _rules_by_port(
    operations: Sequence[Operation], ports: Iterable[int]
) -> dict[int, Patterns[_Rule]]:
    """Return the paths of the operations by the ports at which these apply."""
    rules: dict[str, list[tuple[str, _Rule]]] = {str(port): [] for port in ports}
    for each in operations or ({},):
        excepted = Patterns((path, None) for path in each.get("notPaths", ()))
        found = [
            (path, _Rule(path, excepted, has_paths="paths" in each))
            for path in each.get("paths", ("/*",))
        ]
        applied = rules.keys() & set(each.get("ports", rules.keys()))
        for port in applied - set(each.get("notPorts", ())):
            rules[port] += found
    return {int(port): Patterns(pairs) for port, pairs in rules.items()}


def _closing(
    match: PathMatch,
    pattern: str,
    policy: Patterns[_Rule],
    taken: Patterns[PathMatch] | None,
) -> _Rule | None:
    """Return the first rule by which paths of an open match need authentication; None: none do."""
    around = ((pattern, rule) for _, rule in policy.enclosing(pattern))
    for narrower, rule in itertools.chain(around, policy.inside(pattern)):
        if rule.excepted.covers(narrower):
            continue
        others = (other for _, other in taken.enclosing(narrower)) if taken else ()
        if not any(other.takes_precedence_over(match) for other in others):
            return rule
    return None
