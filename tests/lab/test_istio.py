# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-k8s on a real API server, with the real istiod that its objects start."""

import json
from typing import Any

import pytest
from istio_ambient import manifests, resources
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Secret
from lightkube.resources.rbac_authorization_v1 import ClusterRole
from lightkube.types import PatchType

from tests import lab
from tests.lab import conftest, juju
from tests.scenarios import leftovers

APP, UNIT, CHARM = "istio-k8s", "istio-k8s/0", conftest.CHARMS / "istio-k8s"
KINDS = 21
"""Kinds that istio-k8s manages."""
READS_BESIDE = 10
"""Reads that a hook may make beside one LIST a kind."""


def admin(cluster: lab.Cluster) -> Any:
    """Return the administrator's client, without lightkube's overloads."""
    return cluster.client


def test_istiod_runs_from_the_objects_that_the_charm_applied(control_plane: juju.Model):
    status = control_plane.status().apps[APP]
    assert status.status == "active"
    assert status.version == manifests.VERSION


def test_a_hook_that_changes_nothing_writes_nothing(control_plane: juju.Model):
    with control_plane.requests(UNIT) as seen:
        control_plane.emit(UNIT, "update-status")
    assert seen.writes == []
    assert seen.processes == []
    assert 0 < len(seen) <= KINDS + READS_BESIDE


def test_hardened_mode_creates_two_objects_and_deletes_them_again(control_plane: juju.Model):
    with control_plane.requests(UNIT) as on:
        control_plane.config(APP, hardened_mode=True)
        control_plane.settle()
    assert [r.method for r in on.writes] == ["PATCH", "PATCH"]
    with control_plane.requests(UNIT) as off:
        control_plane.config(APP, hardened_mode=False)
        control_plane.settle()
    assert [r.method for r in off.writes] == ["DELETE", "DELETE"]


def test_edited_and_deleted_objects_are_repaired(cluster: lab.Cluster, control_plane: juju.Model):
    namespace, client = control_plane.name, admin(cluster)
    edit = {"data": {"mesh": "rootNamespace: elsewhere\n"}}
    client.patch(ConfigMap, "istio", edit, namespace=namespace, patch_type=PatchType.MERGE)
    client.delete(ClusterRole, f"istiod-clusterrole-{namespace}")
    control_plane.emit(UNIT, "update-status")
    data: dict[str, str] = client.get(ConfigMap, "istio", namespace=namespace).data or {}
    assert json.loads(data["mesh"])["rootNamespace"] == namespace
    assert client.get(ClusterRole, f"istiod-clusterrole-{namespace}")


def test_a_rule_that_is_added_to_hardened_mode_is_removed(
    cluster: lab.Cluster, control_plane: juju.Model
):
    control_plane.config(APP, hardened_mode=True)
    control_plane.settle()
    name = f"{APP}-{control_plane.name}-policy-global-allow-nothing-ztunnel"
    where, policy = control_plane.name, resources.AuthorizationPolicy
    opened: dict[str, Any] = {"spec": {"rules": [{}]}}
    admin(cluster).patch(policy, name, opened, namespace=where, patch_type=PatchType.MERGE)
    control_plane.emit(UNIT, "update-status")
    assert not admin(cluster).get(policy, name, namespace=where).get("spec")
    with control_plane.requests(UNIT) as seen:
        control_plane.emit(UNIT, "update-status")
    assert seen.writes == []
    control_plane.config(APP, hardened_mode=False)
    control_plane.settle()


def test_an_object_of_another_owner_with_a_similar_name_is_not_changed(
    cluster: lab.Cluster, control_plane: juju.Model
):
    namespace = control_plane.name
    name = f"{APP}-{namespace}-policy-global-allow-nothing-ztunnel-2"
    metadata = ObjectMeta(name=name, namespace=namespace)
    mine = resources.AuthorizationPolicy(metadata=metadata, spec={"rules": [{}]})
    admin(cluster).create(mine)
    control_plane.emit(UNIT, "update-status")
    kept = admin(cluster).get(resources.AuthorizationPolicy, name, namespace=namespace)
    assert kept.get("spec") == {"rules": [{}]}
    admin(cluster).delete(resources.AuthorizationPolicy, name, namespace=namespace)


def test_an_object_of_another_owner_with_our_name_is_reported_and_left_alone(
    cluster: lab.Cluster, control_plane: juju.Model
):
    namespace = control_plane.name
    name = f"{APP}-{namespace}-policy-global-allow-nothing-ztunnel"
    metadata = ObjectMeta(name=name, namespace=namespace)
    mine = resources.AuthorizationPolicy(metadata=metadata, spec={"rules": [{}]})
    admin(cluster).create(mine)
    control_plane.config(APP, hardened_mode=True)
    control_plane.settle()
    status = control_plane.unit_status(UNIT)
    assert (status.name, name in status.message) == ("blocked", True)
    kept = admin(cluster).get(resources.AuthorizationPolicy, name, namespace=namespace)
    assert kept.get("spec") == {"rules": [{}]}
    admin(cluster).delete(resources.AuthorizationPolicy, name, namespace=namespace)
    control_plane.config(APP, hardened_mode=False)
    control_plane.settle()


@pytest.mark.parametrize("value", ["bogus", "MicroK8s"])
def test_an_invalid_option_is_reported_and_changes_nothing(control_plane: juju.Model, value: str):
    with control_plane.requests(UNIT) as seen:
        control_plane.config(APP, platform=value)
        control_plane.settle()
    status = control_plane.unit_status(UNIT)
    assert status.name == "blocked"
    assert "config platform" in status.message
    assert seen.writes == []
    control_plane.reset(APP, "platform")
    control_plane.settle()
    assert control_plane.unit_status(UNIT).name == "active"


def test_units_become_replicas_and_only_the_leader_writes(
    cluster: lab.Cluster, control_plane: juju.Model
):
    def replicas() -> int | None:
        spec = admin(cluster).get(Deployment, "istiod", namespace=control_plane.name).spec
        return spec.replicas if spec else None

    with control_plane.requests(f"{APP}/1", f"{APP}/2") as others:
        control_plane.add_unit(APP, 2)
        control_plane.settle()
    assert others.writes == []
    assert lab.eventually(lambda: replicas() == 3)
    control_plane.remove_unit(APP, 2)
    control_plane.settle()
    assert lab.eventually(lambda: replicas() == 1)
    control_plane.wait_active()


def test_a_component_that_does_not_start_is_reported_with_the_reason_of_its_pod(
    cluster: lab.Cluster, control_plane: juju.Model
):
    with cluster.fail_image("*/install-cni:*"):
        control_plane.config(APP, cni_bin_dir="/opt/elsewhere")
        control_plane.settle()

        def is_reported() -> bool:
            control_plane.emit(UNIT, "update-status")
            status = control_plane.unit_status(UNIT)
            return status.name == "waiting" and "ImagePullBackOff" in status.message

        assert lab.eventually(is_reported)
    control_plane.reset(APP, "cni_bin_dir")
    control_plane.wait_active()


def test_the_action_reconciles_at_once(cluster: lab.Cluster, control_plane: juju.Model):
    admin(cluster).delete(ConfigMap, "istio", namespace=control_plane.name)
    results = control_plane.run(UNIT, "reconcile")
    assert "ConfigMap" in results["plan"]
    assert control_plane.run(UNIT, "reconcile")["plan"] == "no change"


def root_of(cluster: lab.Cluster, mesh: juju.Model) -> str:
    """Return the root certificate that istiod gives to the namespace of the control plane."""
    published = admin(cluster).get(ConfigMap, "istio-ca-root-cert", namespace=mesh.name)
    return published.data["root-cert.pem"]


def test_removal_leaves_definitions_and_the_key_of_the_mesh_which_can_be_restored(
    cluster: lab.Cluster, control_plane: juju.Model
):
    root = root_of(cluster, control_plane)
    control_plane.remove(APP)
    control_plane.settle()
    assert leftovers.of(cluster.kubeconfig, control_plane.name) == []
    kept = {crd.metadata.name for crd in admin(cluster).list(CustomResourceDefinition)}
    assert kept >= {crd.metadata.name for crd in manifests.crds() if crd.metadata}

    # Type and content are all that a backup of the key needs.
    namespace = control_plane.name
    key = admin(cluster).get(Secret, "istio-ca-secret", namespace=namespace)
    admin(cluster).delete(Secret, "istio-ca-secret", namespace=namespace)
    metadata = ObjectMeta(name="istio-ca-secret", namespace=namespace)
    admin(cluster).create(Secret(metadata=metadata, type=key.type, data=key.data))

    # The next installation adopts the released definitions, and goes on with the same root.
    control_plane.deploy(CHARM)
    control_plane.wait_active(APP)
    assert root_of(cluster, control_plane) == root
    labels = {resources.INSTANCE_LABEL: f"{control_plane.name}-{APP}"}
    taken = list(admin(cluster).list(CustomResourceDefinition, labels=labels))
    assert len(taken) == len(manifests.crds())
