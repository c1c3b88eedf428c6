# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The actions of istio-ingress-k8s: its routes and traces, compared with real requests."""

import json
from typing import Any

import pytest

from tests import lab
from tests.lab import apps, conftest, juju

APP, UNIT, CHARM = "gate", "gate/0", conftest.CHARMS / "istio-ingress-k8s"
INSIDE, OUTSIDE = "192.0.2.10", "198.51.100.7"
PAGE = "/shop-productpage"
READS = 40
"""Requests that one action may make, whatever the size of the cluster."""


@pytest.fixture(scope="module")
def shop(control_plane: juju.Model, new_module_model: conftest.ModelFactory) -> juju.Model:
    """A gateway with a route to productpage, and a route that redirects."""
    model = new_module_model("shop", controller=control_plane.controller)
    model.deploy(CHARM, APP, config={"external-traffic-policy-cidrs": "192.0.2.0/24"})
    model.deploy(apps.STOREFRONT, "productpage")
    model.integrate("productpage:ingress", f"{APP}:ingress")
    config = {
        "model": "shop",
        "listeners": [{"port": 8080, "protocol": "HTTP"}],
        "http_routes": [
            {
                "name": "old",
                "listener": {"port": 8080, "protocol": "HTTP"},
                "backends": [],
                "matches": [{"path": {"type": "Exact", "value": "/old"}, "method": "GET"}],
                "filters": [
                    {
                        "type": "RequestRedirect",
                        "requestRedirect": {"hostname": "new.example.com", "statusCode": 302},
                    }
                ],
            }
        ],
    }
    model.fake_remote(f"{APP}:istio-ingress-route", "mover", {"config": json.dumps(config)})
    model.wait_active()
    return model


def run(shop: juju.Model, action: str, **params: Any) -> dict[str, Any]:
    """Run an action of the gateway; parameters have underscores for dashes."""
    return shop.run(UNIT, action, **params)


def base(shop: juju.Model) -> str:
    urls = json.loads(run(shop, "get-proxied-endpoints")["proxied-endpoints"])
    return urls[APP]["url"]


def test_urls_are_listed_as_by_other_ingress_charms(shop: juju.Model):
    urls = json.loads(run(shop, "get-proxied-endpoints")["proxied-endpoints"])
    published = json.loads(shop.databag(f"{APP}:ingress", remote="productpage")["ingress"])
    assert urls["productpage"] == published
    assert set(urls) == {APP, "productpage"}


def test_routes_are_listed_for_people_and_for_programs(shop: juju.Model):
    answer = run(shop, "list-routes")
    assert answer["gateway"] == base(shop)
    assert "not-served" not in answer
    table = answer["routes"].splitlines()
    assert any(PAGE in line and "shop/productpage:9080" in line for line in table)
    assert any(":8080/old" in line and "exact path, GET" in line for line in table)
    entries = json.loads(run(shop, "list-routes", format="json")["routes"])
    assert {(e["application"], e["state"]) for e in entries} == {
        ("productpage", "served"),
        ("mover", "served"),
    }


def test_a_route_that_is_not_served_is_listed_with_the_reason(shop: juju.Model):
    request = {"model": "shop", "name": "productpage", "port": 9080}
    databag = {key: json.dumps(value) for key, value in request.items()}
    shop.fake_remote(f"{APP}:ingress", "thief", databag)
    shop.settle()
    try:
        answer = run(shop, "list-routes")
        assert "thief" in answer["not-served"] and "is not one of thief" in answer["not-served"]
    finally:
        shop.remove_relation(f"{APP}:ingress", "thief")
        shop.settle()


@pytest.mark.parametrize(
    ("path", "source", "method", "verdict", "status"),
    [
        (PAGE, INSIDE, "GET", "served by Service shop/productpage:9080", 200),
        (f"{PAGE}/x/../y?z=1", INSIDE, "POST", "served by Service shop/productpage:9080", 200),
        ("/nothing", INSIDE, "GET", "404", 404),
        (PAGE, OUTSIDE, "GET", "403: no ALLOW policy matches at the gateway", 403),
        ("/nothing", OUTSIDE, "GET", "403", 403),
        (":8080/old", INSIDE, "GET", "302 to http://new.example.com:8080/old", 302),
        (":8080/old", INSIDE, "POST", "404", 404),
        (":8080/older", INSIDE, "GET", "404", 404),
    ],
)
def test_check_matches_real_responses(
    cluster: lab.Cluster,
    shop: juju.Model,
    path: str,
    source: str,
    method: str,
    verdict: str,
    status: int,
):
    url = base(shop) + path
    answer = run(shop, "check", url=url, source_ip=source, method=method)
    assert verdict in answer["verdict"]

    def seen() -> bool:
        response = cluster.request_outside(url, source_ip=source, method=method)
        assert response.status == status, response
        return True

    assert lab.eventually(seen)


def test_check_names_listener_policies_route_and_backend(shop: juju.Model):
    answer = run(shop, "check", url=base(shop) + PAGE)
    assert answer["verdict"].startswith("if the gateway lets it through: served by")
    way = answer["way"]
    for expected in (
        "listener  http-80 (HTTP)",
        "from 192.0.2.0/24 (shop/gate-shop-external-traffic rule 0)",
        "HTTPRoute shop/productpage-httproute-http-80-gate rule 0: PathPrefix /shop-productpage",
        "backend   Service shop/productpage:9080",
    ):
        assert expected in way
    data = json.loads(run(shop, "check", url=base(shop) + PAGE, format="json")["json"])
    assert data["backends"][0]["service"] == "productpage"
    closed = run(shop, "check", url=base(shop) + ":81/")
    assert "nothing listens on port 81" in closed["verdict"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"url": "shop"}, "use http://<host>/<path>"),
        ({"url": "http://h/", "source_ip": "here"}, "source-ip: use an IP address"),
        ({"url": "http://h/", "headers": "{x: yes}"}, "headers: x is not text; quote it"),
    ],
)
def test_invalid_parameters_are_reported_with_valid_ones(
    shop: juju.Model, params: dict[str, str], message: str
):
    with pytest.raises(juju.ActionError, match=message.replace("/", "/")):
        run(shop, "check", **params)


@pytest.mark.parametrize("headers", ["x-tenant: blue", "{x-tenant: blue, accept: text/html}"])
def test_headers_are_given_as_documented(shop: juju.Model, headers: str):
    way = run(shop, "check", url=base(shop) + PAGE, headers=headers)["way"]
    dotted = shop.run(UNIT, "check", f"url={base(shop) + PAGE}", "headers.x-tenant=blue")
    assert (way, "served by" in way) == (dotted["way"], True)
    with pytest.raises(juju.JujuError, match="is not of type 'object'"):
        run(shop, "check", url=base(shop) + PAGE, headers="blue")


def test_actions_write_nothing(cluster: lab.Cluster, shop: juju.Model):
    url = base(shop) + PAGE
    for action, params in (
        ("list-routes", {}),
        ("get-proxied-endpoints", {}),
        ("check", {"url": url}),
    ):
        mark = cluster.audit.mark()
        run(shop, action, **params)
        audited = cluster.audit.since(mark, f"system:serviceaccount:shop:{APP}")
        assert 0 < len(audited) <= READS
        assert not any(event.write for event in audited)
