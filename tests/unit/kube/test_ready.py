# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Readiness: whether a workload works, and the reason that its pods give otherwise."""

from typing import Any

import httpx2
import pytest
from istio_ambient import kube
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import Pod


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


UNMADE = kube.Readiness("x", ready=False, reason="no controller made it")


def of_deployment(client: Any) -> kube.Readiness:
    return kube.deployment_readiness(client, "n", "x", "x", UNMADE)


def test_the_readiness_of_a_deployment_that_a_controller_makes():
    done = deployment(observedGeneration=1, updatedReplicas=2, availableReplicas=2)
    assert of_deployment(Cluster(found=done)).ready
    assert of_deployment(Cluster()) is UNMADE
    with pytest.raises(httpx2.HTTPStatusError):
        of_deployment(Cluster(code=403))
