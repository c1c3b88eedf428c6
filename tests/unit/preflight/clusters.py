# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Sample clusters: the objects that the preflight reads, as vendors' installers make them.

Each is a function that returns objects, in JSON form. What they hold follows from manifests of
the vendors: keys of Cilium's Helm chart (`cilium-configmap.yaml`), labels of nodes, variables of
`aws-node`, FelixConfiguration.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

from istio_ambient import kube, manifests, preflight, resources
from istio_ambient.cluster import surroundings

from tests.unit.whole_charm.fake_cluster import FakeCluster

MODEL, APP = "istio-system", "istio-k8s"
IDENTITY = resources.identity(MODEL, APP)
OLDEST = manifests.MIN_KUBERNETES
Manifest = dict[str, Any]
Objects = list[Manifest]


def obj(
    kind: str, name: str, namespace: str = "", version: str = "v1", **content: Any
) -> Manifest:
    """Return an object in JSON form; `labels` and `annotations` are of its metadata."""
    marks = {key: content.pop(key) for key in ("labels", "annotations") if key in content}
    where = {"namespace": namespace} if namespace else {}
    metadata = {"name": name, **where, **marks}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def node(
    kubelet: str = "v1.34.1",
    provider: str = "",
    runtime: str = "containerd://2.1.4",
    annotations: Mapping[str, str] | None = None,
    **labels: str,
) -> Manifest:
    """Return a node; `__` in a label stands for `/`, and `_` for `.`, as far as labels need it."""
    system = dict.fromkeys(
        (
            "architecture",
            "bootID",
            "kernelVersion",
            "kubeProxyVersion",
            "machineID",
            "operatingSystem",
            "osImage",
            "systemUUID",
        ),
        "",
    )
    info = {**system, "kubeletVersion": kubelet, "containerRuntimeVersion": runtime}
    named = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return obj(
        "Node",
        "node-1",
        labels=named,
        annotations=dict(annotations or {}),
        spec={"providerID": provider},
        status={"nodeInfo": info},
    )


FLANNEL = {"flannel.alpha.coreos.com/backend-type": "vxlan"}


def k3s(*, flannel: bool = True) -> Manifest:
    """Return a node of K3s, with its own CNI or without."""
    return node("v1.34.1+k3s1", "k3s://node-1", annotations=FLANNEL if flannel else None)


def minikube(runtime: str) -> Manifest:
    """Return a node of minikube."""
    return node(runtime=runtime, minikube_k8s_io__name="minikube")


def openshift() -> Manifest:
    """Return a node of OpenShift."""
    return node(node_openshift_io__os_id="rhel")


def namespace(name: str = MODEL, **labels: str) -> Manifest:
    """Return a namespace."""
    return obj(
        "Namespace",
        name,
        labels={key.replace("__", "/").replace("_", "."): value for key, value in labels.items()},
    )


def enforcing(level: str) -> Manifest:
    """Return the model's namespace, which enforces a Pod Security Standard."""
    return obj("Namespace", MODEL, labels={kube.POD_SECURITY_LABEL: level})


def meshed(name: str = "shop") -> Manifest:
    """Return a namespace that is on the mesh."""
    return obj("Namespace", name, labels={"istio.io/dataplane-mode": "ambient"})


def daemon_set(label: str, where: str, image: str, **environment: str) -> Manifest:
    """Return the DaemonSet of a CNI's agents."""
    env = [{"name": name, "value": value} for name, value in environment.items()]
    containers = [{"name": "agent", "image": image, "env": env}]
    labels = {"k8s-app": label}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    return obj("DaemonSet", label, where, "apps/v1", labels=labels, spec=spec)


# The parts of Cilium's ConfigMap that its chart sets in every installation.
CILIUM_DEFAULTS = {
    "bpf-lb-sock": "false",
    "cni-exclusive": "true",
    "cni-log-file": "/var/run/cilium/cilium-cni.log",
    "enable-ipv4-masquerade": "true",
    "enable-ipv6-masquerade": "true",
    "enable-policy": "default",
    "ipam": "cluster-pool",
    "kube-proxy-replacement": "false",
    "routing-mode": "tunnel",
    "tunnel-protocol": "vxlan",
}
GOOD_CILIUM = {**CILIUM_DEFAULTS, "cni-exclusive": "false"}
REPLACING = {**GOOD_CILIUM, "kube-proxy-replacement": "true", "bpf-lb-sock-hostns-only": "true"}


def cilium(config: Mapping[str, str], where: str = "kube-system") -> Objects:
    """Return Cilium as its chart installs it into a namespace."""
    agents = daemon_set("cilium", where, "quay.io/cilium/cilium:v1.18.2")
    return [agents, obj("ConfigMap", "cilium-config", where, data=dict(config))]


# Canonical Kubernetes sets these (k8s-snap, features/cilium/network/values.go).
CANONICAL = {**GOOD_CILIUM, "bpf-lb-sock": "true"}
# Azure pins legacy routing (azure-container-networking, test/integration/manifests/cilium).
AZURE = {
    **REPLACING,
    "cni-chaining-mode": "generic-veth",
    "enable-endpoint-routes": "true",
    "enable-host-legacy-routing": "true",
    "enable-ipv4-masquerade": "false",
    "enable-ipv6-masquerade": "false",
    "ipam": "delegated-plugin",
    "routing-mode": "native",
}


def without(config: Mapping[str, str], key: str) -> dict[str, str]:
    """Return a configuration without a key."""
    return {each: value for each, value in config.items() if each != key}


def probe_policy(
    cidr: str = "169.254.7.127/32", selector: Mapping[str, Any] | None = None
) -> Manifest:
    """Return the policy that Istio's documentation has for kubelets' probes."""
    spec = {
        "enableDefaultDeny": {"egress": False, "ingress": False},
        "endpointSelector": selector or {},
        "ingress": [{"fromCIDR": [cidr]}],
    }
    return obj(
        "CiliumClusterwideNetworkPolicy", "allow-ambient-hostprobes", "", "cilium.io/v2", spec=spec
    )


def calico(
    where: str = "calico-system",
    image: str = "quay.io/calico/node:v3.30.3",
    api: str = "crd.projectcalico.org/v1",
    environment: Mapping[str, str] | None = None,
    **felix: Any,
) -> Objects:
    """Return Calico, with the members of its FelixConfiguration `default`."""
    config = obj("FelixConfiguration", "default", "", api, spec=felix)
    return [daemon_set("calico-node", where, image, **(environment or {})), config]


def eks(environment: Mapping[str, str], *, policies: bool = True) -> Objects:
    """Return the Amazon VPC CNI, and a SecurityGroupPolicy."""
    image = "602401143452.dkr.ecr.eu-central-1.amazonaws.com/amazon-k8s-cni:v1.20.1"
    policy = obj("SecurityGroupPolicy", "db", "shop", "vpcresources.k8s.aws/v1beta1", spec={})
    found = [daemon_set("aws-node", "kube-system", image, **environment)]
    return [*found, policy] if policies else found


def ovn(kind: str = "OVNKubernetes", **gateway: Any) -> Objects:
    """Return a cluster of OpenShift with its network's configuration."""
    default = {"type": kind, "ovnKubernetesConfig": {"gatewayConfig": gateway}}
    network = obj(
        "Network", "cluster", "", "operator.openshift.io/v1", spec={"defaultNetwork": default}
    )
    return [openshift(), network]


def policy(
    name: str = "web",
    where: str = "shop",
    selector: Mapping[str, Any] | None = None,
    types: Sequence[str] = ("Ingress",),
    **rules: Any,
) -> Manifest:
    """Return a NetworkPolicy; `ingress` and `egress` are its rules."""
    spec = {"podSelector": dict(selector or {}), "policyTypes": list(types), **rules}
    return obj("NetworkPolicy", name, where, "networking.k8s.io/v1", spec=spec)


def pod(where: str = "shop", **labels: str) -> Manifest:
    """Return a pod that is on the mesh on its own account."""
    named = {"istio.io/dataplane-mode": "ambient", **labels}
    return obj("Pod", "web-0", where, labels=named, spec={"containers": [{"name": "web"}]})


def web(**labels: str) -> dict[str, Any]:
    """Return a selector of pods."""
    return {"matchLabels": labels or {"app": "web"}}


def istio(where: str = "istio-old") -> Manifest:
    """Return the Deployment of another istiod."""
    labels = {"app": "istiod"}
    spec: Manifest = {"selector": {}, "template": {}}
    return obj("Deployment", "istiod", where, "apps/v1", labels=labels, spec=spec)


def read(
    objects: Sequence[Manifest], version: tuple[int, int] = (1, 34), **config: Any
) -> preflight.Cluster:
    """Return what `check` reads of a cluster, through an API server in memory."""
    client: Any = FakeCluster(objects)
    live = kube.Live(IDENTITY, ())
    with mock.patch.object(kube, "server_version", mock.Mock(return_value=version)):
        around = surroundings.read(client, live)
    options = manifests.Config.model_validate(config)
    cluster = preflight.Cluster(around, options, MODEL, APP)
    probes = around.cilium is not None and surroundings.read_probe_policies(client)
    policies = surroundings.read_policies(client)
    return preflight.with_policies(cluster, policies, admits_probes=probes)


def codes(cluster: preflight.Cluster) -> set[str]:
    """Return the codes of everything that is wrong with a cluster."""
    return {
        problem.code.name
        for condition in preflight.CONDITIONS
        for problem in condition.problems(cluster)
    }
