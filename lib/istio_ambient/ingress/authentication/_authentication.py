# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which of the served routes need authentication, as far as policies can express it."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from istio_ambient.authorization import Requester
from istio_ambient.ingress.authentication import _paths
from istio_ambient.ingress.authentication._paths import Operation, PathMatch
from istio_ambient.ingress.routing import PathType, Route
from istio_ambient.values.problems import Problem


@dataclass(frozen=True, order=True)
class _RouteMatch:
    """One match of a route at its listener."""

    requester: Requester
    field: str
    authenticated: bool
    match: PathMatch


@dataclass(frozen=True)
class Authentication:
    """The paths of authenticated and of unauthenticated routes; see `authentication`."""

    matches: tuple[_RouteMatch, ...] = ()
    """Of all routes, sorted."""
    closed: tuple[PathMatch, ...] = ()
    """Of authenticated routes, each once and sorted."""
    opened: tuple[PathMatch, ...] = ()
    """Of unauthenticated routes, likewise."""
    still_closed: Mapping[PathMatch, PathMatch | None] = field(
        default_factory=dict[PathMatch, PathMatch | None]
    )
    """Those of `opened` that need authentication all the same, with the authenticated match that
    might take their requests; None: a policy cannot express the path."""

    def operations(self) -> list[Operation]:
        """Return operations for all that needs authentication; empty: everything does."""
        return _paths.authenticated(self.closed, self.opened)

    def operations_of(self, apps: Container[str]) -> list[Operation]:
        """Return operations for the authenticated routes of some applications."""
        closed = {e.match for e in self.matches if e.authenticated and e.requester.app in apps}
        return _paths.closed(sorted(closed), self.opened)

    def is_open(self, route: Route) -> bool:
        """Return whether no request to a served route needs authentication."""
        return not route.authenticated and self.still_closed.keys().isdisjoint(
            each.match for each in _route_matches(route)
        )

    def problems(self) -> list[Problem]:
        """Return one problem for each application and endpoint with an entry in `still_closed`."""
        found: dict[Requester, Problem] = {}
        for each in self.matches:
            if not each.authenticated and each.match in self.still_closed:
                found.setdefault(each.requester, _problem(each, self.still_closed[each.match]))
        return list(found.values())


def authentication(routes: Iterable[Route]) -> Authentication:
    """Return which routes need authentication.

    Args:
        routes: everything that is served, redirects included.
    """
    matches = sorted({match for route in routes for match in _route_matches(route)})
    closed = tuple(sorted({each.match for each in matches if each.authenticated}))
    opened = tuple(sorted({each.match for each in matches if not each.authenticated}))
    return Authentication(
        matches=tuple(matches),
        closed=closed,
        opened=opened,
        still_closed=dict(_paths.still_closed(closed, opened)),
    )


def _route_matches(route: Route) -> Iterable[_RouteMatch]:
    for match in route.matches:
        yield _RouteMatch(
            requester=route.requester,
            field=route.field,
            authenticated=route.authenticated,
            match=PathMatch(
                path=match.path,
                path_type=match.path_type,
                # Of a gRPC service: its methods, and nothing at the path of the service itself.
                below=match.grpc is not None and match.path_type is PathType.PREFIX,
                where=(route.listener.name, route.protocol, *route.answers_to),
                restricted=bool(match.method or match.headers),
            ),
        )


def _problem(opened: _RouteMatch, closed: PathMatch | None) -> Problem:
    path = opened.match.path
    if closed is None:
        message = f"{path} cannot be told from other paths: it needs authentication"
        remedy = "match an exact path or a prefix, without '*', '{' and '}'"
    else:
        message = f"{path} needs authentication, since {closed.path} does"
        remedy = "use paths that no route with authentication has"
    return opened.requester.problem(opened.field, message, remedy)
