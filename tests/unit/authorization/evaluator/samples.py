# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""A small mesh: `shop`, behind the waypoint `way`, with an application `details`."""

from typing import Any

from istio_ambient.authorization import evaluator, hardened_mode

AMBIENT = {"istio.io/dataplane-mode": "ambient"}
CAPTURED = {"ambient.istio.io/redirection": "enabled"}
BYPASS = {"ambient.istio.io/bypass-inbound-capture": "true"}
WAYPOINT = {"istio.io/use-waypoint": "way"}
DETAILS = evaluator.Destination.service("shop", "details")
PODS = evaluator.Destination.workload("shop", "details")
POD = evaluator.Destination.pod("shop", "details-0")
TO_DETAILS = [{"group": "", "kind": "Service", "name": "details"}]
TO_GATEWAY = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "way"}]
TO_CLASS = [
    {"group": "gateway.networking.k8s.io", "kind": "GatewayClass", "name": "istio-waypoint"}
]
FROM_WEB = {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]}


def policy(
    name: str = "policy", namespace: str = "shop", annotations: Any = None, **spec: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    metadata["annotations"] = annotations or {}
    return {"metadata": metadata, "spec": spec}


def hardened() -> list[dict[str, Any]]:
    return [
        policy(p.metadata.name, "mesh", **p["spec"])
        for p in hardened_mode.policies("mesh", "istio-k8s")
    ]


def namespace(name: str = "shop", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


def service(name: str = "details", labels: Any = None, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 9080}, {"port": 81, "targetPort": "admin"}]
    content = {"selector": {"app.kubernetes.io/name": "details"}, "ports": ports, **spec}
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": labels or {}},
        "spec": content,
    }


def pod(
    name: str = "details-0",
    app: str = "details",
    account: str = "details",
    where: str = "shop",
    labels: Any = None,
    phase: str = "Running",
    captured: bool | None = None,
) -> dict[str, Any]:
    """A pod, captured by istio-cni unless its labels say otherwise."""
    marks = {"app.kubernetes.io/name": app, "statefulset.kubernetes.io/pod-name": name}
    ports = [{"name": "http", "containerPort": 9080}, {"name": "admin", "containerPort": 9081}]
    given: dict[str, str] = labels or {}
    mode = given.get("istio.io/dataplane-mode")
    is_captured = mode in (None, "ambient") if captured is None else captured
    return {
        "metadata": {
            "name": name,
            "namespace": where,
            "labels": {**marks, **(labels or {})},
            "annotations": CAPTURED if is_captured else {},
        },
        "spec": {"serviceAccountName": account, "containers": [{"name": app, "ports": ports}]},
        "status": {"phase": phase, "podIP": "10.244.0.10"},
    }


def waypoint_pod(name: str = "way", where: str = "shop", phase: str = "Running") -> dict[str, Any]:
    """The pod that istiod makes for `gateway`."""
    labels = {
        "gateway.networking.k8s.io/gateway-name": name,
        "istio.io/dataplane-mode": "none",
    }
    return pod(f"{name}-0", name, name, where, labels, phase)


def gateway(
    name: str = "way", where: str = "shop", labels: Any = None, ready: bool = True, **allowed: Any
) -> dict[str, Any]:
    listener = {
        "name": "mesh",
        "port": 15008,
        "protocol": "HBONE",
        "allowedRoutes": {"namespaces": allowed or {"from": "All"}},
    }
    return {
        "metadata": {"name": name, "namespace": where, "labels": labels or {}},
        "spec": {"gatewayClassName": "istio-waypoint", "listeners": [listener]},
        "status": {"addresses": [{"value": "10.96.0.9"}]} if ready else {},
    }


def snapshot(
    *policies: dict[str, Any], with_waypoint_pods: bool = True, **changes: Any
) -> evaluator.Snapshot:
    """A snapshot of the sample mesh; each of its gateways has a pod, unless told otherwise."""
    members: dict[str, Any] = {
        "root_namespace": "mesh",
        "auto_allow": True,
        "namespaces": (namespace(**AMBIENT, **WAYPOINT),),
        "services": (service(),),
        "pods": (pod(),),
        "gateways": (gateway(),),
        "policies": policies,
    }
    members |= changes
    if with_waypoint_pods:
        made = tuple(waypoint_pod(*reversed(evaluator.key(each))) for each in members["gateways"])
        members["pods"] = (*members["pods"], *made)
    return evaluator.Snapshot(**members)


def verdict(
    *policies: dict[str, Any],
    source: str | None = "shop/web",
    target: evaluator.Destination = DETAILS,
    changes: Any = None,
    **request: Any,
) -> evaluator.Verdict:
    members: dict[str, Any] = {"port": 80, **request}
    asked = evaluator.Request(source, target, **members)
    changed: dict[str, Any] = changes or {}
    return evaluator.evaluate(snapshot(*policies, **changed), asked)
