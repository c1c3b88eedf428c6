# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-beacon-k8s explains, lists and previews access, without changing anything.

`test_bookshop` shows that explanations match the verdicts on real requests.
"""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests import lab
from tests.lab import beacon, bookshop, conftest, juju
from tests.lab.beacon import APP, MESH, UNIT

ACTIONS: dict[str, dict[str, Any]] = {
    "explain": {"source": "ratings", "target": "details"},
    "list-access": {},
    "list-requests": {},
    "preview": {"hardened-mode": True, "manage-authorization-policies": False},
}
READS = 20
"""Requests that one action may make, whatever the size of the cluster."""


@pytest.fixture(scope="module")
def shop(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: conftest.ModelFactory
) -> beacon.Shop:
    """Productpage may reach details, ratings may not; `greedy` requests access to ratings."""
    shop = beacon.Shop(cluster, new_module_model(controller=control_plane.controller))
    shop.deploy()
    bookshop.deploy(shop.model, "productpage", "details", "ratings", mesh=MESH)
    shop.model.integrate("productpage:backends", "details:api")
    shop.model.wait_active()
    shop.consumer("greedy", shop.entry("ratings"), shop.entry("greedy"))
    shop.model.settle()
    cluster.wait_synced()
    return shop


def run(shop: beacon.Shop, action: str, **params: Any) -> dict[str, Any]:
    """Run an action of the beacon; parameters have underscores for dashes."""
    return shop.model.run(UNIT, action, **params)


def lines(text: str) -> list[list[str]]:
    """Return the words of each line of a table, without the headings."""
    return [line.split() for line in text.splitlines()[1:]]


def test_actions_write_nothing_and_cost_the_same_for_more_applications(shop: beacon.Shop):
    user = f"system:serviceaccount:{shop.name}:{APP}"

    def costs() -> list[int]:
        counts: list[int] = []
        for action, params in ACTIONS.items():
            mark = shop.cluster.audit.mark()
            with shop.model.requests(UNIT) as seen:
                run(shop, action, **params)
            audited = shop.cluster.audit.since(mark, user)
            assert len(audited) == len(seen) > 0
            assert not any(event.write for event in audited)
            counts.append(len(seen))
        return counts

    before = costs()
    for number in range(10):
        shop.consumer(f"more-{number}", quiet=True)
    assert costs() == before
    shop.refresh()
    assert max(before) <= READS


def test_an_allowed_request_is_traced_to_its_access_request(shop: beacon.Shop):
    request = {"source": "productpage", "target": f"{shop.name}/details", "port": bookshop.PORT}
    results = run(shop, "explain", **request, method="get", path="/details/0")
    assert results["verdict"] == "allowed"
    assert f"written by {shop.name}/{APP}" in results["explanation"]
    assert "requested by details:service-mesh policies[" in results["explanation"]
    results = run(shop, "explain", **request)
    assert results["verdict"] == "conditional"
    assert "  only GET /details/*" in results["explanation"]


def test_a_denied_request_is_explained_with_remedies(shop: beacon.Shop):
    results = run(shop, "explain", source="ratings", target="details", format="json")
    assert results["verdict"] == "denied"
    assert results["decided-by"] == f"waypoint {shop.name}/{shop.waypoint}"
    remedy, own = json.loads(results["json"])["remedies"]
    assert "juju integrate ratings:<endpoint> details:<endpoint>" in remedy
    assert own.endswith("| kubectl apply -f -")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"target": "details"}, "source is missing: use source=<application>"),
        ({"source": "detail", "target": "details"}, "did you mean details,"),
        ({"source": "ratings", "target": "a/details"}, "there is no model a in this cluster"),
        ({"source": "ratings", "target": "details", "port": 0}, "port: use a number from 1 to"),
        ({"source": "ratings", "target": "details", "path": "x"}, "path: begin it with /"),
    ],
)
def test_invalid_parameters_of_explain_are_answered_with_valid_ones(
    shop: beacon.Shop, params: dict[str, Any], said: str
):
    with pytest.raises(juju.ActionError) as caught:
        run(shop, "explain", **params)
    assert said in caught.value.message


def test_access_is_listed_in_every_format(shop: beacon.Shop):
    table = lines(run(shop, "list-access")["table"])
    assert [f"{shop.name}/productpage", f"{shop.name}/details", "GET"] in [
        line[:3] for line in table
    ]
    of_ratings = json.loads(run(shop, "list-access", app="ratings", format="json")["json"])
    assert {entry["target"] for entry in of_ratings} == {f"{shop.name}/ratings"}
    assert run(shop, "list-access", format="dot")["dot"].startswith("digraph")
    assert run(shop, "list-access", format="mermaid")["mermaid"].startswith("flowchart")
    assert ElementTree.fromstring(run(shop, "list-access", format="svg")["svg"])  # noqa: S314
    with pytest.raises(juju.ActionError, match="there is no application rating"):
        run(shop, "list-access", app="rating")


def test_access_is_a_page_of_both_modes_in_a_file_of_the_charm(shop: beacon.Shop):
    results = run(shop, "list-access", format="html")
    file = Path(results["file"])
    assert results["fetch"] == f"juju scp {UNIT}:{file} {file.name}"
    found = re.search(r'id="data">(.*?)</script>', file.read_text(encoding="utf-8"))
    assert found
    entries = json.loads(found[1])["entries"]
    assert {entry["hardened"] for entry in entries} == {True, False}
    reached = {(entry["source"], entry["target"]) for entry in entries}
    assert (f"{shop.name}/productpage", f"{shop.name}/details") in reached


def test_refused_requests_are_listed_with_their_remedy(shop: beacon.Shop):
    results = run(shop, "list-requests", app="greedy")
    assert (results["granted"], results["refused"]) == (1, 1)
    assert (
        f"asks for Service {shop.name}/ratings, which is not its own; its own Services have"
        in (results["table"])
    )
    listed = json.loads(run(shop, "list-requests", format="json")["json"])
    assert {"granted", "refused"} <= {each["outcome"] for each in listed}
    with pytest.raises(
        juju.ActionError, match="app: absent is not integrated; integrated applications:"
    ):
        run(shop, "list-requests", app="absent")


def test_a_preview_of_managed_mode_matches_its_effect(shop: beacon.Shop):
    results = run(shop, "preview")
    assert (results["plan"], results["access"]) == ("no change", "no access changes")
    before = _access(shop)

    plan = run(shop, "preview", manage_authorization_policies=False, format="json")
    deleted = [step["object"] for step in json.loads(plan["plan"]) if step["verb"] == "delete"]
    changes = json.loads(plan["access"])
    shop.config(manage_authorization_policies=False)
    assert len(deleted) > 0
    assert shop.policies() == {}
    after = _access(shop)
    # A client that is in no list of its own any more is in a wider one.
    assert {(each["target"], each["by"]) for each in changes} == {
        (target, by) for _, target, by, _ in before ^ after
    }
    wider = {each["target"] for each in changes if each["gained"]}
    assert wider == {target for source, target, _, _ in after - before if source == "*/*"}
    assert (
        "create: AuthorizationPolicy"
        in run(shop, "preview", manage_authorization_policies=True)["plan"]
    )
    shop.config(manage_authorization_policies=True)


def _access(shop: beacon.Shop) -> set[tuple[str, str, str, str]]:
    """Return source, target, address and operations of all allowed access."""
    listed = json.loads(run(shop, "list-access", format="json")["json"])
    return {
        (each["source"], each["target"], each["by"], each["operations"])
        for each in listed
        if each["source"]
    }


def test_hardened_mode_can_be_previewed(shop: beacon.Shop, control_plane: juju.Model):
    changes = json.loads(run(shop, "preview", hardened_mode=True, format="json")["access"])
    lost = {each["target"] for each in changes if not each["gained"]}
    assert f"{shop.name}/productpage" in lost
    assert f"{shop.name}/details" not in lost
    control_plane.config("istio-k8s", hardened_mode=True)
    control_plane.settle()
    try:
        assert run(shop, "preview", hardened_mode=True)["access"] == "no access changes"
        explained = run(shop, "explain", source="ratings", target="productpage")
        assert explained["verdict"] == "denied"
        assert (
            f"juju config -m {control_plane.name} istio-k8s hardened-mode=false"
            in (explained["explanation"])
        )
        assert "gains" in run(shop, "preview", hardened_mode=False)["access"]
    finally:
        control_plane.config("istio-k8s", hardened_mode=False)
        control_plane.settle()


def test_missing_rights_are_reported_with_the_command_that_grants_them(shop: beacon.Shop):
    shop.model.deploy(beacon.CHARM, "untrusted", trust=False)
    shop.model.settle()
    for action, params in ACTIONS.items():
        with pytest.raises(juju.ActionError, match="juju trust untrusted"):
            shop.model.run("untrusted/0", action, **params)
    shop.model.remove("untrusted")
    shop.model.settle()
