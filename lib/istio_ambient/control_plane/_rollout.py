# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The rollout: an upgrade component by component, decided from live objects alone.

The order is istiod, istio-cni, ztunnel, and the templates of waypoints and gateways. A component
keeps its version until the one before it is up to date and ready: one that does not become ready
stops the upgrade before the data plane is changed. Source of the order:
https://istio.io/latest/docs/ambient/upgrade/helm/.
"""

from collections.abc import Iterable
from typing import cast

from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import ConfigMap

from istio_ambient import kube
from istio_ambient.values.labels import NAME_LABEL

ISTIOD = "istiod"
WORKLOADS: tuple[tuple[kube.ResourceType, str], ...] = (
    (Deployment, ISTIOD),
    (DaemonSet, "istio-cni-node"),
    (DaemonSet, "ztunnel"),
)
"""Kinds and names of the workloads, in the order of an upgrade."""

STAGES = ("istiod", "istio-cni", "ztunnel", "waypoints and gateways")
"""Components in the order of an upgrade; the first three are values of the name label."""

_TEMPLATES = "istio-sidecar-injector"


def held(objects: Iterable[kube.Resource], live: kube.Live) -> dict[kube.Ref, str]:
    """Return the objects that are held, and the reason for each.

    A component without a ready pod is upgraded at once: it serves no requests, and its next
    version may restore the network of the cluster.

    Args:
        objects: the desired objects, all of them.
        live: our objects in the cluster.
    """
    wanted = {kube.ref_of(obj): obj for obj in objects}
    components = {
        ref: component
        for ref, obj in {**live.objects, **wanted}.items()
        if (component := _component(ref, obj)) is not None
    }
    waits: dict[int, str] = {}
    for number, name in enumerate(STAGES[:-1]):
        pending = any(
            not kube.is_applied(obj, live)
            for ref, obj in wanted.items()
            if components.get(ref) == number
        )
        if pending or not _ready(number, live):
            reason = f"waits until {name} is up to date and ready"
            waits = dict.fromkeys(range(number + 1, len(STAGES)), reason)
            break
    return {
        ref: f"{STAGES[number]} {waits[number]}"
        for ref, number in components.items()
        if number in waits and not _down(number, live)
    }


def _component(ref: kube.Ref, obj: kube.Resource) -> int | None:
    """Return the stage of an object; None: it has none, and is never held."""
    if ref.kind == ConfigMap.__name__ and ref.name == _TEMPLATES:
        return len(STAGES) - 1
    labels = cast(dict[str, str], (obj.metadata and obj.metadata.labels) or {})
    name = labels.get(NAME_LABEL)
    return STAGES.index(name) if name in STAGES else None


def _workload(number: int, live: kube.Live) -> Deployment | DaemonSet | None:
    kind, name = WORKLOADS[number]
    return live.get(kind, name, live.identity.namespace)


def _ready(number: int, live: kube.Live) -> bool:
    workload = _workload(number, live)
    return workload is not None and kube.rolled_out(workload)


def _down(number: int, live: kube.Live) -> bool:
    if number >= len(WORKLOADS):
        return False
    workload = _workload(number, live)
    return workload is None or kube.available(workload) == 0
