# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a control plane depends on in a cluster: facts, read by `cluster.surroundings`."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from istio_ambient import kube, manifests
from istio_ambient.values import decoded
from istio_ambient.values.decoded import members

CILIUM, CALICO, CANAL, AWS = "cilium", "calico-node", "canal", "aws-node"
AGENTS = (AWS, CALICO, CANAL, CILIUM)
"""Values of label `k8s-app` of the DaemonSets of CNIs that conditions are about."""
CILIUM_CONFIG = "cilium-config"
"""Name of Cilium's ConfigMap."""
SYSTEM = "kube-system"
PROBE_ADDRESS = "169.254.7.127"
"""The address from which kubelets' probes reach pods on the mesh. Source: Istio's documentation,
"Ambient and Kubernetes NetworkPolicy"."""

_RANCHER: tuple[manifests.Platform, ...] = ("k3s", "k3d")
_VERSION = r"v?(\d+)\.(\d+)\.\d+"


def is_on(settings: Mapping[str, str], key: str) -> bool:
    """Return whether a setting is on, as Go's `strconv.ParseBool` reads it."""
    return decoded.is_true(settings.get(key, "").strip())


class NodeFacts(msgspec.Struct, frozen=True):
    """What one node tells of all nodes."""

    platform: manifests.Platform = ""
    """The distribution, as `manifests.platform_of` returns it."""
    has_flannel: bool = False
    """Whether flannel set up the node's network, as K3s' own CNI does."""


class Cilium(msgspec.Struct, frozen=True):
    """The configuration of Cilium's agents."""

    config: Mapping[str, str]
    """Data of ConfigMap `cilium-config`."""
    namespace: str = SYSTEM
    """Of Cilium."""
    admits_probes: bool | None = None
    """Whether a policy of the cluster admits kubelets' probes to every pod; None: nothing depends
    on it, or it cannot be read."""


class Calico(msgspec.Struct, frozen=True):
    """Settings of Calico's agents. Source: Calico's documentation, "Felix configuration"."""

    ebpf: bool = False
    """Whether the eBPF data plane is in use."""
    connect_time: bool = True
    """Whether connections of pods are balanced when they are opened (eBPF)."""
    version: tuple[int, int] | None = None
    """Of the agents' image; None: its tag is none."""


class SecurityGroups(msgspec.Struct, frozen=True):
    """Security groups for pods, of the Amazon VPC CNI."""

    pod_interfaces: bool
    """ENABLE_POD_ENI."""
    mode: str
    """POD_SECURITY_GROUP_ENFORCING_MODE."""
    policies: bool = False
    """Whether there is a SecurityGroupPolicy."""


class NetworkPolicies(msgspec.Struct, frozen=True):
    """NetworkPolicies, and who on the mesh they may be about."""

    policies: tuple[kube.Manifest, ...] = ()
    """All of the cluster."""
    namespaces: frozenset[str] = frozenset()
    """Those that are on the mesh as a whole."""
    pods: tuple[tuple[str, Mapping[str, str]], ...] = ()
    """Namespace and labels of pods that are on the mesh on their own account."""


class Surroundings(msgspec.Struct, frozen=True):
    """Other parts of the cluster that a control plane depends on; read on every hook."""

    kubernetes: tuple[int, int] | None = None
    """Major and minor version of the API server; None: it is not known."""
    node: NodeFacts = NodeFacts()
    agents: frozenset[str] = frozenset()
    """Those of `AGENTS` that are in the cluster."""
    cilium: Cilium | None = None
    """None: there is no Cilium."""
    calico: Calico | None = None
    """None: there is no Calico."""
    security_groups: SecurityGroups | None = None
    """None: the Amazon VPC CNI is not in the cluster."""
    routes_via_host: bool | None = None
    """Whether OVN-Kubernetes routes through the host's network; None: it is not in use."""
    pod_security: str = ""
    """The Pod Security Standard that the model's namespace enforces by its label; empty: none."""
    other_istios: tuple[str, ...] = ()
    """Objects of another Istio, as `Deployment istio-old/istiod`."""
    crds: Mapping[str, kube.Manifest] = msgspec.field(default_factory=dict[str, kube.Manifest])
    """Custom resource definitions with names of ours and another owner, by name."""
    abandoned: frozenset[str] = frozenset()
    """Owners of these that are no more, as their annotation names them."""

    @property
    def platform(self) -> manifests.Platform:
        """The distribution whose CNI folders the nodes have.

        K3s configures its folders only together with its own flannel (`NoFlannel` in its template
        of containerd's configuration): with another CNI they are those of plain Kubernetes.
        """
        replaced = CANAL in self.agents or (
            bool(self.agents & {CALICO, CILIUM}) and not self.node.has_flannel
        )
        return "" if self.node.platform in _RANCHER and replaced else self.node.platform


def calico_of(daemon_set: kube.Manifest, felix: Mapping[str, Any]) -> Calico:
    """Return Calico's settings; the environment of its agents takes precedence, as in Felix.

    Args:
        daemon_set: of the agents.
        felix: `spec` of FelixConfiguration `default`; empty: there is none.
    """
    environment = environment_of(daemon_set)
    ebpf = environment.get("FELIX_BPFENABLED", str(felix.get("bpfEnabled", "")))
    mode = environment.get("FELIX_BPFCONNECTTIMELOADBALANCING") or felix.get(
        "bpfConnectTimeLoadBalancing"
    )
    # The older setting; istioctl too reads both, and wants neither on.
    enabled = environment.get("FELIX_BPFCONNECTTIMELOADBALANCINGENABLED") or felix.get(
        "bpfConnectTimeLoadBalancingEnabled"
    )
    older = None if enabled is None else decoded.is_true(str(enabled))
    off = older is False if mode is None else str(mode) == "Disabled" and older is not True
    images = (str(each.get("image", "")) for each in _containers(daemon_set))
    tags = filter(None, (re.match(_VERSION, image.rpartition(":")[2]) for image in images))
    version = next(((int(found[1]), int(found[2])) for found in tags), None)
    return Calico(ebpf=decoded.is_true(ebpf), connect_time=not off, version=version)


def security_groups_of(daemon_set: kube.Manifest) -> SecurityGroups:
    """Return the settings of the Amazon VPC CNI; whether there are policies is read elsewhere."""
    environment = environment_of(daemon_set)
    mode = environment.get("POD_SECURITY_GROUP_ENFORCING_MODE", "").strip().lower()
    return SecurityGroups(is_on(environment, "ENABLE_POD_ENI"), mode or "strict")


def environment_of(workload: kube.Manifest) -> dict[str, str]:
    """Return the variables with values of all containers of a workload."""
    return {
        str(each.get("name")): str(each.get("value"))
        for container in _containers(workload)
        for each in kube.items(container, "env")
        if each.get("value") is not None
    }


def routes_via_host(network: kube.Manifest) -> bool | None:
    """Return whether OVN-Kubernetes is in local gateway mode; None: it is not in use.

    Args:
        network: Network `cluster` of OpenShift's Cluster Network Operator.
    """
    default = members(members(network.get("spec")).get("defaultNetwork"))
    if default.get("type") != "OVNKubernetes":
        return None
    gateway = members(members(default.get("ovnKubernetesConfig")).get("gatewayConfig"))
    return gateway.get("routingViaHost") is True


def _containers(workload: kube.Manifest) -> list[kube.Manifest]:
    template = kube.section(kube.section(workload, "spec"), "template")
    return list(kube.items(kube.section(template, "spec"), "containers"))
