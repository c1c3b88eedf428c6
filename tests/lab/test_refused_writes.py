# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Writes that admission control refuses: nothing opens, what goes is gone, neighbours go on."""

from typing import Any

from istio_ambient import resources

from tests import lab
from tests.lab import admission, beacon, conftest, identity, juju
from tests.lab.test_ingress_authentication import (
    ACCOUNT,
    ADDRESS,
    GATE,
    SESSION,
    UNIT,
    Shop,
    login,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    routes_of,
    shop,  # noqa: F401  # pyright: ignore[reportUnusedImport]
)

ROUTES, OPEN_ROUTES = (f"{GATE}:istio-ingress-route{end}" for end in ("", "-unauthenticated"))
BELOW = f"{ADDRESS}/reviews"
"""An open path of details, below the closed root of identity."""


def test_a_path_opens_with_its_route_and_closes_with_it(
    shop: Shop,  # noqa: F811
    login: identity.Server,  # noqa: F811
):
    client: Any = shop.cluster.client
    root = routes_of("identity", port=80, path="/")
    shop.model.fake_remote(ROUTES, "identity", root)
    with admission.refusing(client, "shop", "httproutes", "details-"):
        below = routes_of("details", port=80, path="/reviews")
        shop.model.fake_remote(OPEN_ROUTES, "details", below)
        shop.model.settle()
        assert "HTTPRoute shop/details-" in shop.status()
        shop.cluster.wait_synced()
        assert shop.get(BELOW).status == 302
        # Neighbours go and come all the same.
        shop.model.remove_relation("account:ingress", f"{GATE}:ingress")
        shop.model.settle()
        assert shop.settles(200, ACCOUNT, SESSION).json()["app"] == "identity"
        shop.model.integrate("account:ingress", f"{GATE}:ingress")
        shop.model.settle()
        lab.eventually(lambda: shop.get(ACCOUNT, SESSION).json()["app"] == "account")
    shop.model.emit(UNIT, "update-status")
    shop.model.wait_active()
    assert shop.settles(200, BELOW).json()["app"] == "details"
    # Somebody deletes the route, which cannot come back: its path needs a login again.
    found: list[Any] = list(client.list(resources.HTTPRoute, namespace="shop"))
    (name,) = (each.metadata.name for each in found if "/reviews" in str(each["spec"]))
    with admission.refusing(client, "shop", "httproutes", name):
        client.delete(resources.HTTPRoute, name, namespace="shop")
        shop.model.emit(UNIT, "update-status")
        shop.settles(302, BELOW)
    shop.model.remove_relation(OPEN_ROUTES, "details")
    shop.model.remove_relation(ROUTES, "identity")
    shop.model.wait_active()


def test_a_refused_policy_keeps_no_other_and_no_waypoint(
    cluster: lab.Cluster, control_plane: juju.Model, new_model: conftest.ModelFactory
):
    found = beacon.Shop(cluster, new_model(controller=control_plane.controller))
    refused = f"{beacon.APP}-{found.name}-policy-details"
    with admission.refusing(cluster.client, found.name, "authorizationpolicies", refused):
        found.deploy()
        for app in ("details", "reviews", "ratings"):
            found.consumer(app, quiet=True)
        found.refresh()
        assert set(found.policies()) == {"reviews", "ratings"}
        assert found.get(resources.Gateway, found.waypoint)
        assert found.status.startswith("blocked: ") and refused in found.status
        found.model.remove_relation(found.mesh, "reviews")
        found.model.settle()
        found.refresh()
        assert set(found.policies()) == {"ratings"}
    found.refresh()
    assert set(found.policies()) == {"details", "ratings"}
    found.model.wait_active()
