# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the engine must know of single kinds: order, who completes them, what is set once."""

from typing import Any

from istio_ambient.kube._objects import Manifest, Ref, items

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
    # Who may come in stands before what lets anybody in, and goes after it.
    frozenset({"AuthorizationPolicy", "RequestAuthentication"}),
)
"""Kinds in the order in which they are created; within a stage in parallel. Kinds that stand in
no set come after these, webhooks and admission policies last."""

LAST_STAGE = frozenset(
    {
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicyBinding",
    }
)

KUBERNETES_GROUPS = ".k8s.io"
"""End of the API groups that Kubernetes' own projects define, defaults included."""

CLOSED_GROUPS = frozenset({"rbac.authorization.k8s.io"})
CLOSED_KINDS = frozenset({"ConfigMap"})

KEPT = frozenset({"CustomResourceDefinition"})
"""Never deleted as a side effect: other people's objects would go with them."""


def stage_of(ref: Ref) -> int:
    """Return the number of the stage an object is applied in."""
    for number, kinds in enumerate(STAGES):
        if ref.kind in kinds:
            return number
    return len(STAGES) + (1 if ref.kind in LAST_STAGE else 0)


def is_closed(ref: Ref) -> bool:
    """Return whether everything in a live object of this kind must come from its author.

    Nobody completes roles, ConfigMaps, and the custom resources of other projects, so anything
    that we did not write there (a rule in a policy that allows nothing) is drift.
    """
    group = ref.api_version.rpartition("/")[0]
    custom = "." in group and not group.endswith(KUBERNETES_GROUPS)
    return custom or group in CLOSED_GROUPS or ref.kind in CLOSED_KINDS


def keep_what_others_set(desired: Manifest, live: Manifest) -> Manifest:
    """Return what to want of a live object once other controllers have taken fields over.

    A webhook's server writes its ``caBundle`` and ``failurePolicy``: ours on creation only.
    (Replicas need no entry here: a workload that an autoscaler scales is rendered without them.)
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
