# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Istio control plane as Kubernetes objects: ambient mode only, from values to manifests.

Everything here is pure: no Juju, no API server. `render` gives what istio-k8s wants to exist
beside the custom resource definitions of `crds`.
"""

from ._crds import crds, gateway_api_admission, gateway_api_version
from ._made_by_istiod import GATEWAY_CONTROLLERS, ISTIOD_CONFIG_LABEL, MADE_BY_ISTIOD
from ._mesh_config import mesh_config
from ._render import render
from ._served import serves
from ._values import VERSION, ControlPlane, ExtAuthzProvider, Platform, TracingCollector

__all__ = [
    "GATEWAY_CONTROLLERS",
    "ISTIOD_CONFIG_LABEL",
    "MADE_BY_ISTIOD",
    "VERSION",
    "ControlPlane",
    "ExtAuthzProvider",
    "Platform",
    "TracingCollector",
    "crds",
    "gateway_api_admission",
    "gateway_api_version",
    "mesh_config",
    "render",
    "serves",
]
