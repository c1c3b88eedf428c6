# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Readiness: whether a workload works, and the reason that its pods give otherwise."""

from typing import Any

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from istio_ambient import kube
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.text import MAX_MESSAGE, shortened
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import Event, Pod


def load(kind: Any, **content: Any) -> Any:
    return kind.from_dict(content)


def deployment(
    replicas: int = 2, generation: int = 1, total: int | None = None, **status: Any
) -> Deployment:
    """Return a Deployment of `replicas` pods, which has `total` pods of all versions."""
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "x"}}, "template": {}}
    metadata = {"name": "x", "namespace": "n", "generation": generation}
    return load(
        Deployment,
        metadata=metadata,
        spec=spec,
        status={**status, "replicas": replicas if total is None else total},
    )


def without_pods(**status: int) -> DaemonSet:
    """Return a DaemonSet whose pods are not created: its status does not say so."""
    counts = {"currentNumberScheduled": 0, "desiredNumberScheduled": 1, "numberMisscheduled": 0}
    return load(
        DaemonSet,
        metadata={"name": "x", "namespace": "n", "generation": 1},
        spec={"selector": {"matchLabels": {"app": "x"}}, "template": {}},
        status={**counts, "numberReady": 0, **status},
    )


class Pods:
    """A client that lists these pods, and counts its lists."""

    def __init__(self, *pods: Pod):
        self.pods, self.lists = pods, 0

    def list(self, *_: Any, **__: Any) -> Any:
        self.lists += 1
        return self.pods


def readiness(workload: Any, *pods: Pod) -> tuple[kube.Readiness, int]:
    client: Any = Pods(*pods)
    return kube.workload_readiness(client, workload, "x"), client.lists


def test_a_finished_rollout_is_ready_and_its_pods_are_not_listed():
    done = deployment(observedGeneration=1, updatedReplicas=2, availableReplicas=2)
    found, lists = readiness(done)
    assert found.ready
    assert lists == 0


@pytest.mark.parametrize(
    "workload",
    [
        deployment(observedGeneration=1, updatedReplicas=2, availableReplicas=1),
        deployment(observedGeneration=1, updatedReplicas=1, availableReplicas=2),
        deployment(generation=2, observedGeneration=1, updatedReplicas=2, availableReplicas=2),
        # Available is the pod of the previous version, as long as the new one does not start.
        deployment(
            replicas=1, observedGeneration=1, updatedReplicas=1, availableReplicas=1, total=2
        ),
        deployment(),
        load(
            DaemonSet,
            metadata={"name": "x", "generation": 1},
            spec={"selector": {}, "template": {}},
            status={
                "currentNumberScheduled": 3,
                "numberMisscheduled": 0,
                "numberReady": 2,
                "desiredNumberScheduled": 3,
                "updatedNumberScheduled": 3,
                "numberAvailable": 2,
                "observedGeneration": 1,
            },
        ),
        None,
    ],
)
def test_an_unfinished_rollout_is_not_ready(workload: Any):
    assert not readiness(workload)[0].ready


@pytest.mark.parametrize(
    ("workload", "reason", "remedy"),
    [
        (
            deployment(0, observedGeneration=1),
            "it is scaled to 0 replicas",
            "kubectl -n n scale deployment x --replicas=1",
        ),
        (
            without_pods(observedGeneration=1, desiredNumberScheduled=0),
            "no node matches its node selector and tolerations",
            "",
        ),
    ],
)
def test_what_is_to_have_no_pod_is_not_ready(workload: Any, reason: str, remedy: str):
    found, lists = readiness(workload)
    assert (found.ready, found.reason, found.remedy, lists) == (False, reason, remedy, 0)


def test_the_reason_is_that_of_the_pod():
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    container = {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    pod = load(
        Pod,
        metadata={"name": "x-1"},
        status={
            "containerStatuses": [{**container, "state": waiting}],
            "conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            ],
        },
    )
    found, lists = readiness(deployment(), pod)
    assert found.reason == "pod x-1: ImagePullBackOff: no such image"
    assert found.waited_longer_than(100)
    assert lists == 1


def test_the_reason_of_a_pod_that_cannot_be_scheduled_is_reported():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    pod = load(
        Pod,
        metadata={"name": "x-1"},
        status={"conditions": [{**condition, "message": "0/1 nodes are available"}]},
    )
    assert "Unschedulable: 0/1 nodes" in readiness(deployment(), pod)[0].reason


def test_the_reason_is_the_quota_where_it_allows_no_pod():
    refused = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "exceeded quota: small",
    }
    found, _ = readiness(deployment(observedGeneration=1, conditions=[refused]))
    assert found.reason == "FailedCreate: exceeded quota: small"


class Cluster(Pods):
    """A client that also reads one object, or answers with an error."""

    def __init__(self, *pods: Pod, found: Any = None, code: int = 404):
        super().__init__(*pods)
        self.found, self.code = found, code

    def get(self, *_: Any, **__: Any) -> Any:
        if self.found is not None:
            return self.found
        http = httpx2.Request("GET", "http://api")
        raise httpx2.HTTPStatusError("", request=http, response=httpx2.Response(self.code))


UNMADE = kube.Readiness(
    "x", ready=False, reason="no controller made it", code=Code.WORKLOAD_NOT_READY
)


def of_deployment(client: Any) -> kube.Readiness:
    return kube.deployment_readiness(client, "n", "x", "x", UNMADE)


def test_the_readiness_of_a_deployment_that_a_controller_makes():
    done = deployment(observedGeneration=1, updatedReplicas=2, availableReplicas=2)
    assert of_deployment(Cluster(found=done)).ready
    assert of_deployment(Cluster()) is UNMADE
    with pytest.raises(kube.RequestError, match="read Deployment n/x: HTTP 403"):
        of_deployment(Cluster(code=403))


def pod_with(*containers: dict[str, Any]) -> Pod:
    plain = {"name": "discovery", "image": "i", "imageID": "", "ready": False, "restartCount": 3}
    statuses = [{**plain, **container} for container in containers]
    return load(Pod, metadata={"name": "x-1"}, status={"containerStatuses": statuses})


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(code: int, message: str | None = None, reason: str = "Error") -> dict[str, Any]:
    found = {"exitCode": code, "reason": reason}
    return {"terminated": found | ({"message": message} if message is not None else {})}


LOG = """\
2026-11-26T08:00:00.000001Z\tinfo\tFLAG: --domain="cluster.local"
2026-11-26T08:00:00.000002Z\tinfo\tinitializing Istiod DNS certificates
2026-11-26T08:00:00.000003Z\terror\tfailed to create server: failed to create CA: x509: bad usage
2026-11-26T08:00:00.000004Z\tinfo\tshutting down
"""
CUT_89, CUT_99 = "x" * 89 + "\N{HORIZONTAL ELLIPSIS}", "z" * 99 + "\N{HORIZONTAL ELLIPSIS}"
BACK_OFF = waiting("CrashLoopBackOff", "back-off 40s restarting failed container")
CAUSE = "failed to create server: failed to create CA: x509; bad usage"


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"state": BACK_OFF, "lastState": terminated(255, LOG)}, f"ended with 255: {CAUSE}"),
        # While it runs again, until it is ready.
        (
            {"state": {"running": {}}, "lastState": terminated(255, LOG)},
            f"ended with 255: {CAUSE}",
        ),
        ({"state": terminated(1, "Error: no\nbye")}, "ended with 1: no"),
        (
            {"state": terminated(1, f"failed to {'x' * 900}: y: {'z' * 900}")},
            f"ended with 1: failed to {CUT_89}; {CUT_99}",
        ),
        ({"state": terminated(1, "one\ntwo\n\n")}, "ended with 1: two"),
        (
            {"state": terminated(2, "panic: nil map\n\ngoroutine 1:\nmain.go:7")},
            "ended with 2: panic; nil map",
        ),
        (
            {"state": BACK_OFF, "lastState": terminated(137, reason="OOMKilled")},
            "ended with 137 (OOMKilled)",
        ),
        ({"state": BACK_OFF, "lastState": terminated(1)}, "ended with 1"),
        ({"state": BACK_OFF}, "back-off 40s restarting failed container"),
    ],
)
def test_a_crash_is_reported_with_the_line_of_the_log_that_says_why(
    container: dict[str, Any], reason: str
):
    found, lists = readiness(deployment(), pod_with(container))
    assert found.reason == f"pod x-1: container discovery {reason}"
    assert lists == 1


@pytest.mark.parametrize(
    "container",
    [
        {"state": {"running": {}}, "ready": True, "lastState": terminated(255, LOG)},
        {"state": {"running": {}}},
        {"state": terminated(0, LOG, "Completed")},
        {"state": {"running": {}}, "lastState": terminated(0, LOG, "Completed")},
        {"state": waiting("ContainerCreating")},
        {},
    ],
)
def test_a_container_that_works_or_starts_is_no_reason(container: dict[str, Any]):
    assert readiness(deployment(), pod_with(container))[0].reason == "0 of 2 pods ready"


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("CreateContainerConfigError", 'secret "a" not found', ': secret "a" not found'),
        ("ErrImagePull", "", ": i"),
        ("InvalidImageName", "bad name", ": bad name"),
    ],
)
def test_another_reason_of_a_container_comes_with_its_message(
    reason: str, message: str, expected: str
):
    pod = pod_with({"state": waiting(reason, message)})
    assert readiness(deployment(), pod)[0].reason == f"pod x-1: {reason}{expected}"


def test_the_cause_stays_in_a_status_that_is_cut():
    pod = pod_with(
        {"state": BACK_OFF, "lastState": terminated(255, LOG.replace("CA:", "C" * 90 + ":"))}
    )
    text = shortened(f"istiod: {readiness(deployment(), pod)[0].reason}", 120)
    assert text.startswith("istiod: pod x-1: container discovery ended with 255: failed to")
    assert text.endswith("\N{HORIZONTAL ELLIPSIS}; bad usage")


@given(st.text(), st.text(), st.integers(0, 255))
@example("\x1b[31merror\x1b[0m \ud800 \n" * 9000, "\0\n; reboot", 1)
@example("error " * 9000, "x" * 9000, 1)
@example("Z\terror\t" * 9000, ": " * 9000, 1)
def test_any_message_of_a_container_is_printable_and_bounded(message: str, reason: str, code: int):
    for state in ("state", "lastState"):
        pod = pod_with({state: terminated(code, message, reason)})
        found = readiness(deployment(), pod)[0]
        assert found.reason.isprintable()
        assert 0 < len(found.reason) <= MAX_MESSAGE


class WithEvents(Pods):
    """A client that lists pods and events, and keeps what events it was asked for."""

    def __init__(self, pods: tuple[Pod, ...], *events: Event):
        super().__init__(*pods)
        self.events, self.fields = events, dict[str, str]()

    def list(self, res: Any, *_: Any, **selectors: Any) -> Any:
        if res is not Event:
            return self.pods
        self.fields = {**selectors["fields"], "namespace": selectors["namespace"]}
        return self.events


REFUSED = (
    'Error creating: pods "x-abcde" is forbidden: violates PodSecurity "baseline:latest": '
    'hostPath volumes (volume "cni-bin-dir")'
)


def refused(message: str, minute: int) -> Event:
    return load(
        Event,
        metadata={"name": f"x.{minute}", "namespace": "n"},
        involvedObject={"kind": "DaemonSet", "name": "x"},
        reason="FailedCreate",
        message=message,
        lastTimestamp=f"2026-01-01T00:{minute:02}:00Z",
    )


def test_a_daemon_set_that_may_not_create_pods_says_why_and_what_to_do():
    client: Any = WithEvents((), refused(REFUSED, 5), refused("Error creating: quota", 3))
    found = kube.workload_readiness(client, without_pods(), "x")
    assert not found.ready
    assert found.reason.startswith('pods "x-abcde" is forbidden: violates PodSecurity "baseline')
    assert found.code is Code.POD_SECURITY
    command = "kubectl label --overwrite ns n pod-security.kubernetes.io/enforce=privileged"
    assert found.remedy == command
    assert client.fields == {
        "involvedObject.kind": "DaemonSet",
        "involvedObject.name": "x",
        "reason": "FailedCreate",
        "namespace": "n",
    }


def test_other_refusals_of_pods_are_quoted():
    client: Any = WithEvents((), refused("Error creating: exceeded quota: pods", 5))
    found = kube.workload_readiness(client, without_pods(), "x")
    assert (found.reason, found.code, found.remedy) == (
        "exceeded quota: pods",
        Code.WORKLOAD_NOT_READY,
        "",
    )


def test_what_was_refused_before_a_pod_was_created_is_corrected():
    pod = load(
        Pod,
        metadata={"name": "x-1", "namespace": "n", "creationTimestamp": "2026-01-01T00:06:00Z"},
        spec={"containers": []},
        status={},
    )
    client: Any = WithEvents((pod,), refused(REFUSED, 5))
    assert kube.workload_readiness(client, without_pods(), "x").reason == "0 of 1 pods ready"
    client = WithEvents((pod,), refused(REFUSED, 7))
    assert "violates PodSecurity" in kube.workload_readiness(client, without_pods(), "x").reason


def test_a_deployment_has_a_condition_for_it_and_no_events_are_read():
    client: Any = WithEvents((), refused(REFUSED, 5))
    found = kube.workload_readiness(client, deployment(observedGeneration=1), "x")
    assert (found.reason, client.fields) == ("0 of 2 pods ready", {})
