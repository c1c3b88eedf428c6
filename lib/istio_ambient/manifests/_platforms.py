# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Differences between Kubernetes distributions that matter to Istio's node agents.

Source: Istio's documentation, "Platform-Specific Prerequisites" for ambient mode.
"""

from typing import Literal, cast

import msgspec
from lightkube.resources.core_v1 import Node

Platform = Literal["", "microk8s", "k3s", "k3d", "minikube", "gke", "openshift"]
"""Kubernetes distributions with other CNI folders; empty: any other distribution."""


class PlatformFacts(msgspec.Struct, frozen=True):
    """Folders and rules of a distribution that istio-cni and ztunnel depend on."""

    name: Platform
    cni_bin_dir: str = "/opt/cni/bin"
    cni_conf_dir: str = "/etc/cni/net.d"
    cni_netns_dir: str = "/var/run/netns"
    cni_chained: bool = True
    """Whether istio-cni adds itself to the configuration of the first CNI plugin."""
    cni_conf_name: str = ""
    """Name of the configuration file of istio-cni where it is not chained."""
    node_critical_quota: bool = False
    """Whether PriorityClass system-node-critical needs a ResourceQuota outside kube-system."""
    privileged_scc: bool = False
    """Whether pods need a SecurityContextConstraint to get their capabilities."""
    se_linux_type: str = ""


_RANCHER_CONF = "/var/lib/rancher/k3s/agent/etc/cni/net.d"

PLATFORMS: dict[Platform, PlatformFacts] = {
    facts.name: facts
    for facts in (
        PlatformFacts(""),
        PlatformFacts(
            "microk8s",
            cni_bin_dir="/var/snap/microk8s/current/opt/cni/bin",
            cni_conf_dir="/var/snap/microk8s/current/args/cni-network",
        ),
        PlatformFacts(
            "k3s", cni_bin_dir="/var/lib/rancher/k3s/data/cni", cni_conf_dir=_RANCHER_CONF
        ),
        PlatformFacts("k3d", cni_bin_dir="/bin", cni_conf_dir=_RANCHER_CONF),
        PlatformFacts("minikube", cni_netns_dir="/var/run/docker/netns"),
        PlatformFacts("gke", cni_bin_dir="/home/kubernetes/bin", node_critical_quota=True),
        PlatformFacts(
            "openshift",
            cni_bin_dir="/var/lib/cni/bin",
            cni_conf_dir="/etc/cni/multus/net.d",
            cni_chained=False,
            cni_conf_name="istio-cni.conf",
            privileged_scc=True,
            se_linux_type="spc_t",
        ),
    )
}


_LABELS: dict[str, Platform] = {
    "node.openshift.io/": "openshift",
    "cloud.google.com/gke-": "gke",
    "microk8s.io/cluster": "microk8s",
    "minikube.k8s.io/": "minikube",
}
"""Prefix of a label that a distribution's nodes have → the distribution."""


def platform_of(node: Node | None) -> Platform:
    """Return the distribution that a node belongs to; empty for any other, and without a node.

    Labels, kubelet version (such as `v1.36.1+k3s1`), provider id (such as
    `k3s://k3d-mesh-server-0`) and container runtime of the node are looked at. With another
    runtime than Docker, minikube has the folders of plain Kubernetes (istio/istio 47444).
    """
    if node is None:
        return ""
    system = node.status.nodeInfo if node.status else None
    kubelet_version = system.kubeletVersion if system else ""
    provider_id = (node.spec.providerID if node.spec else None) or ""
    labels = cast(dict[str, str], (node.metadata and node.metadata.labels) or {})  # pyright: ignore[reportUnknownMemberType]
    runtime = system.containerRuntimeVersion if system else ""
    for prefix, platform in _LABELS.items():
        if any(label.startswith(prefix) for label in labels):
            # Only Docker keeps network namespaces elsewhere, whatever minikube's driver is.
            return "" if platform == "minikube" and not runtime.startswith("docker:") else platform
    if "-gke." in kubelet_version:
        return "gke"
    if "+k3s" in kubelet_version or provider_id.startswith("k3s://"):
        # The nodes of k3d are containers with its name as a prefix.
        host = labels.get("kubernetes.io/hostname", "")
        in_container = provider_id.startswith("k3s://k3d-") or host.startswith("k3d-")
        return "k3d" if in_container else "k3s"
    return ""
