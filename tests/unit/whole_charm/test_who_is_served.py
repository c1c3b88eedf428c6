# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who is served stays served, through hooks in which nobody is."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from istio_ambient import resources
from istio_ambient.ingress.model import SERVED

from tests.unit.whole_charm import running
from tests.unit.whole_charm.cases.base_ingress import (
    CERTIFIER,
    CONTROL_PLANE,
    LOGIN,
    READY,
    service,
)
from tests.unit.whole_charm.fake_cluster import FakeCluster
from tests.unit.whole_charm.scenarios import EMPTY, Patch, Scenario, merged, patched

GATEWAY = "Gateway shop/gate"
POLICY = "gate-shop-external-traffic"


def asking(app: str, *paths: str) -> Mapping[str, Any]:
    """Return the relation of an application that asks for routes for paths."""
    routes = [
        {
            "name": f"route-{number}",
            "listener": {"port": 80, "protocol": "HTTP"},
            "matches": [{"path": {"type": "PathPrefix", "value": path}}],
            "backends": [{"service": app, "port": 80}],
        }
        for number, path in enumerate(paths)
    ]
    config = {"model": "shop", "listeners": [], "http_routes": routes}
    return {"endpoint": "istio-ingress-route", "app": app, "app_data": {"config": config}}


BASE: Scenario = patched(
    EMPTY,
    {
        "charm": "istio-ingress-k8s",
        "app": "gate",
        "objects": {
            **CONTROL_PLANE,
            "Namespace shop": {},
            "Service shop/gate": service("gate", 65535),
            "Service shop/thief": service("thief", 80),
            "Service shop/victim": service("victim", 80),
            "Deployment shop/gate-istio": READY,
        },
        # The older relation comes first, and asks for nothing yet.
        "relations": {"thief": asking("thief"), "victim": asking("victim", "/a")},
    },
)
THIEF: Patch = {"relations": {"thief": asking("thief", "/a")}}


class Shop:
    """A gateway, and what its hooks leave."""

    def __init__(self, *patches: Patch):
        self.scenario = patched(BASE, *patches)
        objects = self.scenario["objects"]
        self.cluster = FakeCluster(running.manifests(objects), "1.34")
        self.left = running.NOTHING
        self.status = ""

    def hook(self, *patches: Patch) -> list[str]:
        """Run a hook after changes that last, and return its writes."""
        self.scenario = patched(self.scenario, *patches)
        before = len(self.cluster.requests)
        outcome, self.left = running.run_hook(self.scenario, self.cluster, self.left)
        self.status = str(outcome.at("status"))
        return [f"{each.verb} {each.kind}" for each in self.cluster.requests[before:]]

    @property
    def served(self) -> set[str]:
        """The Services behind the routes in the cluster."""
        return {
            backend["name"]
            for key, route in self.cluster.manifests.items()
            if key.startswith("HTTPRoute")
            for rule in route["spec"]["rules"]
            for backend in rule.get("backendRefs", ())
        }

    @property
    def remembered(self) -> str:
        """The annotation of the Gateway."""
        return self.cluster.manifests[GATEWAY]["metadata"].get("annotations", {}).get(SERVED, "")


def settled(*patches: Patch) -> Shop:
    """Return a shop that serves the victim and refuses the thief."""
    shop = Shop(*patches)
    for _ in range(2):
        shop.hook()
    shop.hook(THIEF)
    assert shop.served == {"victim"}
    assert shop.hook() == []
    return shop


def keeps(shop: Shop, remembered: str) -> None:
    """Check that the next hook serves the victim again, and the one after that writes nothing."""
    shop.hook()
    assert shop.served == {"victim"}
    assert "victim:istio-ingress-route has /a" in shop.status
    assert shop.remembered == remembered
    # The authority of the tests issues another certificate in each hook.
    assert [each for each in shop.hook() if not each.endswith(" Secret")] == []


def test_a_certificate_is_pending_and_the_authority_leaves():
    shop = settled()
    remembered = shop.remembered
    assert json.loads(remembered) == {"victim:istio-ingress-route": [[80, "", "PathPrefix", "/a"]]}
    shop.hook(CERTIFIER)
    assert shop.served == set()
    assert shop.remembered == remembered
    assert shop.hook() == []
    shop.scenario = patched(shop.scenario, {"relations": {"certificates": None}})
    keeps(shop, remembered)


def test_a_certificate_is_pending_and_comes():
    shop = settled()
    remembered = shop.remembered
    shop.hook(CERTIFIER)
    assert shop.served == set()
    issued = {"relations": {"certificates": {"issues": "authority"}}}
    shop.scenario = patched(shop.scenario, issued)
    keeps(shop, remembered)


@pytest.mark.parametrize("key", ["decisions_address", ""])
def test_the_address_of_the_authorizer_is_missing_for_one_hook(key: str):
    shop = settled(LOGIN)
    remembered, login = shop.remembered, shop.scenario["relations"]["login"]["app_data"]
    without = {key: ""} if key else dict.fromkeys(login)
    shop.hook({"relations": {"login": {"app_data": without}}})
    assert shop.served == set()
    assert shop.remembered == remembered
    shop.scenario = patched(shop.scenario, {"relations": {"login": {"app_data": login}}})
    keeps(shop, remembered)


def test_a_guard_is_missing_for_one_hook():
    shop = settled()
    remembered = shop.remembered
    shop.cluster.delete(resources.AuthorizationPolicy, POLICY, namespace="shop")
    shop.cluster.refuses = lambda request: 500 * (request.name == POLICY)
    shop.hook()
    assert shop.served == set()
    assert shop.remembered == remembered
    shop.cluster.refuses = lambda _: 0
    keeps(shop, remembered)


def test_a_tenant_deletes_the_route():
    shop = settled()
    remembered = shop.remembered
    shop.cluster.delete(
        resources.HTTPRoute, "victim-route-0-httproute-http-80-gate", namespace="shop"
    )
    assert shop.served == set()
    keeps(shop, remembered)


def test_who_asks_no_more_is_not_remembered():
    shop = settled()
    shop.hook({"relations": {"victim": asking("victim")}})
    assert shop.served == {"thief"}
    shop.hook({"relations": {"victim": asking("victim", "/a")}})
    assert shop.served == {"thief"}
    assert shop.hook() == []


def test_an_annotation_that_cannot_be_read_counts_as_nothing():
    shop = settled()
    remembered = shop.remembered
    edit = {GATEWAY: {"metadata": {"annotations": {SERVED: "{"}}}}
    shop.cluster = FakeCluster(merged(shop.cluster.manifests, edit).values(), "1.34")
    assert shop.remembered == "{"
    keeps(shop, remembered)
