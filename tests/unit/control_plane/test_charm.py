# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The charm itself: what it manages, and which unit may do what."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from istio_ambient import control_plane, kube
from ops import testing

from tests.unit.control_plane.test_desired import facts

CHARM = Path(__file__).parents[3] / "charms" / "istio-k8s" / "src" / "charm.py"


@pytest.fixture(scope="module")
def charm() -> Any:
    spec = importlib.util.spec_from_file_location("istio_charm", CHARM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where its class is looked up when its charmcraft.yaml is wanted.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.IstioCharm


def test_the_charm_manages_every_kind_that_it_wants(charm: Any):
    """What is not managed is not pruned; the engine refuses it."""
    for platform in ("", "gke", "openshift"):
        several = msgspec.structs.replace(facts(platform=platform), replicas=3)
        wanted = control_plane.desired(several).objects
        assert {type(obj) for obj in wanted} <= set(charm.MANAGED)


@pytest.mark.parametrize(
    ("leader", "answer"),
    [(False, "juju run istio-k8s/leader purge-crds confirm=true"), (True, "no cluster today")],
)
def test_definitions_are_deleted_by_the_leader_alone(
    charm: Any, leader: bool, answer: str, monkeypatch: pytest.MonkeyPatch
):
    def connect() -> Any:
        assert leader, "the cluster is asked for"
        raise kube.RequestError("connect", "no cluster today")

    monkeypatch.setattr(kube, "connect", connect)
    context = testing.Context(charm)
    action = context.on.action("purge-crds", params={"confirm": True})
    with pytest.raises(testing.ActionFailed, match=answer):
        context.run(action, testing.State(leader=leader))
