# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What routes take of the gateway's requests, indexed so that each conflict is one look-up.

Envoy compares a request with the routes of its most specific hostname only. Among these, istiod
puts exact paths first, then prefixes, then regular expressions, the longer ones first
(`sortHTTPRoutes`, pilot/pkg/config/kube/gateway/conversion.go).
"""

from collections.abc import Collection, Iterator
from typing import TypeAlias

import msgspec

from istio_ambient.ingress.model import LITERAL, PathType
from istio_ambient.ingress.routing import _hosts
from istio_ambient.ingress.routing._routes import Route
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

_MAX_DEPTH = 16
"""Segments of a path by which regular expressions are told apart."""


class Claim(msgspec.Struct, frozen=True):
    """The requests for one path of one hostname at a listener."""

    route: Route
    host: str
    """`*`: any."""
    path_type: PathType
    path: str

    @property
    def app(self) -> str:
        """The application that makes the claim."""
        return self.route.requester.app

    @property
    def key(self) -> str:
        """What equal paths have in common, exact or prefix: a prefix takes a slash at its end."""
        if self.path_type is PathType.REGEX:
            return f"~{self.path}"
        return self.path.rstrip("/") or "/"

    @property
    def stem(self) -> str:
        """The path above all that a regular expression matches; of other types, the path."""
        if self.path_type is not PathType.REGEX:
            return self.key
        literal = LITERAL.match(self.path)
        # `|` leads anywhere; after a quantifier, a character may be repeated no times.
        start = literal.group() if literal and "|" not in self.path else ""
        rest = self.path[len(start) :]
        start = start[:-1] if rest.startswith(("*", "?", "{")) else start
        # What follows the last slash may be a part of a longer segment.
        segments = f"{start}/".split("/")[1:-1] if not rest else start.split("/")[1:-1]
        return "/" + "/".join(segments[:_MAX_DEPTH]) if start.startswith("/") else "/"

    def problem(self, message: str) -> Problem:
        """Return why the claim is refused for its path."""
        route = self.route
        return route.requester.problem(Code.PATH_TAKEN, route.field, message, "use another path")


_Holders: TypeAlias = dict[str, Claim]
"""By application, at most two: one of them is not the one that asks."""


class _Paths(msgspec.Struct):
    """Claims for one hostname at one listener."""

    equal: dict[str, _Holders] = msgspec.field(default_factory=dict[str, _Holders])
    """By key."""
    published: dict[str, _Holders] = msgspec.field(default_factory=dict[str, _Holders])
    """URLs of interface `ingress`, by path: one segment."""
    first_segments: dict[str, _Holders] = msgspec.field(default_factory=dict[str, _Holders])
    """Exact paths and prefixes, by their first segment as a path."""
    prefixes: dict[str, _Holders] = msgspec.field(default_factory=dict[str, _Holders])
    expressions: dict[str, _Holders] = msgspec.field(default_factory=dict[str, _Holders])
    """Regular expressions by stem."""
    above_expressions: dict[str, _Holders] = msgspec.field(default_factory=dict[str, _Holders])
    """Likewise by each path above or at their stem."""


class _Hostnames(msgspec.Struct):
    """Claims at one listener."""

    narrow: dict[str, _Holders] = msgspec.field(default_factory=dict[str, _Holders])
    """By each wildcard that includes their hostname."""
    wide: dict[str, _Holders] = msgspec.field(default_factory=dict[str, _Holders])
    """By hostname, where it is a wildcard that the application asks for itself."""
    own: dict[str, dict[str, _Holders]] = msgspec.field(
        default_factory=dict[str, dict[str, _Holders]]
    )
    """By a hostname of the gateway that theirs includes, and theirs."""


class Claims:
    """Claims of which no two applications' are in conflict."""

    def __init__(self, names: Collection[str]):
        self._names = names
        self._paths: dict[tuple[str, str], _Paths] = {}
        self._hostnames: dict[str, _Hostnames] = {}

    def add(self, claim: Claim) -> None:
        """Add a claim that is in no conflict."""
        listener = claim.route.listener.name
        paths = self._paths.setdefault((listener, claim.host), _Paths())
        _hold(paths.equal, claim.key, claim)
        if claim.path_type is PathType.REGEX:
            _hold(paths.expressions, claim.stem, claim)
            for above in _ancestors(claim.stem):
                _hold(paths.above_expressions, above, claim)
        else:
            _hold(paths.first_segments, _first_segment(claim.key), claim)
        if claim.path_type is PathType.PREFIX:
            _hold(paths.prefixes, claim.key, claim)
        if claim.route.is_published:
            _hold(paths.published, claim.key, claim)
        hosts = self._hostnames.setdefault(listener, _Hostnames())
        for wildcard in _wildcards(claim.host):
            _hold(hosts.narrow, wildcard, claim)
        if claim.route.hostnames and claim.host.startswith("*."):
            _hold(hosts.wide, claim.host, claim)
        for name in self._known(claim.host):
            _hold(hosts.own.setdefault(name, {}), claim.host, claim)

    def conflict(self, claim: Claim) -> Problem | None:
        """Return why a claim takes requests from another application's, or they from it.

        - One path: equal, exact or prefix.
        - Below a URL of interface `ingress`, the whole of which belongs to its application. Other
          paths may be nested: the longer one takes precedence.
        - Regular expressions that may match the same path: which takes precedence is an accident.
        - A prefix of everything that a regular expression matches: the prefix takes precedence.
        - A hostname that another's wildcard includes, or a hostname of the gateway, which those
          without a hostname are for: all paths of the more specific hostname are taken.
        """
        return self._path_conflict(claim) or self._host_conflict(claim)

    def _path_conflict(self, claim: Claim) -> Problem | None:
        listener = claim.route.listener.name
        paths = self._paths.get((listener, claim.host))
        if paths is None:
            return None
        at = listener + ("" if claim.host == "*" else f", host {claim.host}")
        # Who is named first is in the status, even where the rest is cut.
        other = _other(paths.equal.get(claim.key), claim)
        if other is not None:
            return claim.problem(f"{other.route.requester} has {claim.path} of {at}: refused")
        other = self._published(paths, claim)
        if other is not None:
            message = f"{other.route.requester} has {other.path} of {at}, and with it {claim.path}"
            return claim.problem(f"{message}: refused")
        other = _expression_conflict(paths, claim)
        if other is not None:
            message = f"{other.route.requester} has {other.path} of {at}"
            return claim.problem(f"{message}, which {claim.path} overlaps: refused")
        return None

    @staticmethod
    def _published(paths: _Paths, claim: Claim) -> Claim | None:
        if claim.path_type is PathType.REGEX:
            return None
        found = _other(paths.published.get(_first_segment(claim.key)), claim)
        if found is None and claim.route.is_published:
            found = _other(paths.first_segments.get(claim.key), claim)
        return found

    def _host_conflict(self, claim: Claim) -> Problem | None:
        hosts = self._hostnames.get(claim.route.listener.name)
        if hosts is None:
            return None
        for name in self._known(claim.host):
            for host, holders in hosts.own.get(name, {}).items():
                other = _other(holders, claim)
                if other is not None and host != claim.host:
                    message = f"{other.route.requester} has {name}, the gateway's own"
                    return _host_problem(claim, message, "use none")
        others = [_other(hosts.wide.get(each), claim) for each in _wildcards(claim.host)]
        if claim.route.hostnames:
            others.append(_other(hosts.narrow.get(claim.host), claim))
        other = next(filter(None, others), None)
        if other is None:
            return None
        message = f"{other.route.requester} has {other.host}, which {claim.host} overlaps"
        return _host_problem(claim, message, "use another hostname")

    def _known(self, host: str) -> list[str]:
        return [name for name in self._names if host == "*" or _hosts.covers(host, name)]


def _host_problem(claim: Claim, message: str, remedy: str) -> Problem:
    place = f"{claim.route.field}.hostnames" if claim.route.field else ""
    requester = claim.route.requester
    return requester.problem(Code.HOSTNAME_TAKEN, place, f"{message}: refused", remedy)


def _expression_conflict(paths: _Paths, claim: Claim) -> Claim | None:
    if claim.path_type is PathType.EXACT:
        return None
    found = _other(paths.above_expressions.get(claim.stem), claim)
    if found is None and claim.path_type is PathType.REGEX:
        for above in _ancestors(claim.stem):
            for index in (paths.expressions, paths.prefixes):
                found = found or _other(index.get(above), claim)
    return found


def _hold(index: dict[str, _Holders], key: str, claim: Claim) -> None:
    holders = index.setdefault(key, {})
    if len(holders) < 2:
        holders.setdefault(claim.app, claim)


def _other(holders: _Holders | None, claim: Claim) -> Claim | None:
    """Return a claim of another application."""
    return next((each for app, each in (holders or {}).items() if app != claim.app), None)


def _first_segment(path: str) -> str:
    return "/" + path.split("/", 2)[1]


def _ancestors(path: str) -> Iterator[str]:
    """Yield the path and all paths above it."""
    yield "/"
    segments = path.split("/")[1:] if path != "/" else []
    for depth in range(1, len(segments) + 1):
        yield "/" + "/".join(segments[:depth])


def _wildcards(host: str) -> Iterator[str]:
    """Yield the wildcards that include a hostname, without itself."""
    rest = host.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
