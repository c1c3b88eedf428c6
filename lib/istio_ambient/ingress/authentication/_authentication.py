# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which of the served routes need authentication, as far as policies can express it."""

import functools
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from istio_ambient.authorization import Requester
from istio_ambient.ingress.authentication import _paths
from istio_ambient.ingress.authentication._in_force import InForce, path_match
from istio_ambient.ingress.authentication._paths import Operation, PathMatch
from istio_ambient.ingress.routing import Route
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

MAX_EXCEPTED_OF_ONE = 32 * 1024
"""Characters of the paths of one application that the policies except from authentication."""
MAX_EXCEPTED = 256 * 1024
"""Likewise, of all applications. An object of the API server has 1.5 MiB."""
MAX_TAKEN = 16 * 1024
"""Characters of the paths that applications take from the routes of one that trusts tokens. They
are in one rule for each of its issuers."""


class _RouteMatch(msgspec.Struct, frozen=True, order=True):
    """One match of a route at its listener."""

    requester: Requester
    field: str
    authenticated: bool
    match: PathMatch


class Authentication(msgspec.Struct, frozen=True, dict=True):
    """The paths of authenticated and of unauthenticated routes; see `authentication`."""

    matches: tuple[_RouteMatch, ...] = ()
    """Of all routes, sorted."""
    closed: tuple[PathMatch, ...] = ()
    """Of authenticated routes, each once and sorted."""
    opened: tuple[PathMatch, ...] = ()
    """Of unauthenticated routes, likewise, as far as policies have room for their paths."""
    waiting: frozenset[Route] = frozenset()
    """Unauthenticated routes that need authentication until they are in force."""

    @functools.cached_property
    def _exceptions(self) -> _paths.Exceptions:
        return _paths.Exceptions(self.opened)

    @functools.cached_property
    def _closed_exceptions(self) -> _paths.Exceptions:
        return _paths.Exceptions(self.closed)

    @functools.cached_property
    def _closed_by_app(self) -> Mapping[str, set[PathMatch]]:
        found: dict[str, set[PathMatch]] = {}
        for each in self.matches:
            if each.authenticated:
                found.setdefault(each.requester.app, set()).add(each.match)
        return found

    def _closed_of(self, apps: Iterable[str]) -> set[PathMatch]:
        return {match for app in apps for match in self._closed_by_app.get(app, ())}

    @functools.cached_property
    def operations(self) -> Sequence[Operation]:
        """Operations for all that needs authentication; empty: everything does."""
        return _paths.authenticated(self.closed, self.opened)

    @functools.cached_property
    def _still_closed(self) -> Mapping[PathMatch, PathMatch | None]:
        """Matches of unauthenticated routes that need authentication all the same.

        Each with the authenticated match for whose paths it does; None: it is not excepted from
        the policy.
        """
        opened = [each.match for each in self.matches if not each.authenticated]
        return dict(_paths.still_closed(self.operations, self.closed, opened))

    def operations_of(self, apps: Iterable[str]) -> list[Operation]:
        """Return operations for the authenticated routes of some applications.

        Paths that routes of other applications take from them for certain are excepted, as far as
        there is room for these.
        """
        own = self._closed_of(apps)
        taken = {match for each in own for match in self._closed_exceptions.below(each)} - own
        exceptions = self._exceptions
        if taken:
            others = [each for each in self.matches if each.authenticated and each.match in taken]
            exceptions = _paths.Exceptions([*self.opened, *_excepted(others, MAX_TAKEN)])
        return _paths.closed(sorted(own), exceptions)

    def operations_besides(self, apps: Iterable[str]) -> list[Operation]:
        """Return operations for all that needs authentication, besides routes of applications.

        A path is left out only where one of their routes serves it for certain. Empty: everything
        needs authentication.
        """
        own = self._closed_of(apps)
        others = [match for match in self.closed if match not in own]
        besides = [each for each in self.matches if each.authenticated and each.match in own]
        return _paths.authenticated(others, [*self.opened, *_excepted(besides, MAX_EXCEPTED)])

    def is_open(self, route: Route) -> bool:
        """Return whether no request to a served route needs authentication."""
        if route.authenticated or route in self.waiting:
            return False
        return self._still_closed.keys().isdisjoint(each.match for each in _route_matches(route))

    def problems(self) -> list[Problem]:
        """Return one problem for each endpoint of an application with a path that is not open."""
        found: dict[Requester, Problem] = {}
        for each in self.matches:
            if not each.authenticated and each.match in self._still_closed:
                found.setdefault(each.requester, _problem(each, self._still_closed[each.match]))
        return list(found.values())


_NOTHING_ELSE = InForce()


def authentication(routes: Iterable[Route], found: InForce = _NOTHING_ELSE) -> Authentication:
    """Return which routes need authentication.

    Args:
        routes: everything that is served, redirects included.
        found: what is in force of it, and what else is.
    """
    served = [route for route in routes if route not in found.waiting]
    every = {match for route in served for match in _route_matches(route)}
    matches = sorted(every, key=lambda each: (each.requester, each.field, each.match))
    closed = sorted({*(each.match for each in matches if each.authenticated), *found.closed})
    unauthenticated = (each for each in matches if not each.authenticated)
    return Authentication(
        matches=tuple(matches),
        closed=tuple(closed),
        opened=tuple(sorted(_excepted(unauthenticated, MAX_EXCEPTED))),
        waiting=found.waiting,
    )


def _excepted(matches: Iterable[_RouteMatch], limit: int) -> set[PathMatch]:
    """Return the matches that a policy has room for as exceptions.

    The exceptions of one operation cannot be divided, so their size is limited: of each
    application, and of all, where those that ask for least come first. No application loses its
    exceptions to another one that asks for more.
    """
    found: dict[str, set[PathMatch]] = {}
    sizes: dict[str, int] = {}
    for app, match in ((each.requester.app, each.match) for each in matches):
        size = sizes.get(app, 0) + sum(map(len, match.patterns()))
        is_new = match.is_expressible() and match not in found.get(app, ())
        if is_new and size <= MAX_EXCEPTED_OF_ONE:
            found.setdefault(app, set()).add(match)
            sizes[app] = size
    excepted: set[PathMatch] = set()
    room = limit
    for app in sorted(sizes, key=lambda app: (sizes[app], app)):
        room -= sizes[app]
        if room >= 0:
            excepted |= found[app]
    return excepted


def _route_matches(route: Route) -> Iterable[_RouteMatch]:
    for match in route.matches:
        yield _RouteMatch(
            requester=route.requester,
            field=route.field,
            authenticated=route.authenticated,
            match=path_match(match, route.listener.port, (route.protocol, *route.answers_to)),
        )


def _problem(opened: _RouteMatch, closed: PathMatch | None) -> Problem:
    path = opened.match.path
    if closed is not None:
        message = f"{path} needs authentication, since {closed.path} does"
        remedy = "use paths that no route with authentication has"
    elif not opened.match.is_expressible():
        message = f"{path} cannot be told from other paths: it needs authentication"
        remedy = "match an exact path or a prefix, without '*', '{' and '}'"
    else:
        message = f"too many paths without authentication: {path} needs it"
        remedy = f"use fewer and shorter paths, together at most {MAX_EXCEPTED_OF_ONE} characters"
    code = Code.PATH_NEEDS_AUTHENTICATION
    return opened.requester.problem(code, opened.field, message, remedy)
