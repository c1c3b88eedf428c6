# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The gateway's routes as an operator thinks of them: URL, application, backend, who may: pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from istio_ambient import kube
from istio_ambient.ingress import authentication, routing
from istio_ambient.ingress.model import Facts, Match, PathType
from istio_ambient.ingress.objects import KINDS
from istio_ambient.ingress.reports import acceptance
from istio_ambient.ingress.routing import DEFAULT_PORTS, Exposure, Route
from istio_ambient.values import tables
from istio_ambient.values.problems import Problem

SERVED, APPLYING, REFUSED = "served", "not applied yet", "not taken by istiod"
_HEADINGS = ("URL", "MATCH", "APPLICATION", "BACKEND", "AUTHENTICATION", "STATE")
_UNSERVED_HEADINGS = ("APPLICATION", "ENDPOINT", "FIELD", "WHY", "WHAT TO DO")


@dataclasses.dataclass(frozen=True, order=True)
class Entry:
    """One URL of the gateway."""

    url: str
    """Only the path: where clients reach the gateway is not known yet."""
    match: str
    """What a request has to be besides: `GET, header x-tenant: blue`; empty: nothing."""
    application: str
    endpoint: str
    backends: tuple[str, ...]
    """`shop/page:80`, with a weight where there are several."""
    authentication: str
    """`forward-auth`, `jwt`, both, or `none`."""
    tls: bool
    redirect: str
    """Where clients are sent instead; empty: to a backend."""
    state: str
    """`served`, `not applied yet` or `not taken by istiod`."""


def entries(exposed: Exposure, facts: Facts, live: kube.Live) -> list[Entry]:
    """Return every URL that is served, sorted.

    Args:
        exposed: what `exposure(facts)` returned.
        facts: of this hook.
        live: our objects as they are.
    """
    return sorted(
        {
            _entry(route, match, host, exposed, facts, live)
            for route in exposed.routes
            for match in route.matches
            for host in route.answers_to
        }
    )


def _entry(
    route: Route, match: Match, host: str, exposed: Exposure, facts: Facts, live: kube.Live
) -> Entry:
    weighted = len(route.backends) > 1
    return Entry(
        url=_url(route, match, host, exposed, facts),
        match=", ".join(_conditions(match)),
        application=route.requester.app,
        endpoint=route.requester.endpoint,
        backends=tuple(
            f"{backend.namespace}/{backend.service}:{backend.port}"
            + (f" ({1 if backend.weight is None else backend.weight})" if weighted else "")
            for backend in route.backends
        ),
        authentication=_authenticated(route, exposed, facts),
        tls=route.listener.protocol == "HTTPS",
        redirect=_redirect(route),
        state=_state(route, facts, live),
    )


def _url(route: Route, match: Match, host: str, exposed: Exposure, facts: Facts) -> str:
    """Return the URL that clients use: the one that is published where it leads to the route."""
    listener = route.listener
    known = routing.base_url(listener, facts)
    names = exposed.hosts.known_by
    if host == "*" or any(routing.intersection(host, name) == name for name in names):
        return known + match.path
    port = "" if listener.port == DEFAULT_PORTS[listener.scheme] else f":{listener.port}"
    return f"{listener.scheme}://{host}{port}{match.path}"


def _state(route: Route, facts: Facts, live: kube.Live) -> str:
    if live.get(KINDS[route.protocol], route.name, route.namespace) is None:
        return APPLYING
    return REFUSED if any(acceptance.route_refusals(route, facts, live)) else SERVED


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


def _authenticated(route: Route, exposed: Exposure, facts: Facts) -> str:
    if authentication.open_in_fact(route, (*exposed.routes, *exposed.redirects)):
        return "none"
    ways = {"forward-auth": facts.forward_auth.wanted, "jwt": facts.request_auth.related}
    return " or ".join(way for way, on in ways.items() if on) or "none"


def table(found: Iterable[Entry]) -> str:
    """Return the entries for people to read, one a line."""
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
    """Return what is not served and why, for people to read."""
    rows = ((p.app or "this charm", p.endpoint, p.field, p.message, p.remedy) for p in problems)
    return tables.table(_UNSERVED_HEADINGS, rows, empty="everything asked for is served")


def unserved(exposed: Exposure, facts: Facts) -> list[Problem]:
    """Return conflicts, refusals and what could not be read, then what is waited for.

    An open route that needs authentication all the same is among them.
    """
    routes = (*exposed.routes, *exposed.redirects)
    closed = authentication.authentication_problems(facts, routes)
    waiting = [Problem("", "", "", f"{each.what}: {each.reason}", "") for each in exposed.pending]
    return [*exposed.problems, *facts.config.problems, *facts.problems, *closed, *waiting]


def proxied_endpoints(
    exposed: Exposure, found: Iterable[Entry], app: str
) -> Mapping[str, Mapping[str, str]]:
    """Return the URL of the gateway and of each application behind it.

    The same JSON as other ingress charms answer with: `{"<application>": {"url": "…"}}`. Of an
    application with several routes it is the first.

    Args:
        exposed: what is served.
        found: what `entries` returned.
        app: our application's name, which stands for the gateway itself.
    """
    urls: dict[str, Mapping[str, str]] = {}
    if exposed.hosts.url:
        urls[app] = {"url": exposed.hosts.url}
    for entry in sorted(found):
        if entry.state == SERVED and exposed.hosts.url and not entry.redirect:
            urls.setdefault(entry.application, {"url": entry.url})
    return urls
