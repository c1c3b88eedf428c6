# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A Gateway of either class with its parameters and its scale, and the labels of mesh members.

istiod makes a Deployment, a Service, a ServiceAccount and a PodDisruptionBudget of a Gateway.
Routes and policies of a gateway belong to `ingress` and `authorization`.
"""

from istio_ambient.gateways._gateway import (
    APART,
    KINDS,
    Gateway,
    allowed_routes,
    held,
    objects,
    refusal,
    unmade_reason,
)
from istio_ambient.gateways._membership import (
    INGRESS_USE_WAYPOINT,
    USE_WAYPOINT,
    USE_WAYPOINT_NAMESPACE,
    Labels,
    ingress_label_removals,
    ingress_labels,
    label_removals,
    labels_config_map,
    labels_config_map_name,
    member_labels,
    namespace_labels,
    namespace_patches,
    own_patches,
    passes_waypoint,
)
from istio_ambient.gateways._parameters import NAME_LABEL, ServiceType, Settings, TrafficPolicy
from istio_ambient.gateways._waypoint import (
    HBONE_PORT,
    INGRESS_CLASS,
    WAYPOINT_CLASS,
    WAYPOINT_FOR_LABEL,
    is_waypoint,
    waypoint,
    waypoint_name,
)

__all__ = [
    "APART",
    "HBONE_PORT",
    "INGRESS_CLASS",
    "INGRESS_USE_WAYPOINT",
    "KINDS",
    "NAME_LABEL",
    "USE_WAYPOINT",
    "USE_WAYPOINT_NAMESPACE",
    "WAYPOINT_CLASS",
    "WAYPOINT_FOR_LABEL",
    "Gateway",
    "Labels",
    "ServiceType",
    "Settings",
    "TrafficPolicy",
    "allowed_routes",
    "held",
    "ingress_label_removals",
    "ingress_labels",
    "is_waypoint",
    "label_removals",
    "labels_config_map",
    "labels_config_map_name",
    "member_labels",
    "namespace_labels",
    "namespace_patches",
    "objects",
    "own_patches",
    "passes_waypoint",
    "refusal",
    "unmade_reason",
    "waypoint",
    "waypoint_name",
]
