# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether a workload is ready, and otherwise why not: read once, without waiting."""

import datetime
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import Event, Pod

from istio_ambient.kube import _faults, _requests
from istio_ambient.kube._client import Client
from istio_ambient.kube._objects import Manifest, items, manifest_of, ref_of, section, time_of
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.text import make_printable, printable

POD_SECURITY_LABEL = "pod-security.kubernetes.io/enforce"
"""The label of a namespace with the Pod Security Standard that its pods have to meet."""
_POD_SECURITY = "violates PodSecurity"
"""What the API server says of pods that do not."""
_CRASHED = "CrashLoopBackOff"
_CODE = Code.WORKLOAD_NOT_READY
_MAX_LOG = 4096
"""Characters of a termination message; Kubernetes keeps 4096 bytes of a file, 2048 of a log."""

_MAX_CAUSE = 100
_LOG_PREFIX = r"(?a)^(\S{1,40}Z\s+(error|fatal|warn|info|debug)|Error:)\s+"
_LOG_ERROR = r"(?i)\b(error|failed|failure|fatal|cannot|panic|invalid)\b"


class Readiness(msgspec.Struct, frozen=True):
    """Whether something works, and what it waits for otherwise."""

    what: str
    """What waits, as a status names it."""
    ready: bool
    code: Code
    """What kind of problem it is while it is not ready."""
    reason: str = ""
    """What it waits for; empty where it is ready."""
    since: datetime.datetime | None = None
    """When the wait began, from timestamps in the cluster, so that nothing has to be stored to
    find a wait too long; None: unknown."""
    told_late: bool = False
    """The wait is usual and hinders nothing else: it is reported only once it is too long."""
    remedy: str = ""
    """What to do about it; empty: to wait, or what the reason says."""
    image: str = ""
    """Of the workload's first container; empty: it has none, or does not exist."""

    def __post_init__(self) -> None:
        make_printable(self)

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
        RequestError: on any answer but success.
    """
    if workload is None:
        return Readiness(what, ready=False, reason="not created yet", code=_CODE)
    manifest = manifest_of(workload)
    image = image_of(manifest)
    reason, remedy = _unwanted(workload)
    if reason:
        since = _since(manifest, ())
        return Readiness(
            what, ready=False, reason=reason, since=since, image=image, remedy=remedy, code=_CODE
        )
    if rolled_out(workload):
        return Readiness(what, ready=True, image=image, code=_CODE)
    pods = _pods(client, manifest)
    since = _since(manifest, pods)
    reason = _pods_reason(pods) or _replica_failure(manifest)
    refusal = "" if reason else _refusal(client, manifest, pods)
    if is_of_pod_security(refusal):
        remedy = allow_any_pod(str(manifest["metadata"].get("namespace", "")))
        return Readiness(
            what,
            ready=False,
            reason=refusal,
            since=since,
            image=image,
            remedy=remedy,
            code=Code.POD_SECURITY,
        )
    reason = reason or refusal or _progress(workload)
    return Readiness(what, ready=False, reason=reason, since=since, image=image, code=_CODE)


def deployment_readiness(
    client: Client, namespace: str, name: str, what: str, unmade: Readiness
) -> Readiness:
    """Return the readiness of a Deployment that a controller makes; `unmade` while it is absent.

    Raises:
        RequestError: on any answer but success or 404.
    """
    with _faults.absence_allowed():
        deployment = _requests.read(client, Deployment, name, namespace)
        return workload_readiness(client, deployment, what)
    return unmade


def _unwanted(workload: Deployment | DaemonSet) -> tuple[str, str]:
    """Return why a workload is to have no pod at all, and the remedy; empty: it is to have some.

    No autoscaler acts on a Deployment of 0 replicas.
    """
    generation = (workload.metadata.generation if workload.metadata else None) or 0
    observed = (workload.status.observedGeneration if workload.status else None) or 0
    if observed < generation or _counts(workload).desired:
        return "", ""
    if isinstance(workload, DaemonSet):
        return "no node matches its node selector and tolerations", ""
    ref = ref_of(workload)
    command = f"kubectl -n {ref.namespace} scale deployment {ref.name} --replicas=1"
    return "it is scaled to 0 replicas", command


def image_of(workload: Manifest) -> str:
    """Return the image of the first container of a workload's pods; empty: it has none."""
    pod = section(section(section(workload, "spec"), "template"), "spec")
    return str(next((each.get("image") for each in items(pod, "containers")), None) or "")


def _replica_failure(workload: Manifest) -> str:
    """Return why a Deployment may not create pods, such as a quota or an admission webhook."""
    for condition in items(section(workload, "status"), "conditions"):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return _reason(condition, condition["type"])
    return ""


def is_of_pod_security(message: str) -> bool:
    """Return whether a pod is refused for the Pod Security Standard of its namespace."""
    return _POD_SECURITY in message


def allow_any_pod(namespace: str) -> str:
    """Return the command that lets a namespace have pods of any Pod Security Standard."""
    return f"kubectl label --overwrite ns {namespace} {POD_SECURITY_LABEL}=privileged"


def _refusal(client: Client, workload: Manifest, pods: Sequence[Manifest]) -> str:
    """Return why pods of a DaemonSet may not be created; empty: they are, or nobody says.

    Its status has no condition for it (kubernetes/kubernetes 100683), but its controller writes
    events, which last an hour.
    """
    if workload["kind"] != DaemonSet.__name__:
        return ""
    metadata = workload["metadata"]
    namespace = metadata.get("namespace", "")
    fields = {
        "involvedObject.kind": workload["kind"],
        "involvedObject.name": metadata["name"],
        "reason": "FailedCreate",
    }
    found = _requests.list_kind(client, Event, namespace=namespace, fields=fields)
    events = sorted(map(manifest_of, found or ()), key=_time_of)
    newest = max((each["metadata"].get("creationTimestamp", "") for each in pods), default="")
    # What was refused before a pod was created is corrected.
    if not events or _time_of(events[-1]) < newest:
        return ""
    return printable(str(events[-1].get("message") or "").removeprefix("Error creating: "))


def _time_of(event: Manifest) -> str:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event.get("firstTimestamp"))
    return str(next(filter(None, times), ""))


def _reason(condition: Manifest, default: str) -> str:
    return f"{condition.get('reason') or default}: {condition.get('message') or ''}".strip(": ")


def _pods(client: Client, workload: Manifest) -> list[Manifest]:
    labels = section(section(section(workload, "spec"), "selector"), "matchLabels")
    namespace = workload["metadata"].get("namespace", "")
    pods = map(manifest_of, _requests.list_kind(client, Pod, labels, namespace) or ())
    return sorted(pods, key=lambda pod: pod["metadata"]["name"])


def available(workload: Deployment | DaemonSet) -> int:
    """Return the number of pods that work, of any version."""
    return _counts(workload).available


def rolled_out(workload: Deployment | DaemonSet) -> bool:
    """Return whether all pods work and are of the version that was applied last."""
    status = workload.status
    generation = (workload.metadata.generation if workload.metadata else None) or 0
    if status is None or (status.observedGeneration or 0) < generation:
        return False
    counts = _counts(workload)
    return counts.ready >= counts.desired and not counts.outdated


class _Counts(NamedTuple):
    """Numbers of pods of a workload."""

    updated: int
    available: int
    desired: int
    outdated: int = 0
    """Pods of an older version that a Deployment still has. While there are any, the available
    pods may be these, and the new ones still start."""

    @property
    def ready(self) -> int:
        return min(self.updated, self.available)


def _counts(workload: Deployment | DaemonSet) -> _Counts:
    manifest = manifest_of(workload)
    count = section(manifest, "status").get
    if isinstance(workload, DaemonSet):
        desired = count("desiredNumberScheduled", 1)
        return _Counts(count("updatedNumberScheduled", 0), count("numberAvailable", 0), desired)
    updated, desired = count("updatedReplicas", 0), section(manifest, "spec").get("replicas", 1)
    outdated = max(0, count("replicas", 0) - updated)
    return _Counts(updated, count("availableReplicas", 0), desired, outdated)


def _progress(workload: Deployment | DaemonSet) -> str:
    """Return the progress of a rollout, such as `1 of 3 pods ready`."""
    counts = _counts(workload)
    if counts.outdated and counts.ready >= counts.desired:
        return f"{counts.outdated} pods of the previous version still serve"
    return f"{counts.ready} of {counts.desired} pods ready"


def _pods_reason(pods: Iterable[Manifest]) -> str:
    """Return why pods are not ready, from the first pod that gives a reason; empty without one."""
    reasons = ((pod["metadata"]["name"], _pod_reason(section(pod, "status"))) for pod in pods)
    return next((f"pod {name}: {reason}" for name, reason in reasons if reason), "")


def _pod_reason(status: Manifest) -> str:
    containers = (*items(status, "initContainerStatuses"), *items(status, "containerStatuses"))
    for reason in filter(None, map(_container_reason, containers)):
        return reason
    for condition in items(status, "conditions"):
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return _reason(condition, "not scheduled")
    return ""


def _container_reason(container: Manifest) -> str:
    state, last = section(container, "state"), section(container, "lastState")
    waiting, previous = section(state, "waiting"), section(last, "terminated")
    ended = _end(section(state, "terminated"))
    if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing", _CRASHED):
        return f"{waiting['reason']}: {waiting.get('message') or container['image']}"
    if not ended and not container.get("ready"):
        # Also while the next attempt runs: it may take a while to end like the one before.
        ended = _end(previous) or waiting.get("message") or ""
    return f"container {container['name']} {ended}" if ended else ""


def _end(terminated: Manifest) -> str:
    """Return how a container failed, with the line of its log that says why; else empty."""
    code, reason = terminated.get("exitCode"), terminated.get("reason")
    if not code:
        return ""
    how = f"ended with {code}" + (f" ({reason})" if reason not in (None, "", "Error") else "")
    line = _decisive_line(terminated.get("message") or "")
    # A status is cut before what follows the last semicolon: the cause, last in Go's errors.
    context, _, cause = line.rpartition(": ")
    cause = printable(cause, _MAX_CAUSE)
    if context:
        return f"{how}: {printable(context, _MAX_CAUSE)}; {cause}"
    return f"{how}: {cause}" if cause else how


def _decisive_line(log: str) -> str:
    """Return the last line about an error, without time and level; else the last line."""
    lines = [line.strip() for line in log[-_MAX_LOG:].split("\n") if line.strip()]
    errors = [line for line in lines if re.search(_LOG_ERROR, line)]
    return re.sub(_LOG_PREFIX, "", next(reversed(errors or lines), ""))


def _since(workload: Manifest, pods: Sequence[Manifest]) -> datetime.datetime | None:
    """Return since when pods have not been ready: the earliest such transition."""
    found = [
        condition.get("lastTransitionTime")
        for pod in pods
        for condition in items(section(pod, "status"), "conditions")
        if condition["type"] in ("Ready", "PodScheduled") and condition["status"] != "True"
    ]
    times = [time for time in found if time] or [workload["metadata"].get("creationTimestamp")]
    return min((time for time in map(time_of, times) if time), default=None)
