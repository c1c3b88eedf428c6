# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The applications and workloads that pods belong to."""

from collections.abc import Iterable

from istio_ambient import kube
from istio_ambient.authorization import _requests
from istio_ambient.authorization.evaluator import _snapshot
from istio_ambient.authorization.evaluator._snapshot import Manifest

_POD_LABELS = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "controller-revision-hash",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Labels by which pods of one workload differ."""


def application(pod: Manifest) -> str:
    """Return the application of a pod: from its labels, else its controller, else its name."""
    labels = _snapshot.labels(pod)
    owners = kube.items(pod["metadata"], "ownerReferences")
    named = labels.get(_requests.NAME_LABEL) or labels.get("app")
    if named or not owners:
        return named or _snapshot.name(pod)
    # The Deployment of a ReplicaSet, whose name ends with the hash of the pod template.
    return owners[0]["name"].removesuffix(f"-{labels.get('pod-template-hash')}")


def workloads(pods: Iterable[Manifest]) -> list[list[Manifest]]:
    """Return the pods in groups with the same policies, in a stable order.

    Pods of a group have the same namespace, application and labels, but for labels of single pods,
    and ztunnel takes the same connections to them.
    """
    groups: dict[tuple[str, str, bool, tuple[tuple[str, str], ...]], list[Manifest]] = {}
    for pod in pods:
        labels = sorted(
            (name, value)
            for name, value in _snapshot.labels(pod).items()
            if name not in _POD_LABELS
        )
        bypassing = _snapshot.is_bypassing(pod)
        key = _snapshot.namespace(pod), application(pod), bypassing, tuple(labels)
        groups.setdefault(key, []).append(pod)
    return [sorted(groups[group], key=_snapshot.name) for group in sorted(groups)]
