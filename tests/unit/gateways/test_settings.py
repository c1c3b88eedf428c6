# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Options of waypoints and gateways: valid values, and how an invalid value is reported."""

from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from istio_ambient import beacon, gateways, ingress
from istio_ambient.values.pods import PodSettings, Resources, Toleration

CHARMS = Path(__file__).parents[3] / "charms"
Component = Literal["waypoint", "gateway"]
MODELS: dict[Component, Any] = {"waypoint": beacon.Config, "gateway": ingress.Config}


def declared(charm: str) -> dict[str, Any]:
    return yaml.safe_load((CHARMS / charm / "charmcraft.yaml").read_text())["config"]["options"]


def defaults(charm: str) -> dict[str, Any]:
    options = declared(charm).items()
    return {
        name.replace("-", "_"): option["default"]
        for name, option in options
        if "default" in option
    }


def settings(component: Component, **options: object) -> gateways.Settings | None:
    config = MODELS[component].model_validate(options)
    assert config.problems == ()
    return getattr(config, component)


def refused(component: Component, option: str, value: object) -> str:
    config = MODELS[component].model_validate({option.replace("-", "_"): value})
    assert getattr(config, component) is None
    assert config.invalid == {option}
    (problem,) = config.problems
    assert problem.field.split(" ")[0] == option
    assert problem.remedy
    return str(problem)


@pytest.mark.parametrize(
    ("component", "charm", "expected"),
    [
        ("waypoint", "istio-beacon-k8s", gateways.Settings()),
        ("gateway", "istio-ingress-k8s", gateways.Settings(PodSettings(), "LoadBalancer")),
    ],
)
def test_defaults_are_those_of_charmcraft_yaml(
    component: Component, charm: str, expected: gateways.Settings
):
    assert MODELS[component]() == MODELS[component](**defaults(charm))
    assert settings(component, **defaults(charm)) == expected
    fields = {name.replace("_", "-") for name in MODELS[component].model_fields}
    # The timeout of readiness is read by the charms' common base.
    names = {name.replace("_", "-") for name in declared(charm)}
    assert fields == names - {"ready-timeout"}
    assert {
        f"{component}-{kind}" for kind in ("resources", "tolerations", "node-selector")
    } < names


@pytest.mark.parametrize("component", ["waypoint", "gateway"])
def test_what_is_chosen_for_pods(component: Component):
    options = {
        f"{component}_resources": "{requests: {cpu: 500m}, limits: {memory: 2Gi}}",
        f"{component}_tolerations": "[{key: edge, operator: Exists}]",
        f"{component}_node_selector": "edge: 'yes'",
    }
    found = settings(component, **options)
    assert found is not None
    assert found.pods == PodSettings(
        resources=Resources(requests={"cpu": "500m"}, limits={"memory": "2Gi"}),
        tolerations=(Toleration(key="edge", operator="Exists"),),
        node_selector={"edge": "yes"},
    )


def test_what_is_chosen_for_the_service():
    found = settings("gateway", gateway_service_type="NodePort", external_traffic_policy="Local")
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
        ("gateway", "gateway-tolerations", "{}", "not a list"),
        ("gateway", "gateway-node-selector", "a: 1", "quote it"),
        ("gateway", "gateway-service-type", "loadbalancer", "'loadbalancer'"),
        ("gateway", "gateway-service-type", "", "'LoadBalancer', 'NodePort' or 'ClusterIP'"),
        ("gateway", "gateway-service-type", "ExternalName", "'ExternalName'"),
        ("gateway", "external-traffic-policy", "local", "'Cluster' or 'Local'"),
    ],
)
def test_an_invalid_value_is_reported_with_what_is_allowed(
    component: Component, option: str, value: object, named: str
):
    assert named in refused(component, option, value)


def test_two_options_that_exclude_each_other():
    config = ingress.Config(gateway_service_type="ClusterIP", external_traffic_policy="Local")
    assert config.gateway is None
    (problem,) = config.problems
    assert problem.field == "external-traffic-policy"
    assert "gateway-service-type=ClusterIP" in problem.message


@pytest.mark.parametrize("component", ["waypoint", "gateway"])
def test_an_invalid_name_leaves_the_settings_valid(component: Component):
    config = MODELS[component](trusted_requesters="tempo, Not-An-App")
    assert len(config.problems) == 1
    assert config.invalid == set()
    assert getattr(config, component) is not None
