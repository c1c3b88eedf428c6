# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istiod makes waypoints and gateways from: two Go templates and the values they read.

istiod renders them for each Gateway of class `istio-waypoint` (template `waypoint`) and `istio`
(`kube-gateway`). There is no template for sidecars.
"""

import functools
import pathlib
from typing import Any

from ._values import DEFAULT_RESOURCES, ControlPlane

_FOLDER = pathlib.Path(__file__).parent / "injection"
_TEMPLATES = ("waypoint", "kube-gateway")


@functools.cache
def injection_config() -> dict[str, Any]:
    """Return the `config` of ConfigMap istio-sidecar-injector."""
    shared = (_FOLDER / "shared.yaml").read_text()
    return {
        # Nothing is ever injected into a pod; without this istiod would look for a template.
        "policy": "disabled",
        "templates": {
            name: shared + (_FOLDER / f"{name}.yaml").read_text() for name in _TEMPLATES
        },
    }


def injection_values(control_plane: ControlPlane) -> dict[str, Any]:
    """Return the `values` of ConfigMap istio-sidecar-injector, named as in Istio's charts."""
    return {
        "revision": "",
        "global": {
            "hub": control_plane.hub,
            "tag": control_plane.tag,
            "variant": "distroless",
            "imagePullPolicy": control_plane.image_pull_policy,
            "imagePullSecrets": list(control_plane.image_pull_secrets),
            "istioNamespace": control_plane.namespace,
            "pilotCertProvider": "istiod",
            "platform": control_plane.platform,
            "logging": {"level": "default:info"},
            "proxy": {
                "image": "proxyv2",
                "clusterDomain": "cluster.local",
                "logLevel": "warning",
                "componentLogLevel": "misc:error",
                "resources": DEFAULT_RESOURCES["gateway"],
            },
            "waypoint": {"resources": DEFAULT_RESOURCES["waypoint"]},
        },
    }
