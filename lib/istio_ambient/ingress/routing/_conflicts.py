# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who asks for the same: nobody gets what two want, whoever came first."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from istio_ambient.ingress.model import Match
from istio_ambient.ingress.routing import _hosts
from istio_ambient.ingress.routing._routes import Route
from istio_ambient.values.problems import Problem

Place: TypeAlias = tuple[str, str, str, str]
"""Listener, hostname, kind of path, path."""


@dataclass(frozen=True)
class Settled:
    """What is left when those that clash have been taken out."""

    routes: tuple[Route, ...]
    problems: tuple[Problem, ...]
    clashing: frozenset[int]
    """Ids of the relations that clash; none of their applications is told anything."""


def without_takeovers(
    routes: Sequence[Route], names: Collection[str], redirects: Iterable[Route] = ()
) -> tuple[list[Route], list[Problem]]:
    """Take out the routes that would take the gateway's own hostname from everybody else.

    Requests for a hostname are only ever compared with the routes that name it most exactly: one
    route that names what clients know the gateway by would leave nothing to the routes that name
    no hostname, whatever their paths. (Where the listeners themselves take that hostname only, all
    routes are for it, and nobody's is more exact.)

    Args:
        routes: what is asked for.
        names: hostnames that clients know the gateway by.
        redirects: from plain HTTP to these routes, which may be robbed as well.
    """
    everything = [*routes, *redirects]
    kept: list[Route] = []
    problems: list[Problem] = []
    for route in routes:
        taken = [host for host in route.answers_to if any(_covers(host, name) for name in names)]
        robbed = {
            str(other.requester)
            for other in everything
            for host in taken
            if other.listener == route.listener
            and (other.requester.app, other.requester.endpoint)
            != (route.requester.app, route.requester.endpoint)
            and any(wide != host and _covers(wide, host) for wide in other.answers_to)
        }
        if robbed:
            problems.append(_takeover(route, taken[0], min(robbed)))
        else:
            kept.append(route)
    return kept, problems


def _covers(wide: str, narrow: str) -> bool:
    return _hosts.intersection("" if wide == "*" else wide, narrow) == narrow


def _takeover(route: Route, host: str, robbed: str) -> Problem:
    return Problem(
        app=route.requester.app,
        endpoint=route.requester.endpoint,
        field=f"{route.field}.hostnames",
        message=f"{host} is the gateway's own: it would be taken from {robbed}: refused",
        remedy="leave the hostnames out, or use another port",
    )


def settle(routes: Sequence[Route], redirects: Sequence[Route | None] = ()) -> Settled:
    """Take out the routes that clash.

    Two (application, endpoint) pairs clash where any match of theirs is for the same path of the
    same hostname at the same listener. Methods and headers make no difference: with them, the one
    could take from the other what it pleases. Routes of one pair clash where the same requests
    are to be treated in different ways. That one path lies below another is no clash.

    Args:
        routes: what is asked for.
        redirects: from plain HTTP to each of them, in the same order; None: there is none. An
            application may ask for another redirect of its own there, and for nobody else's.
    """
    by_place: dict[Place, list[Route]] = {}
    for route in routes:
        for place in _places(route):
            by_place.setdefault(place, []).append(route)
    led_from: dict[Place, list[Route]] = {}
    for redirect in filter(None, redirects):
        for place in _places(redirect):
            led_from.setdefault(place, []).append(redirect)
    clashes: dict[Place, list[Route]] = {}
    for place, group in by_place.items():
        everybody = [*group, *led_from.get(place, ())]
        if _is_shared(everybody) or _is_clash(group, place):
            clashes[place] = everybody
    relations = frozenset(route.relation_id for group in clashes.values() for route in group)
    kept = (
        route
        for route, redirect in itertools.zip_longest(routes, redirects)
        if not any(
            place in clashes for each in (route, redirect) if each for place in _places(each)
        )
    )
    return Settled(tuple(kept), tuple(_problems(clashes)), relations)


def _places(route: Route) -> set[Place]:
    return {
        (route.listener.name, hostname, match.path_type, match.path)
        for hostname in route.answers_to
        for match in route.matches
    }


def _is_shared(group: Sequence[Route]) -> bool:
    return len({(route.requester.app, route.requester.endpoint) for route in group}) > 1


def _is_clash(group: Sequence[Route], place: Place) -> bool:
    """Return whether one application wants different things done to the same requests."""
    targets: dict[Match, set[tuple[object, ...]]] = {}
    for route in group:
        for match in route.matches:
            if (match.path_type, match.path) == place[2:]:
                targets.setdefault(match, set()).add(route.target)
    return any(len(found) > 1 for found in targets.values())


def _problems(clashes: dict[Place, list[Route]]) -> Iterable[Problem]:
    """Yield one problem for those that clash with each other, however often they do."""
    told: set[frozenset[str]] = set()
    for (listener, hostname, _, path), group in sorted(clashes.items()):
        names = sorted({str(route.requester) for route in group})
        if frozenset(names) in told:
            continue
        told.add(frozenset(names))
        first = min(group, key=lambda route: str(route.requester))
        others = ", ".join(names[1:]) or "another route of its own"
        where = f"{path} of {listener}" + ("" if hostname == "*" else f", host {hostname}")
        yield Problem(
            app=first.requester.app,
            endpoint=first.requester.endpoint,
            field=first.field,
            message=f"asks for {where}, and so does {others}: nobody gets it",
            remedy="remove one of these integrations, or change what it asks for",
        )
