# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Options of waypoints and gateways: what is taken, and how a wrong value is named."""

from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from istio_ambient import gateways, manifests

CHARMS = Path(__file__).parents[3] / "charms"
Component = Literal["waypoint", "gateway"]


def declared(charm: str) -> dict[str, Any]:
    found = yaml.safe_load((CHARMS / charm / "charmcraft.yaml").read_text())["config"]["options"]
    return {name: option["default"] for name, option in found.items() if "default" in option}


def refused(component: Component, option: str, value: object) -> str:
    found, problems = gateways.parse_settings(component, {option: value})
    assert found is None
    (problem,) = problems
    assert problem.field.split(" ")[0] == option
    assert problem.remedy
    return str(problem)


def test_defaults_are_those_of_charmcraft_yaml():
    plain = manifests.PodSettings()
    config = declared("istio-beacon-k8s")
    assert {"waypoint-resources", "waypoint-tolerations", "waypoint-node-selector"} <= set(config)
    assert gateways.parse_settings("waypoint", config) == (gateways.Settings(plain), [])
    config = declared("istio-ingress-k8s")
    assert {"gateway-resources", "gateway-tolerations", "gateway-node-selector"} <= set(config)
    expected = gateways.Settings(plain, "LoadBalancer", "Cluster")
    assert config["gateway-service-type"] == "LoadBalancer"
    assert config["external-traffic-policy"] == "Cluster"
    assert gateways.parse_settings("gateway", config) == (expected, [])
    assert gateways.parse_settings("gateway", {}) == (expected, [])


@pytest.mark.parametrize("component", ["waypoint", "gateway"])
def test_what_is_chosen_for_pods(component: Component):
    config = {
        f"{component}-resources": "{requests: {cpu: 500m}, limits: {memory: 2Gi}}",
        f"{component}-tolerations": "[{key: edge, operator: Exists}]",
        f"{component}-node-selector": "edge: 'yes'",
    }
    found, problems = gateways.parse_settings(component, config)
    assert problems == []
    assert found is not None
    assert found.pods == manifests.PodSettings(
        resources={"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}},
        tolerations=({"key": "edge", "operator": "Exists"},),
        node_selector={"edge": "yes"},
    )


def test_what_is_chosen_for_the_service():
    config = {"gateway-service-type": "NodePort", "external-traffic-policy": "Local"}
    found, _ = gateways.parse_settings("gateway", config)
    assert found is not None
    assert (found.service_type, found.external_traffic_policy) == ("NodePort", "Local")


@pytest.mark.parametrize(
    ("component", "option", "value", "named"),
    [
        ("waypoint", "waypoint-resources", "{limits: {cpu: lots}}", "limits.cpu: 'lots'"),
        ("waypoint", "waypoint-resources", "[]", "not a mapping"),
        # The default request is beyond it.
        ("waypoint", "waypoint-resources", "{limits: {memory: 1Mi}}", "less than the request"),
        ("waypoint", "waypoint-tolerations", "{}", "not a list"),
        ("waypoint", "waypoint-node-selector", "a: 1", "quote it"),
        ("gateway", "gateway-resources", "requests: {gpus: 1}", "no such resource"),
        ("gateway", "gateway-resources", 5, "5"),
        ("gateway", "gateway-service-type", "loadbalancer", "'loadbalancer'"),
        ("gateway", "gateway-service-type", "", "'LoadBalancer', 'NodePort' or 'ClusterIP'"),
        ("gateway", "gateway-service-type", "ExternalName", "'ExternalName'"),
        ("gateway", "external-traffic-policy", "local", "'Cluster' or 'Local'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    component: Component, option: str, value: object, named: str
):
    assert named in refused(component, option, value)


def test_two_options_that_exclude_each_other():
    config = {"gateway-service-type": "ClusterIP", "external-traffic-policy": "Local"}
    found, (problem,) = gateways.parse_settings("gateway", config)
    assert found is None
    assert problem.field == "external-traffic-policy"
    assert "gateway-service-type=ClusterIP" in problem.message
