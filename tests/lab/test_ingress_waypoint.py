# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The option ingress-use-waypoint: requests of a real gateway pass a real waypoint."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from istio_ambient import gateways, resources
from lightkube import codecs

from tests import lab
from tests.lab import beacon, bookshop, conftest, juju
from tests.lab.beacon import MESH, UNIT

GATE, ADDRESS = "gate", "http://203.0.113.10"
NO_ADMIN = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "spec": {
        "action": "DENY",
        "targetRefs": [{"group": "", "kind": "Service", "name": "details"}],
        "rules": [{"to": [{"operation": {"paths": ["*/admin"]}}]}],
    },
}
"""A rule that only a waypoint can enforce."""


@dataclasses.dataclass
class Site:
    """A shop with a gateway in front of details and ratings."""

    cluster: lab.Cluster
    shop: beacon.Shop
    mesh: juju.Model

    def get(self, app: str, path: str, method: str = "GET") -> int | None:
        """Return the gateway's answer to a client outside."""
        url = f"{ADDRESS}/{self.shop.name}-{app}{path}"
        return self.cluster.request_outside(url, method=method).status

    def answers(self) -> dict[str, int | None]:
        """Return the answers to all requests of the tests."""
        caller = self.cluster.request(
            f"{self.shop.name}/ratings", f"{self.shop.name}/details:{bookshop.PORT}", "GET", "/x"
        )
        return {
            "read": self.get("details", "/details/0"),
            "write": self.get("details", "/details/0", "POST"),
            "admin": self.get("details", "/admin"),
            "ratings": self.get("ratings", "/ratings/1"),
            "from ratings": caller.status,
        }

    def expect(self, **answers: int) -> None:
        """Wait until the proxies answer so."""

        def are_seen() -> bool:
            found = self.answers()
            expected = {**BYPASSING, **{k.replace("_", " "): v for k, v in answers.items()}}
            assert found == expected
            return True

        lab.eventually(are_seen)

    def policy(self, service: str) -> dict[str, Any]:
        """Return the rules of the beacon's policy for a Service."""
        found = self.shop.client.list(resources.AuthorizationPolicy, namespace=self.shop.name)
        refs = [{"group": "", "kind": "Service", "name": service}]
        return next(
            each["spec"]
            for each in found
            if each["spec"].get("targetRefs") == refs and each["spec"]["action"] == "ALLOW"
        )

    @property
    def label(self) -> str | None:
        """The label of the namespace."""
        return self.shop.namespace_labels.get(gateways.INGRESS_USE_WAYPOINT)


BYPASSING = {"read": 200, "write": 200, "admin": 200, "ratings": 200, "from ratings": 403}


@pytest.fixture(scope="module")
def deployed(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: conftest.ModelFactory
) -> Iterator[Site]:
    conftest.need_ztunnel(cluster)
    shop = beacon.Shop(cluster, new_module_model(controller=control_plane.controller))
    shop.deploy()
    model = shop.model
    model.deploy(conftest.CHARMS / "istio-ingress-k8s", GATE)
    bookshop.deploy(model, "details", "productpage", "ratings", mesh=MESH)
    model.integrate("productpage:backends", "details:api")
    for name in ("details", "ratings"):
        model.integrate(f"{name}:ingress", f"{GATE}:ingress")
    model.wait_active()
    client: Any = cluster.client
    metadata = {"name": "no-admin", "namespace": shop.name}
    client.create(codecs.from_dict({**NO_ADMIN, "metadata": metadata}))
    yield Site(cluster, shop, control_plane)
    control_plane.config("istio-k8s", hardened_mode=False)


@pytest.mark.parametrize("hardened", [False, True], ids=["open mesh", "hardened mode"])
def test_l7_rules_hold_for_the_gateways_requests_as_long_as_the_option_is_set(
    deployed: Site, hardened: bool
):
    site = deployed
    site.mesh.config("istio-k8s", hardened_mode=hardened)
    site.mesh.settle()
    site.expect()
    site.shop.config(ingress_use_waypoint=True)
    # Policies first: a request that the waypoint gets before them would be denied.
    assert (site.label, site.shop.status[:7]) == (None, "waiting")
    site.expect()
    site.shop.refresh()
    assert (site.label, site.shop.status[:6]) == ("true", "active")
    # What the ingress allows at the pods, the waypoint allows; and its own rules hold.
    site.expect(admin=403)
    check_reports(site)
    gate = {"service-account": f"{site.shop.name}/{GATE}-istio"}
    entry = {"from": gate, "to": "details", "methods": ["GET"]}
    site.shop.config(extra_access=json.dumps([entry]))
    site.expect(admin=403, write=403)
    site.shop.config(extra_access="")
    site.expect(admin=403)
    site.shop.config(ingress_use_waypoint=False)
    assert site.label is None
    site.expect()
    # The hook after the one that removed the label takes back what the gateway needed.
    site.shop.refresh()
    assert GATE not in json.dumps(site.policy("details"))
    site.expect()


def check_reports(site: Site) -> None:
    """Check that actions judge as the proxies do, and name the option as the origin."""
    origin = "config:ingress-use-waypoint"
    request = {"source": GATE, "target": "details", "port": bookshop.PORT, "method": "GET"}
    found = site.shop.model.run(UNIT, "explain", **request, path="/details/0")
    assert found["verdict"] == "allowed"
    assert f"requested by {origin}" in found["explanation"]
    found = site.shop.model.run(UNIT, "explain", **request, path="/admin")
    assert (found["verdict"], found["decided-by"].split()[0]) == ("denied", "waypoint")
    listed = json.loads(site.shop.model.run(UNIT, "list-access", format="json")["json"])
    (access,) = (
        each
        for each in listed
        if (each["source"], each["target"], each["by"])
        == (f"{site.shop.name}/{GATE}-istio", f"{site.shop.name}/details", "Service")
    )
    assert access["origins"][0]["requested-by"] == [origin]
    assert access["proxy"] == "waypoint"
