# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Conflicts: routes of two applications for the same requests, of which neither is served."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from istio_ambient.authorization import Requester
from istio_ambient.ingress.model import Match
from istio_ambient.ingress.routing import _hosts
from istio_ambient.ingress.routing._routes import Route
from istio_ambient.values.problems import Problem

Candidate: TypeAlias = tuple[Route, Route | None]
"""A route, and the redirect from HTTP to it where there is one."""
Place: TypeAlias = tuple[str, str, str, str]
"""Listener, hostname, type of path, path."""


@dataclass(frozen=True)
class Settled:
    """The routes that are left without those in conflict."""

    candidates: tuple[Candidate, ...]
    problems: tuple[Problem, ...]
    clashing: frozenset[int]
    """Ids of the relations with a route in conflict; their databags get nothing."""


def without_takeovers(
    candidates: Sequence[Candidate], names: Collection[str]
) -> tuple[list[Candidate], list[Problem]]:
    """Take out the routes that would take the gateway's own hostname from other applications.

    Envoy compares a request with the routes of the most specific hostname only. One route that
    names a hostname of the gateway would leave nothing to the routes that name no hostname,
    whatever their paths. (Where the listeners take that hostname only, all routes are for it, and
    none is more specific.)

    Args:
        candidates: routes that are asked for.
        names: hostnames that clients know the gateway by.
    """
    everything = [each for candidate in candidates for each in candidate if each]
    requesters: dict[tuple[str, str], set[Requester]] = {}
    for each in everything:
        for host in each.answers_to:
            requesters.setdefault((each.listener.name, host), set()).add(each.requester)
    kept: list[Candidate] = []
    problems: list[Problem] = []
    for route, redirect in candidates:
        taken = [host for host in route.answers_to if any(_covers(host, name) for name in names)]
        losing = {
            str(other)
            for host in taken
            for wide in _wider(host)
            for other in requesters.get((route.listener.name, wide), ())
            if (other.app, other.endpoint) != _origin(route)
        }
        if losing:
            problems.append(_takeover(route, taken[0], min(losing)))
        else:
            kept.append((route, redirect))
    return kept, problems


def _covers(wide: str, narrow: str) -> bool:
    return _hosts.intersection("" if wide == "*" else wide, narrow) == narrow


def _wider(host: str) -> Iterator[str]:
    """Yield the hostnames, as routes name them, that include one and more."""
    if host != "*":
        yield "*"
    _, *suffixes = host.removeprefix("*.").split(".")
    for number in range(len(suffixes)):
        yield "*." + ".".join(suffixes[number:])


def _origin(route: Route) -> tuple[str, str]:
    return route.requester.app, route.requester.endpoint


def _takeover(route: Route, host: str, loser: str) -> Problem:
    message = f"{host} is the gateway's own: it would be taken from {loser}: refused"
    remedy = "leave the hostnames out, or use another port"
    return route.requester.problem(f"{route.field}.hostnames", message, remedy)


def settle(candidates: Sequence[Candidate]) -> Settled:
    """Take out the routes in conflict.

    Two (application, endpoint) pairs conflict where matches of theirs are for one path of one
    hostname at one listener. Methods and headers make no difference: with them, one application
    could take any of the other's requests. Routes of one pair conflict where the same requests
    are to be treated in different ways. A path below another one is no conflict. An application
    may ask for a redirect of its own in place of the redirect from HTTP to its own route, and not
    to another application's.
    """
    routes_by_place = _by_place(route for route, _ in candidates)
    redirects_by_place = _by_place(redirect for _, redirect in candidates if redirect)
    clashes: dict[Place, list[Route]] = {}
    for place, matches in routes_by_place.items():
        everything = [route for route, _ in (*matches, *redirects_by_place.get(place, ()))]
        if len({_origin(route) for route in everything}) > 1 or _is_contradiction(matches):
            clashes[place] = everything
    relations = frozenset(route.relation_id for group in clashes.values() for route in group)
    clashing_places = clashes.keys()
    kept = (
        (route, redirect)
        for route, redirect in candidates
        if clashing_places.isdisjoint(_places(route))
        and not (redirect and clashing_places & _places(redirect))
    )
    return Settled(tuple(kept), tuple(_problems(clashes)), relations)


def _by_place(routes: Iterable[Route]) -> dict[Place, list[tuple[Route, Match]]]:
    """Return the matches of routes by what they are for."""
    found: dict[Place, list[tuple[Route, Match]]] = {}
    for route in routes:
        for hostname, match in itertools.product(route.answers_to, route.matches):
            found.setdefault(_place(route, hostname, match), []).append((route, match))
    return found


def _places(route: Route) -> set[Place]:
    return {
        _place(route, hostname, match)
        for hostname, match in itertools.product(route.answers_to, route.matches)
    }


def _place(route: Route, hostname: str, match: Match) -> Place:
    return route.listener.name, hostname, match.path_type, match.path


def _is_contradiction(matches: Iterable[tuple[Route, Match]]) -> bool:
    """Return whether one application wants the same requests treated in different ways."""
    targets: dict[Match, tuple[object, ...]] = {}
    return any(targets.setdefault(match, route.target) != route.target for route, match in matches)


def _problems(clashes: dict[Place, list[Route]]) -> Iterable[Problem]:
    """Yield one problem for each group of applications in conflict."""
    reported: set[frozenset[str]] = set()
    for (listener, hostname, _, path), group in sorted(clashes.items()):
        names = sorted({str(route.requester) for route in group})
        if frozenset(names) in reported:
            continue
        reported.add(frozenset(names))
        first = min(group, key=lambda route: str(route.requester))
        others = ", ".join(names[1:]) or "another route of its own"
        where = f"{path} of {listener}" + ("" if hostname == "*" else f", host {hostname}")
        message = f"asks for {where}, and so does {others}: none of these routes is served"
        remedy = "remove one of these integrations, or change what it asks for"
        yield first.requester.problem(first.field, message, remedy)
