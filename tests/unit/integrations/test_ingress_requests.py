# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""From databags to requests for routes, and from served routes to databags."""

import json
from typing import Any

import msgspec
import pytest
from istio_ambient import authorization, ingress, kube, resources
from istio_ambient.ingress.routing import Match, PathType, Protocol, Route
from istio_ambient.integrations import ingress_requests
from istio_ambient.integrations.requesters import RequesterDatabag
from istio_ambient.interfaces.ingress import IngressRequirerData
from istio_ambient.interfaces.istio_ingress_route import FullPath
from istio_ambient.values.problems import Problem

from tests.unit.ingress import samples
from tests.unit.ingress.samples import (
    CERTIFICATE,
    backend,
    configuration,
    facts,
    request,
    route,
    service,
)

INGRESS = {"model": '"shop"', "name": '"productpage"', "port": "9080"}
ROUTE = {
    "name": "main",
    "listener": {"port": 8080, "protocol": "HTTP"},
    "backends": [{"service": "tempo", "port": 3200, "weight": 5}],
}


TEMPO = service("tempo", port=3200)
SERVICES = (TEMPO, service())


def read(
    content: dict[str, str], endpoint: str = "ingress"
) -> tuple[tuple[ingress.IngressRequest, ...], tuple[Problem, ...]]:
    databag = RequesterDatabag(authorization.Requester("tempo", endpoint), 7, content)
    return ingress_requests.read([databag])


def routes_of(**config: Any) -> tuple[Route, ...]:
    """Return the routes that a databag of tempo becomes."""
    content = {"config": json.dumps({"model": "shop", **config})}
    requests, problems = read(content, "istio-ingress-route")
    assert problems == ()
    return ingress.resolve(facts(*requests, services=SERVICES)).served.routes


@pytest.mark.parametrize(
    ("endpoint", "authenticated"), [("ingress", True), ("ingress-unauthenticated", False)]
)
def test_a_request_of_ingress(endpoint: str, authenticated: bool):
    content = {**INGRESS, "strip-prefix": "true", "scheme": '"h2c"'}
    (found,), problems = read(content, endpoint)
    assert problems == ()
    assert found == ingress.IngressRequest(
        requester=authorization.Requester("tempo", endpoint),
        relation_id=7,
        data=IngressRequirerData.model_validate(
            {
                "model": "shop",
                "name": "productpage",
                "port": 9080,
                "strip-prefix": True,
                "scheme": "h2c",
            }
        ),
        authenticated=authenticated,
    )
    assert list(found.backends) == [("productpage", 9080)]


@pytest.mark.parametrize(
    ("endpoint", "authenticated"),
    [("istio-ingress-route", True), ("istio-ingress-route-unauthenticated", False)],
)
def test_a_configuration_of_routes(endpoint: str, authenticated: bool):
    config = {"model": "shop", "listeners": [ROUTE["listener"]], "http_routes": [ROUTE]}
    (found,), _ = read({"config": json.dumps(config)}, endpoint)
    assert (found.authenticated, found.relation_id, found.complete) == (authenticated, 7, True)
    assert list(found.backends) == [("tempo", 3200)]
    resolved = ingress.resolve(facts(found, services=SERVICES))
    (served,) = resolved.served.routes
    assert (served.field, served.name, served.protocol, served.listener.port) == (
        "http_routes[0]",
        "tempo-main-httproute-http-8080-gate",
        Protocol.HTTP,
        8080,
    )
    assert served.authenticated is authenticated
    assert [(each.service, each.port, each.weight) for each in served.backends] == [
        ("tempo", 3200, 5)
    ]
    assert (served.matches, served.rewrite, served.redirect) == ((Match(),), None, None)


def test_matches_and_filters_keep_their_meaning():
    headers = {"X-B": "1", "x-a": "2"}
    prefix = {"path": {"type": "PathPrefix", "value": "/a/"}, "method": "GET", "headers": headers}
    expression = {"path": {"type": "RegularExpression", "value": "/a/.*/"}}
    path = {"type": "ReplaceFullPath", "replaceFullPath": "/b"}
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "h", "path": path}}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"port": 444, "statusCode": 302}}
    first, second = routes_of(
        http_routes=[
            {**ROUTE, "matches": [prefix, expression, prefix], "filters": [rewrite]},
            {**ROUTE, "name": "away", "backends": [], "filters": [redirect]},
        ]
    )
    assert first.matches == (
        Match(PathType.PREFIX, "/a", "GET", (("x-a", "2"), ("x-b", "1"))),
        Match(PathType.REGEX, "/a/.*/"),
    )
    assert first.rewrite is not None
    assert (first.rewrite.hostname, first.rewrite.path) == (
        "h",
        FullPath(type="ReplaceFullPath", replaceFullPath="/b"),
    )
    assert second.matches == (Match(),)
    assert second.redirect == samples.redirect(port=444, statusCode=302)


def test_a_match_without_members_takes_every_request():
    prefix = {"path": {"type": "PathPrefix", "value": "/a/"}}
    (found,) = routes_of(http_routes=[{**ROUTE, "matches": [prefix, {}]}])
    assert found.matches == (Match(path="/a"), Match(PathType.PREFIX, "/"))


def test_a_rewrite_that_changes_nothing_is_none():
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": None, "path": None}}
    (found,) = routes_of(http_routes=[{**ROUTE, "filters": [rewrite]}])
    assert found.rewrite is None


def test_grpc_methods_are_paths():
    methods = [{"service": "a.B"}, {"service": "a.B", "method": "C"}]
    matches = [*({"method": method} for method in methods), {"headers": {"A": "b"}}]
    (found,) = routes_of(grpc_routes=[{**ROUTE, "matches": matches}])
    assert found.protocol is Protocol.GRPC
    assert found.matches == (
        Match(PathType.PREFIX, "/a.B", grpc=("a.B", "")),
        Match(PathType.EXACT, "/a.B/C", grpc=("a.B", "C")),
        Match(PathType.PREFIX, "/", headers=(("a", "b"),)),
    )


def answers(asked: ingress.Facts, *, there: bool = True) -> dict[int, dict[str, str]]:
    """Return what is told while every object is there, or none."""
    live = kube.Live(resources.identity("shop", "gate"), ingress.MANAGED)
    objects = {kube.ref_of(each): each for each in ingress.desired(ingress.resolve(asked)).objects}
    if there:
        live = msgspec.structs.replace(live, objects=objects)
    return ingress_requests.answers(ingress.resolve(asked), live)


def test_an_application_gets_its_url_once_its_route_exists():
    asked = facts(request(relation_id=1), configuration("tempo", route()), services=SERVICES)
    assert answers(asked) == {
        1: {"ingress": '{"url": "http://203.0.113.10/shop-productpage"}'},
        5: {"external_host": "203.0.113.10", "tls_enabled": "False"},
    }
    assert answers(asked, there=False) == {}


def test_with_tls_the_url_says_so():
    tls = ingress.Tls(wanted=True, certificate=CERTIFICATE)
    asked = facts(
        request(relation_id=1),
        configuration("tempo", route()),
        services=SERVICES,
        config=ingress.Config(external_hostname="apps.example.com"),
        tls=tls,
    )
    assert answers(asked) == {
        1: {"ingress": '{"url": "https://apps.example.com/shop-productpage"}'},
        5: {"external_host": "apps.example.com", "tls_enabled": "True"},
    }
    waiting = msgspec.structs.replace(asked, tls=ingress.Tls(wanted=True))
    assert answers(waiting) == {}


def test_without_an_address_databags_stay_empty():
    asked = facts(
        request(relation_id=1),
        configuration("tempo", route()),
        services=SERVICES,
        address="",
    )
    assert answers(asked) == {}


def test_a_relation_refused_for_a_conflict_gets_no_answer_though_other_routes_are_served():
    mine = (route("r", matches=(Match(path="/a"),)), route("s", matches=(Match(path="/b"),)))
    theirs = route("r", matches=(Match(path="/a"),), backends=(backend("productpage", 9080),))
    asked = facts(
        configuration("tempo", *mine, relation_id=2),
        configuration("productpage", theirs, relation_id=1),
        services=SERVICES,
    )
    assert sorted(each.name for each in ingress.resolve(asked).served.routes) == [
        "productpage-r-httproute-http-8080-gate",
        "tempo-s-httproute-http-8080-gate",
    ]
    assert answers(asked).keys() == {1}


def test_a_configuration_without_routes_gets_the_host():
    asked = facts(configuration("tempo", ports=(8080,)), services=SERVICES)
    assert answers(asked) == {5: {"external_host": "203.0.113.10", "tls_enabled": "False"}}
