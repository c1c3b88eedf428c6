# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The live objects that decide who may reach whom, and how their members are read.

Any member of an object in JSON form may be missing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from istio_ambient import kube
from istio_ambient.authorization import _requests
from istio_ambient.authorization._mesh_settings import MeshSettings
from istio_ambient.values import decoded

Manifest = Mapping[str, Any]
Name = tuple[str, str]
"""Namespace and name."""


DEFAULT_TRUST_DOMAIN = _requests.TRUST_DOMAIN
BYPASS = "ambient.istio.io/bypass-inbound-capture"
"""Annotation by which istio-cni redirects nothing of what comes to a pod to its ztunnel.

Proxies of the mesh connect to ztunnel itself, which decides about them: istio.io/istio,
cni/pkg/iptables."""


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Live objects of a whole cluster, each in JSON form as the API server has it."""

    root_namespace: str
    """Istio's root namespace, whose policies apply to the whole mesh."""
    auto_allow: bool = False
    """Whether istiod runs with PILOT_AUTO_ALLOW_WAYPOINT_POLICY."""
    namespaces: tuple[Manifest, ...] = ()
    services: tuple[Manifest, ...] = ()
    pods: tuple[Manifest, ...] = ()
    gateways: tuple[Manifest, ...] = ()
    """Gateways of the Gateway API; one without an address in its status is no waypoint yet."""
    policies: tuple[Manifest, ...] = ()
    """AuthorizationPolicies of all namespaces."""
    peer_authentications: tuple[Manifest, ...] = ()
    request_authentications: tuple[Manifest, ...] = ()
    nodes: tuple[Manifest, ...] = ()
    """Nodes, which tell whose address it is; empty where they cannot be read."""
    mesh: MeshSettings = dataclasses.field(default_factory=MeshSettings)
    unread: tuple[str, ...] = ()
    """Kinds of objects above that could not be read, so that there seem to be none."""


def selects(service: Manifest, pod: Manifest) -> bool:
    """Return whether a Service selects a pod."""
    selector = kube.section(spec(service), "selector")
    same = namespace(pod) == namespace(service)
    return bool(selector) and same and selector.items() <= labels(pod).items()


def has_selector(service: Manifest) -> bool:
    """Return whether a Service selects pods; else others write its endpoints."""
    return bool(kube.section(spec(service), "selector"))


def is_ready(pod: Manifest) -> bool:
    """Return whether a pod may receive requests: nothing says that it is not ready."""
    status = kube.section(pod, "status")
    return status.get("phase") != "Pending" and all(
        each.get("status") != "False"
        for each in kube.items(status, "conditions")
        if each.get("type") == "Ready"
    )


def is_bypassing(pod: Manifest) -> bool:
    """Return whether ztunnel sees nothing of what comes to a pod in plain text."""
    return decoded.is_true(annotations(pod).get(BYPASS))


def annotations(manifest: Manifest) -> dict[str, str]:
    """Return the annotations of an object."""
    return manifest["metadata"].get("annotations") or {}


def identity(pod: Manifest) -> str:
    """Return the workload identity of a pod, `<namespace>/<service account>`."""
    return f"{namespace(pod)}/{spec(pod).get('serviceAccountName') or 'default'}"


def address(pod: Manifest) -> str:
    """Return the IP address of a pod; empty while it has none."""
    return str(kube.section(pod, "status").get("podIP") or "")


def key(manifest: Manifest) -> Name:
    """Return the namespace and name of an object."""
    return namespace(manifest), name(manifest)


def name(manifest: Manifest) -> str:
    """Return the name of an object."""
    return manifest["metadata"]["name"]


def namespace(manifest: Manifest) -> str:
    """Return the namespace of an object; empty: it is in none."""
    return manifest["metadata"].get("namespace", "")


def labels(manifest: Manifest) -> dict[str, str]:
    """Return the labels of an object."""
    return manifest["metadata"].get("labels") or {}


def spec(manifest: Manifest) -> dict[str, Any]:
    """Return the spec of an object."""
    return kube.section(manifest, "spec")
