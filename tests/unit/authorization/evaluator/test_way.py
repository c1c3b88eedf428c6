# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The proxies that decide about a request, the source that each sees, and their policies."""

from typing import Any

import pytest
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import Decision, Proxy, Reason

from tests.unit.authorization.evaluator import samples
from tests.unit.authorization.evaluator.samples import verdict

CLOSED = samples.policy("closed", targetRefs=samples.TO_DETAILS)
CLOSED_PODS = samples.policy("closed-pods")


def proxies(found: evaluator.Verdict) -> list[tuple[str, str | None, int | None]]:
    return [(hop.where, hop.source, hop.port) for hop in found.hops]


def test_a_service_is_asked_through_its_waypoint_and_the_pod_by_the_waypoint():
    found = verdict()
    assert found.allowed
    assert proxies(found) == [("shop/way", "shop/web", 80), ("shop/details-0", "shop/way", 9080)]


def test_a_named_target_port_is_looked_up_in_the_pod():
    assert proxies(verdict(port=81))[-1] == ("shop/details-0", "shop/way", 9081)


def test_a_pod_is_asked_directly():
    for target in (samples.POD, samples.PODS):
        found = verdict(target=target, port=9080)
        assert proxies(found) == [("shop/details-0", "shop/web", 9080)]
        # The waypoint's synthetic policy is an ALLOW policy, so all others are refused.
        assert (found.decision, found.hops[0].reason) == (Decision.DENIED, Reason.LACK_OF_ALLOW)


def test_a_waypoint_that_the_pod_denies_allows_no_client():
    found = verdict(CLOSED_PODS, changes={"auto_allow": False})
    assert [hop.decision for hop in found.hops] == [Decision.ALLOWED, Decision.DENIED]
    assert found.decision is Decision.DENIED
    assert found.decisive and found.decisive.proxy is Proxy.ZTUNNEL
    assert verdict(CLOSED_PODS).allowed


def test_the_deciding_rule_is_named_with_its_annotations():
    allow = samples.policy(
        "allow",
        annotations={"charmed-istio/requested-by": "{}"},
        targetRefs=samples.TO_DETAILS,
        rules=[{"to": [{"operation": {"ports": ["81"]}}]}, samples.FROM_WEB],
    )
    policy = verdict(allow).hops[0].policy
    assert policy == evaluator.PolicyRef("shop", "allow", 1)
    assert policy and policy.annotations == {"charmed-istio/requested-by": "{}"}
    assert verdict().hops[1].policy == evaluator.PolicyRef(
        "shop", "istio_allow_waypoint_shop_way", 0, synthetic=True
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"namespaces": (samples.namespace(**samples.AMBIENT),)},
        {"services": (samples.service(labels={"istio.io/use-waypoint": "none"}),)},
        {"gateways": ()},
        {"gateways": (samples.gateway(ready=False),)},
        {"gateways": (samples.gateway(labels={"istio.io/waypoint-for": "workload"}),)},
        {"services": (samples.service(clusterIP="None"),)},
        {"services": (samples.service(labels={"istio.io/use-waypoint": "other"}),)},
        {"services": (samples.service(labels={"istio.io/use-waypoint-namespace": "x"}),)},
    ],
)
def test_without_a_waypoint_only_the_pod_judges(changes: dict[str, Any]):
    found = verdict(CLOSED, changes={"auto_allow": False, **changes})
    inherited = "istio.io/use-waypoint-namespace" in str(changes)  # Read beside the name only.
    assert found.allowed is not inherited
    assert [hop.proxy for hop in found.hops][-1] is Proxy.ZTUNNEL
    assert len(found.hops) == (2 if inherited else 1)


@pytest.mark.parametrize(
    ("allowed", "through"),
    [
        ({"from": "All"}, True),
        ({"from": "Same"}, False),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}, False),
    ],
)
def test_a_waypoint_in_another_namespace(allowed: Any, through: bool):
    marks = {"istio.io/use-waypoint": "way", "istio.io/use-waypoint-namespace": "other"}
    changes = {
        "namespaces": (samples.namespace(**samples.AMBIENT, team="a"),),
        "services": (samples.service(labels=marks),),
        "gateways": (samples.gateway(where="other", **allowed),),
    }
    found = verdict(changes=changes)
    assert found.hops[-1].source == ("other/way" if through else "shop/web")
    assert bool(found.note) is not through


def test_requests_without_an_identity_bypass_the_waypoint():
    assert proxies(verdict(source=None)) == [("shop/details-0", None, 9080)]
    off = samples.pod("web-0", "web", "web", labels={"istio.io/dataplane-mode": "none"})
    found = verdict(changes={"pods": (samples.pod(), off)})
    assert proxies(found) == [("shop/details-0", None, 9080)]
    assert "shop/web is not on the mesh" in found.note


def test_a_note_names_policies_that_no_proxy_enforces():
    policy = samples.policy("closed", targetRefs=samples.TO_DETAILS)
    other = samples.policy("other", targetRefs=[{**samples.TO_DETAILS[0], "name": "ratings"}])
    without = {"namespaces": (samples.namespace(**samples.AMBIENT),)}
    found = verdict(policy, other, changes=without)
    assert found.allowed
    assert found.note == "no waypoint is passed, so that no proxy enforces shop/closed"
    assert "shop/closed" in verdict(policy, source=None).note
    assert verdict(other, changes=without).note == ""
    assert verdict(policy).note == ""


def test_requests_of_an_ingress_gateway_bypass_the_waypoint_unless_labelled():
    ingress = samples.gateway("edge")
    ingress["spec"]["gatewayClassName"] = "istio"
    changes: dict[str, Any] = {"gateways": (samples.gateway(), ingress)}
    assert len(verdict(source="shop/edge-istio", changes=changes).hops) == 1
    led = {"services": (samples.service(labels={"istio.io/ingress-use-waypoint": "true"}),)}
    assert len(verdict(source="shop/edge-istio", changes={**changes, **led}).hops) == 2


def test_requests_to_pods_that_are_not_on_the_mesh_pass_no_proxy():
    off = {"pods": (samples.pod(labels={"istio.io/dataplane-mode": "none"}),)}
    found = verdict(*samples.hardened(), target=samples.POD, port=9080, changes=off)
    assert (found.allowed, found.hops) == (True, ())
    assert "not on the mesh" in found.note


def test_a_service_whose_pods_differ_depends_on_the_pod():
    extra = samples.pod("details-1", labels={"track": "canary"})
    deny = samples.policy(action="DENY", selector={"matchLabels": {"track": "canary"}}, rules=[{}])
    found = verdict(deny, changes={"pods": (samples.pod(), extra)})
    assert found.decision is Decision.CONDITIONAL
    assert len(found.hops) == 3


@pytest.mark.parametrize("target", [("x", "details"), ("shop", "x")], ids=["namespace", "name"])
def test_an_unknown_target_is_an_error(target: tuple[str, str]):
    for make in (
        evaluator.Destination.service,
        evaluator.Destination.pod,
        evaluator.Destination.workload,
    ):
        with pytest.raises(evaluator.UnknownDestinationError, match="there is no"):
            verdict(target=make(*target))
    with pytest.raises(evaluator.UnknownDestinationError, match="has no port 8080"):
        verdict(port=8080)


def test_a_waypoint_for_workloads_stands_before_pods():
    gateway = samples.gateway(labels={"istio.io/waypoint-for": "workload"})
    to_gateway = samples.policy(targetRefs=samples.TO_GATEWAY)
    for policies, allowed in (((CLOSED,), True), ((to_gateway,), False)):
        found = verdict(*policies, target=samples.POD, port=9080, changes={"gateways": (gateway,)})
        assert len(found.hops) == 2
        assert found.allowed is allowed


@pytest.mark.parametrize(("value", "enforced"), [("true", False), ("T", False), ("no", True)])
def test_plain_text_to_a_pod_that_bypasses_its_ztunnel_is_not_denied(value: str, enforced: bool):
    pod = samples.pod()
    pod["metadata"]["annotations"] = {**samples.CAPTURED, **dict.fromkeys(samples.BYPASS, value)}
    changes: Any = {"pods": (pod, *samples.snapshot().pods[1:]), "auto_allow": False}
    for target, port in ((samples.DETAILS, 80), (samples.POD, 9080)):
        outside = verdict(CLOSED_PODS, source=None, target=target, port=port, changes=changes)
        assert outside.allowed is not enforced
        assert bool(outside.hops) is enforced
        assert ("bypass-inbound-capture" in outside.note) is not enforced
        # Proxies of the mesh connect to ztunnel itself.
        assert not verdict(CLOSED_PODS, target=target, port=port, changes=changes).allowed


def test_a_service_with_pods_that_no_ztunnel_guards_is_open_there():
    off = samples.pod("details-1", captured=False)
    changes: Any = {"pods": (*samples.snapshot().pods, off), "auto_allow": False}
    found = verdict(CLOSED_PODS, changes=changes)
    assert (found.decision, found.has_open_pods) == (Decision.CONDITIONAL, True)
    (denied,) = [hop for hop in found.hops if hop.decision is Decision.DENIED]
    assert denied.where == "shop/details-0"
    assert "not on the mesh" in found.note
