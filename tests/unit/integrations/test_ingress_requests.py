# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Databags into what the gateway decides on, and what it decided into databags."""

import dataclasses
import json
from typing import Any

import pytest
from istio_ambient import authorization, ingress, kube
from istio_ambient.ingress import Match, PathModifier, PathType, Protocol, ServiceRef
from istio_ambient.integrations import ingress_requests

from tests.unit.ingress.samples import CERTIFICATE, configuration, facts, request, route, service

INGRESS = {"model": '"shop"', "name": '"productpage"', "port": "9080"}
ROUTE = {
    "name": "main",
    "listener": {"port": 8080, "protocol": "HTTP"},
    "backends": [{"service": "tempo", "port": 3200, "weight": 5}],
}


def read(content: dict[str, str], endpoint: str = "ingress") -> ingress_requests.Asked:
    databag = ingress_requests.Databag(authorization.Requester("app", endpoint), 7, content)
    return ingress_requests.read([databag])


def read_route(**config: Any) -> ingress_requests.Asked:
    content = {"config": json.dumps({"model": "shop", **config})}
    return read(content, "istio-ingress-route")


@pytest.mark.parametrize(
    ("endpoint", "authenticated"), [("ingress", True), ("ingress-unauthenticated", False)]
)
def test_a_request_of_ingress(endpoint: str, authenticated: bool):
    content = {**INGRESS, "strip-prefix": "true", "scheme": '"h2c"'}
    asked = read(content, endpoint)
    assert asked.requests == (
        ingress.IngressRequest(
            requester=authorization.Requester("app", endpoint),
            relation_id=7,
            model="shop",
            name="productpage",
            port=9080,
            strip_prefix=True,
            scheme="h2c",
            authenticated=authenticated,
        ),
    )
    assert list(asked.services) == [("shop", "productpage", 9080)]


@pytest.mark.parametrize(
    ("endpoint", "authenticated"),
    [("istio-ingress-route", True), ("istio-ingress-route-unauthenticated", False)],
)
def test_a_configuration_of_routes(endpoint: str, authenticated: bool):
    config = {"model": "shop", "listeners": [ROUTE["listener"]], "http_routes": [ROUTE]}
    (found,) = read({"config": json.dumps(config)}, endpoint).configurations
    assert (found.authenticated, found.ports, found.relation_id) == (authenticated, (8080,), 7)
    assert found.routes == (
        ingress.RouteRequest(
            "http_routes[0]", "main", Protocol.HTTP, 8080, (ServiceRef("tempo", 3200, 5),)
        ),
    )


def test_matches_and_filters_keep_their_meaning():
    headers = {"X-B": "1", "x-a": "2"}
    prefix = {"path": {"type": "PathPrefix", "value": "/a/"}, "method": "GET", "headers": headers}
    expression = {"path": {"type": "RegularExpression", "value": "/a/.*/"}}
    path = {"type": "ReplaceFullPath", "replaceFullPath": "/b"}
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "h", "path": path}}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"port": 444, "statusCode": 302}}
    asked = read_route(
        http_routes=[
            {**ROUTE, "matches": [prefix, expression, {}, prefix], "filters": [rewrite]},
            {**ROUTE, "backends": [], "filters": [redirect]},
        ]
    )
    assert asked.problems == ()
    first, second = asked.configurations[0].routes
    assert first.matches == (
        Match(PathType.PREFIX, "/a", "GET", (("x-a", "2"), ("x-b", "1"))),
        Match(PathType.REGEX, "/a/.*/"),
        Match(PathType.PREFIX, "/"),
    )
    assert first.rewrite == ingress.Rewrite("h", PathModifier("/b", whole=True))
    assert (second.matches, second.redirect) == (
        (Match(),),
        ingress.Redirect(port=444, status=302),
    )


def test_grpc_methods_are_paths():
    methods = [{"service": "a.B"}, {"service": "a.B", "method": "C"}]
    matches = [*({"method": method} for method in methods), {"headers": {"A": "b"}}]
    asked = read_route(grpc_routes=[{**ROUTE, "matches": matches}])
    (found,) = asked.configurations[0].routes
    assert found.protocol is Protocol.GRPC
    assert found.matches == (
        Match(PathType.PREFIX, "/a.B", grpc=("a.B", "")),
        Match(PathType.EXACT, "/a.B/C", grpc=("a.B", "C")),
        Match(PathType.PREFIX, "/", headers=(("a", "b"),)),
    )


TEMPO = service("tempo", port=3200)
SERVICES = (TEMPO, service())


def answers(asked: ingress.Facts, *, there: bool = True) -> dict[int, dict[str, str]]:
    """Return what is told while every object is there, or none."""
    live = kube.Live(kube.Identity("shop", "gate"), ingress.MANAGED)
    objects = {kube.ref_of(each): each for each in ingress.desired(asked).objects}
    if there:
        live = dataclasses.replace(live, objects=objects)
    return ingress_requests.answers(ingress.exposure(asked), live)


def test_an_application_is_told_where_it_is_once_its_route_is_there():
    asked = facts(
        request(relation_id=1), configurations=[configuration("tempo", route())], services=SERVICES
    )
    assert answers(asked) == {
        1: {"ingress": '{"url": "http://203.0.113.10/shop-productpage"}'},
        5: {"external_host": "203.0.113.10", "tls_enabled": "False"},
    }
    assert answers(asked, there=False) == {}


def test_with_tls_the_url_says_so():
    tls = ingress.Tls(wanted=True, certificate=CERTIFICATE)
    asked = facts(
        request(relation_id=1),
        configurations=[configuration("tempo", route())],
        services=SERVICES,
        config=ingress.Config(external_hostname="apps.example.com"),
        tls=tls,
    )
    assert answers(asked) == {
        1: {"ingress": '{"url": "https://apps.example.com/shop-productpage"}'},
        5: {"external_host": "apps.example.com", "tls_enabled": "True"},
    }
    waiting = dataclasses.replace(asked, tls=ingress.Tls(wanted=True))
    assert answers(waiting) == {}


def test_without_an_address_nothing_is_told():
    asked = facts(
        request(relation_id=1),
        configurations=[configuration("tempo", route())],
        services=SERVICES,
        address="",
    )
    assert answers(asked) == {}


def test_who_clashes_is_told_nothing_though_other_routes_are_served():
    mine = (route("r", matches=(Match(path="/a"),)), route("s", matches=(Match(path="/b"),)))
    theirs = route("r", matches=(Match(path="/a"),), backends=(ServiceRef("productpage", 9080),))
    asked = facts(
        configurations=[
            configuration("tempo", *mine, relation_id=1),
            configuration("productpage", theirs, relation_id=2),
        ],
        services=SERVICES,
    )
    assert [each.name for each in ingress.exposure(asked).routes] == [
        "tempo-s-httproute-http-8080-gate"
    ]
    assert answers(asked) == {}


def test_a_configuration_with_listeners_alone_is_told_the_host():
    asked = facts(configurations=[configuration("tempo", ports=(8080,))], services=SERVICES)
    assert answers(asked) == {5: {"external_host": "203.0.113.10", "tls_enabled": "False"}}
