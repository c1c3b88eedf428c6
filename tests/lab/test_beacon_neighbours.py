# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-beacon-k8s beside another beacon, and beside charms that write their own policies."""

import json
import types
from typing import Any, cast

import lightkube
import pytest
from canonical_service_mesh.enums import MeshType
from canonical_service_mesh.k8s import resource_manager
from charmlibs.interfaces import service_mesh as published
from istio_ambient import kube, resources
from lightkube.config.kubeconfig import KubeConfig

from tests import lab
from tests.lab import beacon, conftest, juju
from tests.lab.beacon import APP

OTHER = "edge"
MANAGED_BY = "charms.canonical.com/istio.io.waypoint.managed-by"


@pytest.fixture
def beacons(
    cluster: lab.Cluster, control_plane: juju.Model, new_model: conftest.ModelFactory
) -> tuple[beacon.Shop, beacon.Shop]:
    """Two beacons in one model, each with a consumer."""
    model = new_model(controller=control_plane.controller)
    one, two = beacon.Shop(cluster, model), beacon.Shop(cluster, model, OTHER)
    for shop, consumer in ((one, "details"), (two, "reviews")):
        shop.deploy()
        shop.consumer(consumer)
    model.wait_active()
    return one, two


def uids(shop: beacon.Shop) -> dict[str, str]:
    """Return the objects of a beacon with their uids."""
    identity = resources.identity(shop.name, shop.app)
    kinds = (resources.Gateway, resources.AuthorizationPolicy)
    live = kube.read_live(shop.client, identity, kinds)
    return {str(ref): obj.metadata.uid for ref, obj in live.objects.items()}


def mesh_labels(shop: beacon.Shop, consumer: str) -> dict[str, str]:
    labels: dict[str, str] = json.loads(shop.model.databag(shop.mesh, remote=consumer)["labels"])
    return labels


def assert_no_interference(*shops: beacon.Shop) -> None:
    """Check that no beacon reverts a change of another."""
    for shop in (*shops, *shops):
        with shop.model.requests(shop.unit) as seen:
            shop.refresh()
        assert seen.writes == []


def test_two_beacons_in_one_model_keep_to_their_own(beacons: tuple[beacon.Shop, beacon.Shop]):
    one, two = beacons
    assert mesh_labels(one, "details")["istio.io/use-waypoint"] == one.waypoint
    assert mesh_labels(two, "reviews")["istio.io/use-waypoint"] == two.waypoint != one.waypoint
    assert len(uids(one)) == len(uids(two)) == 2
    assert uids(one).keys().isdisjoint(uids(two))
    assert set(one.policies()) == {"details", "reviews"}
    assert_no_interference(one, two)

    # A namespace has at most one waypoint: the second beacon reports that, and keeps its own.
    one.config(model_on_mesh=True)
    two.config(model_on_mesh=True)
    for shop in beacons:
        shop.refresh()
    assert one.status.startswith("active")
    reason = f"namespace {one.name} was already put on a mesh by {one.name}.{APP}"
    assert two.status.startswith(
        f"blocked: config model-on-mesh: {reason}; remove its mesh labels"
    )
    assert one.namespace_labels[MANAGED_BY] == f"{one.name}.{APP}"
    assert mesh_labels(one, "details") == {}
    assert mesh_labels(two, "reviews")["istio.io/use-waypoint"] == two.waypoint
    assert_no_interference(one, two)

    # One is removed; the other stays complete, and labels the namespace in its next hook.
    before = uids(two)
    one.model.remove(one.app)
    one.model.settle()
    two.refresh()
    assert before.items() <= uids(two).items()
    assert uids(one) == {}
    assert set(two.policies()) == {"reviews", "juju-modeloperator=modeloperator"}
    assert two.namespace_labels == {
        "istio.io/dataplane-mode": "ambient",
        "istio.io/use-waypoint": two.waypoint,
        MANAGED_BY: f"{two.name}.{OTHER}",
    }
    assert two.status.startswith("active")
    assert_no_interference(two)


def content(policy: Any) -> dict[str, Any]:
    """Return the part of an object that its author writes; istiod writes the status later."""
    metadata = policy.metadata
    return {
        "uid": metadata.uid,
        "generation": metadata.generation,
        "labels": metadata.labels,
        "annotations": metadata.annotations,
        "spec": policy["spec"],
    }


def test_policies_that_charms_write_themselves_are_left_alone(
    cluster: lab.Cluster, control_plane: juju.Model, new_model: conftest.ModelFactory
):
    shop = beacon.Shop(cluster, new_model(controller=control_plane.controller))
    shop.deploy()
    # As coordinators of workers do: with the published library, for their own pods.
    labels = resource_manager.create_charm_default_labels("tempo", shop.name, "cluster-internal")
    charm = types.SimpleNamespace(
        app=types.SimpleNamespace(name="tempo"), model=types.SimpleNamespace(name=shop.name)
    )
    config = KubeConfig.from_file(cluster.kubeconfig).get()
    client = lightkube.Client(config, field_manager="tempo")
    policies: Any = resource_manager.PolicyResourceManager(cast(Any, charm), client, labels)
    published_policy = published.MeshPolicy(
        source_namespace=shop.name,
        source_app_name="tempo",
        target_namespace=shop.name,
        target_selector_labels={"app.kubernetes.io/part-of": "tempo"},
        target_type=published.PolicyTargetType.unit,
    )
    policies.reconcile([published_policy], MeshType.istio)
    (before,) = shop.client.list(resources.AuthorizationPolicy, namespace=shop.name)

    # The coordinator requests the same access at the beacon, which adds its own policy.
    entry = published_policy.model_dump(mode="json")
    shop.consumer("tempo", entry)
    shop.model.settle()
    found = shop.client.list(resources.AuthorizationPolicy, namespace=shop.name)
    assert len(list(found)) == 2
    shop.config(manage_authorization_policies=False)
    shop.config(manage_authorization_policies=True)
    shop.model.remove(shop.app)
    shop.model.settle()
    (after,) = shop.client.list(resources.AuthorizationPolicy, namespace=shop.name)
    assert content(after) == content(before)
