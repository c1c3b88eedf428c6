# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The list of routes for operators: URL, application, backend, authentication. Pure."""

import itertools
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from istio_ambient import kube
from istio_ambient.ingress import Ingress, routing
from istio_ambient.ingress.objects import KINDS
from istio_ambient.ingress.reports import acceptance, backends
from istio_ambient.ingress.routing import Match, PathType, Route
from istio_ambient.values import tables
from istio_ambient.values.problems import Problem
from istio_ambient.values.urls import DEFAULT_PORTS

SERVED, APPLYING, REFUSED = "served", "not applied yet", "not taken by istiod"
UNBACKED, UNCOVERED = "no backend yet", "not in the certificate"
_HEADINGS = ("URL", "MATCH", "APPLICATION", "BACKEND", "AUTHENTICATION", "STATE")
_FOREIGN_HEADINGS = ("ROUTE", "LISTENER", "HOSTNAMES", "PATHS", "STATE")
_MAX_SHOWN = 8
"""Hostnames or paths of one route of another owner."""
_UNSERVED_HEADINGS = ("CODE", "APPLICATION", "ENDPOINT", "FIELD", "WHY", "WHAT TO DO")


class Entry(msgspec.Struct, frozen=True, order=True):
    """One URL of the gateway."""

    url: str
    """Only the path while the gateway's host is not known."""
    match: str
    """Further conditions on a request: `GET, header x-tenant: blue`; empty: none."""
    application: str
    endpoint: str
    backends: tuple[str, ...]
    """`shop/page:80`, with a weight where there are several."""
    authentication: str
    """`forward-auth`, `jwt`, both, or `none`."""
    tls: bool
    redirect: str
    """Status and target of a redirect; empty: requests go to a backend."""
    state: str
    """`served`, `not applied yet`, `not taken by istiod`, `no backend yet` or
    `not in the certificate`."""


def entries(ingress: Ingress, live: kube.Live) -> list[Entry]:
    """Return every URL that is served, sorted.

    Args:
        ingress: with the routes that are served.
        live: our objects as they are in the cluster.
    """
    found: set[Entry] = set()
    for route in ingress.served.routes:
        common = _common(route, ingress, live)
        for match, host in itertools.product(route.matches, route.answers_to):
            conditions = ", ".join(_conditions(match))
            url = _url(route, match, host, ingress)
            uncovered = common.state == SERVED and common.tls and host in ingress.uncovered_hosts
            state = UNCOVERED if uncovered else common.state
            found.add(msgspec.structs.replace(common, url=url, match=conditions, state=state))
    return sorted(found)


def _common(route: Route, ingress: Ingress, live: kube.Live) -> Entry:
    """Return what the entries of one route have in common, without URL and match."""
    weighted = len(route.backends) > 1
    return Entry(
        url="",
        match="",
        application=route.requester.app,
        endpoint=route.requester.endpoint,
        backends=tuple(
            f"{backend.namespace}/{backend.service}:{backend.port}"
            + (f" ({1 if backend.weight is None else backend.weight})" if weighted else "")
            for backend in route.backends
        ),
        authentication=_authenticated(route, ingress),
        tls=route.listener.protocol == "HTTPS",
        redirect=_redirect(route),
        state=_state(route, ingress, live),
    )


def _url(route: Route, match: Match, host: str, ingress: Ingress) -> str:
    """Return the URL that clients use: the published one, where it leads to the route."""
    listener = route.listener
    known = ingress.base_url(listener)
    names = ingress.hosts.known_by
    if host == "*" or any(routing.covers(host, name) for name in names):
        return known + match.path
    port = "" if listener.port == DEFAULT_PORTS[listener.scheme] else f":{listener.port}"
    return f"{listener.scheme}://{host}{port}{match.path}"


def _state(route: Route, ingress: Ingress, live: kube.Live) -> str:
    if live.get(KINDS[route.protocol], route.name, route.namespace) is None:
        return APPLYING
    refusals = acceptance.route_refusals(route, ingress.facts.gateway, live)
    if any(refusals):
        return REFUSED
    return UNBACKED if route.missing else SERVED


def _conditions(match: Match) -> Iterator[str]:
    if match.path_type is not PathType.PREFIX:
        yield "exact path" if match.path_type is PathType.EXACT else "regular expression"
    if match.method:
        yield match.method
    for name, value in match.headers:
        yield f"header {name}: {value}"


def _redirect(route: Route) -> str:
    redirect = route.redirect
    if redirect is None:
        return ""
    path = redirect.path.value if redirect.path else ""
    where = f"{redirect.scheme or '…'}://{redirect.hostname or '…'}"
    return f"{redirect.status} to {where}" + (f":{redirect.port}" if redirect.port else "") + path


def _authenticated(route: Route, ingress: Ingress) -> str:
    if ingress.authentication.is_open(route):
        return "none"
    facts = ingress.facts
    means = {"forward-auth": facts.forward_auth.wanted, "jwt": facts.request_auth}
    return " or ".join(name for name, required in means.items() if required) or "none"


def table(found: Iterable[Entry]) -> str:
    """Return the entries as text, one a line."""
    rows = (
        (
            entry.url,
            entry.match or "any",
            f"{entry.application}:{entry.endpoint}",
            ", ".join(entry.backends) or entry.redirect,
            entry.authentication,
            entry.state,
        )
        for entry in found
    )
    return tables.table(_HEADINGS, rows, empty="no route is served")


def unserved_table(problems: Iterable[Problem]) -> str:
    """Return as text the requests that are not served, each with its reason and remedy."""
    rows = (
        (str(p.code), p.app or "this charm", p.endpoint, p.field, p.message, p.remedy)
        for p in problems
    )
    return tables.table(_UNSERVED_HEADINGS, rows, empty="everything asked for is served")


def unserved(ingress: Ingress) -> list[Problem]:
    """Return the requests that are refused, in conflict, invalid or pending, in this order.

    Unauthenticated routes that need authentication all the same come before the pending ones.
    """
    facts = ingress.facts
    pending = (
        Problem(
            app="",
            endpoint="",
            field="",
            message=f"{each.what}: {each.reason}",
            remedy=each.remedy,
            code=each.code,
        )
        for each in (*ingress.served.pending, *backends.pending(ingress))
    )
    closed = ingress.authentication_problems
    uncovered = ingress.certificate_problems
    return [
        *ingress.problems,
        *facts.config.problems,
        *facts.problems,
        *uncovered,
        *closed,
        *pending,
    ]


class ForeignEntry(msgspec.Struct, frozen=True, order=True):
    """A route of another owner at the gateway."""

    route: str
    """`HTTPRoute shop/by-hand`."""
    listener: str
    """Name of the listener, or a port; empty: all."""
    hostnames: tuple[str, ...]
    """Empty: those of the listener."""
    paths: tuple[str, ...]
    """Each with further conditions: `/api (GET)`. At most 8, then `…`."""
    state: str
    """`served`, `not applied yet` or `not taken by istiod`."""


def foreign_entries(ingress: Ingress) -> list[ForeignEntry]:
    """Return the routes of other owners that the gateway takes, sorted."""
    states = {True: SERVED, False: REFUSED, None: APPLYING}
    return sorted(
        ForeignEntry(
            route=str(route),
            listener=route.listener or str(route.port or ""),
            hostnames=_cut(route.hostnames),
            paths=_cut(_conditional_path(match) for match in route.matches),
            state=states[route.accepted],
        )
        for route in ingress.foreign_routes
    )


def _conditional_path(match: Match) -> str:
    conditions = ", ".join(_conditions(match))
    return f"{match.path} ({conditions})" if conditions else match.path


def _cut(values: Iterable[str]) -> tuple[str, ...]:
    found = tuple(values)
    return found if len(found) <= _MAX_SHOWN else (*found[:_MAX_SHOWN], "…")


def foreign_table(found: Iterable[ForeignEntry]) -> str:
    """Return the routes of other owners as text, one a line."""
    rows = (
        (
            entry.route,
            entry.listener or "all",
            ", ".join(entry.hostnames) or "any",
            ", ".join(entry.paths),
            entry.state,
        )
        for entry in found
    )
    return tables.table(_FOREIGN_HEADINGS, rows, empty="the gateway has no other routes")


def proxied_endpoints(ingress: Ingress, found: Iterable[Entry]) -> Mapping[str, Mapping[str, str]]:
    """Return the URL of the gateway and of each application behind it.

    The same JSON as the result of other ingress charms: `{"<application>": {"url": "…"}}`. Our own
    application stands for the gateway; an application with several routes has the URL of the
    first. Empty while the gateway's host is not known.

    Args:
        ingress: with the hosts of the gateway.
        found: its `entries`.
    """
    urls: dict[str, Mapping[str, str]] = {}
    if ingress.hosts.url:
        urls[ingress.facts.app] = {"url": ingress.hosts.url}
    for entry in sorted(found):
        if entry.state not in (APPLYING, REFUSED) and ingress.hosts.url and not entry.redirect:
            urls.setdefault(entry.application, {"url": entry.url})
    return urls
