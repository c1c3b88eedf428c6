# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Istio control plane (ambient mode) as Kubernetes objects, from options and other values.

`render` returns the objects of istio-k8s beside the custom resource definitions of `crds`. Nothing
of Juju or the API server belongs here; which objects are applied, and when, is decided in
`control_plane`.
"""

from ._cacerts import CACERTS, mesh_ca_of
from ._config import AUTO, VERSION, Config, Tag
from ._crds import crds, gateway_api_admission, gateway_api_version
from ._made_by_istiod import (
    GATEWAY_CLASSES,
    GATEWAY_CONTROLLERS,
    ISTIOD_CONFIG_LABEL,
    MADE_BY_ISTIOD,
    ROOT_CA,
)
from ._mesh_config import EXT_AUTHZ_PREFIX
from ._platforms import PLATFORMS, Platform, platform_of
from ._render import render
from ._served import (
    BUNDLE_VERSION,
    bundle_version,
    is_gateway_api,
    is_newer,
    is_of_other_channel,
    serves,
)
from ._values import MIN_KUBERNETES, ControlPlane, MeshCA

__all__ = [
    "AUTO",
    "BUNDLE_VERSION",
    "CACERTS",
    "EXT_AUTHZ_PREFIX",
    "GATEWAY_CLASSES",
    "GATEWAY_CONTROLLERS",
    "ISTIOD_CONFIG_LABEL",
    "MADE_BY_ISTIOD",
    "MIN_KUBERNETES",
    "PLATFORMS",
    "ROOT_CA",
    "VERSION",
    "Config",
    "ControlPlane",
    "MeshCA",
    "Platform",
    "Tag",
    "bundle_version",
    "crds",
    "gateway_api_admission",
    "gateway_api_version",
    "is_gateway_api",
    "is_newer",
    "is_of_other_channel",
    "mesh_ca_of",
    "platform_of",
    "render",
    "serves",
]
