# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the preflight of istio-k8s reads of a cluster, and what its status says about it."""

from collections.abc import Mapping
from typing import Any

from istio_ambient import manifests

from tests.unit.whole_charm.cases.base_control_plane import CNI, SYSTEM, VALUES
from tests.unit.whole_charm.outcomes import ABSENT, PRESENT, Has, Lacks, blocked, warning
from tests.unit.whole_charm.scenarios import Case, Patch, merged

ISTIOD = f"Deployment {SYSTEM}/istiod"
FLANNEL = {"flannel.alpha.coreos.com/backend-type": "vxlan"}
K3S = {"Node node-0": {"spec": {"providerID": "k3s://node-0"}}}
FELIX = "FelixConfiguration default"
CONNECT = {"bpfConnectTimeLoadBalancing": "Disabled"}


_MAJOR, _MINOR, _ = manifests.VERSION.split(".")
NEWER = f"{_MAJOR}.{int(_MINOR) + 1}.0"


def cilium(where: str = "kube-system", **config: str) -> dict[str, Any]:
    """Return Cilium's configuration; `_` in a key stands for `-`."""
    data = {key.replace("_", "-"): value for key, value in config.items()}
    return {f"ConfigMap {where}/cilium-config": {"data": data}}


def agents(label: str, where: str, tag: str = "v3.30.0", **environment: str) -> dict[str, Any]:
    """Return the DaemonSet of a CNI."""
    env = [{"name": name, "value": value} for name, value in environment.items()]
    container = {"name": "agent", "image": f"example/{label}:{tag}", "env": env}
    return {
        f"DaemonSet {where}/{label}": {
            "metadata": {"labels": {"k8s-app": label}},
            "spec": {
                "selector": {"matchLabels": {"k8s-app": label}},
                "template": {"spec": {"containers": [container]}},
            },
        }
    }


def calico(tag: str = "v3.30.0", **felix: Any) -> dict[str, Any]:
    """Return Calico with its configuration."""
    return {**agents("calico-node", "calico-system", tag), FELIX: {"spec": felix}}


def aws(**environment: str) -> dict[str, Any]:
    """Return the Amazon VPC CNI, and a pod's security group."""
    policy: dict[str, Any] = {"SecurityGroupPolicy shop/db": {"spec": {}}}
    return {**agents("aws-node", "kube-system", **environment), **policy}


def openshift(**gateway: bool) -> dict[str, Any]:
    """Return a cluster of OpenShift."""
    network = {"type": "OVNKubernetes", "ovnKubernetesConfig": {"gatewayConfig": gateway}}
    labels = {"node.openshift.io/os_id": "rhel"}
    return {
        "Node node-0": {"metadata": {"labels": labels}},
        "Network cluster": {"spec": {"defaultNetwork": network}},
    }


def named(place: str, given: Mapping[str, Any], *texts: str, **change: Any) -> Case:
    """Return the case for objects with which nothing is installed.

    Args:
        place: what the status names.
        given: the cluster before, with which it is.
        texts: what the status mentions.
        change: the objects of the change, by what they are.
    """
    objects = {name: value for each in change.values() for name, value in each.items()}
    return Case(
        {"objects": objects},
        {"status": blocked(f"preflight {place}", *texts), "requests": []},
        given={"objects": dict(given)},
    )


EBPF = calico(bpfEnabled=True, **CONNECT)
STRICT = {"ENABLE_POD_ENI": "true", "POD_SECURITY_GROUP_ENFORCING_MODE": "strict"}
STANDARD = {**STRICT, "POD_SECURITY_GROUP_ENFORCING_MODE": "standard"}

FORBIDDING = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
ON_MESH = {"metadata": {"labels": {"istio.io/dataplane-mode": "ambient"}}}
CHECKED: Patch = {"event": {"action": "check", "params": {"format": "json"}}}
POLICY: Mapping[str, Any] = {
    "NetworkPolicy shop/web": {
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": 8080}]}],
        }
    }
}

CASES: Mapping[str, Case] = {
    "Cilium in a namespace of its own": named(
        "networking/cilium-config cni-exclusive",
        cilium(cni_exclusive="false"),
        change={"ConfigMap kube-system/cilium-config": None},
        more={**agents("cilium", "networking"), **cilium("networking", cni_exclusive="true")},
    ),
    "Cilium that routes with eBPF": named(
        "cilium-config enable-host-legacy-routing",
        cilium(enable_bpf_masquerade="false"),
        change=cilium(enable_bpf_masquerade="true"),
    ),
    "Cilium that denies by default": named(
        "cilium-config enable-policy",
        cilium(enable_policy="default"),
        change=cilium(enable_policy="always"),
    ),
    "Cilium that allows probes": Case(
        {
            "objects": {
                "CiliumClusterwideNetworkPolicy probes": {
                    "spec": {
                        "endpointSelector": {},
                        "ingress": [{"fromCIDR": ["169.254.7.127/32"]}],
                    }
                }
            }
        },
        {ISTIOD: PRESENT},
        given={"objects": cilium(enable_policy="always")},
    ),
    "Cilium with a ztunnel of its own": named(
        "cilium-config enable-ztunnel",
        cilium(enable_ztunnel="false"),
        change=cilium(enable_ztunnel="true"),
    ),
    "Calico's eBPF data plane": named(
        FELIX, calico(bpfEnabled=False), change=calico(bpfEnabled=True)
    ),
    "Calico that balances when connections are opened": named(
        FELIX,
        EBPF,
        change=calico(bpfEnabled=True, bpfConnectTimeLoadBalancing="TCP"),
    ),
    "an old Calico": named(
        "Calico", EBPF, "3.28", change=agents("calico-node", "calico-system", "v3.28.0")
    ),
    "strict security groups for pods": named(
        "DaemonSet aws-node", aws(**STANDARD), change=aws(**STRICT)
    ),
    "pods with interfaces of their own": named(
        "DaemonSet aws-node",
        aws(**{**STRICT, "ENABLE_POD_ENI": "false"}),
        change=aws(**STRICT),
    ),
    "a security group for pods": named(
        "DaemonSet aws-node", agents("aws-node", "kube-system", **STRICT), change=aws(**STRICT)
    ),
    "OpenShift in shared gateway mode": named(
        "Network cluster", openshift(routingViaHost=True), change=openshift(routingViaHost=False)
    ),
    "a namespace that enforces a Pod Security Standard": named(
        f"namespace {SYSTEM}",
        {f"Namespace {SYSTEM}": {}},
        "baseline",
        change={f"Namespace {SYSTEM}": FORBIDDING},
    ),
    # Of another name, each of these is none that anything depends on.
    "other objects of the kinds that are read": Case(
        {
            "objects": {
                "Namespace aaa": FORBIDDING,
                "FelixConfiguration aaa": {"spec": {"bpfEnabled": True}},
                "Network aaa": openshift(routingViaHost=False)["Network cluster"],
            }
        },
        {"Namespace aaa": PRESENT},
        given={"objects": {**calico(bpfEnabled=False), **openshift(routingViaHost=True)}},
        same={ISTIOD: PRESENT},
    ),
    "the check: a policy for the ports of a model on the mesh": Case(
        {"objects": POLICY},
        {"action: json": Has('"CI-630"', "NetworkPolicy shop/web")},
        given={**CHECKED, "objects": {"Namespace shop": ON_MESH}},
    ),
    "the check: a model that is on the mesh": Case(
        {"objects": {"Namespace shop": ON_MESH}},
        {"action: json": Has('"CI-630"', "NetworkPolicy shop/web")},
        given={**CHECKED, "objects": {"Namespace shop": {}, **POLICY}},
    ),
    "the check: a pod that is on the mesh": Case(
        {"objects": {"Pod shop/web-0": merged(ON_MESH, {"spec": {"containers": []}})}},
        {"action: json": Has('"CI-630"', "NetworkPolicy shop/web")},
        given={**CHECKED, "objects": POLICY},
    ),
    "another CNI on K3s": Case(
        {"objects": agents("canal", "kube-system")},
        {f"{CNI}.spec.volumes[cni-net-dir].hostPath.path": "/etc/cni/net.d"},
        given={"objects": K3S},
    ),
    "flannel beside Calico on K3s": Case(
        {"objects": {"Node node-0": {"metadata": {"annotations": FLANNEL}}}},
        {f"{VALUES}.platform": "k3s"},
        given={"objects": {**K3S, **agents("calico-node", "kube-system")}},
    ),
}


def with_works(works: Mapping[str, Any]) -> dict[str, Case]:
    """Return the cases of a mesh that works.

    Args:
        works: the statuses of its workloads.
    """
    given: Patch = {
        "objects": {"Node node-0": {"metadata": {"labels": {"microk8s.io/cluster": "true"}}}},
        "earlier": {},
        "meanwhile": works,
    }
    name = f"DaemonSet {SYSTEM}/ztunnel"
    image = {"name": "istio-proxy", "image": f"docker.io/istio/ztunnel:{NEWER}"}
    newer = {"spec": {"template": {"spec": {"containers": [image]}}}}
    return {
        # Nothing is written then, and nothing is pruned.
        "a data plane of a newer release": Case(
            {"meanwhile": {**works, name: merged(works[name], newer)}},
            {
                "status": blocked("preflight Istio's version", f"ztunnel is {NEWER}"),
                "codes": ["CI-651"],
            },
            given=given,
            same={"requests": []},
        ),
        "folders of another platform": Case(
            {"config": {"platform": "gke"}, "earlier": {"config": {"platform": "gke"}}},
            {
                "status": warning(
                    "preflight config platform", "microk8s", "juju config istio platform=auto"
                )
            },
            given=given,
        ),
        "the check of a mesh that works": Case(
            {"objects": cilium(cni_exclusive="true")},
            {"action: table": Has("CI-601 preflight cilium-config cni-exclusive")},
            given={**given, "event": {"action": "check", "params": {}}},
            # The action sets no status.
            same={
                "action: table": Has("all pods of ztunnel are ready"),
                "requests": [],
                "status": Has("unknown: "),
            },
        ),
        "the check with an option that cannot be used": Case(
            {"config": {"hub": "https://registry.example"}},
            {"action: json": Has("CI-101")},
            given={**given, **CHECKED},
            same={"action: json": Lacks("to change"), "requests": []},
        ),
        "the check before anything is installed": Case(
            {"objects": cilium(cni_exclusive="true")},
            {"action: failed": 1},
            given=CHECKED,
            same={
                "action: json": Has('"not installed yet"'),
                "requests": [],
                "status": "unknown: ",
                ISTIOD: ABSENT,
            },
        ),
    }
