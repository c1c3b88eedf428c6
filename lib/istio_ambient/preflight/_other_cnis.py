# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Conditions about Calico, the Amazon VPC CNI, OpenShift, and where CNI files are."""

from collections.abc import Iterator

from istio_ambient import manifests
from istio_ambient.preflight._conditions import Area, Cluster, Condition, Effect, Finding, always
from istio_ambient.values.problem_codes import Code

_PREREQUISITES = "https://istio.io/latest/docs/ambient/install/platform-prerequisites/"
_ROUTES_PROBES = (3, 29)
"""The first Calico whose eBPF data plane sends answers to link-local addresses to the host."""


def _has_ebpf(cluster: Cluster) -> bool:
    return cluster.around.calico is not None and cluster.around.calico.ebpf


def _connect_time(cluster: Cluster) -> Iterator[Finding]:
    if cluster.around.calico and cluster.around.calico.connect_time:
        yield Finding(
            "FelixConfiguration default",
            "Calico balances load when connections are opened: traffic goes past waypoints, and "
            "their rules are not enforced",
            "set bpfConnectTimeLoadBalancing=Disabled in Calico",
        )


def _calico_version(cluster: Cluster) -> Iterator[Finding]:
    version = cluster.around.calico.version if cluster.around.calico else None
    if version is not None and version < _ROUTES_PROBES:
        needed = ".".join(map(str, _ROUTES_PROBES))
        yield Finding(
            "Calico",
            f"is {version[0]}.{version[1]} with the eBPF data plane, which loses kubelets' probes "
            "of pods on the mesh",
            f"upgrade Calico to {needed} or newer",
        )


def _has_security_groups(cluster: Cluster) -> bool:
    return cluster.around.security_groups is not None


def _strict_security_groups(cluster: Cluster) -> Iterator[Finding]:
    groups = cluster.around.security_groups
    if groups and groups.pod_interfaces and groups.policies and groups.mode != "standard":
        yield Finding(
            "DaemonSet aws-node",
            f"security groups for pods are in {groups.mode} mode: probes of these pods fail on "
            "the mesh",
            "set POD_SECURITY_GROUP_ENFORCING_MODE=standard in aws-node",
        )


def _has_ovn(cluster: Cluster) -> bool:
    return cluster.around.routes_via_host is not None


def _ovn(cluster: Cluster) -> Iterator[Finding]:
    if cluster.around.routes_via_host is False:
        yield Finding(
            "Network cluster",
            "OVN-Kubernetes is in shared gateway mode: probes of pods on the mesh fail",
            "set gatewayConfig.routingViaHost=true in Network cluster",
        )


def _platform(cluster: Cluster) -> Iterator[Finding]:
    config, found = cluster.config, cluster.around.platform
    if config.platform in (manifests.AUTO, found) or (config.cni_bin_dir and config.cni_conf_dir):
        return
    # Where no distribution is recognized, the operator knows better.
    is_known = bool(found or cluster.around.node.platform)
    needs_docker = config.platform == "minikube"
    if is_known or needs_docker:
        name = found or "plain Kubernetes"
        yield Finding(
            "config platform",
            f"is {config.platform or 'empty'}, and the nodes have the folders of {name}",
            f"juju config {cluster.app} platform=auto",
        )


CONDITIONS = (
    Condition(
        name="calico-connect-time-load-balancing",
        area=Area.CNI,
        about="Calico",
        title="Calico does not balance load when connections are opened",
        reads="FelixConfiguration `default`, and the environment of DaemonSet `calico-node`: "
        "`bpfEnabled`, `bpfConnectTimeLoadBalancing`, `bpfConnectTimeLoadBalancingEnabled`",
        wrong="the eBPF data plane is on, and `bpfConnectTimeLoadBalancing` is not `Disabled` "
        "(its default is `TCP`)",
        code=Code.CALICO_LOAD_BALANCING,
        sources=(
            "Calico, Deploy Istio Ambient Mode: Limitations: "
            "https://docs.tigera.io/calico/latest/operations/istio/deploy-istio-ambient",
            "istio/istio 55481: https://github.com/istio/istio/issues/55481",
        ),
        find=_connect_time,
        applies=_has_ebpf,
    ),
    Condition(
        name="calico-version",
        area=Area.CNI,
        about="Calico",
        title="Calico's eBPF data plane sends kubelets' probes back",
        reads="DaemonSet `calico-node`: the tag of its image",
        wrong="the eBPF data plane is on, and Calico is older than 3.29",
        code=Code.CALICO_TOO_OLD,
        sources=(
            "istio/istio 52765: https://github.com/istio/istio/issues/52765",
            "projectcalico/calico 9192: https://github.com/projectcalico/calico/pull/9192",
        ),
        find=_calico_version,
        applies=_has_ebpf,
    ),
    Condition(
        name="eks-security-groups",
        area=Area.CNI,
        about="Amazon EKS",
        title="security groups for pods let kubelets' probes through",
        reads="DaemonSet `aws-node`: `ENABLE_POD_ENI`, `POD_SECURITY_GROUP_ENFORCING_MODE`; "
        "SecurityGroupPolicies",
        wrong="`ENABLE_POD_ENI` is `true`, there is a SecurityGroupPolicy, and the mode is not "
        "`standard` (its default is `strict`)",
        code=Code.STRICT_SECURITY_GROUPS,
        sources=(
            "Istio, Platform-Specific Prerequisites: Amazon EKS: "
            f"{_PREREQUISITES}#amazon-elastic-kubernetes-service-eks",
        ),
        find=_strict_security_groups,
        applies=_has_security_groups,
    ),
    Condition(
        name="openshift-gateway-mode",
        area=Area.CNI,
        about="OpenShift",
        title="OVN-Kubernetes routes through the host's network stack",
        reads="Network `cluster` of `operator.openshift.io`: `defaultNetwork.type`, "
        "`gatewayConfig.routingViaHost`",
        wrong="the type is `OVNKubernetes`, and `routingViaHost` is not `true`",
        code=Code.OVN_GATEWAY_MODE,
        sources=(
            "Red Hat, Installing Istio ambient mode: "
            "https://docs.redhat.com/en/documentation/red_hat_openshift_service_mesh/3.2/html/"
            "installing/ossm-istio-ambient-mode",
        ),
        find=_ovn,
        applies=_has_ovn,
    ),
    Condition(
        name="platform",
        area=Area.CNI,
        about="Folders of CNI files",
        title="the folders of CNI files are those of the nodes",
        reads="a node's labels, kubelet version, provider id, container runtime and flannel's "
        "annotation; DaemonSets of other CNIs; `platform`, `cni-bin-dir`, `cni-conf-dir`",
        wrong="`platform` names another distribution than the node belongs to, without folders "
        "of its own",
        code=Code.PLATFORM_DIFFERS,
        sources=(
            f"Istio, Platform-Specific Prerequisites: {_PREREQUISITES}",
            "K3s, Custom CNI: https://docs.k3s.io/networking/basic-network-options#custom-cni",
            "istio/istio 47444: https://github.com/istio/istio/pull/47444",
        ),
        find=_platform,
        applies=always,
        effect=Effect.WARN,
    ),
)
