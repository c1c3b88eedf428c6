# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Which policies are enforced: istiod's conditions, and the proxies that hold them."""

from typing import Any

import msgspec
import pytest
from istio_ambient import acceptance
from istio_ambient.values.problem_codes import Code

from tests.unit.acceptance import samples
from tests.unit.acceptance.test_findings import texts

OLD, NEW = "2026-11-26T04:09:00Z", "2026-11-26T04:09:55Z"
SERVICE = {"kind": "Service", "name": "details"}


def condition(**changes: Any) -> dict[str, Any]:
    return {
        "type": "WaypointAccepted",
        "status": "True",
        "reason": "Accepted",
        "observedGeneration": "2",
        "lastTransitionTime": "2026-11-26T04:09:01Z",
        **changes,
    }


def policy(
    *conditions: dict[str, Any], spec: dict[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    return {
        "kind": "AuthorizationPolicy",
        "metadata": {
            "name": "p",
            "namespace": "shop",
            "generation": 2,
            "creationTimestamp": OLD,
            **metadata,
        },
        "spec": {"targetRefs": [SERVICE]} if spec is None else spec,
        "status": {"conditions": list(conditions)},
    }


def judged(found: dict[str, Any], *, by_istiod: bool = True) -> list[str]:
    return texts(acceptance.policy_findings([found], samples.LATER, judged=by_istiod))


def test_an_accepted_policy_is_not_reported():
    assert judged(policy(condition(), condition(type="ZtunnelAccepted"))) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (policy(), "waiting: policy p: istiod has not looked at it"),
        (policy(condition(observedGeneration="1")), "waiting: policy p: istiod has not looked"),
        (policy(condition(observedGeneration="x")), "waiting: policy p: istiod has not looked"),
        (
            policy(condition(status="False", message="no such Service")),
            "blocked: policy p: istiod does not accept it: no such Service",
        ),
        (
            policy(condition(reason="PartiallyInvalid", message="2 rules")),
            "blocked: policy p: istiod does not accept it: 2 rules",
        ),
        (
            policy(condition(), deletionTimestamp=OLD, finalizers=["x.io/y"]),
            "blocked: policy p: its deletion waits for x.io/y; remove this finalizer",
        ),
    ],
)
def test_a_policy_that_is_not_what_it_should_be_is_reported(found: dict[str, Any], said: str):
    (text,) = judged(found)
    assert text.startswith(said)


@pytest.mark.parametrize("reason", ["AncestorNotBound", "TargetNotFound"])
def test_an_application_that_has_not_joined_is_no_fault_of_its_policy(reason: str):
    unbound = policy(condition(status="False", reason=reason, message="not bound"))
    assert judged(unbound) == []
    assert entry(unbound).accepted == "not bound"


def test_conditions_of_a_class_of_gateways_are_not_believed():
    spec = {"targetRefs": [{"kind": "GatewayClass", "name": "istio-waypoint"}]}
    assert judged(policy(condition(status="False"), spec=spec)) == []


def test_istiod_is_given_time():
    assert judged(policy(creationTimestamp=NEW)) == []
    changed = [{"manager": "charmed-istio", "operation": "Apply", "time": NEW}]
    assert judged(policy(managedFields=changed)) == []
    by_istiod = [{"manager": "pilot", "subresource": "status", "time": NEW}]
    assert len(judged(policy(managedFields=by_istiod))) == 1
    assert judged(policy(condition(), deletionTimestamp=NEW, finalizers=["x"])) == []


def test_an_istiod_that_writes_no_conditions_is_not_waited_for():
    assert judged(policy(), by_istiod=False) == []
    assert len(judged(policy(condition(status="False", message="no")), by_istiod=False)) == 1
    assert not acceptance.has_conditions([policy(), policy()])
    assert acceptance.has_conditions([policy(), policy(condition(observedGeneration="1"))])


def test_other_kinds_have_no_conditions():
    assert judged({**policy(), "kind": "RequestAuthentication"}) == []


def test_an_authorizer_that_istiod_does_not_know_is_reported():
    spec = {"action": "CUSTOM", "provider": {"name": "ext-authz-gate"}}
    reports = [samples.report()]
    (text,) = texts(acceptance.provider_findings([policy(spec=spec)], reports))
    assert text.startswith("blocked: policy p: istiod has no authorizer ext-authz-gate")
    known = {"action": "CUSTOM", "provider": {"name": "envoy"}}
    assert list(acceptance.provider_findings([policy(spec=known), policy()], reports)) == []


def entry(found: dict[str, Any], sample: str = "healthy") -> acceptance.Enforcement:
    gateways = {"way": "shop-istio-beacon-k8s-waypoint"}
    (listed,) = acceptance.enforcements([found], [samples.report(sample)], gateways)
    return listed


def test_a_policy_is_listed_with_the_proxies_that_hold_it():
    listed = entry(policy(condition()))
    assert msgspec.structs.asdict(listed) == {
        "policy": "shop/p",
        "target": "Service details",
        "accepted": "yes",
        "held_by": "waypoint 1/1",
        "since": "2026-11-26T04:09:01Z",
    }
    assert entry(policy(condition(), spec={})).held_by == "ztunnel 1/1"
    pods = entry(policy(condition(), spec={"selector": {"matchLabels": {"app": "x"}}}))
    assert (pods.target, pods.held_by) == ("pods app=x", "ztunnel 1/1")


def test_a_policy_that_is_not_in_force_is_listed_as_such():
    assert entry(policy(condition()), "waypoint-refuses-listeners").held_by == "waypoint 0/1"
    unseen = entry(policy())
    assert (unseen.accepted, unseen.held_by, unseen.since) == ("not yet", "waypoint 0/1", "")
    refused = entry(policy(condition(status="False", message="why")))
    assert (refused.accepted, refused.since) == ("why", "")
    gone = entry(policy(condition(), spec={"targetRefs": [{"kind": "Gateway", "name": "other"}]}))
    assert gone.held_by == "no proxy"


def test_the_table_has_a_line_for_each_policy():
    lines = acceptance.table([entry(policy(condition()))]).splitlines()
    assert lines[0].split() == ["POLICY", "TARGET", "ACCEPTED", "HELD", "BY", "SINCE"]
    assert lines[1].startswith("shop/p")
    assert acceptance.table([]) == "no policies"


def test_each_finding_about_a_policy_has_its_code():
    deleted = policy(condition(), deletionTimestamp=OLD, finalizers=["x.io/y"])
    given = (policy(), policy(condition(status="False", message="no")), deleted)
    found = (each.code for each in acceptance.policy_findings(given, samples.LATER))
    assert list(found) == [Code.POLICY_NOT_SEEN, Code.POLICY_NOT_ACCEPTED, Code.POLICY_NOT_DELETED]
