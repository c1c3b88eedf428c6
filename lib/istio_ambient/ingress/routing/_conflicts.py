# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Conflicts: routes of two applications for the same requests, of which one is served.

An application that is served stays served, also after routes were withheld. Of two that are not,
the one of interface `ingress` takes precedence, and then that of the earlier relation. The other
is refused, and both are named.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from istio_ambient.ingress.model import Match, Place
from istio_ambient.ingress.routing import _hosts
from istio_ambient.ingress.routing._claims import Claim, Claims
from istio_ambient.ingress.routing._listeners import port_of
from istio_ambient.ingress.routing._routes import Route
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

Candidate: TypeAlias = tuple[Route, Route | None]
"""A route, and the redirect from HTTP to it where there is one."""
_OwnPlace: TypeAlias = tuple[str, str, str, str, str]
"""Application, listener, hostname, type of path, path."""


class Settled(msgspec.Struct, frozen=True):
    """The routes that are left without those in conflict."""

    candidates: tuple[Candidate, ...]
    problems: tuple[Problem, ...]
    clashing: frozenset[int]
    """Ids of the relations with a refused route; their databags get nothing."""


def settle(
    candidates: Sequence[Candidate],
    names: Collection[str],
    served: Sequence[Collection[Place]] = (),
) -> Settled:
    """Take out the routes in conflict.

    Routes of one application conflict where the same requests are to be treated in different ways,
    or are asked for over two endpoints: none of these is served. Routes of two applications
    conflict as `Claims.conflict` says. Methods and headers make no difference: with them, one
    application could take any of the other's requests. An application may ask for a redirect of
    its own in place of the redirect from HTTP to its own route.

    Args:
        candidates: routes that are asked for.
        names: hostnames that clients know the gateway by.
        served: where requesters are served; the first of these take precedence.
    """
    consistent, contradictions = _without_contradictions(candidates)
    ordered = sorted(consistent, key=lambda candidate: _order(candidate[0], names))
    claims = Claims(names)
    for places in served:
        for claim in (claim for candidate in ordered for claim in _claims(candidate)):
            if _place_of(claim) in places and claims.conflict(claim) is None:
                claims.add(claim)
    refused: dict[int, Problem] = {}
    for candidate in ordered:
        wanted = list(_claims(candidate))
        problem = next(filter(None, map(claims.conflict, wanted)), None)
        if problem is None:
            for claim in wanted:
                claims.add(claim)
        else:
            refused[id(candidate[0])] = problem
    losing = [route for route, _ in consistent if id(route) in refused]
    losing += [route for group in contradictions.values() for route in group]
    return Settled(
        candidates=tuple(each for each in consistent if id(each[0]) not in refused),
        problems=(*_problems(contradictions), *_one_each(refused.values())),
        clashing=frozenset(route.relation_id for route in losing),
    )


def _order(route: Route, names: Collection[str]) -> tuple[bool, bool, bool, int]:
    """Return the sort key of candidates where none is served.

    A route without all of its backends gives way to those that can answer. Then a route that names
    a hostname of the gateway comes last: all others are for that hostname too.
    """
    is_narrow = any(
        host != "*" and _hosts.covers(host, name) for host in route.answers_to for name in names
    )
    return bool(route.missing), is_narrow, not route.is_published, route.relation_id


def _claims(candidate: Candidate) -> Iterator[Claim]:
    for route in filter(None, candidate):
        for host in route.answers_to:
            for match in route.matches:
                yield Claim(route, host, match.path_type, match.path)


def _place_of(claim: Claim) -> Place:
    port = port_of(claim.route.listener.name)
    return Place(str(claim.route.requester), port, claim.host, claim.path_type, claim.path)


def _one_each(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the first problem of each requester: the others are of the same kind."""
    seen: set[tuple[str, str]] = set()
    for problem in problems:
        if (problem.app, problem.endpoint) not in seen:
            seen.add((problem.app, problem.endpoint))
            yield problem


def _without_contradictions(
    candidates: Sequence[Candidate],
) -> tuple[list[Candidate], dict[_OwnPlace, list[Route]]]:
    """Take out the routes with which an application contradicts itself, by their places.

    A route that waits for a backend contradicts none of the same requests that can answer them: it
    gives way.
    """
    answering = set[tuple[_OwnPlace, Match]]()
    answering.update(*(_wanted(route) for route, _ in candidates if not route.missing))
    candidates = [
        candidate
        for candidate in candidates
        if not candidate[0].missing or answering.isdisjoint(_wanted(candidate[0]))
    ]
    routes_by_place = _by_place(route for route, _ in candidates)
    redirects_by_place = _by_place(redirect for _, redirect in candidates if redirect)
    clashes: dict[_OwnPlace, list[Route]] = {}
    for place, matches in routes_by_place.items():
        everything = [route for route, _ in (*matches, *redirects_by_place.get(place, ()))]
        endpoints = {route.requester.endpoint for route in everything}
        if len(endpoints) > 1 or _is_contradiction(matches):
            clashes[place] = everything
    kept = [
        (route, redirect)
        for route, redirect in candidates
        if clashes.keys().isdisjoint(_places(route))
        and not (redirect and clashes.keys() & _places(redirect))
    ]
    return kept, clashes


def _by_place(routes: Iterable[Route]) -> dict[_OwnPlace, list[tuple[Route, Match]]]:
    """Return the matches of routes by what they are for."""
    found: dict[_OwnPlace, list[tuple[Route, Match]]] = {}
    for route in routes:
        for hostname, match in itertools.product(route.answers_to, route.matches):
            found.setdefault(_place(route, hostname, match), []).append((route, match))
    return found


def _places(route: Route) -> set[_OwnPlace]:
    return {
        _place(route, hostname, match)
        for hostname, match in itertools.product(route.answers_to, route.matches)
    }


def _wanted(route: Route) -> set[tuple[_OwnPlace, Match]]:
    """Return the requests that a route is for, methods and headers included."""
    return {
        (_place(route, hostname, match), match)
        for hostname, match in itertools.product(route.answers_to, route.matches)
    }


def _place(route: Route, hostname: str, match: Match) -> _OwnPlace:
    return route.requester.app, route.listener.name, hostname, match.path_type, match.path


def _is_contradiction(matches: Iterable[tuple[Route, Match]]) -> bool:
    """Return whether one application wants the same requests treated in different ways."""
    targets: dict[Match, tuple[object, ...]] = {}
    return any(targets.setdefault(match, route.target) != route.target for route, match in matches)


def _problems(clashes: dict[_OwnPlace, list[Route]]) -> Iterable[Problem]:
    """Yield one problem for each group of requesters that contradict each other."""
    reported: set[frozenset[str]] = set()
    for (_, listener, hostname, _, path), group in sorted(clashes.items()):
        names = sorted({str(route.requester) for route in group})
        if frozenset(names) in reported:
            continue
        reported.add(frozenset(names))
        first = min(group, key=lambda route: str(route.requester))
        others = ", ".join(names[1:]) or "another route of its own"
        where = f"{path} of {listener}" + ("" if hostname == "*" else f", host {hostname}")
        message = f"asks for {where}, and so does {others}: none of these routes is served"
        remedy = "remove one of these integrations, or change what it asks for"
        yield first.requester.problem(Code.ROUTES_CONTRADICT, first.field, message, remedy)
