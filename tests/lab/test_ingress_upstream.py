# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""An ingress behind an upstream ingress: real requests through both gateways."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from istio_ambient import resources
from lightkube.resources.core_v1 import Service

from tests import lab
from tests.lab import apps, juju
from tests.lab.conftest import ModelFactory

INNER, FRONT, CHARM = "inner", "front", "charms/istio-ingress-k8s"
PATH = "/shop-productpage"


@pytest.fixture(scope="module")
def shop(control_plane: juju.Model, new_module_model: ModelFactory) -> Iterator[juju.Model]:
    """A model with two gateways; the inner one routes to productpage."""
    model = new_module_model("shop", controller=control_plane.controller)
    for app in (INNER, FRONT):
        model.deploy(CHARM, app)
    model.deploy(apps.STOREFRONT, "productpage")
    model.deploy(apps.CERTIFIER)
    model.integrate("productpage:ingress", f"{INNER}:ingress")
    model.wait_active()
    yield model


def address(cluster: lab.Cluster, app: str) -> str:
    client: Any = cluster.client
    found = client.get(Service, f"{app}-istio", namespace="shop")
    return found.status.loadBalancer.ingress[0].ip


def url(shop: juju.Model, endpoint: str = f"{INNER}:ingress", remote: str = "productpage") -> str:
    databag = shop.databag(endpoint, remote=remote)
    return json.loads(databag["ingress"])["url"] if "ingress" in databag else ""


def status(shop: juju.Model, app: str = INNER) -> str:
    found = shop.unit_status(f"{app}/0")
    return f"{found.name}: {found.message}"


def answers(cluster: lab.Cluster, where: str, **request: Any) -> lab.Response:
    def seen() -> lab.Response:
        response = cluster.request_outside(where, **request)
        assert response.status == 200, response
        return response

    return lab.eventually(seen, timeout=30)


def test_the_published_protocol_with_another_provider(cluster: lab.Cluster, shop: juju.Model):
    own = f"http://{address(cluster, INNER)}{PATH}"
    assert url(shop) == own
    endpoint = f"{INNER}:upstream-ingress"
    shop.fake_remote(endpoint, "traefik")
    shop.settle()
    assert status(shop).startswith("waiting: upstream-ingress: traefik has not said")
    assert url(shop) == own
    requested = {key: json.loads(text) for key, text in shop.databag(endpoint).items()}
    assert requested == {"model": "shop", "name": INNER, "port": 80, "strip-prefix": True}
    unit = shop.databag(endpoint, unit=0)
    assert json.loads(unit["host"]) == address(cluster, INNER)

    shop.set_databag("traefik", "upstream-ingress", "ingress", '{"url": "http://me@x/?y"}')
    shop.settle()
    assert status(shop).startswith("blocked: traefik:upstream-ingress ingress.url: ")
    assert url(shop) == own

    given = json.dumps({"url": "https://www.example.com:8443/shop-inner/"})
    shop.set_databag("traefik", "upstream-ingress", "ingress", given)
    shop.settle()
    assert status(shop).startswith("active: serves https://www.example.com:8443/")
    assert url(shop) == f"https://www.example.com:8443/shop-inner{PATH}"

    shop.remove_relation(endpoint, "traefik")
    shop.settle()
    assert url(shop) == own


def test_requests_pass_both_gateways(cluster: lab.Cluster, shop: juju.Model):
    shop.integrate(f"{INNER}:upstream-ingress", f"{FRONT}:ingress")
    shop.wait_active()
    front = address(cluster, FRONT)
    assert url(shop, f"{FRONT}:ingress", INNER) == f"http://{front}/shop-inner"
    assert url(shop) == f"http://{front}/shop-inner{PATH}"
    response = answers(cluster, f"{url(shop)}/x?y=z")
    assert (response.hop, response.json()["path"]) == ("application", f"{PATH}/x?y=z")
    # Clients that know its address still reach the inner gateway.
    answers(cluster, f"http://{address(cluster, INNER)}{PATH}")
    route: Any = cluster.client.get(
        resources.HTTPRoute, "inner-httproute-http-80-front", namespace="shop"
    )
    assert route["spec"]["rules"][0]["backendRefs"][0]["name"] == "inner-istio"


def test_clients_get_tls_from_an_upstream_gateway_with_a_certificate(
    cluster: lab.Cluster, shop: juju.Model
):
    shop.integrate("certifier:certificates", f"{FRONT}:certificates")
    shop.wait_active()
    root = shop.run("certifier/0", "get-ca-certificate")["ca-certificate"]
    assert url(shop) == f"https://{address(cluster, FRONT)}/shop-inner{PATH}"
    answers(cluster, url(shop), roots=root)

    # With TLS between the two gateways as well.
    shop.integrate("certifier:certificates", f"{INNER}:certificates")
    shop.wait_active()
    requested = shop.databag(f"{INNER}:upstream-ingress")
    assert (requested["port"], requested["scheme"]) == ("443", '"https"')
    assert url(shop) == f"https://{address(cluster, FRONT)}/shop-inner{PATH}"
    answers(cluster, url(shop), roots=root)

    shop.remove_relation("certifier:certificates", f"{FRONT}:certificates")
    shop.wait_active()
    # The inner gateway still has its own certificate; clients connect to the upstream gateway.
    assert url(shop) == f"http://{address(cluster, FRONT)}/shop-inner{PATH}"
    answers(cluster, url(shop))


def test_without_the_upstream_gateway_our_own_url_is_published_again(
    cluster: lab.Cluster, shop: juju.Model
):
    shop.remove_relation(f"{INNER}:upstream-ingress", f"{FRONT}:ingress")
    shop.wait_active()
    assert url(shop) == f"https://{address(cluster, INNER)}{PATH}"
