# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Readiness: what a rollout waits for, in the words of its pods."""

from typing import Any

import httpx2
import pytest
from istio_ambient import kube
from istio_ambient.cluster import nodes
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import Node, Pod


def load(kind: Any, **content: Any) -> Any:
    return kind.from_dict(content)


def deployment(
    replicas: int = 2, generation: int = 1, total: int | None = None, **status: Any
) -> Deployment:
    """Return a Deployment that wants `replicas` pods, and has `total` of all versions."""
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "x"}}, "template": {}}
    metadata = {"name": "x", "namespace": "n", "generation": generation}
    return load(
        Deployment,
        metadata=metadata,
        spec=spec,
        status={**status, "replicas": replicas if total is None else total},
    )


class Pods:
    """A client that lists these pods, and counts how often it is asked."""

    def __init__(self, *pods: Pod):
        self.pods, self.asked = pods, 0

    def list(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        return self.pods


def readiness(workload: Any, *pods: Pod) -> tuple[kube.Readiness, int]:
    client: Any = Pods(*pods)
    return kube.workload_readiness(client, workload, "x"), client.asked


def test_a_finished_rollout_is_ready_and_no_pod_is_asked_for():
    done = deployment(observedGeneration=1, updatedReplicas=2, availableReplicas=2)
    found, asked = readiness(done)
    assert found.ready
    assert asked == 0


@pytest.mark.parametrize(
    "workload",
    [
        deployment(observedGeneration=1, updatedReplicas=2, availableReplicas=1),
        deployment(observedGeneration=1, updatedReplicas=1, availableReplicas=2),
        deployment(generation=2, observedGeneration=1, updatedReplicas=2, availableReplicas=2),
        # Available is the pod of the version before, as long as the new one does not start.
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
def test_anything_less_is_not(workload: Any):
    assert not readiness(workload)[0].ready


def test_the_reason_is_what_the_pod_says():
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
    found, asked = readiness(deployment(), pod)
    assert found.reason == "pod x-1: ImagePullBackOff: no such image"
    assert found.waited_longer_than(100)
    assert asked == 1


def test_a_pod_that_cannot_be_scheduled_says_why():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    pod = load(
        Pod,
        metadata={"name": "x-1"},
        status={"conditions": [{**condition, "message": "0/1 nodes are available"}]},
    )
    assert "Unschedulable: 0/1 nodes" in readiness(deployment(), pod)[0].reason


def test_a_quota_that_allows_no_pods_is_the_cause_where_there_is_no_pod():
    refused = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "exceeded quota: small",
    }
    found, _ = readiness(deployment(observedGeneration=1, conditions=[refused]))
    assert found.reason == "FailedCreate: exceeded quota: small"


class Cluster(Pods):
    """A client that also reads one object, or answers that it is not there."""

    def __init__(self, *pods: Pod, found: Any = None, code: int = 404):
        super().__init__(*pods)
        self.found, self.code, self.read = found, code, ""

    def get(self, _: Any, name: str, **__: Any) -> Any:
        self.read = name
        if self.found is not None:
            return self.found
        http = httpx2.Request("GET", "http://api")
        raise httpx2.HTTPStatusError("", request=http, response=httpx2.Response(self.code))


UNMADE = kube.Readiness("x", ready=False, reason="nobody made it")


def of_deployment(client: Any) -> kube.Readiness:
    return kube.deployment_readiness(client, "n", "x", "x", UNMADE)


def test_a_deployment_that_somebody_else_makes():
    done = deployment(observedGeneration=1, updatedReplicas=2, availableReplicas=2)
    assert of_deployment(Cluster(found=done)).ready
    assert of_deployment(Cluster()) is UNMADE
    with pytest.raises(httpx2.HTTPStatusError):
        of_deployment(Cluster(code=403))


def on_node(name: str, node: str, created: str, ready: str = "True") -> Pod:
    return load(
        Pod,
        metadata={"name": name, "creationTimestamp": f"2026-01-0{created}T00:00:00Z"},
        spec={"nodeName": node, "containers": []},
        status={
            "hostIP": "10.0.0.9",
            "conditions": [{"type": "Ready", "status": ready}],
        },
    )


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([("InternalIP", "10.0.0.1"), ("ExternalIP", "192.0.2.1")], "192.0.2.1"),
        ([("Hostname", "node-1"), ("InternalIP", "10.0.0.1")], "10.0.0.1"),
        ([("InternalIP", "10.0.0.1"), ("InternalIP", "2001:db8::1")], "10.0.0.1"),
        ([("Hostname", "node-1")], "10.0.0.9"),
    ],
)
def test_the_address_of_the_node_that_runs_the_oldest_ready_pod(
    addresses: list[tuple[str, str]], expected: str
):
    node = load(
        Node,
        metadata={"name": "older"},
        status={"addresses": [{"type": kind, "address": a} for kind, a in addresses]},
    )
    pods = (
        on_node("a", "newer", "3"),
        on_node("b", "older", "2"),
        on_node("c", "oldest", "1", ready="False"),
    )
    client: Any = Cluster(*pods, found=node)
    assert nodes.node_address(client, "n", {}) == expected
    assert client.read == "older"


def test_no_ready_pod_no_node():
    client: Any = Cluster(on_node("a", "node", "1", ready="False"))
    assert nodes.node_address(client, "n", {}) == ""
