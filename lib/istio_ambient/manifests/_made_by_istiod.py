# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Objects that istiod creates while it runs, and that stay when it is removed."""

from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import ConfigMap, Secret

from istio_ambient import kube

GATEWAY_CONTROLLERS = "istio.io/"
"""Prefix of the controller names of the GatewayClasses that istiod registers."""
GATEWAY_CLASSES = frozenset({"istio", "istio-waypoint", "istio-east-west", "istio-remote"})
"""Their names (istio/istio pilot/pkg/config/kube/gateway); an operator may have others."""

ISTIOD_CONFIG_LABEL = "istio.io/config"
"""Label (`true`) of the ConfigMaps with its root certificate, in every namespace."""

MADE_BY_ISTIOD: tuple[tuple[kube.ResourceType, tuple[str, ...]], ...] = (
    # Its root for the namespace, and the elections kept in ConfigMaps
    # (istio/istio pilot/pkg/leaderelection).
    (
        ConfigMap,
        (
            "istio-ca-root-cert",
            "istio-ca-crl",
            "istio-analyze-leader",
            "istio-clustertrustbundle-controller-election",
            "istio-gateway-status-leader",
            "istio-leader",
            "istio-namespace-controller-election",
            "istio-serviceexport-controller-election",
            "istio-status-leader",
        ),
    ),
    (
        Lease,
        (
            "istio-gateway-deployment-default",
            "istio-gateway-inferencepool-default",
            "istio-ip-autoallocate",
            "istio-node-untaint",
        ),
    ),
)
"""Kinds and names, in the namespace of the control plane."""

ROOT_CA: tuple[tuple[kube.ResourceType, str], ...] = (
    (Secret, "istio-ca-secret"),
    (Secret, "istio-ca-crl"),
)
"""The self-signed authority (istio/istio security/pkg/pki/ca), there too. An istiod that finds it
goes on with it; with another root, workloads refuse each other until all have new certificates."""
