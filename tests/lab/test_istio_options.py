# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What an operator chooses of istio-k8s, on a real API server with the real istiod."""

import base64
import datetime
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml
from istio_ambient import kube, resources
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import ConfigMap, Secret

from tests import lab
from tests.lab import juju
from tests.unit.control_plane import authorities

APP, UNIT = "istio-k8s", "istio-k8s/0"


@pytest.fixture
def mesh(control_plane: juju.Model) -> Iterator[juju.Model]:
    """The control plane; options are back at their defaults afterwards."""
    yield control_plane
    options = control_plane.app(APP).charm.options
    control_plane.reset(APP, *options)
    control_plane.wait_active()


def configure(mesh: juju.Model, **options: str | bool) -> None:
    mesh.config(APP, **options)
    mesh.settle()


def status(mesh: juju.Model) -> tuple[str, str]:
    found = mesh.unit_status(UNIT)
    return found.name, found.message


def manifest(
    cluster: lab.Cluster, mesh: juju.Model, kind: kube.ResourceType, name: str
) -> kube.Manifest:
    return kube.manifest_of(cluster.client.get(kind, name, namespace=mesh.name))


def mesh_config(cluster: lab.Cluster, mesh: juju.Model) -> dict[str, Any]:
    return yaml.safe_load(manifest(cluster, mesh, ConfigMap, "istio")["data"]["mesh"])


def peer_authentications(cluster: lab.Cluster, mesh: juju.Model) -> list[Any]:
    client = cast(kube.Client, cluster.client)
    return kube.list_kind(client, resources.PeerAuthentication, namespace=mesh.name) or []


def no_writes(mesh: juju.Model) -> bool:
    with mesh.requests(UNIT) as seen:
        mesh.emit(UNIT, "update-status")
    return seen.writes == []


def test_strict_mode_is_one_object_and_goes_again(cluster: lab.Cluster, mesh: juju.Model):
    with mesh.requests(UNIT) as on:
        configure(mesh, mtls_mode="strict")
    assert len(on.writes) == 1
    (policy,) = peer_authentications(cluster, mesh)
    assert policy["spec"] == {"mtls": {"mode": "STRICT"}}
    assert no_writes(mesh)
    with mesh.requests(UNIT) as off:
        configure(mesh, mtls_mode="permissive")
    assert [request.method for request in off.writes] == ["DELETE"]
    assert peer_authentications(cluster, mesh) == []


def test_a_policy_of_the_operators_own_is_named_and_left_alone(
    cluster: lab.Cluster, mesh: juju.Model
):
    metadata = ObjectMeta(name="default", namespace=mesh.name)
    spec = {"mtls": {"mode": "DISABLE"}}
    cluster.client.create(resources.PeerAuthentication(metadata=metadata, spec=spec))
    try:
        configure(mesh, mtls_mode="strict")
        name, message = status(mesh)
        assert (name, "PeerAuthentication" in message) == ("blocked", True)
        (kept,) = peer_authentications(cluster, mesh)
        assert kept["spec"] == spec
    finally:
        cluster.client.delete(resources.PeerAuthentication, "default", namespace=mesh.name)


def test_an_overlay_reaches_the_mesh_config(cluster: lab.Cluster, mesh: juju.Model):
    overlay = """
    accessLogFile: ""
    accessLogEncoding: JSON
    outboundTrafficPolicy: {mode: REGISTRY_ONLY}
    defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true"}}
    extensionProviders:
    - {name: own, envoyFileAccessLog: {path: /dev/stderr}}
    """
    with mesh.requests(UNIT) as seen:
        configure(mesh, mesh_config=overlay)
    assert len(seen.writes) == 1
    found = mesh_config(cluster, mesh)
    assert found["accessLogFile"] == ""
    assert found["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    assert found["rootNamespace"] == mesh.name
    assert found["defaultConfig"]["proxyMetadata"] == {
        "ISTIO_META_DNS_CAPTURE": "true",
        "ISTIO_META_ENABLE_HBONE": "true",
    }
    assert [each["name"] for each in found["extensionProviders"]] == ["own"]
    assert no_writes(mesh)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("hub", "https://docker.io/istio", "https://docker.io/istio"),
        ("mtls-mode", "Strict", "Strict"),
        ("mesh-config", "acessLogFile: /dev/null", "acessLogFile"),
        ("mesh-config", "rootNamespace: elsewhere", "is set by the charm"),
        ("ztunnel-resources", "{limits: {memory: 1Mi}}", "limits.memory"),
        ("istiod-tolerations", "[{key: a, effect: Never}]", "Never"),
        ("cni-node-selector", "{kubernetes.io/os: windows}", "kubernetes.io/os"),
        ("ca-secret", "secret:d0g5k1hmp25c76d2u9a0", "juju grant-secret"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_applied_half(
    mesh: juju.Model, option: str, value: str, named: str
):
    with mesh.requests(UNIT) as seen:
        configure(mesh, **{option: value, "hardened-mode": True, "tag": "1.31.0-other"})
    name, message = status(mesh)
    assert name == "blocked"
    assert message.startswith(f"config {option}")
    assert named in message
    assert seen.writes == []


def test_images_nodes_and_resources_reach_the_pods_and_stay(
    cluster: lab.Cluster, mesh: juju.Model
):
    configure(
        mesh,
        hub="registry.example.com/istio",
        image_pull_policy="IfNotPresent",
        image_pull_secrets="mirror",
        ztunnel_resources="{requests: {cpu: 0.5}, limits: {memory: 1Gi}}",
        ztunnel_tolerations="[{key: dedicated, value: mesh, effect: NoSchedule}]",
        ztunnel_node_selector="{mesh: 'true'}",
        istiod_tolerations="[{operator: Exists}]",
    )
    # Each component follows once the one before it is ready.
    mesh.wait_active(timeout=300)
    pods = manifest(cluster, mesh, DaemonSet, "ztunnel")["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    assert container["image"] == "registry.example.com/istio/ztunnel:1.31.0-distroless"
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"memory": "1Gi"},
    }
    assert pods["nodeSelector"] == {"kubernetes.io/os": "linux", "mesh": "true"}
    assert [each["key"] for each in pods["tolerations"]] == ["dedicated"]
    istiod = manifest(cluster, mesh, Deployment, "istiod")
    assert {"operator": "Exists"} in istiod["spec"]["template"]["spec"]["tolerations"]
    assert no_writes(mesh)


def root_of(cluster: lab.Cluster, mesh: juju.Model) -> str:
    return manifest(cluster, mesh, ConfigMap, "istio-ca-root-cert")["data"]["root-cert.pem"]


def test_istiod_signs_with_the_sites_own_authority_and_follows_its_rotation(
    cluster: lab.Cluster, mesh: juju.Model
):
    start = datetime.datetime.now(datetime.UTC) - authorities.DAY
    root = authorities.Authority("site root", start=start)
    first, second = (authorities.Authority("istio", root, start=start) for _ in range(2))
    content = authorities.secret(first, root)
    secret = mesh.add_secret(content)

    # Not granted yet: nothing happens.
    with mesh.requests(UNIT) as seen:
        configure(mesh, ca_secret=secret)
    assert status(mesh)[0] == "blocked"
    assert seen.writes == []

    mesh.grant_secret(secret, APP)
    mesh.emit(UNIT, "update-status")
    mesh.wait_active()
    assert lab.eventually(lambda: root_of(cluster, mesh) == root.pem, timeout=90)
    assert no_writes(mesh)

    # A pair that does not belong together is refused, and what was there stays.
    with mesh.requests(UNIT) as refused:
        mesh.update_secret(secret, content | {"ca-key": second.private()})
        mesh.settle()
    name, message = status(mesh)
    assert (name, "ca-secret ca-key" in message) == ("blocked", True)
    assert refused.writes == []

    with mesh.requests(UNIT) as rotated:
        mesh.update_secret(secret, authorities.secret(second, root))
        mesh.settle()
    assert {request.path.split("/")[-1].split("?")[0] for request in rotated.writes} == {
        "cacerts",
        "istiod",
    }
    mesh.wait_active()
    told = "\n".join(mesh.logs(UNIT)) + str(mesh.run(UNIT, "reconcile"))
    for key in (first.private(), second.private()):
        (line, *_) = key.splitlines()[1:]
        assert line not in told
        assert base64.b64encode(key.encode()).decode()[40:80] not in told

    mesh.reset(APP, "ca-secret")
    mesh.settle()
    client = cast(kube.Client, cluster.client)
    where, which = mesh.name, {"metadata.name": "cacerts"}
    assert not kube.list_kind(client, Secret, namespace=where, fields=which)
    assert lab.eventually(lambda: root_of(cluster, mesh) != root.pem, timeout=90)
