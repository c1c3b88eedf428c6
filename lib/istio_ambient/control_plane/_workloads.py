# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The workloads of the control plane, in the order in which they come up."""

from lightkube.resources.apps_v1 import DaemonSet, Deployment

from istio_ambient import kube

WORKLOADS: tuple[tuple[kube.ResourceType, str], ...] = (
    (Deployment, "istiod"),
    (DaemonSet, "istio-cni-node"),
    (DaemonSet, "ztunnel"),
)

ADOPTED_SCOPES = frozenset(
    {
        "control-plane",
        "istio-crds",
        "gateway-apis-crds",
        "istio-authorization-policy",
    }
)
"""Scopes under which the public charm of the same name keeps its objects."""
