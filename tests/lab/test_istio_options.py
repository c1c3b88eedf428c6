# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The options of istio-k8s, on a real API server with the real istiod."""

import base64
import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from istio_ambient import control_plane, kube, manifests, resources
from istio_ambient.values.problems import Problem
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import ConfigMap, Node, Secret, Service

from tests import lab
from tests.lab import bad_options, juju
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


def matches_no_node(mesh: juju.Model) -> bool:
    mesh.emit(UNIT, "update-status")
    assert "ztunnel: no node matches its node selector" in status(mesh)[1]
    return True


def no_writes(mesh: juju.Model) -> bool:
    with mesh.requests(UNIT) as seen:
        mesh.emit(UNIT, "update-status")
    return seen.writes == []


def test_strict_mode_is_one_object_that_is_deleted_again(cluster: lab.Cluster, mesh: juju.Model):
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


def test_a_policy_of_the_operator_is_reported_and_left_alone(
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
    # The second one remembers that istiod took it.
    assert len(seen.writes) == 2
    found = mesh_config(cluster, mesh)
    assert found["accessLogFile"] == ""
    assert found["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    assert found["rootNamespace"] == mesh.name
    assert found["defaultConfig"]["proxyMetadata"] == {
        "ISTIO_META_DNS_CAPTURE": "true",
        "ISTIO_META_ENABLE_HBONE": "true",
    }
    names = [each["name"] for each in found["extensionProviders"]]
    assert names[0] == "own" and [
        name.startswith("charmed-istio.applied.") for name in names[1:]
    ] == [True]
    assert no_writes(mesh)


def test_every_invalid_value_of_every_option_is_reported_and_nothing_is_applied(mesh: juju.Model):
    options = mesh.app(APP).charm.options
    switches = {name for name, option in options.items() if option["type"] == "boolean"}
    assert bad_options.BAD.keys() | switches == options.keys()
    for switch in switches:
        with pytest.raises(
            juju.JujuError
        ):  # Juju itself refuses the value: the charm never sees it.
            mesh.config(APP, **{switch: "yes"})

    reported: dict[tuple[str, str], tuple[str, str]] = {}
    with mesh.requests(UNIT) as seen:
        # Valid values are set with it, and must wait.
        mesh.config(APP, hardened_mode=True, tag=f"{manifests.VERSION}-other")
        before = ""
        for option, cases in bad_options.BAD.items():
            for value, *_ in cases:
                mesh.config(APP, **{option: value})
                if before not in ("", option):
                    mesh.reset(APP, before)
                before = option
                mesh.settle()
                reported[option, value] = status(mesh)
        mesh.reset(APP, *options)
        mesh.settle()
    assert seen.writes == []
    for option, cases in bad_options.BAD.items():
        for value, named, allowed in cases:
            name, message = reported[option, value]
            assert name == "blocked", (option, value, message)
            assert message.startswith(f"config {option}"), (option, value, message)
            assert named in message, (option, value, message)
            assert allowed in message, (option, value, message)
    assert status(mesh) == ("active", "")


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
    # Each component follows once the previous one is ready.
    assert lab.eventually(lambda: matches_no_node(mesh))
    with cluster.node_labels(mesh="true"):
        mesh.wait_active(timeout=300)
    pods = manifest(cluster, mesh, DaemonSet, "ztunnel")["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    assert (
        container["image"] == f"registry.example.com/istio/ztunnel:{manifests.VERSION}-distroless"
    )
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


def test_variables_and_places_reach_the_pods_and_the_api_server_takes_them(
    cluster: lab.Cluster, mesh: juju.Model
):
    configure(
        mesh,
        istiod_env="{PILOT_DEBOUNCE_AFTER: 200ms, LOG_OUTPUT_LEVEL: 'default:info,ads:debug'}",
        cni_env="{NATIVE_NFTABLES: true}",
        ztunnel_env="{RUST_LOG: debug}",
        ztunnel_resources="{limits: {cpu: 2}}",
        istiod_affinity="{podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{"
        "weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname}}]}}",
        istiod_topology_spread="[{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: "
        "ScheduleAnyway}]",
        istiod_priority_class="system-cluster-critical",
        dual_stack=True,
    )
    mesh.wait_active(timeout=300)
    pods = manifest(cluster, mesh, Deployment, "istiod")["spec"]["template"]["spec"]
    assert pods["priorityClassName"] == "system-cluster-critical"
    assert pods["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["app"] == "istiod"
    assert pods["affinity"]["podAntiAffinity"]
    service = manifest(cluster, mesh, Service, "istiod")["spec"]
    assert service["ipFamilyPolicy"] == "PreferDualStack"
    found = {
        component: {each["name"]: each for each in _container(cluster, mesh, kind, component)}
        for kind, component in ((Deployment, "istiod"), (DaemonSet, "ztunnel"))
    }
    assert found["istiod"]["PILOT_DEBOUNCE_AFTER"]["value"] == "200ms"
    assert found["ztunnel"]["RUST_LOG"]["value"] == "debug"
    assert "ZTUNNEL_RESOURCE_CPU_LIMIT" in found["ztunnel"]
    settings = manifest(cluster, mesh, ConfigMap, "istio-cni-config")["data"]
    assert settings["NATIVE_NFTABLES"] == "true"
    assert no_writes(mesh)


def _container(
    cluster: lab.Cluster, mesh: juju.Model, kind: kube.ResourceType, name: str
) -> list[dict[str, Any]]:
    """Return the environment of the one container of a workload."""
    (container,) = manifest(cluster, mesh, kind, name)["spec"]["template"]["spec"]["containers"]
    return container["env"]


@pytest.fixture
def node(cluster: lab.Cluster) -> Iterator[Callable[..., None]]:
    """Creates the first node of the cluster, with these labels and facts; deletes it at the end.

    It has no label of an operating system, so that no pods are scheduled on it.
    """
    name = "a-node"
    client: Any = cluster.client

    def make(labels: dict[str, str] | None = None, provider: str = "", version: str = "") -> None:
        kube.delete(client, Node, name)
        content: dict[str, Any] = {
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {"unschedulable": True, "providerID": provider},
            "status": {"nodeInfo": {**dict.fromkeys(NODE_FACTS, ""), "kubeletVersion": version}},
        }
        client.create(Node.from_dict(content))  # pyright: ignore[reportUnknownMemberType]

    yield make
    kube.delete(client, Node, name)


NODE_FACTS = (
    "architecture",
    "bootID",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "machineID",
    "operatingSystem",
    "osImage",
    "systemUUID",
)


def test_the_platform_is_that_of_the_nodes(
    cluster: lab.Cluster, mesh: juju.Model, node: Callable[..., None]
):
    def found() -> str | None:
        """Return the platform in istiod's environment, after an event."""
        mesh.emit(UNIT, "update-status")
        pod = manifest(cluster, mesh, Deployment, "istiod")["spec"]["template"]["spec"]
        values = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        return values.get("PLATFORM")

    assert found() is None
    node(provider="k3s://k3d-mesh-server-0")
    assert found() == "k3d"
    node(provider="k3s://server-0", version="v1.36.1+k3s1")
    assert found() == "k3s"
    node(labels={"node.openshift.io/os_id": "rhcos"})
    assert found() == "openshift"
    # An explicit option takes precedence over the nodes.
    configure(mesh, platform="minikube")
    assert found() == "minikube"
    mesh.reset(APP, "platform")
    node(labels={"microk8s.io/cluster": "true"})
    assert found() == "microk8s"
    mesh.wait_active()
    pod = manifest(cluster, mesh, DaemonSet, "istio-cni-node")["spec"]["template"]["spec"]
    paths = {volume.get("hostPath", {}).get("path") for volume in pod["volumes"]}
    assert paths >= {
        "/var/snap/microk8s/current/opt/cni/bin",
        "/var/snap/microk8s/current/args/cni-network",
    }
    assert no_writes(mesh)
    node(version="v1.36.1")
    assert found() is None


def root_of(cluster: lab.Cluster, mesh: juju.Model) -> str:
    return manifest(cluster, mesh, ConfigMap, "istio-ca-root-cert")["data"]["root-cert.pem"]


def expiries(cluster: lab.Cluster, mesh: juju.Model) -> dict[str, int]:
    """Return the expiry times in istiod's metrics, in seconds since 1970."""
    text = cluster.metrics(mesh.name, "istiod-")
    found = re.findall(r"^citadel_server_(\w+)_expiry_timestamp(?:{.*})? (\S+)$", text, re.M)
    return {name: int(float(value)) for name, value in found}


def unchecked(
    content: Mapping[str, str] | Problem | None, source: str, *_: object
) -> control_plane.SiteCA:
    """Take any authority."""
    assert isinstance(content, Mapping)
    fields = {key.replace("-", "_"): text for key, text in content.items()}
    return control_plane.SiteCA(manifests.MeshCA(**fields, source=source))


def test_the_status_says_why_istiod_crashes(mesh: juju.Model, monkeypatch: pytest.MonkeyPatch):
    start = datetime.datetime.now(datetime.UTC) - authorities.DAY
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    ca = authorities.Authority("clients only", start=start, extensions=[(usage, False)])
    secret = mesh.add_secret(authorities.secret(ca))
    mesh.grant_secret(secret, APP)
    configure(mesh, ca_secret=secret)
    assert status(mesh) == (
        "blocked",
        "config ca-secret ca-cert: no serverAuth and clientAuth;"
        " issue it with both, or no extendedKeyUsage",
    )

    def crashed() -> bool:
        mesh.emit(UNIT, "update-status")
        return "container discovery ended with" in status(mesh)[1]

    with monkeypatch.context() as unaware:
        unaware.setattr(control_plane, "read_site_ca", unchecked)
        mesh.emit(UNIT, "update-status")
        lab.eventually(crashed, timeout=90)
        name, message = status(mesh)
        assert name == "waiting"
        assert message.startswith("istiod: pod istiod-")
        assert message.endswith("; certificate specifies an incompatible key usage)")
    mesh.reset(APP, "ca-secret")
    mesh.settle()
    mesh.wait_active()


def toggled(mesh: juju.Model, *, hardened: bool) -> list[str]:
    """Switch hardened mode; return the methods of the writing requests."""
    with mesh.requests(UNIT) as seen:
        configure(mesh, hardened_mode=hardened)
    return [request.method for request in seen.writes]


READ_SITE_CA = control_plane.read_site_ca


def read_later(
    content: Mapping[str, str] | Problem | None,
    source: str,
    now: datetime.datetime,
    applied: manifests.MeshCA | None = None,
) -> control_plane.SiteCA:
    """Read the CA of the site as if it were after the expiry of the CAs of these tests."""
    return READ_SITE_CA(content, source, now + 5000 * authorities.DAY, applied)


def test_istiod_signs_with_the_sites_own_ca_and_follows_its_rotation(
    cluster: lab.Cluster, mesh: juju.Model, monkeypatch: pytest.MonkeyPatch
):
    start = datetime.datetime.now(datetime.UTC) - authorities.DAY
    root = authorities.Authority("site root", start=start)
    first, second = (
        authorities.Authority("istio", root, start=start, days=days) for days in (900, 800)
    )
    content = authorities.secret(first, root)
    secret = mesh.add_secret(content)

    # Not granted yet: nothing changes.
    with mesh.requests(UNIT) as seen:
        configure(mesh, ca_secret=secret)
    assert status(mesh)[0] == "blocked"
    assert seen.writes == []

    mesh.grant_secret(secret, APP)
    mesh.emit(UNIT, "update-status")
    mesh.wait_active()
    assert lab.eventually(lambda: root_of(cluster, mesh) == root.pem, timeout=90)
    assert no_writes(mesh)

    # A key that does not match the certificate is refused, and the applied CA stays.
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
    # The alerts of expiring certificates query these metrics.
    ends = {"root_cert": root, "cert_chain": second}
    expected = {
        name: int(each.certificate.not_valid_after_utc.timestamp()) for name, each in ends.items()
    }
    assert lab.eventually(lambda: expiries(cluster, mesh) == expected)

    # Years later the CA has not been rotated, and its secret is revoked. The charm reports that,
    # and hardened mode still changes.
    with monkeypatch.context() as later:
        later.setattr(control_plane, "read_site_ca", read_later)
        written = toggled(mesh, hardened=True)
        assert (written, "ca-cert: expired; rotate it" in status(mesh)[1]) == (["PATCH"] * 2, True)
        mesh.revoke_secret(secret, APP)
        written = toggled(mesh, hardened=False)
        assert (written, "juju grant-secret" in status(mesh)[1]) == (["DELETE"] * 2, True)
        assert status(mesh)[0] == "blocked"
    mesh.grant_secret(secret, APP)
    mesh.emit(UNIT, "update-status")
    assert status(mesh)[0] == "active"

    output = "\n".join(mesh.logs(UNIT)) + str(mesh.run(UNIT, "reconcile"))
    for key in (first.private(), second.private()):
        (line, *_) = key.splitlines()[1:]
        assert line not in output
        assert base64.b64encode(key.encode()).decode()[40:80] not in output

    mesh.reset(APP, "ca-secret")
    mesh.settle()
    client = cast(kube.Client, cluster.client)
    where, which = mesh.name, {"metadata.name": "cacerts"}
    assert not kube.list_kind(client, Secret, namespace=where, fields=which)
    assert lab.eventually(lambda: root_of(cluster, mesh) != root.pem, timeout=90)
