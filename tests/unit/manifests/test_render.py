# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import ipaddress
import json
import pathlib
from collections.abc import Iterator
from typing import Any, cast

import jinja2
import jinja2.nodes
import pydantic
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from istio_ambient import manifests
from istio_ambient.interfaces import tracing
from istio_ambient.manifests import _render

TEMPLATES = pathlib.Path(manifests.__file__).parent / "templates"
HOSTILE = [
    "",
    'it\'s "quoted"',
    "two\nlines\n",
    "--- \n- not: a document",
    "{{ namespace }}{% raw %}",
    "{{- .Values }}",
    "# comment: &anchor *alias !tag |",
    "\ttab\r\x07\x7f\x85\u2028\ufeff\ufffe",
    "é 漢 \U0001f600",
    "yes",
    "0x10",
    "</script>&amp;",
]

GO_WORDS = ("y", "n", "on", "off", "1e3", "0o17", "0x1F", "1_000", "~", "null", ".inf")


def render(**values: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the manifests of a control plane by kind and name."""
    # Without validation, so that hostile texts reach the templates.
    options = {name: values.pop(name) for name in manifests.Config.model_fields if name in values}
    config = manifests.Config.model_construct(**options)
    control_plane = manifests.ControlPlane(namespace="prod", config=config, **values)
    objects = [cast(Any, each).to_dict() for each in manifests.render(control_plane)]
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    assert len(found) == len(objects)
    return found


def test_istiod_fetches_no_keys_from_its_own_surroundings():
    deployment = render()["Deployment", "istiod"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value", "") for each in container["env"]}
    # As istiod reads it (pilot/pkg/features): it skips what is no network.
    blocked = variables["BLOCKED_CIDRS_IN_JWKS_URIS"].split(",")
    found = [ipaddress.ip_network(each) for each in blocked]
    for text in ("127.0.0.1", "169.254.169.254", "0.1.2.3", "::1", "fe80::1", "fd00:ec2::254"):
        assert any(ipaddress.ip_address(text) in network for network in found)
    assert not any(ipaddress.ip_address("10.96.0.1") in network for network in found)


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield path and value of everything that holds nothing else, empty containers included."""
    if isinstance(node, dict) and node:
        for key, value in cast(dict[str, Any], node).items():
            yield from leaves(value, (*path, key))
    elif isinstance(node, list) and node:
        for index, value in enumerate(cast(list[Any], node)):
            yield from leaves(value, (*path, str(index)))
    else:
        yield path, node


def pod(objects: dict[tuple[str, str], dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return objects[kind, name]["spec"]["template"]


PODS = (("Deployment", "istiod"), ("DaemonSet", "istio-cni-node"), ("DaemonSet", "ztunnel"))
FULL: dict[str, Any] = {
    "tracing": tracing.Endpoint(host="tempo.cos.svc", port=4317),
    "jwks_ca": "PEM",
    "replicas": 3,
    "pod_labels": {"scrape": "me"},
    "image_pull_policy": "Always",
    "image_pull_secrets": ("registry",),
}


def test_changed_authorities_for_jwks_replace_istiods_pods_and_no_others():
    one, same, other = (render(jwks_ca=text) for text in ("one", "one", "other"))
    assert one == same
    changed = {key for key in one if one[key] != other[key]}
    assert changed == {("Deployment", "istiod"), ("ConfigMap", "pilot-jwks-extra-cacerts")}
    pods = [pod(each, "Deployment", "istiod") for each in (one, other, render())]
    assert pods[0]["spec"] == pods[1]["spec"]
    annotation = "charmed-istio/jwks-ca"
    found = [each["metadata"]["annotations"].get(annotation) for each in pods]
    assert None not in found[:2]
    assert found[2] is None


@pytest.mark.parametrize("text", HOSTILE)
def test_values_stay_data(text: str):
    objects = render(
        jwks_ca=text,
        cni_bin_dir=text,
        pod_labels={"label": text},
        hub=f"h{text}",
        image_pull_secrets=(text,),
        mesh_config={"text": text},
    )
    assert objects.keys() == render(jwks_ca="x" if text else "").keys()
    if text:
        assert objects["ConfigMap", "pilot-jwks-extra-cacerts"]["data"] == {"extra.pem": text}
        volumes = pod(objects, "DaemonSet", "istio-cni-node")["spec"]["volumes"]
        assert {"path": text} in [volume.get("hostPath") for volume in volumes]
    for kind, name in PODS:
        assert pod(objects, kind, name)["metadata"]["labels"]["label"] == text
        (container,) = pod(objects, kind, name)["spec"]["containers"]
        assert container["image"].startswith(f"h{text}/")
    assert objects["ServiceAccount", "istiod"]["imagePullSecrets"] == [{"name": text}]
    assert yaml.safe_load(objects["ConfigMap", "istio"]["data"]["mesh"])["text"] == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=300, deadline=None)
def test_any_string_survives_yaml(text: str):
    written = _render._to_json({"key": [text]})  # pyright: ignore[reportPrivateUsage]
    assert yaml.safe_load(written) == json.loads(written) == {"key": [text]}


def test_text_for_another_program_is_json():
    # Words that are strings to PyYAML, and booleans or numbers to Go.
    config = {"defaultConfig": {"proxyMetadata": dict.fromkeys(GO_WORDS, "x")}}
    objects = render(mesh_config=config, image_pull_secrets=GO_WORDS)
    texts = {
        (name, key): text
        for (kind, name), manifest in objects.items()
        if kind == "ConfigMap"
        for key, text in manifest["data"].items()
        if text.lstrip()[:1] in ("{", "[") or "\n" in text
    }
    assert texts.keys() == {
        ("istio", "mesh"),
        ("istio", "meshNetworks"),
        ("istio-sidecar-injector", "config"),
        ("istio-sidecar-injector", "values"),
        ("istio-cni-config", "AMBIENT_ENABLEMENT_SELECTOR"),
    }
    for text in texts.values():
        assert json.loads(text) == yaml.safe_load(text)
    # Operators read these.
    assert all(text.count("\n") > 2 for name, text in texts.items() if "meshNetworks" not in name)
    mesh = json.loads(texts["istio", "mesh"])
    assert mesh["defaultConfig"]["proxyMetadata"].keys() >= set(GO_WORDS)


def test_every_value_goes_through_tojson():
    # Printed as they are: what macros return, and names that the templates themselves spell out.
    spelled_out = {"account", "istiod", "jwks_ca_name", "labels", "name", "reader"}
    environment = _render._environment()  # pyright: ignore[reportPrivateUsage]
    for path in TEMPLATES.iterdir():
        parsed = environment.parse(path.read_text())
        for output in parsed.find_all(jinja2.nodes.Output):
            for node in output.nodes:
                printed_safely = (
                    isinstance(node, jinja2.nodes.TemplateData | jinja2.nodes.Call)
                    or (isinstance(node, jinja2.nodes.Filter) and node.name == "tojson")
                    or (isinstance(node, jinja2.nodes.Name) and node.name in spelled_out)
                )
                assert printed_safely, f"{path.name}:{node.lineno}: {node}"


def test_a_name_that_is_missing_is_an_error():
    environment = _render._environment()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string("{{ missing }}").render()


@pytest.mark.parametrize("platform", ["", "openshift", "gke"])
def test_nothing_is_empty(platform: str):
    for values in ({}, FULL):
        for key, manifest in render(platform=platform, **values).items():
            empty = [
                path
                for path, value in leaves(manifest)
                if value in (None, {}, [], "") and path[-1] != "emptyDir"
            ]
            # The core API group is called "".
            assert [path for path in empty if "apiGroups" not in path] == [], key


def test_rendering_is_stable():
    assert render(**FULL) == render(**FULL)


def test_no_webhook_is_called_for_pods():
    kinds = {kind for kind, _ in render()}
    assert "MutatingWebhookConfiguration" not in kinds
    for webhook in render()["ValidatingWebhookConfiguration", "istio-validator-prod"]["webhooks"]:
        for rule in webhook["rules"]:
            assert all(group.endswith(".istio.io") for group in rule["apiGroups"])


def test_there_are_templates_for_waypoints_and_gateways_only():
    data = render()["ConfigMap", "istio-sidecar-injector"]["data"]
    assert yaml.safe_load(data["config"])["templates"].keys() == {"waypoint", "kube-gateway"}


def test_every_image_comes_from_the_hub():
    objects = render(hub="registry.example.com/istio", tag="site.1")
    images = {
        value
        for manifest in objects.values()
        for path, value in leaves(manifest)
        if path[-1] == "image"
    }
    assert images == {
        f"registry.example.com/istio/{name}:site.1-distroless"
        for name in ("pilot", "install-cni", "ztunnel")
    }
    values = yaml.safe_load(objects["ConfigMap", "istio-sidecar-injector"]["data"]["values"])
    assert values["global"]["hub"] == "registry.example.com/istio"
    assert values["global"]["tag"] == "site.1"


def test_everything_lives_in_one_namespace():
    for (kind, name), manifest in render(**FULL).items():
        assert manifest["metadata"].get("namespace", "prod") == "prod"
        text = str(manifest)
        assert "istio-system" not in text, (kind, name)
    assert render()["Deployment", "istiod"]["metadata"]["namespace"] == "prod"


def test_the_autoscaler_owns_the_replicas():
    objects = render(replicas=3)
    scaler = objects["HorizontalPodAutoscaler", "istiod"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 3)
    assert "replicas" not in objects["Deployment", "istiod"]["spec"]


def test_one_replica_does_not_keep_a_node_from_being_drained():
    assert ("PodDisruptionBudget", "istiod") not in render(replicas=1)
    assert ("PodDisruptionBudget", "istiod") in render(replicas=2)


def test_auto_allow_changes_one_variable():
    on, off = render(auto_allow_waypoint_policy=True), render(auto_allow_waypoint_policy=False)
    assert {key for key in on if on[key] != off[key]} == {("Deployment", "istiod")}
    added = {"name": "PILOT_AUTO_ALLOW_WAYPOINT_POLICY", "value": "true"}
    environment = [
        pod(objects, "Deployment", "istiod")["spec"]["containers"][0]["env"]
        for objects in (on, off)
    ]
    assert added in environment[0]
    environment[0].remove(added)
    assert environment[0] == environment[1]


@pytest.mark.parametrize(("kind", "name"), PODS)
def test_pods_carry_the_labels_of_the_operator_and_their_own(kind: str, name: str):
    workload = render()[kind, name]
    selector = workload["spec"]["selector"]["matchLabels"]
    hostile = dict.fromkeys([*selector, "istio.io/dataplane-mode"], "mine")
    labels = pod(render(pod_labels={"telemetry": "aggregated"} | hostile), kind, name)["metadata"][
        "labels"
    ]
    assert labels["telemetry"] == "aggregated"
    assert labels["istio.io/dataplane-mode"] == "none"
    assert selector.items() <= labels.items()


@pytest.mark.parametrize(
    ("kind", "name", "port"),
    [(*pods, port) for pods, port in zip(PODS, ("15014", "15014", "15020"), strict=True)],
)
def test_pods_name_the_port_of_their_metrics(kind: str, name: str, port: str):
    annotations = pod(render(), kind, name)["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == port


def test_given_directories_take_precedence_over_those_of_the_platform():
    def directories(**values: str) -> set[str]:
        volumes = pod(render(**values), "DaemonSet", "istio-cni-node")["spec"]["volumes"]
        return {
            volume["hostPath"]["path"]
            for volume in volumes
            if volume["name"] in ("cni-bin-dir", "cni-net-dir")
        }

    assert directories() == {"/opt/cni/bin", "/etc/cni/net.d"}
    assert directories(platform="microk8s") == {
        "/var/snap/microk8s/current/opt/cni/bin",
        "/var/snap/microk8s/current/args/cni-network",
    }
    assert directories(platform="microk8s", cni_bin_dir="/a", cni_conf_dir="/b") == {"/a", "/b"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("found_platform", "eks"),
        ("replicas", 0),
        ("namespace", ""),
        ("tracing", {"service": "s", "port": 70000}),
        ("image_pull_policy", "Always"),
    ],
)
def test_a_bad_value_is_refused_by_name(field: str, value: object):
    with pytest.raises(pydantic.ValidationError, match=field):
        manifests.ControlPlane.model_validate({"namespace": "prod", field: value})


def test_ztunnel_is_replaced_one_node_at_a_time_and_only_when_the_new_one_is_ready():
    strategy = render()["DaemonSet", "ztunnel"]["spec"]["updateStrategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
