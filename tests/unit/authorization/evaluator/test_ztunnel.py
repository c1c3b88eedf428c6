# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What ztunnel makes of policies at a pod."""

from typing import Any

import pytest
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import Decision, Reason

from tests.unit.authorization.evaluator import samples
from tests.unit.authorization.evaluator.samples import FROM_WEB, policy


def at_pod(*policies: Any, source: str | None = "shop/web", **request: Any) -> evaluator.Hop:
    asked = {"source_ip": "10.1.2.3", "port": 9080, **request}
    plain = {"auto_allow": False}
    found = samples.verdict(*policies, source=source, target=samples.POD, changes=plain, **asked)
    return found.hops[0]


HTTP = {"to": [{"operation": {"ports": ["9080"], "methods": ["GET"]}}]}
ONLY_HTTP = {"to": [{"operation": {"methods": ["GET"]}}]}


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({}, True),
        (FROM_WEB, True),
        ({"from": [{"source": {"principals": ["*/sa/web"]}}]}, True),
        ({"from": [{"source": {"notPrincipals": ["*/sa/web"]}}]}, False),
        ({"from": [{"source": {"namespaces": ["sh*"]}}]}, True),
        # No wildcard in the middle, unlike at a waypoint.
        ({"from": [{"source": {"namespaces": ["s*p"]}}]}, False),
        ({"from": [{"source": {"serviceAccounts": ["web"]}}]}, True),
        ({"from": [{"source": {"ipBlocks": ["10.1.0.0/16"]}}]}, True),
        ({"from": [{"source": {"notIpBlocks": ["10.1.0.0/16"]}}]}, False),
        ({"to": [{"operation": {"ports": ["9080"]}}]}, True),
        ({"to": [{"operation": {"ports": ["80"]}}]}, False),
        ({"to": [{"operation": {"notPorts": ["80"]}}]}, True),
        ({"when": [{"key": "destination.port", "values": ["9080"]}]}, True),
        ({"when": [{"key": "destination.ip", "values": ["10.244.0.0/16"]}]}, True),
        ({"when": [{"key": "source.namespace", "notValues": ["shop"]}]}, False),
    ],
)
def test_rules(rule: Any, matches: bool):
    allowed = at_pod(policy(rules=[rule])).decision is Decision.ALLOWED
    denied = at_pod(policy(action="DENY", rules=[rule])).decision is Decision.DENIED
    assert (allowed, denied) == (matches, matches)


@pytest.mark.parametrize(
    ("rule", "denies"),
    [
        (HTTP, True),
        (ONLY_HTTP, False),
        ({**FROM_WEB, **ONLY_HTTP}, False),
        ({"from": [{"source": {"requestPrincipals": ["*"]}}]}, False),
        ({"from": [{"source": {"requestPrincipals": ["*"], "namespaces": ["shop"]}}]}, True),
        ({**FROM_WEB, "when": [{"key": "request.headers[x]", "values": ["y"]}]}, False),
    ],
)
def test_rules_about_http_allow_nothing_and_deny_what_is_left_of_them(rule: Any, denies: bool):
    assert at_pod(policy(rules=[rule])).reason is Reason.LACK_OF_ALLOW
    decision = at_pod(policy(action="DENY", rules=[rule])).decision
    assert (decision is Decision.DENIED) is denies


def test_who_has_no_identity_matches_no_name():
    any_identity = {"from": [{"source": {"principals": ["*"]}}]}
    assert at_pod(policy(rules=[any_identity]), source=None).decision is Decision.DENIED
    unidentified = {"from": [{"source": {"notPrincipals": ["*"]}}]}
    assert at_pod(policy(rules=[unidentified]), source=None).decision is Decision.ALLOWED
    assert at_pod(policy(rules=[unidentified])).decision is Decision.DENIED


@pytest.mark.parametrize(
    ("closing", "applied"),
    [
        (policy(), True),
        (policy("closed", "mesh"), True),
        (policy("closed", "other"), False),
        (policy(selector={"matchLabels": {"app.kubernetes.io/name": "details"}}), True),
        (
            policy("x", "mesh", selector={"matchLabels": {"app.kubernetes.io/name": "details"}}),
            True,
        ),
        (policy(selector={"matchLabels": {"app.kubernetes.io/name": "other"}}), False),
        (policy(selector={}), False),
        (policy(targetRefs=samples.TO_DETAILS), False),
        (policy(action="CUSTOM", rules=[{}]), False),
        (policy(action="AUDIT", rules=[{}]), False),
        (policy(annotations={"istio.io/dry-run": "true"}), False),
    ],
)
def test_policies_that_apply_to_a_pod(closing: Any, applied: bool):
    assert (at_pod(closing).decision is Decision.DENIED) is applied


def test_the_port_may_be_open():
    hop = at_pod(policy(rules=[{"to": [{"operation": {"ports": ["9080"]}}]}]), port=None)
    assert hop.decision is Decision.CONDITIONAL
    assert [condition.text for condition in hop.only] == ["on 9080"]
