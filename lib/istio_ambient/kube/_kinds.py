# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the engine must know of single kinds: order, who completes them, what is set once."""

from typing import Any

from istio_ambient.kube._objects import Manifest, Ref, ResourceType, items, kind_of

STAGES: tuple[frozenset[str], ...] = (
    frozenset({"CustomResourceDefinition"}),
    frozenset(
        {
            "Namespace",
            "ServiceAccount",
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
            "ConfigMap",
            "Secret",
            "ResourceQuota",
            "PriorityClass",
        }
    ),
    frozenset({"Service", "Deployment", "DaemonSet", "HorizontalPodAutoscaler"}),
)
"""Kinds in the order in which they are applied; within a stage in parallel. All other kinds come
next, and `LAST_STAGE` at the end."""

LAST_STAGE = frozenset(
    {
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicyBinding",
    }
)

KUBERNETES_GROUPS = ".k8s.io"
"""End of the API groups that Kubernetes' own projects define; their defaults count as theirs."""

CLOSED_GROUPS = frozenset({"rbac.authorization.k8s.io"})
CLOSED_KINDS = frozenset({"ConfigMap"})

KEPT = frozenset({"CustomResourceDefinition", "Namespace"})
"""Kinds that are never pruned: a definition takes the custom resources of all owners with it, a
namespace everything that others have put there."""

RECREATABLE = frozenset(
    {
        "ClusterRoleBinding",
        "ConfigMap",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "RoleBinding",
        "Secret",
    }
)
"""Kinds that may be deleted and created again where a field is immutable: they run nothing.
Workloads are not among them: their pods would end."""


def is_kept(kind: ResourceType) -> bool:
    """Return whether objects of a kind are never deleted, but released."""
    return kind_of(kind) in KEPT


def stage_of(ref: Ref) -> int:
    """Return the number of the stage in which an object is applied, from 0."""
    for number, kinds in enumerate(STAGES):
        if ref.kind in kinds:
            return number
    return len(STAGES) + (1 if ref.kind in LAST_STAGE else 0)


def is_closed(ref: Ref) -> bool:
    """Return whether everything in a live object of this kind must come from its author.

    No controller completes roles, ConfigMaps, and the custom resources of other projects. Content
    that we did not write there, such as a rule in a policy that allows nothing, is drift.
    """
    group = ref.api_version.rpartition("/")[0]
    custom = "." in group and not group.endswith(KUBERNETES_GROUPS)
    return custom or group in CLOSED_GROUPS or ref.kind in CLOSED_KINDS


def keep_what_others_set(desired: Manifest, live: Manifest) -> Manifest:
    """Return a desired manifest with the fields that another controller owns as they are live.

    A webhook's server writes its `caBundle` and `failurePolicy`: our values count on creation
    only. (Replicas need no entry here: a workload with an autoscaler is rendered without them.)
    """
    if desired["kind"] not in LAST_STAGE or "webhooks" not in desired:
        return desired
    current = {hook["name"]: hook for hook in items(live, "webhooks")}
    webhooks = [_webhook_as_live(hook, current.get(hook["name"])) for hook in desired["webhooks"]]
    return {**desired, "webhooks": webhooks}


def _webhook_as_live(desired: dict[str, Any], live: dict[str, Any] | None) -> dict[str, Any]:
    if live is None:
        return desired
    result = {**desired, "clientConfig": dict(desired.get("clientConfig", {}))}
    if "failurePolicy" in live:
        result["failurePolicy"] = live["failurePolicy"]
    bundle = live.get("clientConfig", {}).get("caBundle")
    if bundle:
        result["clientConfig"]["caBundle"] = bundle
    return result
