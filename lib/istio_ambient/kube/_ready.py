# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether a workload is ready, and otherwise why not: read once, without waiting."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import httpx2
from lightkube.models.core_v1 import ContainerStatus
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import Pod

from istio_ambient.kube import _faults
from istio_ambient.kube._client import Client


@dataclass(frozen=True)
class Readiness:
    """Whether something works, and what it waits for otherwise."""

    what: str
    """What waits, as a status names it."""
    ready: bool
    reason: str = ""
    """What it waits for; empty where it is ready."""
    since: datetime.datetime | None = None
    """When the wait began, from timestamps in the cluster, so that nothing has to be stored to
    find a wait too long; None: unknown."""

    def waited_longer_than(self, seconds: float) -> bool:
        """Return whether the wait has lasted longer than this."""
        if self.ready or self.since is None:
            return False
        return (datetime.datetime.now(datetime.UTC) - self.since).total_seconds() > seconds


def workload_readiness(
    client: Client, workload: Deployment | DaemonSet | None, what: str
) -> Readiness:
    """Return the readiness of a Deployment or DaemonSet.

    Its pods are listed (one request) only when it is not ready.

    Args:
        client: lists the pods.
        workload: as it was read; None where it does not exist yet.
        what: how a status names it.

    Raises:
        httpx2.HTTPError: on any answer but success.
    """
    if workload is None:
        return Readiness(what, ready=False, reason="not created yet")
    if rolled_out(workload):
        return Readiness(what, ready=True)
    pods = _pods(client, workload)
    reason = pods_reason(pods) or _replica_failure(workload) or progress(workload)
    return Readiness(what, ready=False, reason=reason, since=_since(workload, pods))


def deployment_readiness(
    client: Client, namespace: str, name: str, what: str, unmade: Readiness
) -> Readiness:
    """Return the readiness of a Deployment that a controller makes; `unmade` while it is absent.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    try:
        deployment = client.get(Deployment, name, namespace=namespace)
    except httpx2.HTTPStatusError as error:
        if _faults.code_of(error) != 404:
            raise
        return unmade
    return workload_readiness(client, deployment, what)


def _replica_failure(workload: Deployment | DaemonSet) -> str:
    """Return why a Deployment may not create pods, such as a quota or an admission webhook."""
    for condition in (workload.status.conditions if workload.status else None) or ():
        if condition.type == "ReplicaFailure" and condition.status == "True":
            return f"{condition.reason or condition.type}: {condition.message or ''}".strip(": ")
    return ""


def _pods(client: Client, workload: Deployment | DaemonSet) -> list[Pod]:
    spec, metadata = workload.spec, workload.metadata
    labels = cast(dict[str, str], spec.selector.matchLabels) if spec else {}  # pyright: ignore[reportUnknownMemberType]
    namespace = (metadata and metadata.namespace) or ""
    return list(client.list(Pod, namespace=namespace, labels=labels))


def available(workload: Deployment | DaemonSet) -> int:
    """Return the number of pods that work, of any version."""
    if isinstance(workload, Deployment):
        return (workload.status and workload.status.availableReplicas) or 0
    return (workload.status and workload.status.numberAvailable) or 0


def rolled_out(workload: Deployment | DaemonSet) -> bool:
    """Return whether all pods work and are of the version that was applied last."""
    status = workload.status
    generation = (workload.metadata.generation if workload.metadata else None) or 0
    if status is None or (status.observedGeneration or 0) < generation:
        return False
    updated, available, desired = _counts(workload)
    return min(updated, available) >= desired and not _outdated(workload)


def _outdated(workload: Deployment | DaemonSet) -> int:
    """Return how many pods of an older version a Deployment still has.

    While there are any, the available pods may be these, and the new ones still start.
    """
    if isinstance(workload, DaemonSet) or workload.status is None:
        return 0
    return max(0, (workload.status.replicas or 0) - (workload.status.updatedReplicas or 0))


def _counts(workload: Deployment | DaemonSet) -> tuple[int, int, int]:
    """Return (updated, available, desired) numbers of pods."""
    if isinstance(workload, Deployment):
        status, spec = workload.status, workload.spec
        desired = spec.replicas if spec and spec.replicas is not None else 1
        if status is None:
            return 0, 0, desired
        return status.updatedReplicas or 0, status.availableReplicas or 0, desired
    daemons = workload.status
    if daemons is None:
        return 0, 0, 1
    return (
        daemons.updatedNumberScheduled or 0,
        daemons.numberAvailable or 0,
        daemons.desiredNumberScheduled or 0,
    )


def progress(workload: Deployment | DaemonSet) -> str:
    """Return the progress of a rollout, such as `1 of 3 pods ready`."""
    updated, available, desired = _counts(workload)
    outdated = _outdated(workload)
    if outdated and min(updated, available) >= desired:
        return f"{outdated} pods of the previous version still serve"
    return f"{min(updated, available)} of {desired} pods ready"


def pods_reason(pods: Iterable[Pod]) -> str:
    """Return why pods are not ready, from the first pod that gives a reason; empty without one."""
    for pod in sorted(pods, key=lambda pod: (pod.metadata and pod.metadata.name) or ""):
        reason = _pod_reason(pod)
        if reason:
            return f"pod {pod.metadata.name if pod.metadata else ''}: {reason}"
    return ""


def _pod_reason(pod: Pod) -> str:
    status = pod.status
    if status is None:
        return ""
    for container in (*(status.initContainerStatuses or ()), *(status.containerStatuses or ())):
        reason = _container_reason(container)
        if reason:
            return reason
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status != "True":
            return f"{condition.reason or 'not scheduled'}: {condition.message or ''}".strip(": ")
    return ""


def _container_reason(container: ContainerStatus) -> str:
    state = container.state
    if state is None:
        return ""
    if state.waiting and state.waiting.reason not in (
        None,
        "ContainerCreating",
        "PodInitializing",
    ):
        return f"{state.waiting.reason}: {state.waiting.message or container.image}"
    if state.terminated and state.terminated.exitCode:
        return f"container {container.name} ended with {state.terminated.exitCode}"
    return ""


def _since(workload: Deployment | DaemonSet, pods: Sequence[Pod]) -> datetime.datetime | None:
    """Return since when pods have not been ready: the earliest such transition."""
    found = [
        condition.lastTransitionTime
        for pod in pods
        for condition in (pod.status.conditions if pod.status else None) or ()
        if condition.type in ("Ready", "PodScheduled") and condition.status != "True"
    ]
    times = [time for time in found if time is not None]
    if times:
        return min(times)
    return workload.metadata.creationTimestamp if workload.metadata else None
