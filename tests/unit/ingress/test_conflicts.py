# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Conflicts: neither route is served, both applications are named, all others are served."""

from typing import Any

import pytest
from istio_ambient import ingress
from istio_ambient.ingress.routing import Match, PathType

from tests.unit.ingress.samples import (
    CERTIFICATE,
    PlacedRoute,
    backend,
    configuration,
    facts,
    redirect,
    request,
    route,
    service,
)

APPS = ("one", "two", "productpage")
UNAUTHENTICATED = "istio-ingress-route-unauthenticated"


def asks(
    app: str,
    *matches: Match,
    relation_id: int,
    endpoint: str = "istio-ingress-route",
    **changes: Any,
) -> ingress.IngressRequest:
    backends = (backend(app, 80),)
    asked = route("r", matches=matches, backends=backends, **changes)
    return configuration(app, asked, relation_id=relation_id, endpoint=endpoint)


def served(*asked: ingress.IngressRequest, **changes: Any):
    services = tuple(service(app, port=80) for app in APPS)
    return ingress.resolve(facts(*asked, services=services, **changes)).served


def outcome(*asked: ingress.IngressRequest, **changes: Any):
    found = served(*asked, **changes)
    return [route.relation_id for route in found.routes], sorted(found.clashing)


A, B = Match(path="/a"), Match(path="/b")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ((A,), (A,)),
        ((A,), (B, A)),
        ((A,), (Match(path="/a", method="POST"),)),
        ((A,), (Match(path="/a", headers=(("x", "y"),)),)),
        ((Match(PathType.EXACT, "/s/m"),), (Match.of_grpc("s", "m"),)),
        ((Match(path="/s"),), (Match.of_grpc("s"),)),
        ((Match(PathType.REGEX, "/a.*"),), (Match(PathType.REGEX, "/a.*"),)),
    ],
)
def test_one_path_from_two_applications(one: tuple[Match, ...], two: tuple[Match, ...]):
    first, second = asks("one", *one, relation_id=1), asks("two", *two, relation_id=2)
    neighbour = asks("productpage", Match(path="/other"), relation_id=3)
    found = served(first, second, neighbour)
    assert [each.relation_id for each in found.routes] == [3]
    assert found.clashing == {1, 2}
    (problem,) = found.problems
    assert "one:istio-ingress-route" in str(problem)
    assert "two:istio-ingress-route" in str(problem)
    assert "http-8080" in str(problem)
    assert outcome(second, neighbour) == ([3, 2], [])


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (asks("one", A, relation_id=1), asks("two", Match(path="/a/b"), relation_id=2)),
        (asks("one", A, relation_id=1), asks("two", Match(PathType.EXACT, "/a"), relation_id=2)),
        (asks("one", A, relation_id=1), asks("two", A, relation_id=2, port=8081)),
        (
            asks("one", A, relation_id=1, hostnames=("a.b",)),
            asks("two", A, relation_id=2, hostnames=("c.b",)),
        ),
        (asks("one", A, relation_id=1), asks("two", A, relation_id=2, hostnames=("a.b",))),
    ],
)
def test_what_only_overlaps_is_served(one: ingress.IngressRequest, two: ingress.IngressRequest):
    assert outcome(one, two) == ([1, 2], [])


def test_hostnames_clash_as_the_listener_lets_them_through():
    asked = (
        asks("one", A, relation_id=1, hostnames=("a.b",)),
        asks("two", A, relation_id=2, hostnames=("*.b",)),
    )
    assert outcome(*asked) == ([1, 2], [])
    assert outcome(*asked, config=ingress.Config("a.b")) == ([], [1, 2])


ANY = ingress.Config("gate.example.com", listener_hostname="")


@pytest.mark.parametrize("hostname", ["gate.example.com", "*.example.com"])
def test_a_route_that_takes_the_gateways_own_hostname_is_refused(hostname: str):
    asked = (
        asks("one", A, relation_id=1),
        asks("two", B, relation_id=2, hostnames=(hostname,)),
    )
    found = served(*asked, config=ANY)
    assert [route.relation_id for route in found.routes] == [1]
    (problem,) = found.problems
    assert str(problem).startswith("two:istio-ingress-route http_routes[0].hostnames: ")
    assert "taken from one:istio-ingress-route: refused" in str(problem)
    # Where all routes are for that hostname, none is more specific.
    assert outcome(*asked, config=ingress.Config("gate.example.com")) == ([1, 2], [])


@pytest.mark.parametrize(
    "changes",
    [{"hostnames": ("other.example.com",)}, {"hostnames": ("gate.example.com",), "port": 8081}],
)
def test_a_hostname_that_takes_no_requests_of_others_is_served(changes: dict[str, Any]):
    asked = asks("one", A, relation_id=1), asks("two", B, relation_id=2, **changes)
    assert outcome(*asked, config=ANY) == ([1, 2], [])


def test_one_application_on_both_endpoints():
    asked = (
        request("one", port=80, relation_id=1),
        request("one", port=80, relation_id=2, endpoint="ingress-unauthenticated"),
    )
    found = served(*asked)
    assert (found.routes, found.clashing) == ((), {1, 2})
    assert "one:ingress-unauthenticated" in str(found.problems[0])
    routes = (
        asks("one", A, relation_id=1),
        asks("one", A, relation_id=2, endpoint=UNAUTHENTICATED),
    )
    assert outcome(*routes) == ([], [1, 2])


def test_a_route_for_the_path_of_an_ingress_is_a_conflict():
    path = Match(path="/shop-productpage")
    asked = (request(port=80, relation_id=1), asks("one", path, relation_id=2, port=80))
    assert outcome(*asked) == ([], [1, 2])
    tls = ingress.Tls(True, ingress.Certificate("chain", "key"))
    assert outcome(*asked, tls=tls) == ([], [1, 2])


def test_a_route_for_a_port_that_tls_moves_meets_those_that_are_there():
    asked = (
        asks("one", A, relation_id=1, port=80),
        asks("two", A, relation_id=2, port=443),
    )
    assert outcome(*asked) == ([1, 2], [])
    tls = ingress.Tls(True, ingress.Certificate("chain", "key"))
    assert outcome(*asked, tls=tls) == ([], [1, 2])


def test_refused_and_pending_routes_cause_no_conflict():
    asked = (
        asks("one", A, relation_id=1),
        configuration("two", route("r", matches=(A,), backends=(backend("one", 80),))),
        configuration("two", route("r", matches=(A,), backends=(backend("gone", 80),))),
    )
    assert outcome(*asked) == ([1], [])


def test_other_routes_of_those_that_clash_are_served():
    config = configuration(
        "two",
        route("r", matches=(A,), backends=(backend("two", 80),)),
        route("s", matches=(B,), backends=(backend("two", 80),)),
        relation_id=2,
    )
    assert outcome(asks("one", A, relation_id=1), config) == ([2], [1, 2])


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (route("s", matches=(A,), backends=(backend("one", 80),)), 2),
        (route("s", matches=(A,), backends=(backend("one", 80, 5),)), 0),
        (route("s", matches=(A,), redirect=redirect(hostname="x.y")), 0),
        (
            route(
                "s",
                matches=(Match(path="/a", method="GET"),),
                backends=(backend("one", 80, 5),),
            ),
            2,
        ),
    ],
)
def test_one_application_that_contradicts_itself(second: PlacedRoute, expected: int):
    first = route("r", matches=(A,), backends=(backend("one", 80),))
    found = served(configuration("one", first, second))
    assert len(found.routes) == expected
    assert all("another route of its own" in str(problem) for problem in found.problems)


def test_one_application_that_wants_http_and_grpc_for_the_same_requests():
    routes = (
        route("r", matches=(Match(),), backends=(backend("one", 80),)),
        route("s", matches=(Match(),), backends=(backend("one", 80),), grpc=True),
    )
    found = served(configuration("one", *routes))
    assert found.routes == ()
    (problem,) = found.problems
    assert "another route of its own" in str(problem)


def test_a_conflict_over_many_paths_is_reported_once():
    matches = tuple(Match(path=f"/{number}") for number in range(9))
    found = served(asks("one", *matches, relation_id=1), asks("two", *matches, relation_id=2))
    assert len(found.problems) == 1


TLS = ingress.Tls(wanted=True, certificate=CERTIFICATE)
ELSEWHERE = redirect(scheme="https", hostname="elsewhere.example.org")


def test_a_redirect_for_http_clients_of_another_application_is_a_conflict():
    page = request(relation_id=1, port=80)
    path = Match(path="/shop-productpage")
    thief = asks("two", path, relation_id=2, port=80, redirect=ELSEWHERE)
    assert outcome(page, thief, tls=TLS) == ([], [1, 2])
    (problem,) = served(page, thief, tls=TLS).problems
    assert "productpage:ingress" in str(problem) and "two:istio-ingress-route" in str(problem)
    # The same by a hostname that is compared before any path.
    named = asks(
        "two",
        Match(),
        relation_id=2,
        port=80,
        redirect=ELSEWHERE,
        hostnames=("shop.example.com",),
    )
    open_listener = ingress.Config("shop.example.com", "")
    assert outcome(page, named, tls=TLS, config=open_listener) == ([1], [])


def test_one_may_say_itself_where_its_plain_http_clients_go():
    served, redirected = (
        route("served", matches=(A,), backends=(backend("one", 80),), port=80),
        route("to-tls", matches=(A,), backends=(), port=80, redirect=ELSEWHERE),
    )
    assert outcome(configuration("one", served, redirected), tls=TLS) == ([5, 5], [])
