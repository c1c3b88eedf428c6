# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The annotation of the Gateway: where requesters are served, also while no route is."""

import json
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from istio_ambient import ingress
from istio_ambient.ingress.model import (
    SERVED,
    Match,
    PathType,
    Place,
    Protocol,
    dump_places,
    parse_places,
)
from istio_ambient.ingress.model._places import MAX_BYTES

from tests.unit.ingress.samples import (
    CERTIFICATE,
    backend,
    configuration,
    facts,
    objects,
    request,
    route,
    service,
)

A = Match(path="/a")
SERVICES = tuple(service(app, port=80) for app in ("one", "two"))
PENDING = ingress.Tls(wanted=True)
PLACE = Place("two:istio-ingress-route", 80, "", "PathPrefix", "/a")


def asks(
    app: str, relation_id: int, port: int = 80, hostnames: tuple[str, ...] = ()
) -> ingress.IngressRequest:
    backends = (backend(app, 80),)
    asked = route("r", backends=backends, matches=(A,), port=port, hostnames=hostnames)
    return configuration(app, asked, relation_id=relation_id)


ONE, TWO = asks("one", 1), asks("two", 2)


def annotation(*requests: ingress.IngressRequest, **changes: Any) -> str:
    found = objects(facts(*requests, services=SERVICES, **changes))["Gateway shop/gate"]
    return found["metadata"].get("annotations", {}).get(SERVED, "")


def served(*places: Place, requests: tuple[Any, ...] = (ONE, TWO), **changes: Any) -> list[int]:
    """Return the relations whose routes are served where no route is in the cluster."""
    given = facts(*requests, services=SERVICES, remembered=frozenset(places), **changes)
    return [each.relation_id for each in ingress.resolve(given).served.routes]


def test_the_gateway_tells_who_is_served():
    text = annotation(TWO, request("one", port=80, relation_id=9))
    assert json.loads(text) == {
        "one:ingress": [[80, "", "PathPrefix", "/shop-one"]],
        "two:istio-ingress-route": [[80, "", "PathPrefix", "/a"]],
    }
    assert parse_places(text) == {PLACE, Place("one:ingress", 80, "", "PathPrefix", "/shop-one")}
    # Who is refused is not served.
    assert json.loads(annotation(ONE, TWO)).keys() == {"one:istio-ingress-route"}


def test_a_gateway_that_has_served_nothing_has_no_annotation():
    assert annotation() == annotation(TWO, tls=PENDING) == ""


def test_it_stays_as_it_is_while_routes_are_withheld():
    remembered = parse_places(annotation(TWO))
    for requests in ((TWO,), (ONE, TWO), (ONE,), ()):
        assert annotation(*requests, tls=PENDING, remembered=remembered) == annotation(TWO)
    # Afterwards it is what is served then.
    assert annotation(remembered=remembered) == ""


def test_routes_of_an_earlier_revision_are_remembered_before_they_are_withheld():
    live = (
        ingress.AttachedRoute(
            Protocol.HTTP,
            "shop",
            "two-r",
            "http-80",
            matches=(A,),
            requested_by=frozenset({"two:istio-ingress-route"}),
        ),
    )
    given = facts(TWO, services=SERVICES, tls=PENDING, live_routes=live)
    assert ingress.resolve(given).served.places == {PLACE}


def test_who_was_served_is_served_again():
    assert served() == [1]
    assert served(PLACE) == [2]
    assert served(PLACE._replace(path="/b")) == [1]


def test_a_certificate_moves_what_was_served():
    certified = ingress.Tls(wanted=True, certificate=CERTIFICATE)
    assert served(tls=certified) == [1]
    assert served(PLACE, tls=certified) == [2]


@pytest.mark.parametrize("hostname", ["", "shop.example.com"])
def test_the_hostname_of_the_gateway_changes_meanwhile(hostname: str):
    config = ingress.Config(external_hostname=hostname, listener_hostname=hostname)
    assert served(PLACE, config=config) == [2]
    named = tuple(
        asks(app, n, hostnames=("shop.example.com",)) for n, app in ((1, "one"), (2, "two"))
    )
    place = PLACE._replace(hostname="shop.example.com")
    assert served(requests=named, config=config) == [1]
    assert served(place, requests=named, config=config) == [2]


def test_routes_in_the_cluster_count_more_than_the_annotation():
    live = ingress.resolve(facts(TWO, services=SERVICES))
    made = [
        o for o in ingress.desired(live).objects if isinstance(o, tuple(ingress.KINDS.values()))
    ]
    attached = ingress.attached_routes(made, ingress.GatewayRef("shop", "gate"))
    old = PLACE._replace(requester="one:istio-ingress-route")
    assert served(old, live_routes=attached) == [2]


def test_what_istiod_refuses_is_forgotten():
    live = ingress.resolve(facts(TWO, services=SERVICES))
    made = [
        o for o in ingress.desired(live).objects if isinstance(o, tuple(ingress.KINDS.values()))
    ]
    for each in made:
        conditions = [{"type": "Accepted", "status": "False"}]
        ref = {"name": "gate", "namespace": "shop", "sectionName": "http-80"}
        parent = {"controllerName": "istio.io/gateway-controller", "parentRef": ref}
        each["status"] = {"parents": [{**parent, "conditions": conditions}]}
    attached = ingress.attached_routes(made, ingress.GatewayRef("shop", "gate"))
    assert served(PLACE, live_routes=attached) == [1]


def test_a_port_stays_open_for_whom_it_was():
    newcomers = [
        configuration(f"app-{n}", ports=range(4000 + 16 * n, 4016 + 16 * n), relation_id=n)
        for n in range(1, 5)
    ]
    requests = (*newcomers, asks("two", 99, port=3200))
    assert served(requests=requests) == []
    assert served(PLACE._replace(port=3200), requests=requests) == [99]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "[" * 100_000,
        '{"a:b": 1}',
        '{"a:b": {"80": 1}}',
        '{"a:b": [[80, "", "PathPrefix"], ["80", "", "Exact", "/"], "80", null]}',
    ],
)
def test_what_cannot_be_read_counts_as_nothing(text: str):
    assert parse_places(text) == frozenset()


def test_a_text_that_is_too_large_leaves_out_the_largest_applications():
    small = [Place(f"app-{n}:ingress", 80, "", "PathPrefix", f"/{n}") for n in range(50)]
    # Over two endpoints, each of which there is room for.
    large = [
        Place(f"greedy:{endpoint}", 80, "", "Exact", f"/{n}/{'x' * 100}")
        for n in range(1000)
        for endpoint in ("istio-ingress-route", "istio-ingress-route-unauthenticated")
    ]
    medium = [Place("tempo:istio-ingress-route", 80, "", "Exact", f"/{n}") for n in range(2000)]
    text = dump_places({*small, *large, *medium})
    assert len(text) <= MAX_BYTES
    assert parse_places(text) == {*small, *medium}
    assert dump_places(parse_places(text)) == text


_PLACES = st.builds(
    Place, st.text(), st.integers(0, 65535), st.text(), st.sampled_from(PathType), st.text()
)


@hypothesis.given(st.frozensets(_PLACES))
def test_the_text_says_what_was_put_in(places: frozenset[Place]):
    assert parse_places(dump_places(places)) == places


@hypothesis.given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_read(content: Any):
    found = parse_places(json.dumps(content))
    assert parse_places(dump_places(found)) == found
