# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Conflicts: who is served stays served, the other is refused, both are named."""

from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
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


def served(
    *asked: ingress.IngressRequest, live: tuple[ingress.IngressRequest, ...] = (), **changes: Any
):
    """Return what is served; the routes of the requests `live` are in the cluster."""
    services = tuple(service(app, port=80) for app in APPS)
    return ingress.resolve(
        facts(*asked, services=services, live_routes=applied(*live, **changes), **changes)
    ).served


def applied(*asked: ingress.IngressRequest, **changes: Any) -> tuple[ingress.AttachedRoute, ...]:
    services = tuple(service(app, port=80) for app in APPS)
    built = ingress.desired(ingress.resolve(facts(*asked, services=services, **changes))).objects
    kinds = tuple(ingress.KINDS.values())
    routes = (obj for obj in built if isinstance(obj, kinds))
    return ingress.attached_routes(routes, ingress.GatewayRef("shop", "gate"))


def outcome(*asked: ingress.IngressRequest, **changes: Any):
    found = served(*asked, **changes)
    return [route.relation_id for route in found.routes], sorted(found.clashing)


A, B = Match(path="/a"), Match(path="/b")


EXACT, REGEX = PathType.EXACT, PathType.REGEX


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ((A,), (A,)),
        ((A,), (B, A)),
        ((A,), (Match(path="/a", method="POST"),)),
        ((A,), (Match(path="/a", headers=(("x", "y"),)),)),
        ((A,), (Match(EXACT, "/a"),)),
        ((A,), (Match(EXACT, "/a/"),)),
        ((Match(EXACT, "/s/m"),), (Match.of_grpc("s", "m"),)),
        ((Match(path="/s"),), (Match.of_grpc("s"),)),
        ((Match(REGEX, "/a.*"),), (Match(REGEX, "/a.*"),)),
        ((Match(REGEX, "/a/.*"),), (Match(REGEX, "/a/[0-9]+"),)),
        ((Match(REGEX, "/a/.*"),), (Match(REGEX, "/a/b/c.*"),)),
        ((Match(REGEX, ".*"),), (Match(REGEX, "/a/b"),)),
        ((Match(REGEX, "/x/y|/a/b"),), (Match(REGEX, "/a/b/.*"),)),
        ((Match(),), (Match(REGEX, "/a/.*"),)),
        ((A,), (Match(REGEX, "/a/b/.*"),)),
        ((A,), (Match(REGEX, "/a"),)),
        ((Match(),), (Match(REGEX, "/a/?"),)),
        ((Match(),), (Match(REGEX, "/(a|b)/c"),)),
    ],
)
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_one_path_from_two_applications(
    one: tuple[Match, ...], two: tuple[Match, ...], order: tuple[int, int]
):
    asked = [
        asks(app, *matches, relation_id=number)
        for app, matches, number in zip(("one", "two"), (one, two), order, strict=True)
    ]
    neighbour = asks("productpage", Match(path="/other"), relation_id=3)
    found = served(*asked, neighbour)
    assert {each.relation_id for each in found.routes} == {1, 3}
    assert found.clashing == {2}
    (problem,) = found.problems
    first, second = ("one", "two") if order == (1, 2) else ("two", "one")
    place = f"{second}:istio-ingress-route http_routes[0]"
    assert str(problem).startswith(f"{place}: {first}:istio-ingress-route has ")
    assert f"{first}:istio-ingress-route" in str(problem) and "http-8080" in str(problem)
    # The application that is served stays served, whichever is related first.
    for winner in asked:
        kept = served(*asked, neighbour, live=(winner,))
        assert {each.relation_id for each in kept.routes} == {winner.relation_id, 3}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (asks("one", A, relation_id=1), asks("two", Match(path="/a/b"), relation_id=2)),
        (asks("one", A, relation_id=1), asks("two", Match(EXACT, "/a/b"), relation_id=2)),
        (asks("one", Match(), relation_id=1), asks("two", Match(EXACT, "/dex"), relation_id=2)),
        (
            asks("one", Match(REGEX, "/a/.*"), relation_id=1),
            asks("two", Match(REGEX, "/b/.*"), relation_id=2),
        ),
        (
            asks("one", Match(REGEX, "/a/.*"), relation_id=1),
            asks("two", Match(path="/a/b"), Match(EXACT, "/a/c"), relation_id=2),
        ),
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
    assert outcome(*asked, config=ingress.Config(external_hostname="a.b")) == ([1], [2])


@pytest.mark.parametrize(
    ("narrow", "wide"), [("a.b", "*.b"), ("c.a.b", "*.b"), ("*.a.b", "*.b"), ("c.a.b", "*.a.b")]
)
def test_a_hostname_under_the_wildcard_of_another_application_is_a_conflict(
    narrow: str, wide: str
):
    one = asks("one", A, relation_id=1, hostnames=(wide,))
    two = asks("two", B, relation_id=2, hostnames=(narrow,))
    assert outcome(one, two) == ([1], [2])
    (problem,) = served(one, two).problems
    place = "two:istio-ingress-route http_routes[0].hostnames: "
    assert str(problem).startswith(f"{place}one:istio-ingress-route has {wide}, which {narrow}")
    assert outcome(one, two, live=(two,)) == ([2], [1])
    assert outcome(one, asks("two", B, relation_id=2, port=8081, hostnames=(narrow,)))[1] == []
    own = configuration(
        "one",
        route("r", matches=(A,), backends=(backend("one", 80),), hostnames=(wide,)),
        route("s", matches=(B,), backends=(backend("one", 80),), hostnames=(narrow,)),
    )
    assert outcome(own) == ([5, 5], [])


def test_hostnames_under_the_wildcard_of_the_listeners_are_no_conflict():
    asked = (
        asks("one", A, relation_id=1),
        asks("two", B, relation_id=2, hostnames=("two.example.com",)),
    )
    config = ingress.Config(listener_hostname="*.example.com")
    assert outcome(*asked, config=config) == ([1, 2], [])


KNOWN = "gate.example.com"
ANY = ingress.Config(external_hostname=KNOWN, listener_hostname="")


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
    assert f"one:istio-ingress-route has {KNOWN}, the gateway's own: refused" in str(problem)
    # The application that is served stays served: no other takes all of that hostname from it.
    assert outcome(*asked, config=ANY, live=asked[1:]) == ([2], [1])
    # Where all routes are for that hostname, none is more specific.
    config = ingress.Config(external_hostname="gate.example.com")
    assert outcome(*asked, config=config) == ([1, 2], [])


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
    asked = (request(port=80, relation_id=2), asks("one", path, relation_id=1, port=80))
    tls = ingress.Tls(True, ingress.Certificate("chain", "key"))
    for changes in ({}, {"tls": tls}):
        assert outcome(*asked, **changes) == ([2], [1])
        assert outcome(*asked, live=asked[1:], **changes) == ([1], [2])
        assert outcome(*asked, live=asked[:1], **changes) == ([2], [1])


@pytest.mark.parametrize(
    "match",
    [
        Match(EXACT, "/shop-productpage"),
        Match(EXACT, "/shop-productpage/"),
        Match(EXACT, "/shop-productpage/login"),
        Match(path="/shop-productpage/api"),
    ],
)
def test_no_application_takes_a_part_of_the_url_of_another(match: Match):
    page, thief = request(port=80, relation_id=9), asks("one", match, relation_id=1, port=80)
    assert outcome(page, thief) == ([9], [1])
    assert outcome(page, thief, live=(page,)) == ([9], [1])
    assert outcome(page, thief, live=(thief,)) == ([1], [9])
    (problem,) = served(page, thief).problems
    assert "one:istio-ingress-route" in str(problem) and "productpage:ingress" in str(problem)
    # Below a path that is no published URL, and at another listener, it is served.
    assert outcome(page, asks("one", match, relation_id=1))[1] == []
    assert outcome(page, asks("one", Match(REGEX, "/shop-.*"), relation_id=1, port=80))[1] == []
    assert outcome(page, asks("one", Match(), relation_id=1, port=80))[1] == []


def test_two_models_that_share_a_path():
    uuid = "uuid-of-shop-web"
    services = (service("web-ui", port=80), service("ui", "shop-web", port=80))
    one = request("web-ui", port=80, relation_id=1)
    two = request("remote-1", "ui", "shop-web", port=80, relation_id=2, uuid=uuid)

    def found(*live: ingress.IngressRequest):
        namespaces = {uuid: "shop-web"}
        before = ingress.desired(
            ingress.resolve(facts(*live, services=services, model_namespaces=namespaces))
        ).objects
        kinds = tuple(ingress.KINDS.values())
        routes = ingress.attached_routes(
            (obj for obj in before if isinstance(obj, kinds)), ingress.GatewayRef("shop", "gate")
        )
        given = facts(one, two, services=services, model_namespaces=namespaces, live_routes=routes)
        return ingress.resolve(given).served

    assert [route.relation_id for route in found().routes] == [1]
    assert [route.relation_id for route in found(one).routes] == [1]
    assert [route.relation_id for route in found(two).routes] == [2]
    (problem,) = found(two).problems
    assert str(problem).startswith("web-ui:ingress: remote-1:ingress has /shop-web-ui of http-80")


def test_a_route_that_istiod_refuses_is_not_served():
    asked = asks("one", A, relation_id=1), asks("two", A, relation_id=2)
    (route,) = applied(asked[1])
    given = facts(
        *asked,
        services=tuple(service(app, port=80) for app in APPS),
        live_routes=(msgspec.structs.replace(route, accepted=False),),
    )
    assert [each.relation_id for each in ingress.resolve(given).served.routes] == [1]


def test_a_route_in_another_namespace_speaks_for_no_application_but_those_of_that_namespace():
    """A tenant can make one there that has all our labels and annotations."""
    asked = asks("one", A, relation_id=1), asks("two", A, relation_id=2)
    (route,) = applied(asked[1])

    def found(namespace: str) -> list[int]:
        forged = msgspec.structs.replace(route, namespace=namespace)
        services = tuple(service(app, port=80) for app in APPS)
        given = facts(*asked, services=services, live_routes=(forged,))
        return [each.relation_id for each in ingress.resolve(given).served.routes]

    assert (found("shop"), found("evil")) == ([2], [1])


def test_what_is_served_is_kept_where_a_certificate_moves_it():
    asked = asks("one", A, relation_id=1, port=80), asks("two", A, relation_id=2, port=80)
    live = applied(asked[1])
    assert [route.listener for route in live] == ["http-80"]
    given = facts(
        *asked,
        services=tuple(service(app, port=80) for app in APPS),
        live_routes=live,
        tls=TLS,
    )
    assert [each.relation_id for each in ingress.resolve(given).served.routes] == [2]


def test_a_route_that_adds_the_path_of_another_is_refused():
    """Being served at one path is no claim to another."""
    one, two = asks("one", A, relation_id=1), asks("two", B, relation_id=2)
    greedy = asks("one", A, B, relation_id=1)
    assert outcome(greedy, two, live=(one, two)) == ([2], [1])


_PATHS = st.sampled_from(["/", "/a", "/a/b", "/shop-one", "/shop-one/x", "/shop-productpage"])
_MATCHES = st.builds(Match, st.sampled_from([PathType.PREFIX, EXACT]), _PATHS) | st.builds(
    Match, st.just(REGEX), st.sampled_from(["/a/.*", "/.*", "/a/b", "/shop-one/x.*"])
)
_HOSTNAMES = st.sampled_from([(), ("a.b",), ("*.b",), ("gate.example.com",)])


def _asked(
    app: str, number: int, matches: list[Match], hosts: tuple[str, ...]
) -> ingress.IngressRequest:
    return asks(app, *matches, relation_id=number, port=80, hostnames=hosts)


_ASKED = st.builds(
    _asked,
    st.sampled_from(["one", "two"]),
    st.integers(2, 9),
    st.lists(_MATCHES, min_size=1, max_size=3, unique=True),
    _HOSTNAMES,
)


@pytest.mark.slow
@hypothesis.given(st.lists(_ASKED, max_size=4), st.lists(_ASKED, max_size=4))
@hypothesis.settings(deadline=None, max_examples=200)
def test_no_newcomer_takes_a_route_from_who_is_served(
    before: list[ingress.IngressRequest], newcomers: list[ingress.IngressRequest]
):
    """Whatever another application asks for, and whichever is related first."""
    page = request(port=80, relation_id=10)
    # One application's own requests contradict each other on its own account.
    ours = [each for each in before if each.requester.app == "one"][:1]
    theirs = [each for each in newcomers if each.requester.app == "two"]
    first = served(page, *ours, config=ANY)
    live = applied(page, *ours, config=ANY)
    after = ingress.resolve(
        facts(
            page,
            *ours,
            *theirs,
            services=tuple(service(app, port=80) for app in APPS),
            live_routes=live,
            config=ANY,
        )
    ).served
    kept = {(each.namespace, each.name) for each in after.routes}
    assert {(each.namespace, each.name) for each in first.routes} <= kept
    # Of several hooks with the same requests, the second changes nothing.
    again = ingress.resolve(
        facts(
            page,
            *ours,
            *theirs,
            services=tuple(service(app, port=80) for app in APPS),
            live_routes=applied(page, *ours, *theirs, config=ANY),
            config=ANY,
        )
    ).served
    assert {each.ref for each in again.routes} == {
        each.ref for each in served(page, *ours, *theirs, config=ANY).routes
    }


def test_a_route_for_a_port_that_tls_moves_meets_those_that_are_there():
    asked = (
        asks("one", A, relation_id=1, port=80),
        asks("two", A, relation_id=2, port=443),
    )
    assert outcome(*asked) == ([1, 2], [])
    tls = ingress.Tls(True, ingress.Certificate("chain", "key"))
    assert outcome(*asked, tls=tls) == ([1], [2])


def test_refused_routes_cause_no_conflict():
    asked = (
        asks("one", A, relation_id=1),
        configuration("two", route("r", matches=(A,), backends=(backend("one", 80),))),
    )
    assert outcome(*asked) == ([1], [])


def test_a_route_without_its_backend_gives_way_to_one_that_can_answer():
    early = configuration(
        "two", route("r", matches=(A,), backends=(backend("gone", 80),)), relation_id=1
    )
    assert outcome(early) == ([1], [])
    assert outcome(early, asks("one", A, relation_id=2)) == ([2], [1])


def test_other_routes_of_those_that_clash_are_served():
    config = configuration(
        "two",
        route("r", matches=(A,), backends=(backend("two", 80),)),
        route("s", matches=(B,), backends=(backend("two", 80),)),
        relation_id=2,
    )
    assert outcome(asks("one", A, relation_id=1), config) == ([1, 2], [2])


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
    assert outcome(page, thief, tls=TLS) == ([1], [2])
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
    open_listener = ingress.Config(external_hostname="shop.example.com", listener_hostname="")
    assert outcome(page, named, tls=TLS, config=open_listener) == ([1], [2])


def test_one_may_say_itself_where_its_plain_http_clients_go():
    served, redirected = (
        route("served", matches=(A,), backends=(backend("one", 80),), port=80),
        route("to-tls", matches=(A,), backends=(), port=80, redirect=ELSEWHERE),
    )
    assert outcome(configuration("one", served, redirected), tls=TLS) == ([5, 5], [])
