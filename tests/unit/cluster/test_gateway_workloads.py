# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether what istiod makes of a Gateway works, as a status says it."""

import datetime
from typing import Any

import httpx2
import pytest
from istio_ambient import gateways, kube, resources
from istio_ambient.cluster import gateway_workloads
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

IDENTITY = resources.identity("shop", "gate")
FIRST, LATER = (datetime.datetime(2026, 1, day, tzinfo=datetime.UTC) for day in (1, 2))


class Client:
    """Answers with one Deployment, or that there is none."""

    def __init__(self, deployment: Deployment | None = None):
        self.deployment = deployment

    def get(self, *_: Any, **__: Any) -> Any:
        if self.deployment:
            return self.deployment
        request = httpx2.Request("GET", "http://api")
        raise httpx2.HTTPStatusError("", request=request, response=httpx2.Response(404))


def live(*objects: Any, missing: frozenset[Any] = frozenset()) -> kube.Live:
    found = {kube.ref_of(obj): obj for obj in objects}
    return kube.Live(IDENTITY, gateways.KINDS, found, missing)


def made(kind: Any, name: str, when: datetime.datetime) -> Any:
    return kind(metadata=ObjectMeta(name=name, namespace="shop", creationTimestamp=when))


GATEWAY = made(resources.Gateway, "gate", LATER)
PARAMETERS = made(ConfigMap, "gate-parameters", FIRST)
DONE = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


@pytest.mark.parametrize(
    ("given", "reason", "since"),
    [
        (live(PARAMETERS, GATEWAY), "is istio-k8s deployed?", LATER),
        (live(PARAMETERS), "there is no Gateway yet", FIRST),
        (live(), "there is no Gateway yet", None),
        (
            live(PARAMETERS, missing=frozenset({resources.Gateway})),
            "does not serve Gateway yet: is istio-k8s deployed?",
            FIRST,
        ),
    ],
)
def test_what_is_missing_and_since_when(
    given: kube.Live, reason: str, since: datetime.datetime | None
):
    client: Any = Client()
    found = gateway_workloads.readiness(
        client, given, what="gateway", name="gate", workload="gate-istio"
    )
    assert not found.ready
    assert reason in found.reason
    assert found.since == since


def test_what_istiod_made_is_what_counts():
    manifest: dict[str, Any] = {
        "metadata": {"name": "gate-istio", "namespace": "shop", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {}}, "template": {}},
        "status": DONE,
    }
    kind: Any = Deployment
    client: Any = Client(kind.from_dict(manifest))
    assert gateway_workloads.readiness(
        client, live(GATEWAY), what="gateway", name="gate", workload="gate-istio"
    ).ready
