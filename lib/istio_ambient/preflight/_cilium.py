# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Conditions about Cilium."""

from collections.abc import Iterator, Mapping

from istio_ambient.preflight._conditions import Area, Cluster, Condition, Finding
from istio_ambient.preflight._surroundings import PROBE_ADDRESS, Cilium, is_on
from istio_ambient.values.problem_codes import Code

_PREREQUISITES = (
    "Istio, Platform-Specific Prerequisites: Cilium: "
    "https://istio.io/latest/docs/ambient/install/platform-prerequisites/#cilium"
)
_INTEGRATION = (
    "Cilium, Integration with Istio: https://docs.cilium.io/en/stable/network/servicemesh/istio/"
)
_ISTIOCTL = (
    "istioctl, detectCniIncompatibility: "
    "https://github.com/istio/istio/blob/master/operator/pkg/apis/validation/validation.go"
)
_SOCKET_LB = "bpf-lb-sock-hostns-only"
_FORMER_LB = "enable-host-reachable-services"
_REPLACES = ("true", "strict")
"""Values of `kube-proxy-replacement`: of today, and of Cilium before 1.14."""


def _config(cluster: Cluster) -> Mapping[str, str]:
    return cluster.around.cilium.config if cluster.around.cilium else {}


def _has_cilium(cluster: Cluster) -> bool:
    return cluster.around.cilium is not None


def _place(cluster: Cluster, key: str) -> str:
    """Return where a key is, with the namespace where it is not the usual one."""
    namespace = cluster.around.cilium.namespace if cluster.around.cilium else ""
    where = "" if namespace in ("", Cilium({}).namespace) else f"{namespace}/"
    return f"{where}cilium-config {key}"


def _replaces_kube_proxy(config: Mapping[str, str]) -> bool:
    return config.get("kube-proxy-replacement", "").strip().lower() in _REPLACES


def _is_off(config: Mapping[str, str], key: str) -> bool:
    return config.get(key, "").strip().lower() in ("false", "f", "0")


def _exclusive(cluster: Cluster) -> Iterator[Finding]:
    if is_on(_config(cluster), "cni-exclusive"):
        yield Finding(
            _place(cluster, "cni-exclusive"),
            "is on: Cilium disables the CNI plugin of Istio on every node",
            "set cni.exclusive=false in Cilium",
        )


def _balances_at_sockets(config: Mapping[str, str]) -> bool:
    # Replacing kube-proxy, as Cilium does with `true` and did with `strict`, includes sockets.
    return (
        is_on(config, "bpf-lb-sock") or is_on(config, _FORMER_LB) or _replaces_kube_proxy(config)
    )


def _sockets(cluster: Cluster) -> Iterator[Finding]:
    config = _config(cluster)
    if _balances_at_sockets(config) and not is_on(config, _SOCKET_LB):
        is_former = is_on(config, _FORMER_LB) and "bpf-lb-sock" not in config
        value = "hostServices" if is_former else "socketLB"
        yield Finding(
            _place(cluster, _SOCKET_LB),
            "is off while socket load balancing is on: traffic would bypass ztunnel at its "
            "source, unencrypted, while L4 policies at the destination make it look as if the "
            "mesh worked",
            f"set {value}.hostNamespaceOnly=true in Cilium",
        )


def _routes_past_host(config: Mapping[str, str]) -> bool:
    """Return whether Cilium uses eBPF host routing.

    It needs that iptables do not masquerade: either eBPF does, or nothing. Source: cilium/cilium
    daemon/cmd/kube_proxy_replacement.go.
    """
    if is_on(config, "enable-host-legacy-routing"):
        return False
    if is_on(config, "enable-bpf-masquerade"):
        return True
    alone = config.get("cni-chaining-mode", "none").strip().lower() in ("", "none")
    masquerades = not (
        _is_off(config, "enable-ipv4-masquerade") and _is_off(config, "enable-ipv6-masquerade")
    )
    return alone and not masquerades and _replaces_kube_proxy(config)


def _host_routing(cluster: Cluster) -> Iterator[Finding]:
    config = _config(cluster)
    if _routes_past_host(config):
        yield Finding(
            _place(cluster, "enable-host-legacy-routing"),
            "is off while Cilium routes with eBPF: kubelets' probes of every pod on the mesh fail",
            "set bpf.hostLegacyRouting=true in Cilium",
        )


def _denies(cluster: Cluster) -> Iterator[Finding]:
    cilium = cluster.around.cilium
    always = _config(cluster).get("enable-policy", "").strip().lower() == "always"
    if cilium and always and cilium.admits_probes is False:
        yield Finding(
            _place(cluster, "enable-policy"),
            "is always, and no policy allows kubelets' probes of pods on the mesh",
            f"allow {PROBE_ADDRESS} in a CiliumClusterwideNetworkPolicy",
        )


def _ztunnel(cluster: Cluster) -> Iterator[Finding]:
    if is_on(_config(cluster), "enable-ztunnel"):
        yield Finding(
            _place(cluster, "enable-ztunnel"),
            "is on: Cilium redirects traffic of pods to a ztunnel of its own",
            "set encryption.type=wireguard in Cilium",
        )


CONDITIONS = (
    Condition(
        name="cilium-exclusive",
        area=Area.CNI,
        about="Cilium",
        title="Cilium leaves other CNI plugins in place",
        reads="`cilium-config`: `cni-exclusive`",
        wrong="`true`",
        code=Code.CNI_EXCLUSIVE,
        sources=(_PREREQUISITES, _ISTIOCTL),
        find=_exclusive,
        applies=_has_cilium,
    ),
    Condition(
        name="cilium-socket-load-balancing",
        area=Area.CNI,
        about="Cilium",
        title="Cilium does not balance load in the sockets of pods",
        reads=f"`cilium-config`: `bpf-lb-sock`, `{_FORMER_LB}` (before 1.12), "
        f"`kube-proxy-replacement`, `{_SOCKET_LB}`",
        wrong=f"one of the first two is `true`, or the third is `true` or `strict`, and "
        f"`{_SOCKET_LB}` is not `true`",
        code=Code.SOCKET_LOAD_BALANCING,
        sources=(_INTEGRATION, _ISTIOCTL),
        find=_sockets,
        applies=_has_cilium,
    ),
    Condition(
        name="cilium-host-routing",
        area=Area.CNI,
        about="Cilium",
        title="Cilium routes through the host's network stack",
        reads="`cilium-config`: `enable-host-legacy-routing`, `enable-bpf-masquerade`, "
        "`enable-ipv4-masquerade`, `enable-ipv6-masquerade`, `kube-proxy-replacement`, "
        "`cni-chaining-mode`",
        wrong="`enable-bpf-masquerade` is `true`, or kube-proxy is replaced and nothing is "
        "masqueraded, and `enable-host-legacy-routing` is not `true`",
        code=Code.CILIUM_HOST_ROUTING,
        sources=(
            _PREREQUISITES,
            "Cilium, Tuning Guide: eBPF Host-Routing: "
            "https://docs.cilium.io/en/stable/operations/performance/tuning/",
            "istio/istio 52208: https://github.com/istio/istio/issues/52208",
        ),
        find=_host_routing,
        applies=_has_cilium,
    ),
    Condition(
        name="cilium-denies-probes",
        area=Area.CNI,
        about="Cilium",
        title="Cilium allows kubelets' probes of pods on the mesh",
        reads="`cilium-config`: `enable-policy`; where it is `always`, "
        "CiliumClusterwideNetworkPolicies",
        wrong=f"`always`, and no policy for every pod allows `{PROBE_ADDRESS}`",
        code=Code.CILIUM_DENIES_PROBES,
        sources=(
            _PREREQUISITES,
            "Cilium, Policy Enforcement Modes: "
            "https://docs.cilium.io/en/stable/security/policy/intro/",
        ),
        find=_denies,
        applies=_has_cilium,
    ),
    Condition(
        name="cilium-ztunnel",
        area=Area.CNI,
        about="Cilium",
        title="Cilium runs no ztunnel of its own",
        reads="`cilium-config`: `enable-ztunnel`",
        wrong="`true`",
        code=Code.CILIUM_ZTUNNEL,
        sources=(
            "Cilium, Ztunnel Transparent Encryption: "
            "https://docs.cilium.io/en/latest/security/network/encryption-ztunnel/",
        ),
        find=_ztunnel,
        applies=_has_cilium,
    ),
)
