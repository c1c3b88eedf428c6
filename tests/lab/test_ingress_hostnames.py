# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Hostnames and addresses of the gateway: the requests it answers, and the URLs it publishes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from istio_ambient import resources
from lightkube.models.meta_v1 import ObjectMeta

from tests import lab
from tests.lab import apps, juju
from tests.lab.conftest import ModelFactory

APP, UNIT, CHARM = "gate", "gate/0", "charms/istio-ingress-k8s"
ADDRESS, PATH = "203.0.113.10", "/shop-productpage"
LIMITS = "gate-shop-external-traffic"


@pytest.fixture(scope="module")
def shop(control_plane: juju.Model, new_module_model: ModelFactory) -> Iterator[juju.Model]:
    """A model with a gateway for productpage, a certificate authority, and a metadata requirer."""
    model = new_module_model("shop", controller=control_plane.controller)
    model.deploy(CHARM, APP)
    model.deploy(apps.STOREFRONT, "productpage")
    model.deploy(apps.CERTIFIER)
    model.integrate("productpage:ingress", f"{APP}:ingress")
    model.fake_remote(f"{APP}:gateway-metadata", "attacher")
    model.wait_active()
    yield model


def url(shop: juju.Model) -> str:
    databag = shop.databag(f"{APP}:ingress", remote="productpage")
    return json.loads(databag["ingress"])["url"] if "ingress" in databag else ""


def status(shop: juju.Model) -> str:
    found = shop.unit_status(UNIT)
    return f"{found.name}: {found.message}"


def answers(cluster: lab.Cluster, **by_host: int) -> None:
    """Wait until requests for these hosts (`_` for `.`) get these statuses."""

    def seen() -> bool:
        for host, expected in by_host.items():
            headers = {"host": host.replace("_", ".")}
            found = cluster.request_outside(f"http://{ADDRESS}{PATH}", headers=headers)
            assert found.status == expected, (host, found)
        return True

    lab.eventually(seen, timeout=30)


def updated(shop: juju.Model, expected: str) -> bool:
    """Run update-status until the status has this prefix."""

    def seen() -> bool:
        shop.emit(UNIT, "update-status")
        assert status(shop).startswith(expected), status(shop)
        return True

    return lab.eventually(seen, timeout=30)


@pytest.mark.parametrize(
    ("config", "expected", "hosts"),
    [
        ({}, "active: ", {"a_example_com": 200, ADDRESS.replace(".", "_"): 200}),
        ({"external_hostname": "a.example.com"}, "active: ",
         {"a_example_com": 200, "b_example_com": 404}),
        ({"external_hostname": "a.example.com", "listener-hostname": ""}, "active: ",
         {"a_example_com": 200, "b_example_com": 200}),
        ({"external_hostname": "a.example.com", "listener-hostname": "b.example.com"}, "active: ",
         {"a_example_com": 404, "b_example_com": 200}),
        ({"listener-hostname": "*.example.com"}, "active: ",
         {"a_example_com": 200, "x_b_example_com": 200, "example_com": 404}),
        ({"external_hostname": "a.example.com", "listener-hostname": "a b"},
         "blocked: config listener-hostname: not a valid hostname",
         {"a_example_com": 200, "b_example_com": 404}),
        ({"external_hostname": "a_b"}, "blocked: config external_hostname: not a valid hostname",
         {"a_example_com": 200}),
    ],
)  # fmt: skip
def test_which_hosts_are_answered(
    cluster: lab.Cluster,
    shop: juju.Model,
    config: dict[str, str],
    expected: str,
    hosts: dict[str, int],
):
    shop.config(APP, **config)
    shop.settle()
    assert status(shop).startswith(expected)
    answers(cluster, **hosts)
    named = config.get("external_hostname", "")
    assert url(shop) == f"http://{named if '.' in named else ADDRESS}{PATH}"
    shop.reset(APP, *config)
    shop.settle()


def test_a_missing_address_is_waited_for_and_then_blocks(cluster: lab.Cluster, shop: juju.Model):
    cluster.set_load_balancer(None)
    waits = f"Service {APP}-istio: no address from the load balancer"
    assert updated(shop, f"waiting: {waits}")
    assert url(shop) == ""
    assert "MetalLB" in status(shop)
    shop.config(APP, ready_timeout=0)
    shop.settle()
    assert status(shop).startswith(f"blocked: Service {APP}-istio: not ready for more than 0 s: ")
    assert "MetalLB" in status(shop)
    shop.reset(APP, "ready-timeout")
    cluster.set_load_balancer(ADDRESS)
    assert updated(shop, "active: ")
    assert url(shop) == f"http://{ADDRESS}{PATH}"


def test_another_address_is_published_and_gets_another_certificate(
    cluster: lab.Cluster, shop: juju.Model
):
    shop.integrate("certifier:certificates", f"{APP}:certificates")
    shop.wait_active()
    root = shop.run("certifier/0", "get-ca-certificate")["ca-certificate"]
    for address in ("203.0.113.77", "lb.example.com", ADDRESS):
        cluster.set_load_balancer(address)

        def is_published(address: str = address) -> bool:
            shop.emit(UNIT, "update-status")
            shop.settle()
            return url(shop) == f"https://{address}{PATH}"

        assert lab.eventually(is_published, timeout=30)
        shop.wait_active()

        def verified() -> bool:
            found = cluster.request_outside(url(shop), roots=root)
            assert found.status == 200, found
            return True

        assert lab.eventually(verified, timeout=30)
    shop.remove_relation("certifier:certificates", f"{APP}:certificates")
    shop.wait_active()


def test_metadata_is_withdrawn_with_the_gateway(cluster: lab.Cluster, shop: juju.Model):
    client: Any = cluster.client
    metadata = json.loads(shop.databag(f"{APP}:gateway-metadata")["metadata"])
    assert metadata["gateway_name"] == APP
    # Another owner takes the name of the policy that limits the gateway: no gateway is created.
    client.delete(resources.AuthorizationPolicy, LIMITS, namespace="shop")
    theirs = resources.AuthorizationPolicy(
        metadata=ObjectMeta(name=LIMITS, namespace="shop"), spec={"action": "DENY", "rules": [{}]}
    )
    client.create(theirs)
    client.delete(resources.Gateway, APP, namespace="shop")
    shop.emit(UNIT, "update-status")
    assert "belongs to another owner" in status(shop)
    assert shop.databag(f"{APP}:gateway-metadata") == {}
    client.delete(resources.AuthorizationPolicy, LIMITS, namespace="shop")
    shop.emit(UNIT, "update-status")
    assert json.loads(shop.databag(f"{APP}:gateway-metadata")["metadata"]) == metadata
