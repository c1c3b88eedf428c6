# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The preflight of istio-k8s on a real API server, and its consequences."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from istio_ambient import kube, manifests, resources
from istio_ambient.manifests import _served
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.admissionregistration_v1 import (
    MutatingWebhookConfiguration,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod
from lightkube.resources.discovery_v1 import EndpointSlice

from tests import lab
from tests.lab import conftest, juju, test_istio

APP, UNIT, CHARM = "istio-k8s", "istio-k8s/0", conftest.CHARMS / "istio-k8s"
GATEWAYS = "gateways.gateway.networking.k8s.io"
GUARD = "safe-upgrades.gateway.networking.k8s.io"
OLD = "istio-old"
EXCLUSIVE = {"cni-exclusive": "true"}
SOCKETS = {"cni-exclusive": "false", "bpf-lb-sock": "true"}
FINE = {"cni-exclusive": "false", "bpf-lb-sock": "true", "bpf-lb-sock-hostns-only": "true"}

Cilium = Callable[..., None]


def admin(cluster: lab.Cluster) -> Any:
    """Return the administrator's client, without lightkube's overloads."""
    return cluster.client


@pytest.fixture
def cilium(cluster: lab.Cluster) -> Iterator[Cilium]:
    """Sets Cilium's configuration; deletes it at the end."""

    def configure(**data: str) -> None:
        metadata = ObjectMeta(name="cilium-config", namespace="kube-system")
        content = {key.replace("_", "-"): value for key, value in data.items()}
        kube.delete(admin(cluster), ConfigMap, "cilium-config", "kube-system")
        admin(cluster).create(ConfigMap(metadata=metadata, data=content))

    yield configure
    kube.delete(admin(cluster), ConfigMap, "cilium-config", "kube-system")


@pytest.fixture
def mesh(new_model: conftest.ModelFactory) -> juju.Model:
    """A model for istio-k8s, which is not deployed yet."""
    return new_model("istio-system")


def deployed(mesh: juju.Model, **config: bool | str) -> tuple[juju.Requests, str]:
    """Deploy istio-k8s; return its API requests, and its status."""
    mesh.deploy(CHARM, config={key.replace("_", "-"): value for key, value in config.items()})
    with mesh.requests(UNIT) as seen:
        mesh.settle()
    status = mesh.unit_status(UNIT)
    return seen, f"{status.name}: {status.message}"


def update_status(mesh: juju.Model) -> str:
    mesh.emit(UNIT, "update-status")
    status = mesh.unit_status(UNIT)
    return f"{status.name}: {status.message}"


def test_an_exclusive_cilium_blocks_until_it_is_reconfigured(mesh: juju.Model, cilium: Cilium):
    cilium(**EXCLUSIVE)
    seen, status = deployed(mesh)
    assert seen.writes == []
    assert status.startswith("blocked: ")
    assert "set cni.exclusive=false in Cilium" in status

    cilium(**SOCKETS)
    status = update_status(mesh)
    assert "blocked: " in status
    assert "bpf-lb-sock-hostns-only" in status
    assert "bypass ztunnel" in status

    cilium(**FINE)
    mesh.wait_active()

    # The mesh runs: a finding is reported, and policies are still applied and deleted.
    cilium(**EXCLUSIVE)
    mesh.config(APP, hardened_mode=True)
    with mesh.requests(UNIT) as seen:
        mesh.settle()
    assert len(seen.writes) == 2
    assert "set cni.exclusive=false in Cilium" in update_status(mesh)
    mesh.config(APP, cni_preflight="warn")
    mesh.settle()
    status = update_status(mesh)
    assert status.startswith("active: ")
    assert "set cni.exclusive=false in Cilium" in status


def test_another_istio_blocks_and_remains_of_one_do_not(cluster: lab.Cluster, mesh: juju.Model):
    client = admin(cluster)
    client.create(Namespace(metadata=ObjectMeta(name=OLD)))
    client.create(_injector())
    client.create(_istiod())
    try:
        seen, status = deployed(mesh)
        assert seen.writes == []
        assert f"Deployment {OLD}/istiod" in status
        assert status.startswith("blocked: ")

        client.delete(Deployment, "istiod", namespace=OLD)
        client.create(_answering())
        status = update_status(mesh)
        assert "MutatingWebhookConfiguration istio-sidecar-injector" in status

        client.delete(EndpointSlice, "istiod", namespace=OLD)
        mesh.wait_active()
        # Any number of remaining objects costs one request.
        with mesh.requests(UNIT) as seen:
            mesh.emit(UNIT, "update-status")
        assert seen.writes == []
        slices_read = [request for request in seen if "/v1/endpointslices" in request.path]
        most = test_istio.KINDS + test_istio.READS_BESIDE + 1
        assert (len(slices_read), len(seen) <= most) == (1, True)
    finally:
        kube.delete(client, MutatingWebhookConfiguration, "istio-sidecar-injector")
        client.delete(Namespace, OLD)


def test_older_definitions_of_another_installer_block_and_newer_ones_are_used(
    cluster: lab.Cluster, mesh: juju.Model
):
    client = admin(cluster)
    try:
        _install_gateways(cluster, "v1.2.1")
        seen, status = deployed(mesh)
        assert seen.writes == []
        assert status.startswith("blocked: ")
        assert "v1.2.1" in status
        assert manifests.gateway_api_version() in status

        _install_gateways(cluster, "v1.99.0")
        mesh.wait_active()
        found = kube.manifest_of(client.get(CustomResourceDefinition, GATEWAYS))["metadata"]
        assert resources.INSTANCE_LABEL not in found.get("labels", {})
        assert manifests.bundle_version({"metadata": found}) == "v1.99.0"
        for kind in (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding):
            assert not [each for each in client.list(kind) if each.metadata.name == GUARD]  # pyright: ignore[reportUnknownMemberType]
        with mesh.requests(UNIT) as seen:
            mesh.emit(UNIT, "update-status")
        assert seen.writes == []
    finally:
        mesh.destroy(force=True)
        kube.delete(client, CustomResourceDefinition, GATEWAYS)


def test_our_definitions_are_guarded_upgraded_and_never_downgraded(
    cluster: lab.Cluster, mesh: juju.Model
):
    client = admin(cluster)
    mesh.deploy(CHARM)
    mesh.wait_active()
    for kind in (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding):
        assert client.get(kind, GUARD)

    version = f"{manifests.gateway_api_version()}-rc.1"
    older = {"metadata": {"annotations": {_served.BUNDLE_VERSION: version}}}
    client.patch(CustomResourceDefinition, GATEWAYS, older)
    mesh.emit(UNIT, "update-status")
    assert _version(cluster) == manifests.gateway_api_version()

    newer = {"metadata": {"annotations": {_served.BUNDLE_VERSION: "v1.99.0"}}}
    client.patch(CustomResourceDefinition, GATEWAYS, newer)
    mesh.emit(UNIT, "update-status")
    assert _version(cluster) == "v1.99.0"
    assert mesh.unit_status(UNIT).name == "active"

    # A newer definition stays without an owner after removal: the next test needs none.
    mesh.destroy(force=True)
    kube.delete(client, CustomResourceDefinition, GATEWAYS)


def test_a_preview_shows_what_hardened_mode_would_cut_off_and_changes_nothing(
    cluster: lab.Cluster, mesh: juju.Model
):
    mesh.deploy(CHARM)
    mesh.wait_active()
    for name in ("lonely", "opened"):
        labels = {"app": name, "istio.io/dataplane-mode": "ambient"}
        pod: Any = Pod.from_dict(  # pyright: ignore[reportUnknownMemberType]
            {
                "metadata": {
                    "name": name,
                    "namespace": "default",
                    "labels": labels,
                    "annotations": {"ambient.istio.io/redirection": "enabled"},
                },
                "spec": {"containers": [{"name": "app", "image": "example/app"}]},
            }
        )
        admin(cluster).create(pod)
    metadata = ObjectMeta(name="open", namespace="default")
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "opened"}}, "rules": [{}]}
    admin(cluster).create(resources.AuthorizationPolicy(metadata=metadata, spec=spec))
    try:
        with mesh.requests(UNIT) as seen:
            results = mesh.run(UNIT, "preview-hardened-mode", format="json")
        assert seen.writes == []
        assert json.loads(results["cut-off"]) == ["default/lonely"]
        workloads = {each["application"]: each for each in json.loads(results["json"])}
        assert workloads["opened"]["admits"] == ["any client"]
        assert workloads["opened"]["policies"] == ["default/open"]
        table = mesh.run(UNIT, "preview-hardened-mode")["table"]
        assert "default/lonely: cut off\n  loses: pods of default/lonely: any client" in table
        assert max(map(len, table.splitlines())) <= 78
    finally:
        for name in ("lonely", "opened"):
            admin(cluster).delete(Pod, name, namespace="default")
        admin(cluster).delete(resources.AuthorizationPolicy, "open", namespace="default")


def test_unused_custom_resource_definitions_are_purged(cluster: lab.Cluster, mesh: juju.Model):
    client = admin(cluster)
    mesh.deploy(CHARM)
    mesh.wait_active()
    metadata = ObjectMeta(name="mine", namespace="default")
    client.create(resources.AuthorizationPolicy(metadata=metadata, spec={"rules": [{}]}))
    with pytest.raises(juju.ActionError, match="confirm"):
        mesh.run(UNIT, "purge-crds")
    with pytest.raises(juju.ActionError, match="AuthorizationPolicy default/mine"):
        mesh.run(UNIT, "purge-crds", confirm=True)
    client.delete(resources.AuthorizationPolicy, "mine", namespace="default")
    # The lab's own, for stock Envoy.
    kube.delete(kube.connect(), resources.Telemetry, "lab-no-istio-metrics", mesh.name)
    results = mesh.run(UNIT, "purge-crds", confirm=True)
    assert int(results["deleted"]) == len(manifests.crds())
    names = {crd.metadata.name for crd in manifests.crds() if crd.metadata}
    assert lab.eventually(lambda: _crds_gone(cluster, names))


def _crds_gone(cluster: lab.Cluster, names: set[str | None]) -> bool:
    listed = admin(cluster).list(CustomResourceDefinition)
    return not names & {crd.metadata.name for crd in listed if crd.metadata}


def _version(cluster: lab.Cluster) -> str:
    return manifests.bundle_version(
        kube.manifest_of(admin(cluster).get(CustomResourceDefinition, GATEWAYS))
    )


def _install_gateways(cluster: lab.Cluster, version: str) -> None:
    """Install a definition of the Gateway API, as another installer would."""
    (manifest,) = (
        kube.manifest_of(crd)
        for crd in manifests.crds()
        if crd.metadata and crd.metadata.name == GATEWAYS
    )
    manifest["metadata"]["annotations"][_served.BUNDLE_VERSION] = version
    definition: Any = CustomResourceDefinition.from_dict(manifest)  # pyright: ignore[reportUnknownMemberType]
    kube.delete(admin(cluster), CustomResourceDefinition, GATEWAYS)

    def created() -> bool:
        try:
            admin(cluster).create(definition)
        except httpx2.HTTPError as error:
            raise AssertionError(str(error)) from error
        return True

    lab.eventually(created)


def _istiod() -> Any:
    labels = {"app": "istiod"}
    container = {"name": "discovery", "image": "docker.io/istio/pilot:1.20.0"}
    spec: dict[str, Any] = {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    metadata = {"name": "istiod", "namespace": OLD, "labels": labels}
    return Deployment.from_dict({"metadata": metadata, "spec": spec})  # pyright: ignore[reportUnknownMemberType]


def _injector() -> Any:
    service = {"name": "istiod", "namespace": OLD, "path": "/inject"}
    webhooks = [
        {
            "name": f"{name}.injector.istio.io",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "clientConfig": {"service": service},
        }
        for name in ("namespace", "object", "rev.namespace", "rev.object")
    ]
    metadata = {"name": "istio-sidecar-injector", "labels": {"app": "sidecar-injector"}}
    return MutatingWebhookConfiguration.from_dict({"metadata": metadata, "webhooks": webhooks})  # pyright: ignore[reportUnknownMemberType]


def _answering() -> Any:
    labels = {"kubernetes.io/service-name": "istiod"}
    return EndpointSlice.from_dict(  # pyright: ignore[reportUnknownMemberType]
        {
            "metadata": {"name": "istiod", "namespace": OLD, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.7"]}],
            "ports": [{"name": "https-webhook", "port": 15017, "protocol": "TCP"}],
        }
    )


def rows_of(mesh: juju.Model) -> dict[str, dict[str, str]]:
    """Return the rows of `check` that do not hold, by their names."""
    with mesh.requests(UNIT) as seen:
        found: list[dict[str, str]] = json.loads(mesh.run(UNIT, "check", format="json")["json"])
    # The dry run of a pod is all that is sent beside reads.
    assert [request.method for request in seen.writes] in ([], ["PATCH"])
    return {row["check"]: row for row in found if row["state"] != "holds"}


def test_a_check_shows_what_prevents_the_installation_and_a_mesh_that_works(
    cluster: lab.Cluster, mesh: juju.Model, cilium: Cilium
):
    cilium(**EXCLUSIVE)
    enforced: dict[str, Any] = {"metadata": {"labels": {kube.POD_SECURITY_LABEL: "baseline"}}}
    admin(cluster).patch(Namespace, mesh.name, enforced)
    _, status = deployed(mesh)
    assert status.startswith("blocked: ")
    before = mesh.unit_status(UNIT)
    found = rows_of(mesh)
    assert found["cilium-exclusive"]["code"] == "CI-601"
    assert found["pod-security"]["code"] == "CI-629"
    # The API server itself says so of a pod.
    assert 'violates PodSecurity "baseline' in found["pods"]["message"]
    assert found["istiod"]["note"] == found["ztunnel"]["note"] == "not installed yet"
    assert mesh.unit_status(UNIT) == before

    cilium(**FINE)
    enforced["metadata"]["labels"][kube.POD_SECURITY_LABEL] = "privileged"
    admin(cluster).patch(Namespace, mesh.name, enforced)
    mesh.wait_active()
    found = rows_of(mesh)
    assert {row["note"] for row in found.values()} == {
        "Calico: not in use",
        "Amazon EKS: not in use",
        "OpenShift: not in use",
    }


def test_a_daemon_set_that_may_not_create_pods_says_why(cluster: lab.Cluster, mesh: juju.Model):
    mesh.deploy(CHARM)
    mesh.wait_active()
    client = admin(cluster)
    enforced: dict[str, Any] = {"metadata": {"labels": {kube.POD_SECURITY_LABEL: "baseline"}}}
    client.patch(Namespace, mesh.name, enforced)
    for pod in client.list(Pod, namespace=mesh.name, labels={"app": "ztunnel"}):
        client.delete(Pod, pod.metadata.name, namespace=mesh.name)

    def said() -> bool:
        update_status(mesh)
        details = json.loads(mesh.run(UNIT, "status-details", format="json")["problems"])
        reasons = [each["message"] for each in details if each["where"] == "ztunnel"]
        return any('violates PodSecurity "baseline' in reason for reason in reasons)

    assert lab.eventually(said)
