# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Properties of all policies and requests, generated as for the comparison with real proxies."""

import dataclasses
import random
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient import authorization
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import Decision

from tests import authorization_cases
from tests.authorization_cases import Call, Case, Layer
from tests.unit.authorization.evaluator import samples

CASES = st.sampled_from(Layer).flatmap(authorization_cases.cases)
PORTS = [
    {"name": name, "port": port, "targetPort": target}
    for name, port, target in (
        ("http", 80, 9080),
        ("tcp", 81, 9081),
        ("", 82, 9080),
        ("udp-x", 83, 9081),
    )
]
TARGETS: dict[Layer, dict[str, Any]] = {
    Layer.L7: {"targetRefs": samples.TO_DETAILS},
    Layer.L4: {"selector": {"matchLabels": {"app.kubernetes.io/name": "details"}}},
}
OPEN_MEMBERS = ("port", "method", "path", "host", "headers", "source_ip")
pytestmark = pytest.mark.slow
HYPOTHESIS = hypothesis.settings(
    deadline=None,
    max_examples=60,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate],
)
"""Without shrinking, which takes minutes; `make truth` minimizes what it finds."""


def manifests(case: Case) -> list[dict[str, Any]]:
    return [
        samples.policy(
            f"p{number}",
            annotations=policy.get("annotations"),
            **policy["spec"],
            **TARGETS[case.layer],
        )
        for number, policy in enumerate(case.policies)
    ]


def snapshot(case: Case, policies: list[dict[str, Any]]) -> evaluator.Snapshot:
    return samples.snapshot(
        *policies,
        services=(samples.service(ports=PORTS, clusterIP="10.96.0.7"),),
        auto_allow=case.layer is Layer.L7,
        mesh=authorization.MeshSettings(authorizers=frozenset()),
    )


def request(case: Case, call: Call) -> evaluator.Request:
    l7 = case.layer is Layer.L7
    return evaluator.Request(
        source=call.source,
        destination=samples.DETAILS if l7 else samples.PODS,
        port=call.port if l7 else call.port + 9000,
        method=call.method,
        path=call.path,
        host=call.host,
        headers=dict(call.headers),
        source_ip=call.source_ip,
    )


def decisions(case: Case, policies: list[dict[str, Any]]) -> list[Decision]:
    evaluation = evaluator.Evaluator(snapshot(case, policies))
    return [evaluation.evaluate(request(case, call)).decision for call in case.calls]


@hypothesis.given(CASES, st.randoms(use_true_random=False))
@HYPOTHESIS
def test_order_never_matters(case: Case, chance: random.Random):
    policies = manifests(case)
    before = decisions(case, policies)
    chance.shuffle(policies)
    for policy in policies:
        rules = list(policy["spec"].get("rules", ()))
        chance.shuffle(rules)
        if rules:
            policy["spec"]["rules"] = rules
    assert decisions(case, policies) == before


@hypothesis.given(CASES)
@HYPOTHESIS
def test_a_complete_request_is_never_conditional(case: Case):
    found = decisions(case, manifests(case))
    # The server name inside of TLS is no member of a request, and unspecified on such a port.
    names_servers = "connection.sni" in str(case.policies)
    assert Decision.CONDITIONAL not in [
        decision
        for call, decision in zip(case.calls, found, strict=True)
        if not (names_servers and call.port == 81)
    ]


@hypothesis.given(CASES)
@HYPOTHESIS
def test_another_deny_policy_never_allows_more(case: Case):
    policies = manifests(case)
    more = [*policies, {**policies[0], "spec": {**policies[0]["spec"], "action": "DENY"}}]
    more[-1] = {**more[-1], "metadata": {**more[-1]["metadata"], "name": "another"}}
    for before, after in zip(decisions(case, policies), decisions(case, more), strict=True):
        assert after is not Decision.ALLOWED or before is Decision.ALLOWED


@hypothesis.given(CASES)
@HYPOTHESIS
def test_another_allow_rule_never_denies_more_beside_an_allow_policy(case: Case):
    policies = [*manifests(case), samples.policy("closed", **TARGETS[case.layer])]
    spec = {key: value for key, value in policies[0]["spec"].items() if key != "provider"}
    more = [*policies, samples.policy("another", **{**spec, "action": "ALLOW"})]
    for before, after in zip(decisions(case, policies), decisions(case, more), strict=True):
        assert before is not Decision.ALLOWED or after is Decision.ALLOWED


@hypothesis.given(CASES, st.sets(st.sampled_from(OPEN_MEMBERS), min_size=1))
@HYPOTHESIS
def test_the_verdict_on_unspecified_members_holds_for_each_value(case: Case, members: set[str]):
    evaluation = evaluator.Evaluator(snapshot(case, manifests(case)))
    for call in case.calls:
        known = request(case, call)
        nothing: dict[str, Any] = dict.fromkeys(members)
        general = evaluation.evaluate(dataclasses.replace(known, **nothing))
        decided = general.decision is not Decision.CONDITIONAL
        assert not decided or evaluation.evaluate(known).decision is general.decision
        assert decided or any(hop.only or hop.unless or hop.asks for hop in general.hops)


@hypothesis.given(CASES)
@HYPOTHESIS
def test_allowed_requests_have_a_listed_access(case: Case):
    policies = manifests(case)
    kind = (
        evaluator.DestinationKind.SERVICE
        if case.layer is Layer.L7
        else evaluator.DestinationKind.WORKLOAD
    )
    found = [a for a in evaluator.Reach(snapshot(case, policies)).all() if a.kind is kind]
    if Decision.ALLOWED in decisions(case, policies):
        assert found
