# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What an ingress gateway says of requests from outside."""

from typing import Any

import pytest
from istio_ambient.authorization import evaluator

from tests.unit.authorization.evaluator import samples

TO_GATE = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gate"}]
FROM_OFFICE = {"from": [{"source": {"ipBlocks": ["203.0.113.0/24"]}}]}
WITHOUT_TOKEN = {"from": [{"source": {"notRequestPrincipals": ["*"]}}]}


TOKENS = samples.policy("tokens", selector=None, jwtRules=[{"issuer": "https://login.example"}])


def hop(
    *policies: dict[str, Any],
    source_ip: str | None = "203.0.113.7",
    path: str = "/x",
    headers: dict[str, str] | None = None,
    authentications: bool = False,
) -> Any:
    labels = {"gateway.networking.k8s.io/gateway-name": "gate", "team": "front"}
    pods = (samples.pod("gate-istio-0", "gate", "gate-istio", labels=labels),)
    changes: dict[str, Any] = {"request_authentications": (TOKENS,) if authentications else ()}
    evaluation = evaluator.Evaluator(samples.snapshot(*policies, pods=pods, **changes))
    request = evaluator.Request(
        None,
        samples.DETAILS,
        port=443,
        path=path,
        method="GET",
        headers=headers,
        source_ip=source_ip,
    )
    return evaluation.at_gateway(("shop", "gate"), request)


def test_clients_are_let_in_by_their_network():
    policy = samples.policy("limits", targetRefs=TO_GATE, rules=[FROM_OFFICE])
    assert hop(policy).decision is evaluator.Decision.ALLOWED
    assert hop(policy, source_ip="198.51.100.1").reason is evaluator.Reason.LACK_OF_ALLOW
    unknown = hop(policy, source_ip=None)
    assert unknown.decision is evaluator.Decision.CONDITIONAL
    assert [each.text for each in unknown.only] == ["from 203.0.113.0/24"]


@pytest.mark.parametrize(
    ("where", "spec", "applied"),
    [
        ("mesh", {}, True),
        ("shop", {}, True),
        ("other", {}, False),
        ("shop", {"selector": {"matchLabels": {"team": "front"}}}, True),
        ("shop", {"selector": {"matchLabels": {"team": "back"}}}, False),
        ("shop", {"targetRefs": samples.TO_GATEWAY}, False),
        ("mesh", {"targetRefs": TO_GATE}, False),
        ("mesh", {"targetRefs": samples.TO_CLASS}, False),
    ],
)
def test_which_policies_a_gateway_heeds(where: str, spec: dict[str, Any], applied: bool):
    decision = hop(samples.policy("closed", where, **spec)).decision
    assert (decision is evaluator.Decision.DENIED) == applied


def test_whether_there_is_a_token_is_open():
    closed = samples.policy("tokens", targetRefs=TO_GATE, action="DENY", rules=[WITHOUT_TOKEN])
    assert hop(closed).decision is evaluator.Decision.DENIED
    found = hop(closed, authentications=True)
    assert found.decision is evaluator.Decision.CONDITIONAL
    assert [str(each.policy) for each in found.unless] == ["shop/tokens rule 0"]


def test_an_external_authorizer_decides_but_for_the_paths_left_out():
    rule = {"to": [{"operation": {"notPaths": ["/open", "/open/*"]}}]}
    policy = samples.policy("ask", targetRefs=TO_GATE, action="CUSTOM", rules=[rule])
    assert hop(policy).reason is evaluator.Reason.CUSTOM
    assert hop(policy, path="/open/x").decision is evaluator.Decision.ALLOWED
