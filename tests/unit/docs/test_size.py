# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about sizes has the resources that pods get by default."""

import json
from collections.abc import Mapping
from typing import Any

from istio_ambient import gateways, kube, manifests
from istio_ambient.values.pods import DEFAULT_RESOURCES

from tests.unit.docs import pages

PAGE = "how-to/size.md"
MARKER = "held equal to the code: tests/unit/docs/test_size.py"
COMPONENTS = {"istio-cni": "cni"}
"""Components whose options have another name."""


def rendered(replicas: int) -> list[dict[str, Any]]:
    control_plane = manifests.ControlPlane(namespace="istio-system", replicas=replicas)
    return [kube.manifest_of(obj) for obj in manifests.render(control_plane)]


def amounts(resources: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in resources.items()) or "none"


def test_the_table_has_the_default_resources():
    shown = {COMPONENTS.get(row[0], row[0]): row[2:] for row in pages.table(PAGE, MARKER)}
    assert shown == {
        name: [amounts(each.requests), amounts(each.limits), f"`{name}-resources`"]
        for name, each in DEFAULT_RESOURCES.items()
    }


def test_the_disruption_budgets_are_as_the_page_says():
    def of_istiod(replicas: int) -> list[Any]:
        kinds = (each for each in rendered(replicas) if each["kind"] == "PodDisruptionBudget")
        return [each["spec"]["minAvailable"] for each in kinds]

    gateway = gateways.Gateway("gate", "shop", "istio", workload="gate-istio", listeners=())
    made = [kube.manifest_of(obj) for obj in gateways.objects(gateway)]
    (parameters,) = (each["data"] for each in made if each["kind"] == "ConfigMap")
    budget = json.loads(parameters["podDisruptionBudget"])["spec"]
    assert [of_istiod(1), of_istiod(2)] == [[], [1]]
    assert budget == {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    text = (pages.DOCS / PAGE).read_text()
    assert "`minAvailable: 1`, with two replicas or more" in text
    assert "`maxUnavailable: 1`; pods that are not ready do not delay a drain" in text


def test_the_example_adds_up():
    def total(pods: Mapping[str, int], resource: str) -> float:
        text = {name: DEFAULT_RESOURCES[name].requests[resource] for name in pods}
        return sum(int(text[name].rstrip("mMi")) * number for name, number in pods.items())

    pods = {"istiod": 1, "cni": 3, "ztunnel": 3, "waypoint": 2, "gateway": 1}
    text = (pages.DOCS / PAGE).read_text()
    cpus, gibibytes = total(pods, "cpu") / 1000, total(pods, "memory") / 1024
    assert f"request {cpus:.1f} CPUs and {gibibytes:.1f} GiB" in text
