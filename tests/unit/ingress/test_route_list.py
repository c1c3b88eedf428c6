# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The list of routes for operators."""

from typing import Any

import msgspec
from istio_ambient import authorization, ingress, kube, resources
from istio_ambient.ingress.reports import route_list
from istio_ambient.ingress.routing import Match, PathType

from tests.unit.ingress import samples


def listed(facts: ingress.Facts, applied: bool = True) -> list[route_list.Entry]:
    objects = (
        {kube.ref_of(obj): obj for obj in ingress.desired(samples.resolve(facts)).objects}
        if applied
        else {}
    )
    live = kube.Live(resources.identity("shop", "gate"), objects=objects)
    return route_list.entries(samples.resolve(facts), live)


def facts(**changes: Any) -> ingress.Facts:
    return samples.facts(samples.request(), **changes)


def test_an_application_with_its_url_and_backend():
    (entry,) = listed(facts())
    assert entry == route_list.Entry(
        url="http://203.0.113.10/shop-productpage",
        match="",
        application="productpage",
        endpoint="ingress",
        backends=("shop/productpage:9080",),
        authentication="none",
        tls=False,
        redirect="",
        state="served",
    )
    assert listed(facts(), applied=False)[0].state == "not applied yet"


def test_who_may_is_said_for_each_route():
    asks = ingress.ForwardAuth(wanted=True, provider_name="ext-authz-gate")
    both = facts(forward_auth=asks, request_auth=(ingress.Trust("account"),))
    assert [entry.authentication for entry in listed(both)] == ["forward-auth or jwt"]
    request = msgspec.structs.replace(
        samples.request(endpoint="ingress-unauthenticated"), authenticated=False
    )
    open_to_all = samples.facts(request, forward_auth=asks)
    assert [entry.authentication for entry in listed(open_to_all)] == ["none"]


def test_ports_and_conditions_of_routes():
    asked = samples.route(
        "api",
        backends=(samples.backend("productpage", 9080),),
        matches=(Match(PathType.EXACT, "/api", "GET", (("x-tenant", "blue"),)),),
        hostnames=("shop.example.com",),
    )
    (entry,) = listed(samples.facts(samples.configuration("productpage", asked)))
    assert entry.url == "http://shop.example.com:8080/api"
    assert entry.match == "exact path, GET, header x-tenant: blue"


def test_what_is_not_served_says_why():
    clash = samples.facts(
        samples.request(), samples.request(endpoint="ingress-unauthenticated", relation_id=2)
    )
    assert listed(clash) == []
    (problem,) = route_list.unserved(samples.resolve(clash))
    assert "and so does productpage:ingress-unauthenticated" in str(problem)
    waiting = samples.facts(samples.request("absent"), services=())
    (problem,) = route_list.unserved(samples.resolve(waiting))
    assert "there is no Service shop/absent yet" in problem.message
    assert "absent" in route_list.unserved_table([problem])


def test_urls_as_other_ingress_charms_tell_them():
    found = listed(facts())
    urls = route_list.proxied_endpoints(samples.resolve(facts()), found)
    assert urls == {
        "gate": {"url": "http://203.0.113.10"},
        "productpage": {"url": "http://203.0.113.10/shop-productpage"},
    }
    unknown = facts(address="")
    assert route_list.proxied_endpoints(samples.resolve(unknown), listed(unknown)) == {}


def test_urls_are_those_that_are_published():
    wide = facts(
        config=ingress.Config(
            external_hostname="shop.example.com", listener_hostname="*.example.com"
        )
    )
    behind = facts(
        config=ingress.Config(external_hostname="shop.example.com"),
        upstream=ingress.Upstream("front", "https://front.example.com:444/shop-gate"),
    )
    for known in (wide, behind):
        found = samples.resolve(known)
        (entry,) = listed(known)
        assert entry.url == found.url(found.served.routes[0])
        urls = route_list.proxied_endpoints(found, [entry])
        assert urls["productpage"] == {"url": entry.url}
    assert listed(facts(address=""))[0].url == "/shop-productpage"


def test_ports_of_nodes_stand_in_urls_of_every_listener():
    gateway = authorization.ServiceFacts(
        "shop", "gate-istio", type="NodePort", node_ports={80: 30080, 8080: 30808}
    )
    asked = samples.configuration("tempo", samples.route())
    known = samples.facts(
        samples.request(),
        asked,
        services=(samples.service(), samples.service("tempo", port=3200), gateway),
        node_address="192.0.2.1",
    )
    assert [entry.url for entry in listed(known)] == [
        "http://192.0.2.1:30080/shop-productpage",
        "http://192.0.2.1:30808/main",
    ]


def test_an_open_route_that_needs_a_login_all_the_same_says_so():
    asks = ingress.ForwardAuth(wanted=True, provider_name="ext-authz-gate")
    by_expression = samples.route(matches=(Match(PathType.REGEX, "/open.*"),))
    opened = samples.configuration("tempo", by_expression, authenticated=False)
    known = samples.facts(
        opened,
        services=(samples.service("tempo", port=3200),),
        forward_auth=asks,
    )
    (entry,) = listed(known)
    assert entry.authentication == "forward-auth"
    (problem,) = route_list.unserved(samples.resolve(known))
    assert "it needs authentication" in problem.message
