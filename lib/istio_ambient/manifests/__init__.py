# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Istio control plane as Kubernetes objects: ambient mode only, from values to manifests.

Everything here is pure: no Juju, no API server. `render` gives what istio-k8s wants to exist
beside the custom resource definitions of `crds`.
"""

from ._cacerts import CACERTS, mesh_ca_of
from ._crds import crds, gateway_api_admission, gateway_api_version
from ._made_by_istiod import GATEWAY_CONTROLLERS, ISTIOD_CONFIG_LABEL, MADE_BY_ISTIOD
from ._mesh_config import EXT_AUTHZ_PREFIX, OWNED_FIELDS, is_provider_of_relations, mesh_config
from ._mesh_config_fields import MeshConfigFields, mesh_config_fields
from ._platforms import platform_of_node
from ._render import render
from ._served import BUNDLE_VERSION, bundle_version, is_gateway_api, is_newer, serves
from ._values import (
    DEFAULT_RESOURCES,
    MIN_KUBERNETES,
    VERSION,
    ControlPlane,
    ExtAuthzProvider,
    MeshCA,
    Platform,
    PodSettings,
    TracingCollector,
    merged_resources,
)

__all__ = [
    "BUNDLE_VERSION",
    "CACERTS",
    "DEFAULT_RESOURCES",
    "EXT_AUTHZ_PREFIX",
    "GATEWAY_CONTROLLERS",
    "ISTIOD_CONFIG_LABEL",
    "MADE_BY_ISTIOD",
    "MIN_KUBERNETES",
    "OWNED_FIELDS",
    "VERSION",
    "ControlPlane",
    "ExtAuthzProvider",
    "MeshCA",
    "MeshConfigFields",
    "Platform",
    "PodSettings",
    "TracingCollector",
    "bundle_version",
    "crds",
    "gateway_api_admission",
    "gateway_api_version",
    "is_gateway_api",
    "is_newer",
    "is_provider_of_relations",
    "merged_resources",
    "mesh_ca_of",
    "mesh_config",
    "mesh_config_fields",
    "platform_of_node",
    "render",
    "serves",
]
