# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What hardened mode would do to each workload."""

from typing import Any

import pytest
from istio_ambient.mesh import hardened_mode, hardened_preview
from istio_ambient.mesh.hardened_preview import CLOSED, CUT_OFF, REACHABLE

AMBIENT = {"istio.io/dataplane-mode": "ambient"}
WAYPOINT = {"istio.io/use-waypoint": "way"}
FROM_WEB = {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]}
SERVICE = [{"kind": "Service", "group": "", "name": "details"}]


def pod(name: str = "details-0", phase: str = "Running") -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "details", "statefulset.kubernetes.io/pod-name": name}
    metadata = {"name": name, "namespace": "shop", "labels": labels}
    return {"metadata": metadata, "status": {"phase": phase}, "spec": {}}


def policy(name: str = "allow", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def mesh(*policies: dict[str, Any], **changes: Any) -> hardened_preview.Mesh:
    values: dict[str, Any] = {
        "root_namespace": "mesh",
        "auto_allow": True,
        "pods": (pod(),),
        "namespaces": ({"metadata": {"name": "shop", "labels": {**AMBIENT, **WAYPOINT}}},),
        "services": (
            {
                "metadata": {"name": "details", "namespace": "shop"},
                "spec": {"selector": {"app.kubernetes.io/name": "details"}},
            },
        ),
        "policies": policies,
    }
    return hardened_preview.Mesh(**{**values, **changes})


def only(of: hardened_preview.Mesh) -> hardened_preview.Outlook:
    (found,) = hardened_preview.outlooks(of)
    return found


def test_what_no_policy_speaks_of_would_be_cut_off():
    found = only(mesh())
    assert (found.outlook, found.admits, found.policies) == (CUT_OFF, (), ())


@pytest.mark.parametrize(
    "opening",
    [
        policy(targetRefs=SERVICE, rules=[FROM_WEB]),
        policy(targetRefs=[{"kind": "Gateway", "name": "way"}], rules=[FROM_WEB]),
        policy(selector={"matchLabels": {"app.kubernetes.io/name": "details"}}, rules=[FROM_WEB]),
        policy(rules=[FROM_WEB]),
        policy(namespace="mesh", rules=[FROM_WEB]),
        policy(
            namespace="mesh",
            targetRefs=[{"kind": "GatewayClass", "name": "istio-waypoint"}],
            rules=[FROM_WEB],
        ),
    ],
)
def test_a_rule_keeps_a_workload_reachable(opening: dict[str, Any]):
    found = only(mesh(opening))
    assert (found.outlook, found.admits) == (REACHABLE, ("shop/web",))


@pytest.mark.parametrize(
    "useless",
    [
        policy(action="DENY", rules=[FROM_WEB]),
        policy(namespace="other", rules=[FROM_WEB]),
        policy(selector={"matchLabels": {"app": "other"}}, rules=[FROM_WEB]),
        policy(targetRefs=[{"kind": "Service", "name": "other"}], rules=[FROM_WEB]),
    ],
)
def test_policies_about_something_else_open_nothing(useless: dict[str, Any]):
    assert only(mesh(useless)).outlook == CUT_OFF


def test_what_allows_nothing_is_closed_already():
    assert only(mesh(policy(targetRefs=SERVICE))).outlook == CLOSED
    l7 = {**FROM_WEB, "to": [{"operation": {"paths": ["/x"]}}]}
    # ztunnel cannot check a path, and so lets nobody in by such a rule.
    assert only(mesh(policy(rules=[l7]))).outlook == CLOSED


def test_a_waypoint_that_is_not_let_through_helps_nobody():
    opening = policy(targetRefs=SERVICE, rules=[FROM_WEB])
    found = only(mesh(opening, auto_allow=False))
    assert (found.outlook, found.admits) == (CUT_OFF, ())


def test_a_service_without_a_waypoint_is_not_opened_at_one():
    plain = ({"metadata": {"name": "shop", "labels": AMBIENT}},)
    opening = policy(targetRefs=SERVICE, rules=[FROM_WEB])
    assert only(mesh(opening, namespaces=plain)).outlook == CUT_OFF


def test_hardened_modes_own_policies_are_not_taken_for_policies_of_the_workload():
    own = [
        policy(p.metadata.name, "mesh", **p["spec"])
        for p in hardened_mode.policies("mesh", "istio-k8s")
    ]
    found = only(mesh(*own))
    assert (found.outlook, found.policies) == (CUT_OFF, ())


def test_only_workloads_on_the_mesh_are_told():
    off: tuple[dict[str, Any], ...] = ({"metadata": {"name": "shop", "labels": {}}},)
    assert hardened_preview.outlooks(mesh(namespaces=off)) == []
    assert only(mesh(namespaces=off, pods=(_joined("ambient"),))).outlook == CUT_OFF
    assert hardened_preview.outlooks(mesh(pods=(_joined("none"),))) == []
    assert hardened_preview.outlooks(mesh(pods=(pod(phase="Succeeded"),))) == []


def test_the_pods_of_an_application_are_one_workload():
    assert only(mesh(pods=tuple(pod(f"details-{n}") for n in range(3)))).pods == 3


def test_the_table_has_a_line_for_each_workload():
    text = hardened_preview.table(hardened_preview.outlooks(mesh()))
    heading, line = text.splitlines()
    assert heading.split()[0] == "WORKLOAD"
    assert line.split() == ["shop/details", "1", "none", "nobody", "cut", "off"]
    assert hardened_preview.table([]) == "no workload is on the mesh"


def _joined(mode: str) -> dict[str, Any]:
    found = pod()
    found["metadata"]["labels"]["istio.io/dataplane-mode"] = mode
    return found
