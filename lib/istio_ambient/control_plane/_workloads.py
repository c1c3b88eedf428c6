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
