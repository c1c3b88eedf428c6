# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Every option: valid values, and how an invalid value is reported."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from istio_ambient import control_plane, manifests, preflight, resources
from istio_ambient.values import pods
from lightkube.models.core_v1 import NodeSpec, NodeStatus, NodeSystemInfo
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node

UNKNOWN_SYSTEM: dict[str, Any] = {
    "architecture": "",
    "bootID": "",
    "containerRuntimeVersion": "",
    "kernelVersion": "",
    "kubeProxyVersion": "",
    "machineID": "",
    "operatingSystem": "",
    "osImage": "",
    "systemUUID": "",
}
CHARMCRAFT = Path(__file__).parents[3] / "charms" / "istio-k8s" / "charmcraft.yaml"
DECLARED: dict[str, dict[str, Any]] = yaml.safe_load(CHARMCRAFT.read_text())["config"]["options"]
MINOR = manifests.VERSION.rpartition(".")[0].replace(".", r"\.")
YAML_OPTIONS = [
    "mesh-config",
    *(f"{c}-{o}" for c in ("istiod", "cni", "ztunnel") for o in ("resources", "tolerations")),
    *(f"{c}-node-selector" for c in ("istiod", "cni", "ztunnel")),
]


def parse(**options: object) -> control_plane.Config:
    found = control_plane.Config.model_validate(options)
    assert found.problems == ()
    return found


def with_dashes(names: Iterable[str]) -> set[str]:
    return {name.replace("_", "-") for name in names}


def refused(option: str, value: object) -> str:
    """Return how a value is refused, as the status shows it."""
    name = option.replace("-", "_")
    found = control_plane.Config.model_validate({name: value})
    assert found.invalid == {option}
    assert getattr(found, name) == getattr(control_plane.Config(), name)
    assert control_plane.desired(control_plane.Facts("mesh", "istio", config=found)).hold
    (problem,) = found.problems
    assert problem.field.split(" ")[0] == option
    assert problem.remedy
    return str(problem)


def test_defaults_are_those_of_charmcraft_yaml():
    declared = {
        name.replace("-", "_"): option["default"]
        for name, option in DECLARED.items()
        if "default" in option
    }
    assert parse(**declared) == parse()
    assert with_dashes(control_plane.Config.model_fields) == DECLARED.keys()


def test_default_options_render_the_default_manifests():
    facts = control_plane.Facts("prod", "istio", config=parse(platform=""))
    wanted = [o.to_dict() for o in control_plane.desired(facts).objects]
    plain: list[Any] = manifests.render(manifests.ControlPlane(namespace="prod"))
    assert all(o.to_dict() in wanted for o in plain)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("platform", "GKE", "'GKE'"),
        ("mtls-mode", "STRICT", "'permissive' or 'strict'"),
        ("mtls-mode", "", "''"),
        ("hardened-mode", "maybe", "'maybe'"),
        ("cni-bin-dir", "opt/cni", "'opt/cni'"),
        ("cni-conf-dir", "/etc/../cni", "absolute path"),
        ("hub", "", "''"),
        ("hub", "https://docker.io/istio", "without https://"),
        ("hub", "docker.io/istio/", "'docker.io/istio/'"),
        ("hub", "docker.io/istio:1", "or a tag"),
        ("hub", "docker.io/istio@sha256:00", "or a tag"),
        ("hub", "docker.io/Istio", "'docker.io/Istio'"),
        ("hub", 5, "5"),
        ("tag", "", "''"),
        ("tag", "1 ", "'1 '"),
        ("tag", "1-distroless", "leave -distroless out"),
        ("tag", "-x", "'-x'"),
        ("tag", "x" * 128, "at most 117"),
        ("tag", "latest", "begin it with the version"),
        ("tag", "1.9.4", "1.9, and the charm"),
        ("tag", "1.99.0-rc.1", "use a tag of 1."),
        ("tag", f"2.{manifests.VERSION.partition('.')[2]}", "use a tag of 1."),
        ("image-pull-policy", "always", "'Always', 'IfNotPresent' or 'Never'"),
        ("image-pull-secrets", "one,Two", "'Two'"),
        ("image-pull-secrets", "a..b", "'a..b'"),
        ("image-pull-secrets", 7.5, "7.5"),
        ("mesh-config", "[]", "not a mapping"),
        ("mesh-config", "text", "not a mapping"),
        ("mesh-config", "{", "line 1"),
        ("mesh-config", "a: &x 1\nb: *x", "alias"),
        (
            "mesh-config",
            "accessLogFile: /a\naccessLogFile: /b",
            "accessLogFile: is given twice",
        ),
        ("mesh-config", "accessLogFile:", "accessLogFile: has no value"),
        (
            "mesh-config",
            "acessLogFile: /dev/null",
            "acessLogFile: no such field; did you mean accessLogFile?",
        ),
        ("mesh-config", "access_log_file: /dev/null", "did you mean accessLogFile?"),
        ("mesh-config", "xyzzy: 1", "mesh-config xyzzy: no such field; use one of"),
        (
            "mesh-config",
            "accessLogFile: 5",
            "mesh-config accessLogFile: 5 is not allowed; use text",
        ),
        ("mesh-config", "enableTracing: 'yes'", "use true or false"),
        ("mesh-config", "connectTimeout: 10", "use seconds, such as 10s"),
        ("mesh-config", "connectTimeout: 1m", "use seconds, such as 10s"),
        ("mesh-config", "accessLogEncoding: json", "use TEXT, JSON"),
        ("mesh-config", "proxyListenPort: 15001.5", "use a whole number"),
        ("mesh-config", "proxyListenPort: 99999999999", "use a whole number"),
        ("mesh-config", "outboundTrafficPolicy: REGISTRY_ONLY", "is not a mapping"),
        ("mesh-config", "outboundTrafficPolicy: {mode: X}", "outboundTrafficPolicy.mode: 'X'"),
        ("mesh-config", "defaultConfig: {tracng: {}}", "defaultConfig.tracng: no such field"),
        ("mesh-config", "defaultConfig: {proxyMetadata: {ISTIO_META_HTTP10: 1}}", "HTTP10: 1 is"),
        ("mesh-config", "localityLbSetting: {distribute: 1}", "distribute: 1 is not a list"),
        ("mesh-config", "trustDomainAliases: one", "is not a list"),
        ("mesh-config", "trustDomainAliases: [1]", "trustDomainAliases[0]: 1"),
        ("mesh-config", "rootNamespace: other", "rootNamespace: is set by the charm"),
        ("mesh-config", "trustDomain: other", "trustDomain: is set by the charm"),
        (
            "mesh-config",
            "configSources: [{address: fs:///tmp}]",
            "configSources: is set by the charm",
        ),
        ("mesh-config", "defaultConfig: {discoveryAddress: a}", "is set by the charm"),
        (
            "mesh-config",
            "defaultConfig: {proxyMetadata: {ISTIO_META_ENABLE_HBONE: 'false'}}",
            "is set by the charm",
        ),
        ("mesh-config", "extensionProviders: [{prometheus: {}}]", "[0]: has no name"),
        (
            "mesh-config",
            "extensionProviders: [{name: a, prometheus: {}}, {name: a, prometheus: {}}]",
            "extensionProviders[1].name: 'a' is given twice",
        ),
        (
            "mesh-config",
            "extensionProviders: [{name: a, prometheus: {}, envoyFileAccessLog: {}}]",
            "exclude each other",
        ),
        ("mesh-config", "extensionProviders: [{name: otel-tracing}]", "is set by the charm"),
        ("mesh-config", "extensionProviders: [{name: ext-authz-x}]", "is set by the charm"),
        ("istiod-resources", "[]", "not a mapping"),
        ("istiod-resources", "claims: {}", "claims: no such field; use requests and limits"),
        ("istiod-resources", "requests: 1", "requests: 1 is not a mapping"),
        ("cni-resources", "requests: {cpu: lots}", "requests.cpu: 'lots'"),
        ("cni-resources", "requests: {cpu: -1}", "requests.cpu: -1"),
        ("cni-resources", "requests: {cpu: true}", "requests.cpu: True"),
        ("ztunnel-resources", "limits: {gpu: 1}", "limits.gpu: no such resource"),
        ("ztunnel-resources", "limits: {example.com/gpu: 0.5}", "is not whole"),
        # The request is a default.
        ("ztunnel-resources", "limits: {memory: 100Mi}", "less than the request, 512Mi"),
        ("istiod-tolerations", "{key: a}", "not a list"),
        ("istiod-tolerations", "[a]", "[0]: 'a' is not a mapping"),
        ("istiod-tolerations", "[{key: a, influence: NoExecute}]", "[0].influence: no such field"),
        ("istiod-tolerations", "[{key: a, effect: NoEffect}]", "[0].effect: 'NoEffect'"),
        ("istiod-tolerations", "[{effect: NoExecute}]", "there is no key"),
        ("istiod-tolerations", "[{key: a, operator: Exists, value: b}]", "takes no value"),
        ("istiod-tolerations", "[{key: a, operator: Is}]", "'Exists' or 'Equal'"),
        ("istiod-tolerations", "[{key: a, value: true}]", "quote it"),
        ("istiod-tolerations", "[{key: a b}]", "[0].key: 'a b'"),
        ("istiod-tolerations", "[{key: a, tolerationSeconds: 5}]", "NoExecute only"),
        ("ztunnel-node-selector", "{a/b/c: d}", "no key of a label"),
        ("ztunnel-node-selector", "{a: true}", "a: True is no value of a label; quote it"),
        ("ztunnel-node-selector", "{kubernetes.io/os: windows}", "Linux only"),
        ("ztunnel-node-selector", "{1: a}", "the key '1' is no text"),
        *((option, 5, "5 is not text") for option in YAML_OPTIONS),
        *((option, "a: !!binary aGk=", "tag") for option in YAML_OPTIONS),
        *((option, "[" * 100, "nested too deep") for option in YAML_OPTIONS),
        *((option, "#" * 70000, "at most 65536") for option in YAML_OPTIONS),
        *((option, 'a: "\\ud800"', "no character") for option in YAML_OPTIONS),
    ],
)
def test_an_invalid_value_is_reported_with_what_is_allowed(option: str, value: object, named: str):
    assert named in refused(option, value)


def test_every_invalid_option_is_reported():
    wrong: dict[str, object] = {"hub": "", "mtls-mode": "off", "cni-resources": "x"}
    config = control_plane.Config.model_validate(
        {name.replace("-", "_"): value for name, value in wrong.items()}
        | {"tag": f"{manifests.VERSION}-mine"}
    )
    assert len(config.problems) == len(wrong)
    assert {problem.field for problem in config.problems} == wrong.keys()
    assert config.invalid == wrong.keys()
    assert config.tag == f"{manifests.VERSION}-mine"


@pytest.mark.slow
@pytest.mark.parametrize("option", YAML_OPTIONS)
@given(
    text=st.text()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(json.dumps)
)
@settings(max_examples=60, deadline=None)
def test_any_text_is_used_or_refused(option: str, text: str):
    config = control_plane.Config.model_validate({option.replace("-", "_"): text})
    assert config.invalid == ({option} if config.problems else set())


_HUBS = st.from_regex(r"\A[a-z0-9]{1,5}(\.[a-z]{2,3})?(:[0-9]{2,4})?(/[a-z0-9]{1,5}){1,3}\Z")


def _fits(tag: str) -> bool:
    return len(tag) < 50 and not tag.endswith("-distroless")


@given(
    _HUBS, st.from_regex(rf"\Av?{MINOR}(\.[0-9]+)?([_.-][A-Za-z][A-Za-z0-9_.-]*)?\Z").filter(_fits)
)
@settings(deadline=None)
def test_hub_and_tag_name_every_image(hub: str, tag: str):
    options = parse(hub=hub, tag=tag, platform="")
    assert (options.hub, options.tag) == (hub, tag)


@given(
    st.sampled_from(["cpu", "memory", "ephemeral-storage", "example.com/gpu"]),
    st.integers(0, 10**6),
    st.sampled_from(["", "k", "M", "Gi"]),
)
@settings(deadline=None)
def test_quantities_are_used_as_they_are(name: str, amount: int, unit: str):
    text = f"limits: {{{name}: {amount}{unit}}}\nrequests: {{cpu: 0, memory: 0}}"
    assert parse(istiod_resources=text).istiod_resources.limits == {name: f"{amount}{unit}"}


def test_resources_are_merged_into_the_defaults():
    options = parse(ztunnel_resources="{requests: {cpu: 1}, limits: {memory: 1e9}}")
    merged = options.ztunnel_resources.merged_into(pods.DEFAULT_RESOURCES["ztunnel"])
    assert merged.manifest == {
        "requests": {"cpu": "1", "memory": "512Mi"},
        "limits": {"memory": "1e9"},
    }


def test_names_of_pull_secrets_are_separated_by_commas_or_spaces():
    assert parse(image_pull_secrets=" a, b c,,a\n").image_pull_secrets == ("a", "b", "c")


def test_no_tolerations_are_not_the_default_ones():
    assert parse().ztunnel_tolerations is None
    assert parse(ztunnel_tolerations="# nothing said").ztunnel_tolerations is None
    assert parse(ztunnel_tolerations="[]").ztunnel_tolerations == ()


def test_a_mesh_config_with_everything_in_it():
    overlay = """
    accessLogEncoding: JSON
    connectTimeout: 0.5s
    proxyListenPort: 15001
    outboundTrafficPolicy: {mode: REGISTRY_ONLY}
    trustDomainAliases: [old.example.com]
    enablePrometheusMerge: false
    defaultConfig:
      concurrency: 2
      proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true"}
      tracing: {sampling: 12.5}
    extensionProviders:
    - name: logs
      envoyFileAccessLog:
        path: /dev/stdout
        logFormat: {labels: {a: {b: [1, x]}}}
    """
    assert parse(mesh_config=overlay).mesh_config == yaml.safe_load(overlay)


def test_strict_mode_is_one_object_in_the_root_namespace():
    def wanted(mode: str) -> list[Any]:
        facts = control_plane.Facts("mesh", "istio", config=parse(mtls_mode=mode))
        objects = control_plane.desired(facts).objects
        return [o for o in objects if isinstance(o, resources.PeerAuthentication)]

    assert wanted("permissive") == []
    (strict,) = wanted("strict")
    assert strict.metadata.namespace == "mesh"
    assert strict["spec"] == {"mtls": {"mode": "STRICT"}}


@pytest.mark.parametrize(
    ("platform", "labels", "kubelet", "provider", "runtime"),
    [
        ("microk8s", {"microk8s.io/cluster": "true"}, "v1.32.3", "", "containerd://1.7.27"),
        ("k3s", {"kubernetes.io/hostname": "n1"}, "v1.33.1+k3s1", "k3s://n1", ""),
        (
            "k3d",
            {"kubernetes.io/hostname": "k3d-a-server-0"},
            "v1.33.1+k3s1",
            "k3s://k3d-a-server-0",
            "",
        ),
        ("minikube", {"minikube.k8s.io/name": "minikube"}, "v1.33.1", "", "docker://28.1.1"),
        ("", {"minikube.k8s.io/name": "minikube"}, "v1.33.1", "", "containerd://1.7.23"),
        ("", {"minikube.k8s.io/name": "minikube"}, "v1.33.1", "", "cri-o://1.24.6"),
        ("gke", {"cloud.google.com/gke-nodepool": "p"}, "v1.33.1-gke.100", "gce://p/z/n", ""),
        ("openshift", {"node.openshift.io/os_id": "rhcos"}, "v1.32.5", "aws:///z/i", ""),
        ("", {"kubernetes.io/hostname": "n1"}, "v1.33.1+rke2r1", "rke2://n1", ""),
        ("", {}, "v1.33.1-eks-1234", "aws:///z/i", ""),
        ("", {}, "v1.33.1", "gce://p/z/n", "docker://28.1.1"),
    ],
)
def test_the_platform_is_read_from_a_node(
    platform: str, labels: dict[str, str], kubelet: str, provider: str, runtime: str
):
    known: dict[str, Any] = {"kubeletVersion": kubelet, "containerRuntimeVersion": runtime}
    system = NodeSystemInfo(**{**UNKNOWN_SYSTEM, **known})
    node = Node(
        metadata=ObjectMeta(labels=labels),
        spec=NodeSpec(providerID=provider),
        status=NodeStatus(nodeInfo=system),
    )
    assert manifests.platform_of(node) == platform


def test_an_explicit_platform_takes_precedence_over_that_of_a_node():
    node = Node(metadata=ObjectMeta(labels={"microk8s.io/cluster": "true"}), spec=NodeSpec())
    found = manifests.platform_of(node)
    assert found == "microk8s"
    assert manifests.platform_of(None) == ""
    assert manifests.platform_of(Node()) == ""
    folders: dict[str, int] = {}
    for platform in ("auto", "gke", ""):
        config = parse(platform=platform)
        around = preflight.Surroundings(node=preflight.NodeFacts(found))
        facts = control_plane.Facts("mesh", "istio", config=config, around=around)
        text = str([o.to_dict() for o in control_plane.desired(facts).objects])
        folders[platform] = text.count("/var/snap/microk8s")
    assert folders == {"auto": 2, "gke": 0, "": 0}
