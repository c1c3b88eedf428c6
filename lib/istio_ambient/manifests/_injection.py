# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The two Go templates of waypoints and gateways, and the values that they read.

istiod renders them for each Gateway of class `istio-waypoint` (template `waypoint`) and `istio`
(`kube-gateway`). There is no template for sidecars.
"""

import functools
import pathlib
from typing import Any

from istio_ambient.values.pods import DEFAULT_RESOURCES

from ._values import ControlPlane

_FOLDER = pathlib.Path(__file__).parent / "injection"
_TEMPLATES = ("waypoint", "kube-gateway")


@functools.cache
def injection_config() -> dict[str, Any]:
    """Return the `config` of ConfigMap istio-sidecar-injector."""
    shared = (_FOLDER / "shared.yaml").read_text()
    return {
        # No pod gets a sidecar; without this value istiod looks for the template of one.
        "policy": "disabled",
        "templates": {
            name: shared + (_FOLDER / f"{name}.yaml").read_text() for name in _TEMPLATES
        },
    }


def injection_values(control_plane: ControlPlane) -> dict[str, Any]:
    """Return the `values` of ConfigMap istio-sidecar-injector, named as in Istio's charts."""
    config = control_plane.config
    return {
        "revision": "",
        # istioctl reads it, and fails without it.
        "sidecarInjectorWebhook": {"enableNamespacesByDefault": False},
        "global": {
            "hub": config.hub,
            "tag": config.tag,
            "variant": "distroless",
            "imagePullPolicy": config.image_pull_policy,
            "imagePullSecrets": list(config.image_pull_secrets),
            "istioNamespace": control_plane.namespace,
            "pilotCertProvider": "istiod",
            "caAddress": config.ca_address,
            "platform": control_plane.platform,
            "logging": {"level": "default:info"},
            "proxy": {
                "image": "proxyv2",
                "clusterDomain": "cluster.local",
                "logLevel": "warning",
                "componentLogLevel": "misc:error",
                "resources": DEFAULT_RESOURCES["gateway"].manifest,
            },
            "waypoint": {"resources": DEFAULT_RESOURCES["waypoint"].manifest},
        },
    }
