# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Access requests of applications to istio-beacon-k8s, and the resulting policies."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from istio_ambient import authorization
from lightkube.resources.core_v1 import Service

from tests import lab
from tests.lab import beacon, bookshop, conftest, juju, test_paths
from tests.lab.beacon import APP, MESH, UNIT

METRICS = f"{APP}:metrics-endpoint"


@pytest.fixture(scope="module")
def deployed(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: conftest.ModelFactory
) -> beacon.Shop:
    """One model with the beacon for all tests here."""
    shop = beacon.Shop(cluster, new_module_model(controller=control_plane.controller))
    shop.deploy()
    shop.model.wait_active(APP)
    return shop


@pytest.fixture
def shop(deployed: beacon.Shop) -> Iterator[beacon.Shop]:
    """The model, without the relations of the previous test."""
    yield deployed
    deployed.clear()


def test_without_managed_mode_every_policy_is_deleted_in_one_hook_and_other_objects_stay(
    shop: beacon.Shop, new_model: conftest.ModelFactory
):
    store = beacon.Shop(shop.cluster, new_model(controller=shop.model.controller))
    store.service("stock")
    databag = {"policies": json.dumps([store.entry("stock")])}
    shop.remote(MESH, "remote-1", databag, model_uuid=store.model.uuid)
    shop.remote(METRICS, "prometheus", {})
    shop.consumer("details")
    shop.config(model_on_mesh=True)
    shop.model.wait_active(APP)
    pods = f"{authorization.NAME_LABEL}={APP}"
    desired, operator = shop.policies(), "juju-modeloperator=modeloperator"
    assert set(desired) == {"details", pods, operator}
    assert set(store.policies()) == {"stock"}

    def rest() -> list[Any]:
        objects = [
            line for line in shop.owned_objects() if not line.startswith("AuthorizationPolicy")
        ]
        service = shop.get(Service, APP)["metadata"]["labels"]
        databags = [shop.model.databag(MESH, remote=name) for name in ("details", "remote-1")]
        return [objects, shop.namespace_labels, service, databags]

    before = rest()
    shop.model.config(APP, manage_authorization_policies=False)
    with shop.model.requests(UNIT) as seen:
        shop.model.settle()
    assert [request.method for request in seen.writes] == ["DELETE"] * 4
    assert shop.policies() == store.policies() == {}
    assert rest() == before
    assert shop.status.startswith("active")
    shop.config(manage_authorization_policies=True)
    assert shop.policies() == desired
    assert set(store.policies()) == {"stock"}
    assert rest() == before
    shop.config(model_on_mesh=False)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("{broken", "policies: not JSON at character 1; send valid JSON"),
        ('{"policies": []}', "policies: not a list; send a JSON list"),
        ('[{"ports": 80}]', "policies[0].source_namespace: field required; add it"),
        ({"except": ["/x"]}, "policies[0].except: not known, and may be a restriction"),
        (
            {"endpoints": [{"ports": [0]}]},
            "policies[0].endpoints[0].ports[0]: not a port; use a port from 1 to 65535",
        ),
    ],
    ids=["broken JSON", "not a list", "wrong entry", "unknown field", "bad port"],
)
def test_invalid_data_is_reported_with_a_remedy_and_closes_only_its_sender(
    shop: beacon.Shop, broken: str | dict[str, Any], said: str
):
    shop.consumer("reviews")
    shop.consumer("details")
    shop.model.settle()
    before = shop.policies()
    good = json.dumps([shop.entry("details")])
    bad = broken if isinstance(broken, str) else json.dumps([shop.entry("details", **broken)])
    shop.model.set_databag("details", "service-mesh", "policies", bad)
    shop.model.settle()
    assert shop.status.startswith(f"blocked: details:service-mesh {said}")
    after = shop.policies()
    assert after["reviews"] == before["reviews"]
    assert "rules" not in after["details"]
    shop.model.set_databag("details", "service-mesh", "policies", good)
    shop.model.settle()
    assert shop.policies() == before
    assert shop.status.startswith("active")


def test_invalid_databags_of_every_kind_in_one_hook(shop: beacon.Shop):
    bad: dict[str, str | dict[str, Any]] = {
        "not-json": "{broken",
        "no-list": '{"policies": []}',
        "megabyte": "[" * 2**20,
        "enum": {"target_type": "node"},
        "label": {"target_app_name": "Not_A_Label"},
        "port": {"endpoints": [{"ports": [0]}]},
        "path": {"endpoints": [{"paths": ["/x/{**}/y"]}]},
        "too-many": {"endpoints": [{"ports": [80]}] * 6000},
    }
    many = [{"ports": [80], "paths": [f"/stock/{n}"]} for n in range(3000)]
    shop.consumer("many", shop.entry("many", endpoints=many), quiet=True)
    for app, text in bad.items():
        shop.service(app)
        if isinstance(text, dict):
            wrong = {**shop.entry(app, source_app_name="other"), **text}
            text = json.dumps([wrong, shop.entry(app)])
        shop.remote(MESH, app, {"policies": text}, quiet=True)
    shop.refresh()
    found = shop.policies()
    good = authorization.Source(shop.name, "caller").principal
    for app, text in bad.items():
        rules = found[app].get("rules", [])
        allowed = [name for rule in rules for name in rule["from"][0]["source"]["principals"]]
        assert allowed == ([] if isinstance(text, str) else [good])
    assert sum(len(rule["to"]) for rule in found["many"]["rules"]) == 3000
    assert re.match(r"blocked: [-a-z]+:service-mesh policies\S*: .+; .+", shop.status)
    assert shop.model.shown_status(shop.unit).message.endswith("(+7 more: status-details)")


def test_every_valid_access_request_is_accepted_by_the_api_server_and_istiods_webhook(
    shop: beacon.Shop,
):
    paths = test_paths.accepted(2000)
    hosts = ["*", "*.shop", "details*", "a_b.C:80", "[::1]:9080", "x" * 255]
    odd = {
        authorization.NAME_LABEL: "details",
        "a.b-c/D_e.f": "",
        "x": "A.b_c-9",
        "y" * 63: "z" * 63,
    }
    endpoints = [{"paths": paths[n : n + 256]} for n in range(0, len(paths), 256)]
    shop.consumer(
        "details",
        shop.entry("details", endpoints=[*endpoints, {"hosts": hosts, "ports": [1, 65535]}]),
        shop.entry(
            "", target_type="unit", target_app_name=None, target_selector_labels=odd, endpoints=[]
        ),
    )
    shop.model.settle()
    assert shop.status.startswith("active")
    assert len(shop.policies()) == 2


def test_a_trusted_requester_may_request_access_to_other_applications_of_the_model(
    shop: beacon.Shop,
):
    shop.service("victim")
    pods = {"target_app_name": None, "target_selector_labels": {"tier": "workers"}}
    workers = shop.entry("", target_type="unit", endpoints=[], **pods)
    elsewhere = shop.entry("victim", target_namespace="elsewhere")
    shop.consumer("details", shop.entry("victim"), workers, elsewhere)
    shop.config(trusted_requesters="details, Not-An-App")
    assert set(shop.policies()) == {"victim", "tier=workers"}
    assert shop.status.startswith("blocked: config trusted-requesters: 'Not-An-App' is no app")
    assert shop.model.shown_status(shop.unit).message.endswith("(+1 more: status-details)")
    # The allowed access is withdrawn; the targets stay closed.
    shop.config(trusted_requesters="")
    assert all("rules" not in policy for policy in shop.policies().values())
    assert set(shop.policies()) == {"victim", "tier=workers"}
    shop.clear()
    assert shop.policies() == {}


def test_access_to_another_application_is_refused(shop: beacon.Shop):
    shop.service("victim")
    pods = shop.entry("victim", target_type="unit", endpoints=[])
    shop.consumer("details", shop.entry("victim"), pods, shop.entry("details"))
    shop.model.settle()
    assert set(shop.policies()) == {"details"}
    assert shop.status.startswith("blocked: details:service-mesh policies[0]: asks for Service")
    assert shop.model.shown_status(shop.unit).message.endswith("(+1 more: status-details)")


def test_a_missing_service_is_waited_for(shop: beacon.Shop):
    shop.consumer("details", shop.entry("details", target_service="details-later"))
    shop.model.settle()
    assert shop.policies() == {}
    assert shop.status.startswith("waiting: details:service-mesh policies[0]: Service")
    shop.service("details-later", selects="details")
    shop.refresh()
    assert set(shop.policies()) == {"details-later"}


def test_an_application_of_another_model_may_open_itself_there_only(
    shop: beacon.Shop, new_model: conftest.ModelFactory
):
    store = beacon.Shop(shop.cluster, new_model(controller=shop.model.controller))
    store.service("stock")
    shop.service("stock")
    databag = {"policies": json.dumps([store.entry("stock"), shop.entry("stock")])}
    shop.remote(MESH, "remote-1", databag, model_uuid=store.model.uuid)
    shop.model.settle()
    assert set(store.policies()) == {"stock"}
    assert shop.policies() == {}
    assert shop.status.startswith("blocked: remote-1:service-mesh policies[1]: asks for Service")
    shop.clear()
    assert store.policies() == {}


def test_scrapers_are_allowed_at_the_metrics_port(
    shop: beacon.Shop, new_model: conftest.ModelFactory
):
    store = new_model(controller=shop.model.controller)
    shop.remote(METRICS, "prometheus", {})
    shop.remote(METRICS, "remote-1", {}, model_uuid=store.uuid)
    shop.model.settle()
    assert shop.status.startswith("waiting: remote-1:metrics-endpoint")
    names = {"cmr_data": json.dumps({"app_name": "grafana", "juju_model_name": store.name})}
    shop.remote(f"{APP}:provide-cmr-mesh", "remote-1", names, model_uuid=store.uuid)
    shop.model.settle()
    (rule,) = shop.policies()[f"{authorization.NAME_LABEL}={APP}"]["rules"]
    assert set(rule["from"][0]["source"]["principals"]) == {
        f"cluster.local/ns/{shop.name}/sa/prometheus",
        f"cluster.local/ns/{store.name}/sa/grafana",
    }
    assert rule["to"] == [{"operation": {"ports": ["15090"]}}]
    app = shop.model.databag(METRICS, remote="prometheus")
    assert json.loads(app["scrape_jobs"]) == [{"static_configs": [{"targets": ["*:15090"]}]}]
    unit = shop.model.databag(METRICS, remote="prometheus", unit=0)
    assert unit["prometheus_scrape_unit_name"] == UNIT
    assert unit["prometheus_scrape_unit_address"]


def test_an_invalid_databag_closes_its_application_and_opens_nothing(deployed: beacon.Shop):
    model, cluster = deployed.model, deployed.cluster
    bookshop.deploy(model, "productpage", "details", "ratings", mesh=MESH)
    model.integrate("productpage:backends", "details:api")
    model.wait_active()

    def verdict(source: str) -> int | None:
        return cluster.request(
            source=f"{model.name}/{source}",
            service=f"{model.name}/details:{bookshop.PORT}",
            path="/details/0",
        ).status

    good = model.databag("details:service-mesh")["policies"]
    lab.eventually(lambda: (verdict("productpage"), verdict("ratings")) == (200, 403))
    model.set_databag("details", "service-mesh", "policies", good[:-3])
    model.settle()
    cluster.wait_synced()
    lab.eventually(lambda: (verdict("productpage"), verdict("ratings")) == (403, 403))
    model.set_databag("details", "service-mesh", "policies", good)
    model.settle()
    lab.eventually(lambda: (verdict("productpage"), verdict("ratings")) == (200, 403))
