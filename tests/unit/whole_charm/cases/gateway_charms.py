# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the scenarios of istio-beacon-k8s and istio-ingress-k8s share: each runs a gateway."""

import json
from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.fake_cluster import CREATED
from tests.unit.whole_charm.fake_istiod import FAULTS
from tests.unit.whole_charm.outcomes import Has, late, waiting
from tests.unit.whole_charm.scenarios import Case, Option, Patch

STORE, COS = "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"
"""UUIDs of other models."""

SCRAPERS: Mapping[str, Any] = {
    "prometheus": {"endpoint": "metrics-endpoint", "app": "prometheus"},
    "far prometheus": {
        "endpoint": "metrics-endpoint",
        "app": "remote-prometheus",
        "model_uuid": COS,
    },
    "far names": {
        "endpoint": "provide-cmr-mesh",
        "app": "remote-prometheus",
        "model_uuid": COS,
        "app_data": {"cmr_data": {"app_name": "collector", "juju_model_name": "cos"}},
    },
}
"""Relations with a Prometheus of the same model, and with one of another model."""

NONE_ELSEWHERE: Patch = {
    "relations": dict.fromkeys(("stock", "far prometheus", "far names")),
}
"""The change by which no application is of another model."""

SLICE: Mapping[str, Any] = {
    "metadata": {"labels": {"kubernetes.io/service-name": "istiod"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.244.0.2"], "conditions": {"ready": True}}],
}
"""The address at which a charm asks istiod."""

CONTROL_PLANE: Mapping[str, Any] = {
    "Deployment mesh/istiod": {
        "metadata": {
            "labels": {"app": "istiod"},
            "annotations": {"charmed-istio/owner": "mesh/control"},
        },
        "spec": {"selector": {}, "template": {}},
    },
    "EndpointSlice mesh/istiod-1": SLICE,
}
"""An istiod that serves."""


def trust_domains(name: str, *aliases: str) -> Patch:
    """Return the change by which the mesh has a trust domain, and aliases of it."""
    mesh = json.dumps({"trustDomain": name, "trustDomainAliases": aliases})
    return {"objects": {"ConfigMap mesh/istio": {"data": {"mesh": mesh}}}}


def in_trust_domains(sources: str, identity: str) -> dict[str, Case]:
    """Return that policies name identities in the trust domains of the mesh.

    Args:
        sources: place of a policy's sources.
        identity: `ns/<namespace>/sa/<account>` of one of them.
    """
    named = [f"'{name}/{identity}'" for name in ("mesh.example", "old.example")]
    mesh = trust_domains("mesh.example", "old.example")
    return {
        "another trust domain, and the former one": Case(
            mesh,
            {sources: Has(*named)},
            given={"earlier": {"objects": {"ConfigMap mesh/istio": None}}},
        ),
        "a trust domain of an istiod that is gone": Case(
            {"earlier": {"objects": {**CONTROL_PLANE, **mesh["objects"]}}},
            {sources: Has(*named)},
            given={"objects": {"Deployment mesh/istiod": None}},
        ),
    }


def istiod_that(fault: str) -> Patch:
    """Return the change by which istiod is as one of `fake_istiod.FAULTS` says."""
    annotated = {"metadata": {"annotations": {FAULTS: fault}}}
    return {"objects": {"EndpointSlice mesh/istiod-1": annotated}}


def denied(gateway: str, name: str) -> Patch:
    """Return the change by which istiod says that a condition of a Gateway is false."""
    condition = {
        "type": name,
        "status": "False",
        "reason": "Invalid",
        "message": "bad words",
        "lastTransitionTime": CREATED,
    }
    return {"meanwhile": {gateway: {"status": {"conditions": [condition]}}}}


def acceptance(what: str, workload: str, scaler: str) -> dict[str, Case]:
    """Return what the status says of an istiod and of proxies that do not take what was written.

    Args:
        what: `waypoint` or `gateway`.
        workload: name of its Deployment.
        scaler: key of its HorizontalPodAutoscaler.
    """
    removed = {"objects": {"Deployment mesh/istiod": None}}
    proxy = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.2.3-debug"}
    pods = {"spec": {"template": {"spec": {"containers": [proxy]}}}}
    gone = {"objects": {"EndpointSlice mesh/istiod-1": None}}
    other = {"Deployment mesh/istiod": {"metadata": {"annotations": None}}}
    return {
        "an istiod of another installer": Case(
            {"objects": other},
            {"reads": Has("token default in mesh")},
        ),
        "an istiod of somebody else beside ours": Case(
            {
                "objects": {
                    "Deployment other/istiod": {
                        "metadata": {"labels": {"app": "istiod"}},
                        "spec": {"selector": {}, "template": {}},
                    },
                    **istiod_that("silent")["objects"],
                }
            },
            {"status": Has("waiting: istiod: does not answer")},
            same={"reads": Has("token charmed-istio-acceptance in mesh")},
        ),
        "no istiod": Case(
            removed, {"status": late("istiod", "there is no istiod"), "codes": Has("CI-701")}
        ),
        "no istiod for a short time": Case(
            removed,
            {"status": waiting("istiod", "there is no istiod", "deploy istio-k8s")},
            given={"config": {"ready-timeout": 10**10}},
        ),
        "the version of the proxy": Case(
            {"objects": {f"Deployment shop/{workload}": pods}}, {"version": "1.2.3"}
        ),
        "an istiod that does not answer": Case(
            istiod_that("silent"), {"status": Has("waiting: istiod: does not answer")}
        ),
        "an istiod that is asked again, since this hook wrote something": Case(
            {"meanwhile": {scaler: None}},
            {"status": Has("active")},
            given={**istiod_that("silent once"), "earlier": {"leader": True}},
        ),
        "an istiod that runs on its defaults": Case(
            istiod_that("foreign"), {"status": Has("blocked: istiod: runs with its built-in")}
        ),
        "an istiod without a pod": Case(
            gone, {"status": Has("waiting: istiod: it has no ready pod")}
        ),
        "an istiod of another installer without a pod": Case(
            {"objects": {**other, **gone["objects"]}},
            {"status": Has("waiting: istiod: it has no ready pod")},
        ),
        "a proxy that refuses": Case(
            istiod_that("Error adding/updating listener(s) main: bad words"),
            {"status": Has(f"blocked: {what}: refuses listeners: bad words")},
        ),
        "a proxy without a connection": Case(
            istiod_that("disconnected"),
            {"status": Has(f"waiting: {what}: 0 of 1 pods are connected")},
        ),
    }


def proxy_pods(component: str, spec: str) -> dict[str, Option]:
    """Return the three options of the pods of a waypoint or gateway.

    Args:
        component: with which the names of the options begin.
        spec: place of the pods' spec in the outcome.
    """
    return {
        f"{component}-resources": Option(
            "{requests: {cpu: 321m}}",
            {f"{spec}.containers[istio-proxy].resources.requests.cpu": "321m"},
        ),
        f"{component}-tolerations": Option(
            "- {key: dedicated, operator: Exists}",
            {f"{spec}.tolerations": [{"key": "dedicated", "operator": "Exists"}]},
        ),
        f"{component}-node-selector": Option("disk: ssd", {f"{spec}.nodeSelector.disk": "ssd"}),
    }
