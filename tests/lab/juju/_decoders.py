# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Prepares lightkube's decoders, in one thread.

The lab watches the cluster in threads; `kube.prepare_decoder` explains why that matters.
"""

from istio_ambient import kube
from lightkube.resources import (
    admissionregistration_v1,
    apiextensions_v1,
    apps_v1,
    autoscaling_v2,
    coordination_v1,
    core_v1,
    discovery_v1,
    rbac_authorization_v1,
)

KINDS: tuple[type, ...] = (
    admissionregistration_v1.MutatingWebhookConfiguration,
    admissionregistration_v1.ValidatingWebhookConfiguration,
    apiextensions_v1.CustomResourceDefinition,
    apps_v1.DaemonSet,
    apps_v1.Deployment,
    apps_v1.ReplicaSet,
    apps_v1.StatefulSet,
    autoscaling_v2.HorizontalPodAutoscaler,
    coordination_v1.Lease,
    core_v1.ConfigMap,
    core_v1.Endpoints,
    core_v1.Event,
    core_v1.Namespace,
    core_v1.Node,
    core_v1.Pod,
    core_v1.Secret,
    core_v1.Service,
    core_v1.ServiceAccount,
    core_v1.ServiceAccountToken,
    discovery_v1.EndpointSlice,
    rbac_authorization_v1.ClusterRole,
    rbac_authorization_v1.ClusterRoleBinding,
    rbac_authorization_v1.Role,
    rbac_authorization_v1.RoleBinding,
)


def prepare() -> None:
    """Prepare msgspec's decoders of the kinds that the lab and the charms read (0.2 s, once)."""
    for kind in KINDS:
        kube.prepare_decoder(kind)
