# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Broken clusters are named, each by the code of what is wrong, and healthy ones raise nothing."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from istio_ambient import preflight
from istio_ambient.values.problem_codes import Code

from tests.unit.preflight import clusters
from tests.unit.preflight.clusters import (
    CILIUM_DEFAULTS,
    GOOD_CILIUM,
    OLDEST,
    REPLACING,
    Objects,
    calico,
    cilium,
    codes,
    eks,
    enforcing,
    istio,
    k3s,
    meshed,
    minikube,
    node,
    ovn,
    pod,
    policy,
    probe_policy,
    read,
    web,
    without,
)

TCP, UDP = {"protocol": "TCP"}, {"protocol": "UDP"}
WEB = [{**TCP, "port": 8080}]
PODS: list[Any] = [{"podSelector": {}}]
DNS = [{**UDP, "port": 53}, {**TCP, "port": 53}]


def network(cidr: str) -> dict[str, Any]:
    """Return a rule that allows clients of a network."""
    return {"from": [{"ipBlock": {"cidr": cidr}}]}


PROBES = network("169.254.7.127/32")
ALWAYS = {**GOOD_CILIUM, "enable-policy": "always"}
STRICT = {"ENABLE_POD_ENI": "true", "POD_SECURITY_GROUP_ENFORCING_MODE": "strict"}

# What is wrong, the objects of the cluster, and how it is read: options, and the API server's
# version.
Broken = tuple[Code, Objects, Mapping[str, Any]]
BROKEN: dict[str, Broken] = {
    "Cilium as its chart installs it": (Code.CNI_EXCLUSIVE, cilium(CILIUM_DEFAULTS), {}),
    "an exclusive Cilium on K3s": (
        Code.CNI_EXCLUSIVE,
        [k3s(flannel=False), *cilium(CILIUM_DEFAULTS)],
        {},
    ),
    "an exclusive Cilium in another namespace": (
        Code.CNI_EXCLUSIVE,
        cilium(CILIUM_DEFAULTS, "cilium"),
        {},
    ),
    "an exclusive Cilium, as Go writes it": (
        Code.CNI_EXCLUSIVE,
        cilium({**GOOD_CILIUM, "cni-exclusive": "T"}),
        {},
    ),
    "sockets": (
        Code.SOCKET_LOAD_BALANCING,
        cilium({**GOOD_CILIUM, "bpf-lb-sock": "true"}),
        {},
    ),
    "Canonical Kubernetes": (Code.SOCKET_LOAD_BALANCING, cilium(clusters.CANONICAL), {}),
    "sockets of pods too": (
        Code.SOCKET_LOAD_BALANCING,
        cilium({**GOOD_CILIUM, "bpf-lb-sock": "true", "bpf-lb-sock-hostns-only": "false"}),
        {},
    ),
    "sockets, by the key of Cilium 1.11": (
        Code.SOCKET_LOAD_BALANCING,
        cilium({**without(GOOD_CILIUM, "bpf-lb-sock"), "enable-host-reachable-services": "true"}),
        {},
    ),
    "no kube-proxy": (
        Code.SOCKET_LOAD_BALANCING,
        cilium({**GOOD_CILIUM, "kube-proxy-replacement": "true"}),
        {},
    ),
    "no kube-proxy, before Cilium 1.14": (
        Code.SOCKET_LOAD_BALANCING,
        cilium({**GOOD_CILIUM, "kube-proxy-replacement": "strict"}),
        {},
    ),
    "no kube-proxy, in another namespace": (
        Code.SOCKET_LOAD_BALANCING,
        cilium({**GOOD_CILIUM, "kube-proxy-replacement": "true"}, "networking"),
        {},
    ),
    "eBPF masquerades": (
        Code.CILIUM_HOST_ROUTING,
        cilium({**REPLACING, "enable-bpf-masquerade": "true"}),
        {},
    ),
    "eBPF masquerades, and legacy routing is off": (
        Code.CILIUM_HOST_ROUTING,
        cilium(
            {
                **REPLACING,
                "enable-bpf-masquerade": "true",
                "enable-host-legacy-routing": "false",
            }
        ),
        {},
    ),
    "eBPF masquerades beside kube-proxy": (
        Code.CILIUM_HOST_ROUTING,
        cilium({**GOOD_CILIUM, "enable-bpf-masquerade": "true"}),
        {},
    ),
    "nothing masquerades, with native routing": (
        Code.CILIUM_HOST_ROUTING,
        cilium(
            {
                **REPLACING,
                "routing-mode": "native",
                "enable-ipv4-masquerade": "false",
                "enable-ipv6-masquerade": "false",
            }
        ),
        {},
    ),
    "Cilium denies by default": (Code.CILIUM_DENIES_PROBES, cilium(ALWAYS), {}),
    "Cilium denies by default, and allows another address": (
        Code.CILIUM_DENIES_PROBES,
        [*cilium(ALWAYS), probe_policy("169.254.169.254/32")],
        {},
    ),
    "Cilium denies by default, and allows probes of some pods": (
        Code.CILIUM_DENIES_PROBES,
        [*cilium(ALWAYS), probe_policy(selector=web())],
        {},
    ),
    "Cilium denies by default, in another namespace": (
        Code.CILIUM_DENIES_PROBES,
        cilium({**REPLACING, "enable-policy": "Always"}, "cilium"),
        {},
    ),
    "Cilium's own ztunnel": (
        Code.CILIUM_ZTUNNEL,
        cilium({**GOOD_CILIUM, "enable-ztunnel": "true"}),
        {},
    ),
    "Calico's eBPF data plane": (Code.CALICO_LOAD_BALANCING, calico(bpfEnabled=True), {}),
    "Calico's eBPF data plane, for TCP": (
        Code.CALICO_LOAD_BALANCING,
        calico(bpfEnabled=True, bpfConnectTimeLoadBalancing="TCP"),
        {},
    ),
    "Calico's eBPF data plane, by the older setting": (
        Code.CALICO_LOAD_BALANCING,
        calico(
            bpfEnabled=True,
            bpfConnectTimeLoadBalancing="Disabled",
            bpfConnectTimeLoadBalancingEnabled=True,
        ),
        {},
    ),
    "Calico's eBPF data plane, by its environment": (
        Code.CALICO_LOAD_BALANCING,
        calico("kube-system", environment={"FELIX_BPFENABLED": "true"}),
        {},
    ),
    "Calico's eBPF data plane, by its newer API": (
        Code.CALICO_LOAD_BALANCING,
        calico(api="projectcalico.org/v3", bpfEnabled=True),
        {},
    ),
    "Calico's eBPF data plane, of an old release": (
        Code.CALICO_TOO_OLD,
        calico(
            image="docker.io/calico/node:v3.28.1",
            bpfEnabled=True,
            bpfConnectTimeLoadBalancing="Disabled",
        ),
        {},
    ),
    "strict security groups for pods": (Code.STRICT_SECURITY_GROUPS, eks(STRICT), {}),
    "security groups for pods, by default": (
        Code.STRICT_SECURITY_GROUPS,
        eks({"ENABLE_POD_ENI": "true"}),
        {},
    ),
    "OpenShift as it is installed": (Code.OVN_GATEWAY_MODE, ovn(), {}),
    "OpenShift in shared gateway mode": (
        Code.OVN_GATEWAY_MODE,
        ovn(routingViaHost=False),
        {"platform": "openshift"},
    ),
    "K3s' folders with another CNI": (
        Code.PLATFORM_DIFFERS,
        [k3s(flannel=False), *cilium(REPLACING)],
        {"platform": "k3s"},
    ),
    "K3s' folders with Canal": (
        Code.PLATFORM_DIFFERS,
        [k3s(), clusters.daemon_set("canal", "kube-system", "docker.io/rancher/calico:v3.30.0")],
        {"platform": "k3s"},
    ),
    "Docker's folder on minikube with containerd": (
        Code.PLATFORM_DIFFERS,
        [minikube("containerd://1.7.23")],
        {"platform": "minikube"},
    ),
    "plain folders on MicroK8s": (
        Code.PLATFORM_DIFFERS,
        [node(microk8s_io__cluster="true")],
        {"platform": ""},
    ),
    "a baseline namespace": (Code.POD_SECURITY, [enforcing("baseline")], {}),
    "a restricted namespace": (Code.POD_SECURITY, [enforcing("restricted")], {}),
    "an old Kubernetes": (Code.KUBERNETES_TOO_OLD, [], {"version": (1, OLDEST[1] - 1)}),
    "another Istio": (Code.OTHER_ISTIO, [istio()], {}),
    "a policy with an application's port": (
        Code.TUNNEL_BLOCKED,
        [meshed(), policy(ingress=[{"from": PODS, "ports": WEB}, PROBES])],
        {},
    ),
    "a policy with an application's port by name": (
        Code.TUNNEL_BLOCKED,
        [meshed(), policy(ingress=[{"ports": [{**TCP, "port": "http"}]}])],
        {},
    ),
    "a policy with a range of ports": (
        Code.TUNNEL_BLOCKED,
        [meshed(), policy(ingress=[{"ports": [{**TCP, "port": 1024, "endPort": 15007}]}])],
        {},
    ),
    "a policy about outgoing traffic": (
        Code.TUNNEL_BLOCKED,
        [meshed(), policy(types=["Egress"], egress=[{"ports": DNS}, {"ports": WEB}])],
        {},
    ),
    "a policy about a pod that is on the mesh alone": (
        Code.TUNNEL_BLOCKED,
        [pod(app="web"), policy(selector=web(), ingress=[{"ports": WEB}])],
        {},
    ),
    "a default deny": (
        Code.PROBES_BLOCKED,
        [meshed(), policy("deny")],
        {},
    ),
    "a default deny with Cilium": (
        Code.PROBES_BLOCKED,
        [meshed(), policy("deny", ingress=[{"from": PODS}]), *cilium(REPLACING)],
        {},
    ),
    "a network that leaves the address of probes out": (
        Code.PROBES_BLOCKED,
        [
            meshed(),
            policy(
                ingress=[
                    {"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}]},
                ]
            ),
        ],
        {},
    ),
}


def test_there_are_forty_broken_clusters_or_more():
    assert len(BROKEN) >= 40
    named = {code for code, _, _ in BROKEN.values()}
    assert named == {condition.code for condition in preflight.CONDITIONS}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_cluster_is_named(name: str):
    code, objects, options = BROKEN[name]
    assert codes(read(objects, **options)) == {code.name}


HEALTHY: tuple[Callable[[random.Random], Objects], ...] = (
    lambda _: [node()],
    lambda _: [node("v1.34.1-gke.100", "gce://p/z/n", cloud_google_com__gke_nodepool="p")],
    lambda _: [node(microk8s_io__cluster="true"), *calico("kube-system")],
    lambda _: [k3s()],
    lambda _: [k3s(flannel=False), *cilium(REPLACING)],
    lambda _: [k3s(), *cilium({**GOOD_CILIUM, "cni-chaining-mode": "flannel"})],
    lambda r: [minikube(r.choice(("docker://28.1.1", "containerd://1.7.23", "cri-o://1.24.6")))],
    lambda _: ovn(routingViaHost=True),
    lambda _: ovn("OpenShiftSDN"),
    lambda _: eks(STRICT, policies=False),
    lambda _: eks({"POD_SECURITY_GROUP_ENFORCING_MODE": "strict"}),
    lambda _: eks({**STRICT, "POD_SECURITY_GROUP_ENFORCING_MODE": "standard"}),
    lambda r: calico(bpfEnabled=False, bpfConnectTimeLoadBalancing=r.choice(("TCP", "Enabled"))),
    lambda _: calico(image="docker.io/calico/node:v3.27.2"),
    lambda _: calico(bpfEnabled=True, bpfConnectTimeLoadBalancing="Disabled"),
    lambda _: calico(bpfEnabled=True, bpfConnectTimeLoadBalancingEnabled=False),
    lambda _: calico(
        bpfEnabled=True, environment={"FELIX_BPFCONNECTTIMELOADBALANCING": "Disabled"}
    ),
    lambda _: calico(
        image="registry.example/calico/node@sha256:0123",
        bpfEnabled=True,
        bpfConnectTimeLoadBalancing="Disabled",
    ),
    lambda r: cilium(GOOD_CILIUM, r.choice(("kube-system", "cilium"))),
    lambda r: cilium(REPLACING, r.choice(("kube-system", "cilium"))),
    lambda _: cilium({**clusters.CANONICAL, "bpf-lb-sock-hostns-only": "true"}),
    lambda _: cilium(clusters.AZURE),
    lambda _: cilium(without(GOOD_CILIUM, "cni-exclusive")),
    lambda _: cilium({**GOOD_CILIUM, "kube-proxy-replacement": "partial"}),
    lambda _: cilium({**GOOD_CILIUM, "enable-host-reachable-services": "false"}),
    lambda _: cilium(
        {
            **REPLACING,
            "enable-bpf-masquerade": "true",
            "enable-host-legacy-routing": "true",
        }
    ),
    lambda _: cilium(
        {
            **GOOD_CILIUM,
            "cni-chaining-mode": "aws-cni",
            "enable-ipv4-masquerade": "false",
            "enable-ipv6-masquerade": "false",
        }
    ),
    lambda _: cilium({**GOOD_CILIUM, "enable-wireguard": "true", "enable-ztunnel": "false"}),
    lambda r: [
        *cilium(ALWAYS),
        probe_policy(r.choice(("169.254.7.127/32", "169.254.0.0/16", "0.0.0.0/0"))),
    ],
    # Of nobody's Cilium.
    lambda r: [
        clusters.obj("ConfigMap", "cilium-config", f"shop-{r.random()}", data=CILIUM_DEFAULTS)
    ],
    lambda r: [clusters.daemon_set("aws-node", "shop", "x", **STRICT), enforcing("privileged")],
)
ADDED: tuple[Callable[[random.Random], Objects], ...] = (
    lambda _: [],
    lambda _: [meshed()],
    lambda _: [policy("deny", where="elsewhere"), meshed()],
    lambda _: [meshed(), policy(ingress=[{}])],
    lambda _: [
        meshed(),
        policy(ingress=[{"from": PODS, "ports": [*WEB, {**TCP, "port": 15008}]}, PROBES]),
    ],
    lambda _: [meshed(), policy(ingress=[{"from": PODS}, PROBES])],
    lambda _: [
        meshed(),
        policy("deny"),
        policy("probes", ingress=[PROBES]),
        policy("web", selector=web(), ingress=[{"from": PODS, "ports": WEB}]),
        policy("mesh", ingress=[{"from": PODS, "ports": [{**TCP, "port": 15008}]}]),
    ],
    lambda _: [meshed(), policy(ingress=[{"ports": [{**TCP, "port": 1024, "endPort": 65535}]}])],
    lambda _: [meshed(), policy(types=["Egress"], egress=[{"ports": DNS}])],
    lambda _: [meshed(), policy(types=["Egress"], egress=[])],
    lambda _: [
        meshed(),
        policy(types=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "1.2.3.0/24"}}]}]),
    ],
    lambda r: [
        meshed(),
        policy(ingress=[network(r.choice(("0.0.0.0/0", "169.0.0.0/8")))]),
    ],
    lambda _: [
        pod(app="other"),
        policy(selector=web(), ingress=[{"ports": WEB}]),
    ],
)


@pytest.mark.parametrize("seed", range(100))
def test_a_healthy_cluster_raises_nothing(seed: int):
    chosen = random.Random(seed)  # noqa: S311 - a sample, no secret
    # Each of the healthy ones is among the first, and any of them with what is added.
    base = HEALTHY[seed] if seed < len(HEALTHY) else chosen.choice(HEALTHY)
    added = ADDED[seed % len(ADDED)]
    objects = [*base(chosen), *added(chosen)]
    chosen.shuffle(objects)
    version = (1, chosen.randint(OLDEST[1], OLDEST[1] + 6))
    assert codes(read(objects, version)) == set()


def test_each_condition_has_its_sources_and_a_name_of_its_own():
    names = [condition.name for condition in preflight.CONDITIONS]
    assert len(set(names)) == len(names)
    for condition in preflight.CONDITIONS:
        assert condition.reads
        assert condition.wrong
        assert condition.sources
        assert all(": https://" in source for source in condition.sources)
