# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Applications of two models, with the published library on both sides of `cross_model_mesh`."""

import json
from typing import Any, NamedTuple

import pytest
from istio_ambient import authorization
from lightkube.resources.core_v1 import Service

from tests import lab
from tests.lab import apps, beacon, bookshop, conftest, juju
from tests.lab.beacon import APP

FRONT = "front"
"""The name of productpage in its own model; in the other model it is `remote-…`."""
STOCK_PODS = f"{authorization.NAME_LABEL}=stock"


class Models(NamedTuple):
    home: beacon.Shop
    """The model with the beacon and stock."""
    away: beacon.Shop
    """The model with productpage, under another name."""

    def verdict(self, source: str = FRONT, path: str = "/stock/0") -> int | None:
        """Return the status of a request to stock from an application of the other model."""
        service = f"{self.home.name}/stock:{apps.PORT}"
        request = self.home.cluster.request
        return request(source=f"{self.away.name}/{source}", service=service, path=path).status

    def principals(self, target: str) -> list[str]:
        """Return the sources that may reach a target of the home model, as `model/application`."""
        rules: list[dict[str, Any]] = self.home.policies()[target].get("rules", [])
        names = [name for rule in rules for name in rule["from"][0]["source"]["principals"]]
        return [name.removeprefix("cluster.local/ns/").replace("/sa/", "/") for name in names]


@pytest.fixture(scope="module")
def models(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: conftest.ModelFactory
) -> Models:
    home = beacon.Shop(cluster, new_module_model(controller=control_plane.controller))
    away = beacon.Shop(cluster, new_module_model(controller=control_plane.controller))
    home.deploy()
    home.model.deploy(apps.STOCK)
    home.model.integrate("stock:service-mesh", home.mesh)
    away.model.deploy(apps.STOREFRONT, FRONT)
    home.model.wait_active()
    away.model.wait_active()
    return Models(home, away)


def test_a_source_of_another_model_is_allowed_by_its_cross_model_identity(models: Models):
    home, away = models
    offer, offered_names = (
        home.model.offer("stock:stock"),
        home.model.offer("stock:provide-cmr-mesh"),
    )

    # Its cross-model identity is not published yet: its name here matches no source.
    away.model.integrate(f"{FRONT}:stock", offer)
    home.model.settle()
    (unknown,) = models.principals("stock")
    assert unknown.startswith(f"{home.name}/remote-")
    assert home.status.startswith("active")
    lab.eventually(lambda: models.verdict() == 403)

    away.model.integrate(f"{FRONT}:require-cmr-mesh", offered_names)
    home.model.settle()
    assert models.principals("stock") == [f"{away.name}/{FRONT}"]
    lab.eventually(lambda: models.verdict() == 200)
    assert models.verdict(source="default") == 403
    # A template matches one segment.
    assert models.verdict(path="/stock/0/price") == 403

    # An unreadable identity matches no source either.
    away.model.set_databag(FRONT, "require-cmr-mesh", "cmr_data", '{"app_name": 7}')
    home.model.settle()
    (unknown,) = models.principals("stock")
    assert unknown.startswith(f"{home.name}/remote-")
    lab.eventually(lambda: models.verdict() == 403)

    away.model.remove_relation(FRONT, offered_names)
    away.model.remove_relation(FRONT, offer)
    home.model.settle()
    assert "stock" not in home.policies()


def test_a_scraper_of_another_model_is_allowed_by_its_cross_model_identity(models: Models):
    home, away = models
    pods = f"{authorization.NAME_LABEL}={APP}"
    metrics = home.model.offer(f"{APP}:metrics-endpoint")
    names = home.model.offer(f"{APP}:provide-cmr-mesh")
    away.model.integrate(f"{FRONT}:metrics", metrics)
    home.model.settle()
    assert home.status.startswith("waiting: remote-")
    assert home.status.endswith("integrate it with provide-cmr-mesh as well")
    away.model.integrate(f"{FRONT}:require-cmr-mesh", names)
    home.model.settle()
    assert models.principals(pods) == [f"{away.name}/{FRONT}"]
    assert home.status.startswith("active")
    away.model.set_databag(FRONT, "require-cmr-mesh", "cmr_data", "{broken")
    home.model.settle()
    assert pods not in home.policies()
    assert ":provide-cmr-mesh cmr_data: not JSON at character 1; send valid JSON" in home.status
    away.model.remove_relation(FRONT, names)
    away.model.remove_relation(FRONT, metrics)
    home.model.settle()
    assert home.status.startswith("active")


def test_an_application_that_is_consumed_under_another_name_is_allowed_by_its_own(models: Models):
    home, away = models
    # In the opposite direction: the scraper is offered, and consumed under another name.
    offers = [
        (APP + ":metrics-endpoint", away.model.offer(f"{FRONT}:metrics", name="monitoring")),
        (APP + ":provide-cmr-mesh", away.model.offer(f"{FRONT}:require-cmr-mesh", "monitoring")),
    ]
    for endpoint, offer in offers:
        home.model.integrate(endpoint, offer)
    home.model.settle()
    assert models.principals(f"{authorization.NAME_LABEL}={APP}") == [f"{away.name}/{FRONT}"]
    for endpoint, offer in offers:
        home.model.remove_relation(endpoint, offer)
    home.model.settle()
    assert f"{authorization.NAME_LABEL}={APP}" not in home.policies()


def test_an_application_of_another_model_joins_at_our_waypoint_and_opens_itself(
    models: Models,
):
    home, away = models
    offer = home.model.offer(home.mesh)
    bookshop.deploy(away.model, "details")
    away.model.integrate("details:api", f"{FRONT}:backends")
    away.model.integrate("details:service-mesh", offer)
    away.model.settle()
    labels = away.get(Service, "details")["metadata"]["labels"]
    assert labels["istio.io/use-waypoint"] == home.waypoint
    assert labels["istio.io/use-waypoint-namespace"] == home.name
    assert set(away.policies()) == {"details"}

    def verdict(source: str) -> int | None:
        service = f"{away.name}/details:{apps.PORT}"
        request = away.cluster.request
        return request(source=f"{away.name}/{source}", service=service, path="/details/0").status

    lab.eventually(lambda: (verdict(FRONT), verdict("default")) == (200, 403))
    # An unreadable access request closes its application in the other model too.
    away.model.set_databag("details", "service-mesh", "policies", "[{broken")
    home.model.settle()
    assert "rules" not in away.policies()["details"]
    lab.eventually(lambda: verdict(FRONT) == 403)
    away.model.remove_relation("details", offer)
    home.model.settle()
    assert away.policies() == {}
    assert "istio.io/use-waypoint" not in away.get(Service, "details")["metadata"]["labels"]


def test_the_application_of_the_tutorial_is_scraped_at_its_pods(models: Models):
    home, _ = models
    home.model.fake_remote("stock:metrics-endpoint", "prometheus")
    home.model.settle()
    assert models.principals(STOCK_PODS) == [f"{home.name}/prometheus"]
    (rule,) = home.policies()[STOCK_PODS]["rules"]
    assert json.dumps(rule["to"]) == json.dumps([{"operation": {"ports": [str(apps.PORT)]}}])
