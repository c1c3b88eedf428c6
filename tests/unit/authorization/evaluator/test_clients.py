# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Classes of clients, and the ways that istiod and ztunnel choose for their requests."""

from typing import Any

import pytest
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import ClientKind, Decision, Reason

from tests.unit.authorization.evaluator import samples
from tests.unit.authorization.evaluator.samples import verdict

CLOSED = samples.policy("closed", targetRefs=samples.TO_DETAILS)
OFF = {"istio.io/dataplane-mode": "none"}
FOR_ALL = {"istio.io/waypoint-for": "all"}
FOR_WORKLOADS = {"istio.io/waypoint-for": "workload"}
TO_POD: dict[str, Any] = {"target": samples.POD, "port": 9080}


def ways(found: evaluator.Verdict) -> list[str]:
    return [f"{hop.proxy} {hop.source}" for hop in found.hops]


@pytest.mark.parametrize(
    ("kind", "by_service", "to_pod"),
    [
        (ClientKind.MESH, ["waypoint shop/web", "ztunnel shop/way"], ["ztunnel shop/web"]),
        (ClientKind.GATEWAY, ["ztunnel shop/web"], ["ztunnel shop/web"]),
        (ClientKind.OUTSIDE, ["ztunnel None"], ["ztunnel None"]),
        (ClientKind.NODE, ["ztunnel None"], []),
    ],
)
def test_each_class_of_clients_has_its_way(
    kind: ClientKind, by_service: list[str], to_pod: list[str]
):
    # Whatever the snapshot knows of the identity.
    assert ways(verdict(source="shop/web", client=kind)) == by_service
    assert ways(verdict(source="shop/web", client=kind, **TO_POD)) == to_pod


def test_a_client_outside_is_dropped_where_the_waypoint_is_allowed_automatically():
    for target in ({}, TO_POD):
        found = verdict(client=ClientKind.OUTSIDE, **target)
        assert found.decision is Decision.DENIED
        assert verdict(client=ClientKind.OUTSIDE, changes={"auto_allow": False}, **target).allowed


def test_the_node_passes_by_ztunnel_at_its_own_pods():
    hardened = samples.hardened()
    assert verdict(*hardened, client=ClientKind.NODE, **TO_POD).decision is Decision.ALLOWED
    # By a Service, the pod may be one of another node.
    assert verdict(*hardened, client=ClientKind.NODE).decision is Decision.CONDITIONAL
    assert "passes by the pod's ztunnel" in verdict(client=ClientKind.NODE).note


def test_pods_off_the_mesh_are_reached_by_clients_that_pass_no_waypoint():
    off = {"pods": (samples.pod(labels=OFF),)}
    assert verdict(*samples.hardened(), changes=off).decision is Decision.DENIED
    assert verdict(*samples.hardened(), client=ClientKind.OUTSIDE, changes=off).allowed
    assert verdict(*samples.hardened(), changes=off, **TO_POD).allowed


def test_labels_alone_do_not_put_a_pod_on_the_mesh():
    uncaptured = {"pods": (samples.pod(captured=False),)}
    found = verdict(*samples.hardened(), changes=uncaptured, **TO_POD)
    assert (found.allowed, found.hops) == (True, ())
    assert "details-0: labelled for the mesh, not captured by istio-cni" in found.note
    pending = {"pods": (samples.pod(captured=False, phase="Pending"),)}
    assert not verdict(*samples.hardened(), changes=pending, **TO_POD).allowed
    left = {"namespaces": (samples.namespace(),)}
    assert not verdict(*samples.hardened(), changes=left, **TO_POD).allowed


@pytest.mark.parametrize("kind", ["scaled to 0", "unready", "ingress gateway"])
def test_a_waypoint_that_takes_no_requests_denies_by_the_service_only(kind: str):
    changes: dict[str, Any] = {"pods": (samples.pod(),), "with_waypoint_pods": False}
    if kind == "unready":
        waypoint = samples.waypoint_pod()
        waypoint["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        changes["pods"] = (samples.pod(), waypoint)
    elif kind == "ingress gateway":
        edge = samples.gateway()
        edge["spec"]["gatewayClassName"] = "istio"
        changes |= {"gateways": (edge,), "pods": (samples.pod(), samples.waypoint_pod())}
    found = verdict(changes=changes)
    assert (found.decision, found.hops[0].reason) == (Decision.DENIED, Reason.UNREACHABLE)
    assert str(found.hops[0].policy) == "Gateway shop/way"
    # istiod allows the waypoint of a pod only where that has pods of its own: the rest is open.
    assert verdict(changes=changes, **TO_POD).allowed is (kind == "scaled to 0")
    by_outside = verdict(changes=changes, client=ClientKind.OUTSIDE)
    assert by_outside.allowed is (kind == "scaled to 0")


@pytest.mark.parametrize("labels", [FOR_ALL, FOR_WORKLOADS])
def test_a_waypoint_for_workloads_is_before_pods_off_the_mesh_too(labels: dict[str, str]):
    closed = samples.policy("closed", targetRefs=samples.TO_GATEWAY)
    gateways = {"gateways": (samples.gateway(labels=labels),)}
    off = {**gateways, "pods": (samples.pod(labels=OFF),)}
    assert ways(verdict(changes=off, **TO_POD)) == ["waypoint shop/web"]
    assert not verdict(closed, changes=off, **TO_POD).allowed
    assert verdict(closed, changes=off, client=ClientKind.OUTSIDE, **TO_POD).allowed
    # On the mesh, without any policy: open to the mesh, and closed to all that bypass it.
    assert verdict(changes=gateways, **TO_POD).allowed
    assert not verdict(changes=gateways, client=ClientKind.OUTSIDE, **TO_POD).allowed


def test_a_headless_service_translates_no_port():
    headless = {"services": (samples.service(clusterIP="None"),)}
    only = samples.policy(rules=[{"to": [{"operation": {"ports": ["80"]}}]}])
    assert verdict(only, port=80, changes=headless).allowed
    assert verdict(port=80, changes=headless).hops[-1].port == 80
    for_all = {**headless, "gateways": (samples.gateway(labels=FOR_ALL),)}
    assert ways(verdict(changes=for_all)) == ["waypoint shop/web", "ztunnel shop/way"]


def test_a_service_without_a_selector_depends_on_its_endpoints():
    changes = {"services": (samples.service(selector={}),)}
    assert verdict(changes=changes).decision is Decision.CONDITIONAL
    assert "no selector" in verdict(changes=changes).note
    assert verdict(CLOSED, changes=changes).decision is Decision.DENIED


PORTS = [{"name": "http", "port": 80}, {"name": "tcp-x", "port": 81}]


def test_a_port_that_is_not_given_may_be_one_without_http():
    rules = [{"to": [{"operation": {"methods": ["DELETE"]}}]}]
    deny = samples.policy("no", action="DENY", rules=rules, targetRefs=samples.TO_DETAILS)
    changes = {"services": (samples.service(ports=PORTS),)}
    request: dict[str, Any] = {"method": "GET", "changes": changes}
    assert verdict(deny, port=80, **request).allowed
    assert verdict(deny, port=81, **request).decision is Decision.DENIED
    found = verdict(deny, port=None, **request)
    assert found.decision is Decision.CONDITIONAL
    assert [each.text for each in found.hops[0].unless] == ["on 81"]
    assert verdict(deny, port=None, method="DELETE", changes=changes).decision is Decision.DENIED


def test_no_waypoint_serves_a_port_that_is_named_udp():
    ports = [{"name": "udp-x", "port": 80}]
    changes: dict[str, Any] = {"services": (samples.service(ports=ports),)}
    found = verdict(changes=changes)
    assert (found.decision, found.hops[0].reason) == (Decision.DENIED, Reason.UNREACHABLE)
    assert verdict(changes={**changes, "gateways": (), "auto_allow": False}).allowed


def test_each_verdict_says_what_it_does_not_weigh():
    found = verdict(changes={"unread": ("PeerAuthentications",)})
    assert found.not_weighed[0] == "PeerAuthentications (cannot be read)"
    assert "NetworkPolicies" in found.not_weighed
    assert any("EnvoyFilters" in each for each in found.not_weighed)
    assert not any("EnvoyFilters" in each for each in verdict(**TO_POD).not_weighed)
