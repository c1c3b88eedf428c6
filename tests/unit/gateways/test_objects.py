# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istiod is told of a gateway's pods, its Service and its disruption budget."""

import json
from typing import Any

import pytest
from istio_ambient import gateways, kube, manifests, resources

POD_LABELS = {"charms.canonical.com/shop.gate.telemetry": "aggregated"}
LISTENER = {"name": "http-80", "port": 80, "protocol": "HTTP"}
IDENTITY = resources.identity("shop", "gate")


def gateway(**changes: Any) -> gateways.Gateway:
    defaults: dict[str, Any] = {
        "name": "gate",
        "namespace": "shop",
        "gateway_class": "istio",
        "workload": "gate-istio",
        "listeners": [LISTENER],
        "pod_labels": POD_LABELS,
    }
    return gateways.Gateway(**{**defaults, **changes})


def manifest(kind: str, **changes: Any) -> dict[str, Any]:
    found = [kube.manifest_of(obj) for obj in gateways.objects(gateway(**changes))]
    (one,) = (each for each in found if each["kind"] == kind)
    return one


def patch(key: str, **changes: Any) -> dict[str, Any]:
    return json.loads(manifest("ConfigMap", **changes)["data"][key])


def pod_spec(**settings: Any) -> dict[str, Any]:
    pods = manifests.PodSettings(**settings)
    return patch("deployment", settings=gateways.Settings(pods))["spec"]["template"]["spec"]


def test_the_gateway_refers_to_the_config_map_that_stands_beside_it():
    spec = manifest("Gateway")["spec"]
    found = manifest("ConfigMap")["metadata"]
    assert spec["infrastructure"]["parametersRef"] == {
        "group": "",
        "kind": "ConfigMap",
        "name": found["name"],
    }
    assert found["namespace"] == "shop"
    # istiod refuses the whole ConfigMap for a key that it does not know.
    assert manifest("ConfigMap")["data"].keys() == {"deployment", "podDisruptionBudget", "service"}


def test_pods_are_kept_apart_where_there_are_nodes_and_zones_enough():
    spec = pod_spec()
    same = {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "gate"}}
    (apart,) = spec["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert apart["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert apart["podAffinityTerm"]["labelSelector"] == same
    (zones,) = spec["topologySpreadConstraints"]
    assert (zones["topologyKey"], zones["labelSelector"]) == ("topology.kubernetes.io/zone", same)
    assert zones["whenUnsatisfiable"] == "ScheduleAnyway"


@pytest.mark.parametrize("replicas", [1, 3])
def test_one_pod_at_a_time_may_be_evicted_and_one_that_does_not_work_always(replicas: int):
    assert patch("podDisruptionBudget", replicas=replicas)["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def test_what_the_operator_chose_for_the_pods():
    resources = {"limits": {"memory": "2Gi"}}
    tolerations = ({"key": "edge", "operator": "Exists"},)
    spec = pod_spec(resources=resources, tolerations=tolerations, node_selector={"edge": "1e3"})
    assert spec["containers"] == [{"name": "istio-proxy", "resources": resources}]
    assert spec["tolerations"] == list(tolerations)
    assert spec["nodeSelector"] == {"edge": "1e3"}
    assert pod_spec().keys() == {"affinity", "topologySpreadConstraints"}


@pytest.mark.parametrize(
    ("service_type", "policy", "expected"),
    [
        ("LoadBalancer", "Local", {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}),
        ("NodePort", "Cluster", {"type": "NodePort", "externalTrafficPolicy": "Cluster"}),
        ("ClusterIP", "Cluster", {"type": "ClusterIP"}),
    ],
)
def test_the_service(service_type: Any, policy: Any, expected: dict[str, str]):
    settings = gateways.Settings(service_type=service_type, external_traffic_policy=policy)
    assert patch("service", settings=settings)["spec"] == expected


def test_a_listener_changes_the_gateway_alone_and_a_resource_the_config_map_alone():
    def plan(before: gateways.Gateway, after: gateways.Gateway) -> list[str]:
        applied: dict[kube.Ref, Any] = {}
        for obj in gateways.objects(before):
            (change,) = kube.plan([obj], kube.Live(IDENTITY, gateways.KINDS)).changes
            applied[change.ref] = change.kind.from_dict(change.manifest)
        live = kube.Live(IDENTITY, gateways.KINDS, applied)
        planned = kube.plan(gateways.objects(after), live, held=gateways.held(after))
        return [str(c).partition(" (")[0] for c in planned.changes if c.verb != "unchanged"]

    listener = gateway(listeners=[LISTENER, {**LISTENER, "name": "http-8080", "port": 8080}])
    assert plan(gateway(), listener) == ["update: Gateway shop/gate"]
    pods = manifests.PodSettings(resources={"limits": {"cpu": "4"}})
    larger = gateway(settings=gateways.Settings(pods))
    assert plan(gateway(), larger) == ["update: ConfigMap shop/gate-parameters"]
    # Options that are no good leave it as it was, whatever that is.
    assert plan(larger, gateway(settings=None)) == ["held: ConfigMap shop/gate-parameters"]


def test_where_no_choice_was_ever_good_nobody_outside_gets_in():
    assert patch("service", settings=None)["spec"] == {"type": "ClusterIP"}


def test_nothing_that_identifies_the_gateway_object_gets_to_the_pods():
    infrastructure = manifest("Gateway")["spec"]["infrastructure"]
    assert infrastructure["labels"] == POD_LABELS
    # Absent, istiod would copy the Gateway's own annotations, our hash among them.
    assert infrastructure["annotations"] == {}


@pytest.mark.parametrize("replicas", [0, 1, 3])
def test_the_autoscaler_holds_the_number_of_units_and_at_least_one(replicas: int):
    found = manifest("HorizontalPodAutoscaler", replicas=replicas)
    spec = found["spec"]
    assert found["metadata"]["name"] == "gate"
    assert spec["minReplicas"] == spec["maxReplicas"] == max(1, replicas)
    assert spec["scaleTargetRef"]["name"] == "gate-istio"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "is istio-k8s deployed?"),
        ("Unknown", "is istio-k8s deployed?"),
        ("True", "its log says why"),
        ("False", "rejects the Gateway: no such class"),
    ],
)
def test_why_there_is_no_deployment(status: str | None, reason: str):
    condition = {"type": "Accepted", "status": status, "message": "no such class"}
    live = {"status": {"conditions": [condition]}} if status else {}
    assert reason in gateways.unmade_reason(live)
