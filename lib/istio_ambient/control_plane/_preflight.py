# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The preflight: properties of a cluster with which the mesh would not work."""

import dataclasses
from collections.abc import Iterator, Mapping

from istio_ambient import kube, manifests
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

_SOCKET_LB = "bpf-lb-sock-hostns-only"


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """Other parts of the cluster that a control plane depends on; read on every hook."""

    kubernetes: tuple[int, int] | None = None
    """Major and minor version of the API server; None: it is not known."""
    cilium: Mapping[str, str] | None = None
    """Data of ConfigMap kube-system/cilium-config; None: there is no Cilium."""
    other_istios: tuple[str, ...] = ()
    """Objects of another Istio, as `Deployment istio-old/istiod`."""
    crds: Mapping[str, kube.Manifest] = dataclasses.field(default_factory=dict[str, kube.Manifest])
    """Custom resource definitions with names of ours and another owner, by name."""
    abandoned: frozenset[str] = frozenset()
    """Owners of these that are no more, as their annotation names them."""


def cni_findings(around: Surroundings) -> list[Problem]:
    """Return the settings of the cluster's CNI with which the mesh would not work.

    Source: Istio's documentation, "Platform-Specific Prerequisites", Cilium; Cilium's
    documentation, "Integration with Istio".
    """
    return [] if around.cilium is None else list(_cilium(around.cilium))


def findings(around: Surroundings) -> list[Problem]:
    """Return the other findings: an old Kubernetes, and another Istio in the cluster."""
    return [*_kubernetes(around.kubernetes), *_other_istios(around.other_istios)]


def _cilium(config: Mapping[str, str]) -> Iterator[Problem]:
    if _is_on(config, "cni-exclusive"):
        yield problem(
            Code.CNI_EXCLUSIVE,
            "cilium-config cni-exclusive",
            "is on: Cilium disables the CNI plugin of Istio on every node",
            "set cni.exclusive=false in Cilium",
        )
    if _balances_at_sockets(config) and not _is_on(config, _SOCKET_LB):
        yield problem(
            Code.SOCKET_LOAD_BALANCING,
            f"cilium-config {_SOCKET_LB}",
            "is off while socket load balancing is on: traffic would bypass ztunnel at its "
            "source, unencrypted, while L4 policies at the destination make it look as if the "
            "mesh worked",
            "set socketLB.hostNamespaceOnly=true in Cilium",
        )


def _balances_at_sockets(config: Mapping[str, str]) -> bool:
    # Replacing kube-proxy, as Cilium does with `true` and did with `strict`, includes sockets.
    replacement = config.get("kube-proxy-replacement", "").strip().lower()
    return _is_on(config, "bpf-lb-sock") or replacement in ("true", "strict")


def _is_on(config: Mapping[str, str], key: str) -> bool:
    return config.get(key, "").strip().lower() in ("true", "t", "1")


def _kubernetes(version: tuple[int, int] | None) -> Iterator[Problem]:
    if version is not None and version < manifests.MIN_KUBERNETES:
        needed = ".".join(map(str, manifests.MIN_KUBERNETES))
        yield problem(
            Code.KUBERNETES_TOO_OLD,
            "Kubernetes",
            f"is {version[0]}.{version[1]}, and Istio {manifests.VERSION} needs {needed}",
            f"upgrade Kubernetes to {needed} or newer",
        )


def _other_istios(found: tuple[str, ...]) -> Iterator[Problem]:
    if found:
        yield problem(
            Code.OTHER_ISTIO,
            "Istio",
            f"another one is in this cluster: {', '.join(found)}",
            "remove it, or this application",
        )


def problem(code: Code, field: str, message: str, remedy: str) -> Problem:
    """Return a finding of the preflight about a part of the cluster."""
    return Problem("", "preflight", field, message=message, remedy=remedy, code=code)
