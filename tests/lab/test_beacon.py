# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-beacon-k8s on a real control plane: membership, cost of a hook, repair, removal."""

import itertools
import json
from typing import Any

import pytest
from istio_ambient import kube, resources
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Namespace, Service
from lightkube.types import PatchType

from tests import lab
from tests.lab import beacon, conftest, juju
from tests.lab.beacon import APP, MESH, UNIT

KINDS = 4
"""Kinds that istio-beacon-k8s manages."""
READS_BESIDE = 10
"""Reads that a hook may make beside one LIST a kind."""


@pytest.fixture
def shop(
    cluster: lab.Cluster, control_plane: juju.Model, new_model: conftest.ModelFactory
) -> beacon.Shop:
    """A model with the beacon, under the control plane."""
    deployed = beacon.Shop(cluster, new_model(controller=control_plane.controller))
    deployed.deploy()
    return deployed


def test_applications_get_the_labels_to_join_and_the_beacon_joins_itself(shop: beacon.Shop):
    shop.consumer("details")
    shop.model.settle()
    labels = {
        "istio.io/dataplane-mode": "ambient",
        "istio.io/use-waypoint": shop.waypoint,
        "istio.io/use-waypoint-namespace": shop.name,
    }
    databag = shop.model.databag(MESH, remote="details")
    assert {key: json.loads(text) for key, text in databag.items()} == {
        "labels": labels,
        "mesh_type": "istio",
    }
    assert labels.items() <= shop.get(Service, APP)["metadata"]["labels"].items()
    pods = shop.get(StatefulSet, APP)["spec"]["template"]["metadata"]["labels"]
    assert labels.items() <= pods.items()
    labels_config_map = shop.get(ConfigMap, f"juju-service-mesh-{APP}-labels")
    assert json.loads(labels_config_map["data"]["labels"]) == labels


def test_our_labels_are_absent_from_the_waypoints_pods(shop: beacon.Shop):
    shop.model.wait_active(APP)
    before = shop.get(Deployment, shop.waypoint)["spec"]["template"]
    labels, annotations = before["metadata"]["labels"], before["metadata"]["annotations"]
    assert labels[f"charms.canonical.com/{shop.name}.{APP}.telemetry"] == "aggregated"
    assert resources.INSTANCE_LABEL not in labels
    assert resources.HASH_ANNOTATION not in annotations
    marks = {"annotations": {resources.HASH_ANNOTATION: "changed"}}
    shop.edit(resources.Gateway, shop.waypoint, metadata=marks)
    shop.refresh()
    shop.cluster.wait_synced()
    assert shop.get(Deployment, shop.waypoint)["spec"]["template"] == before


def test_the_whole_model_joins_and_leaves_by_its_namespace(shop: beacon.Shop):
    shop.consumer("joined")
    shop.config(model_on_mesh=True)
    assert shop.namespace_labels == {
        "istio.io/dataplane-mode": "ambient",
        "istio.io/use-waypoint": shop.waypoint,
        "charms.canonical.com/istio.io.waypoint.managed-by": f"{shop.name}.{APP}",
    }
    databag = shop.model.databag(MESH, remote="joined")
    assert databag == {"labels": "{}", "mesh_type": '"istio"'}
    assert shop.policies()["juju-modeloperator=modeloperator"]["rules"] == [{}]
    shop.config(model_on_mesh=False)
    assert shop.namespace_labels == {}
    assert set(shop.policies()) == {"joined"}


def test_a_namespace_with_labels_of_another_owner_is_reported_and_left_alone(shop: beacon.Shop):
    theirs = {"metadata": {"labels": {"istio.io/dataplane-mode": "none"}}}
    shop.client.patch(Namespace, shop.name, theirs, patch_type=PatchType.MERGE)
    shop.config(model_on_mesh=True)
    assert shop.status.startswith("blocked: config model-on-mesh: namespace")
    assert shop.namespace_labels == {"istio.io/dataplane-mode": "none"}


def test_a_hook_that_changes_nothing_costs_the_same_for_one_consumer_and_for_a_hundred(
    shop: beacon.Shop,
):
    shop.consumer("consumer-0")
    shop.model.wait_active(APP)
    shop.refresh()
    with shop.model.requests(UNIT) as one:
        shop.refresh()
    for number in range(1, 100):
        shop.consumer(f"consumer-{number}", quiet=True)
    with shop.model.requests(UNIT) as joined:
        shop.refresh()
    assert len(joined.writes) == 99
    assert len(shop.policies()) == 100
    with shop.model.requests(UNIT) as hundred:
        shop.refresh()
    assert one.writes == hundred.writes == []
    assert 0 < len(one) == len(hundred) <= KINDS + READS_BESIDE


def test_three_hundred_policies_over_thirty_targets_cost_little_more_than_a_write_a_target(
    shop: beacon.Shop,
):
    targets = [f"app-{number}" for number in range(30)]

    def calls(sources: int) -> tuple[int, int]:
        """Return the calls of the hook that sees so many sources for each target, and writes."""
        for target in targets:
            callers = (f"caller-{number}" for number in range(sources))
            entries = [shop.entry(target, source_app_name=caller) for caller in callers]
            shop.model.set_databag(target, "service-mesh", "policies", json.dumps(entries))
        with shop.model.requests(UNIT) as first:
            shop.refresh()
        with shop.model.requests(UNIT) as again:
            shop.refresh()
        assert again.writes == []
        assert len(again) <= KINDS + READS_BESIDE
        return len(first), len(first.writes)

    for target in targets:
        shop.service(target)
        shop.remote(MESH, target, {}, quiet=True)
    shop.model.wait_active(APP)
    total, writes = calls(sources=10)
    assert total <= 45
    assert writes == len(shop.policies()) == 30
    # Ten times the policies over the same targets cost no further call.
    more, writes = calls(sources=100)
    assert writes == 30
    assert more <= total


def test_a_unit_that_does_not_lead_writes_nothing(shop: beacon.Shop):
    shop.model.add_unit(APP)
    shop.model.settle()
    follower = f"{APP}/1"
    shop.client.delete(resources.Gateway, shop.waypoint, namespace=shop.name)
    with shop.model.requests(follower) as seen:
        shop.model.emit(follower, "config-changed")
        shop.model.emit(follower, "update-status")
    assert seen.reads
    assert seen.writes == []


def test_edited_and_deleted_objects_are_repaired(shop: beacon.Shop):
    shop.consumer("details")
    shop.model.settle()
    desired = shop.policies()
    (policy,) = shop.client.list(resources.AuthorizationPolicy, namespace=shop.name)
    opened: dict[str, Any] = {"rules": [*desired["details"]["rules"], {}]}
    shop.edit(resources.AuthorizationPolicy, policy.metadata.name, spec=opened)
    shop.client.delete(resources.Gateway, shop.waypoint, namespace=shop.name)
    shop.edit(Service, APP, metadata={"labels": {"istio.io/use-waypoint": "elsewhere"}})
    shop.refresh()
    assert shop.policies() == desired
    assert shop.get(resources.Gateway, shop.waypoint)
    labels = shop.get(Service, APP)["metadata"]["labels"]
    assert labels["istio.io/use-waypoint"] == shop.waypoint
    with shop.model.requests(UNIT) as seen:
        shop.refresh()
    assert seen.writes == []


def test_stale_objects_are_pruned_and_a_policy_of_another_owner_with_a_similar_name_stays(
    shop: beacon.Shop,
):
    shop.consumer("details")
    shop.model.settle()
    (ours,) = shop.client.list(resources.AuthorizationPolicy, namespace=shop.name)
    metadata = ObjectMeta(name=f"{ours.metadata.name}-2", namespace=shop.name)
    policy = resources.AuthorizationPolicy(metadata=metadata, spec={"action": "ALLOW"})
    before = shop.client.create(policy)
    shop.clear()
    (left,) = shop.client.list(resources.AuthorizationPolicy, namespace=shop.name)
    assert left.metadata.name == before.metadata.name
    assert left.metadata.generation == before.metadata.generation
    assert left.metadata.labels == before.metadata.labels


def test_the_waypoint_scales_with_the_charm(shop: beacon.Shop):
    def replicas(desired: int) -> bool:
        scaler = shop.get(HorizontalPodAutoscaler, shop.waypoint)["spec"]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (desired, desired)
        return bool(shop.get(Deployment, shop.waypoint)["spec"].get("replicas") == desired)

    shop.model.wait_active(APP)
    shop.model.add_unit(APP, 2)
    shop.model.settle()
    lab.eventually(lambda: replicas(3), timeout=60)
    shop.model.remove_unit(APP, 2)
    shop.model.settle()
    lab.eventually(lambda: replicas(1), timeout=60)


def test_removal_leaves_nothing(shop: beacon.Shop):
    shop.consumer("details")
    shop.config(model_on_mesh=True)
    assert {line.split()[0] for line in shop.owned_objects()} == {
        "AuthorizationPolicy",
        "ConfigMap",
        "Gateway",
        "HorizontalPodAutoscaler",
    }
    shop.model.remove(APP)
    shop.model.settle()
    assert shop.owned_objects() == []
    assert shop.namespace_labels == {}


def test_the_labels_config_map_of_an_earlier_charm_is_adopted_and_deleted_on_removal(
    cluster: lab.Cluster, control_plane: juju.Model, new_model: conftest.ModelFactory
):
    shop = beacon.Shop(cluster, new_model(controller=control_plane.controller))
    name = f"juju-service-mesh-{APP}-labels"
    metadata = ObjectMeta(name=name, namespace=shop.name)
    shop.client.create(ConfigMap(metadata=metadata, data={"labels": "{}"}))
    shop.deploy()
    shop.model.wait_active(APP)
    shop.model.remove(APP)
    shop.model.settle()
    assert name not in [c.metadata.name for c in shop.client.list(ConfigMap, namespace=shop.name)]


def test_a_waypoint_that_cannot_start_is_reported_with_its_cause(
    cluster: lab.Cluster, control_plane: juju.Model, new_model: conftest.ModelFactory
):
    shop = beacon.Shop(cluster, new_model(controller=control_plane.controller))

    def is_reported() -> bool:
        shop.refresh()
        return shop.status.startswith("waiting: ") and "ImagePullBackOff" in shop.status

    with cluster.fail_image("*/proxyv2:*"):
        shop.deploy()
        lab.eventually(is_reported, timeout=60)
    shop.model.wait_active(APP)


def test_objects_of_an_earlier_release_get_the_marks_of_today_once(shop: beacon.Shop):
    shop.consumer("details")
    shop.model.settle()
    kinds = (resources.Gateway, HorizontalPodAutoscaler, resources.AuthorizationPolicy)

    def objects() -> list[dict[str, Any]]:
        listed = (shop.client.list(kind, namespace=shop.name) for kind in kinds)
        return [kube.manifest_of(obj) for obj in itertools.chain.from_iterable(listed)]

    def marks() -> dict[str, list[str]]:
        found = ((obj["kind"], obj["metadata"]) for obj in objects())
        return {f"{kind} {one['name']}": sorted(one["annotations"]) for kind, one in found}

    before = marks()
    assert len(before) >= len(kinds)
    for kind in kinds:
        for obj in shop.client.list(kind, namespace=shop.name):
            found = kube.manifest_of(obj)
            annotations = {
                key.replace("charmed-istio/", "charmed-istio.io/"): text
                for key, text in found["metadata"]["annotations"].items()
            }
            metadata = {
                "name": found["metadata"]["name"],
                "namespace": shop.name,
                "labels": found["metadata"]["labels"],
                "annotations": annotations,
            }
            old = {**found, "metadata": metadata}
            old.pop("status", None)
            manager = resources.FIELD_MANAGER
            written: Any = kind.from_dict(old)  # pyright: ignore[reportUnknownMemberType]
            shop.client.apply(written, field_manager=manager, force=True)
    assert not any(resources.OWNER_ANNOTATION in names for names in marks().values())
    with shop.model.requests(UNIT) as migrated:
        shop.refresh()
    assert marks() == before
    assert len(migrated.writes) == len(before)
    assert shop.status.startswith("active")
    with shop.model.requests(UNIT) as again:
        shop.refresh()
    assert again.writes == []
