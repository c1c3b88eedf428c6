# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Every request of the bookshop, decided by the real Envoy under the charms' policies."""

import json
import os
from collections.abc import Iterator

import pytest

from tests import lab
from tests.lab import bookshop, leftovers, suite

SCENES = bookshop.scenes(suite.SHOP)


@pytest.fixture(scope="module")
def shown(cluster: lab.Cluster) -> Iterator[suite.Suite]:
    deployed = suite.Suite(cluster)
    for _ in deployed.deploy():
        pass
    yield deployed
    deployed.shop.destroy(force=True)
    deployed.mesh.destroy(force=True)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_requests(shown: suite.Suite, scene: bookshop.Scene):
    shown.enter(scene)
    outcomes = [shown.send(request) for request in scene.requests]
    wrong = [f"{o.request}: got {o.got}" for o in outcomes if not o.as_expected]
    assert not wrong, "\n".join(wrong)
    assert [o.request for o in outcomes if o.ran and not _is_explained(shown, o.request)] == []
    left_out = [f"{o.request}" for o in outcomes if not o.ran]
    if left_out and os.environ.get("LAB_REQUIRE_ZTUNNEL"):
        pytest.fail("not run, though a ztunnel is required:\n" + "\n".join(left_out))
    if left_out:
        pytest.skip("not run without a ztunnel: " + "; ".join(left_out))


def _is_explained(shown: suite.Suite, request: bookshop.Request) -> bool:
    """Return whether the beacon's explanation of a request matches its verdict."""
    if request.from_outside:
        return True  # Decided at the gateway, before the mesh.
    explained = json.loads(shown.explain(request, "json")["json"])
    if request.past_waypoint:
        explained["verdict"] = explained["straight-to-a-pod"]["verdict"]
        explained["decided-by"] = str(request.hop)
    passes = request.expect is bookshop.Expect.ANSWER
    if explained["verdict"] != ("allowed" if passes else "denied"):
        return False
    return passes or explained["decided-by"].startswith(request.hop)


def test_access_is_listed(shown: suite.Suite):
    shown.enter(SCENES[1])
    listed = json.loads(shown.list_access("json"))
    pairs = {(entry["source"], entry["target"]) for entry in listed}
    assert ("shop/productpage", "shop/details") in pairs
    assert {("*", "shop/productpage"), ("*/*", "shop/productpage")}.isdisjoint(pairs)


def test_removal_leaves_nothing(shown: suite.Suite):
    for _ in shown.remove():
        pass
    assert leftovers.of(shown.cluster, shown.mesh.name) == []
