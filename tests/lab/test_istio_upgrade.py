# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-k8s upgrades an older release, and adopts the objects of the public charm of its name."""

from collections.abc import Iterator
from typing import Any

import pytest
from istio_ambient import kube, manifests, resources
from istio_ambient.authorization import hardened_mode
from istio_ambient.kube import _objects
from lightkube.resources.admissionregistration_v1 import (
    MutatingWebhookConfiguration,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
)
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Service, ServiceAccount
from lightkube.resources.rbac_authorization_v1 import (
    ClusterRole,
    ClusterRoleBinding,
    Role,
    RoleBinding,
)

from tests import lab
from tests.lab import conftest, juju

APP, UNIT, CHARM = "istio-k8s", "istio-k8s/0", conftest.CHARMS / "istio-k8s"
MODEL = "istio-system"
OLDER = "1.30.0"
KINDS: tuple[kube.ResourceType, ...] = (
    CustomResourceDefinition,
    ServiceAccount,
    ClusterRole,
    ClusterRoleBinding,
    Role,
    RoleBinding,
    ConfigMap,
    Service,
    Deployment,
    DaemonSet,
    HorizontalPodAutoscaler,
    ValidatingWebhookConfiguration,
    MutatingWebhookConfiguration,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    resources.AuthorizationPolicy,
)
COMPONENTS = ((Deployment, "istiod"), (DaemonSet, "istio-cni-node"), (DaemonSet, "ztunnel"))


@pytest.fixture
def mesh(new_model: conftest.ModelFactory) -> juju.Model:
    return new_model(MODEL)


def older() -> list[kube.Resource]:
    return manifests.render(
        manifests.ControlPlane(namespace=MODEL, config=manifests.Config(tag=OLDER))
    )


def tags(cluster: lab.Cluster) -> list[str]:
    """Return the image tags of istiod, istio-cni and ztunnel, and of new gateways."""
    found: list[str] = []
    for kind, name in COMPONENTS:
        spec: Any = cluster.client.get(kind, name, namespace=MODEL).spec
        image = spec.template.spec.containers[0].image
        found.append(image.rpartition(":")[2].removesuffix("-distroless"))
    templates: Any = cluster.client.get(ConfigMap, "istio-sidecar-injector", namespace=MODEL)
    values: str = templates.data["values"]
    return [*found, OLDER if f'"{OLDER}"' in values else manifests.VERSION]


def wait_ready(cluster: lab.Cluster) -> None:
    for kind, name in COMPONENTS:
        cluster.wait_ready(kind, name, MODEL)


def status(mesh: juju.Model) -> str:
    found = mesh.unit_status(UNIT)
    return f"{found.name}: {found.message}"


def install_older(cluster: lab.Cluster, mesh: juju.Model) -> None:
    """Apply the objects of an older release of the charm."""
    client = kube.connect()
    identity = resources.identity(MODEL, APP)
    for objects in (manifests.crds(), older()):
        # Objects that a removed application released are adopted, as by the charm.
        live = kube.read_live(client, identity, KINDS)
        desired = {kube.ref_of(obj): obj for obj in objects}
        taken = kube.read_taken(
            client, {ref: _objects.type_of(obj) for ref, obj in desired.items()}
        ).objects
        plan = kube.plan(desired.values(), live, taken)
        changes = tuple(c for c in plan.writes if c.verb is not kube.Verb.DELETE)
        applied = kube.apply(client, kube.Plan(changes), identity)
        assert applied.faults == ()
    wait_ready(cluster)


def test_a_component_that_does_not_start_stops_the_upgrade_before_the_data_plane(
    cluster: lab.Cluster, mesh: juju.Model
):
    new, old = manifests.VERSION, OLDER
    install_older(cluster, mesh)
    assert tags(cluster) == [old, old, old, old]
    seen = list[list[str]]()
    with cluster.fail_image("*/install-cni:*"):
        mesh.deploy(CHARM)
        mesh.settle()
        seen.append(tags(cluster))

        def stopped() -> bool:
            mesh.emit(UNIT, "update-status")
            seen.append(tags(cluster))
            return "istio-cni-node" in status(mesh) and "ImagePullBackOff" in status(mesh)

        assert lab.eventually(stopped, timeout=60)
        # No number of events continues the rollout.
        for _ in range(2):
            mesh.emit(UNIT, "update-status")
        assert tags(cluster) == [new, new, old, old]
    assert set(map(tuple, seen)) <= {(new, old, old, old), (new, new, old, old)}
    wait_ready(cluster)
    results = mesh.run(UNIT, "reconcile")
    assert "DaemonSet istio-system/ztunnel" in results["plan"]
    mesh.wait_active()
    assert tags(cluster) == [new, new, new, new]
    with mesh.requests(UNIT) as requests:
        mesh.emit(UNIT, "update-status")
    assert requests.writes == []


def test_an_upgrade_goes_on_without_update_status(cluster: lab.Cluster, mesh: juju.Model):
    """Each component has ready pods all the time, so the check of istiod never fails."""
    install_older(cluster, mesh)
    with cluster.fail_image("*/pilot:*"):
        mesh.deploy(CHARM)
        mesh.settle()
    cluster.wait_ready(Deployment, "istiod", MODEL)
    assert tags(cluster) == [manifests.VERSION, OLDER, OLDER, OLDER]
    ran = list[str]()

    def active() -> bool:
        ran.extend(mesh.run_checks())
        return status(mesh).startswith("active")

    assert lab.eventually(active, timeout=90, interval=1)
    assert tags(cluster) == [manifests.VERSION] * 4
    # One hook for each component, at least.
    assert sum("pebble-check-failed (retry-10s)" in line for line in ran) >= len(COMPONENTS)
    assert [line for line in ran if "retry-" not in line] == []
    assert mesh.run_checks() == []


@pytest.fixture
def public(cluster: lab.Cluster, mesh: juju.Model) -> Iterator[list[kube.Resource]]:
    """Objects as the public istio-k8s labels and applies them."""
    hardened = hardened_mode.policies(MODEL, APP)
    for crd in manifests.crds():
        _apply_as_public(cluster, crd, "istio-crds")
    objects = [*older(), _injector()]
    for obj in objects:
        _apply_as_public(cluster, obj, "control-plane")
    for policy in hardened:
        lab.eventually(lambda policy=policy: _applied(cluster, policy))
    wait_ready(cluster)
    yield [*objects, *hardened]


def test_objects_of_the_public_charm_are_adopted(
    cluster: lab.Cluster, mesh: juju.Model, public: list[kube.Resource]
):
    before = _uids(cluster, public)
    mesh.deploy(CHARM, config={"hardened-mode": True})
    with mesh.requests(UNIT) as seen:
        mesh.wait_active()
    injector = kube.ref_of(_injector())
    after = _uids(cluster, public)
    assert injector not in after
    del before[injector]
    # No object was deleted and created again, so access was never wider.
    assert after == before
    deleted = [request.path for request in seen.writes if request.method == "DELETE"]
    assert len(deleted) == 1
    live = kube.read_live(cluster_client(cluster), resources.identity(MODEL, APP), KINDS)
    assert {kube.ref_of(obj) for obj in public} - {injector} <= live.objects.keys()
    assert len(live.of(CustomResourceDefinition)) == len(manifests.crds())
    with mesh.requests(UNIT) as seen:
        mesh.emit(UNIT, "update-status")
    assert seen.writes == []


def cluster_client(cluster: lab.Cluster) -> Any:
    return cluster.client


def _applied(cluster: lab.Cluster, obj: kube.Resource) -> bool:
    _apply_as_public(cluster, obj, "istio-authorization-policy")
    return True


def _apply_as_public(cluster: lab.Cluster, obj: kube.Resource, scope: str) -> None:
    manifest = kube.manifest_of(obj)
    metadata = manifest["metadata"]
    metadata["labels"] = {
        **metadata.get("labels", {}),
        resources.INSTANCE_LABEL: f"{MODEL}-{APP}",
        resources.SCOPE_LABEL: scope,
    }
    applied = _objects.type_of(obj).from_dict(manifest)
    client = cluster_client(cluster)
    client.apply(applied, field_manager=APP, force=True)
    # The public charm sets no such annotation; definitions may have one of an earlier application.
    owner = {"metadata": {"annotations": {resources.OWNER_ANNOTATION: None}}}
    if isinstance(obj, CustomResourceDefinition):
        client.patch(CustomResourceDefinition, metadata["name"], owner)


def _injector() -> Any:
    service = {"name": "istiod", "namespace": MODEL, "path": "/inject"}
    webhook = {
        "name": "object.sidecar-injector.istio.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"service": service},
    }
    name = f"istio-sidecar-injector-{MODEL}"
    metadata = {"name": name, "labels": {"app": "sidecar-injector"}}
    return MutatingWebhookConfiguration.from_dict({"metadata": metadata, "webhooks": [webhook]})  # pyright: ignore


def _uids(cluster: lab.Cluster, objects: list[kube.Resource]) -> dict[kube.Ref, str]:
    refs = {kube.ref_of(obj): _objects.type_of(obj) for obj in objects}
    taken = kube.read_taken(cluster_client(cluster), refs).objects
    return {ref: obj.metadata.uid for ref, obj in taken.items()}
