# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Requests merged into policies: few objects, stable ones, and nothing lost or won."""

import json
import random
import re
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient import authorization, kube, resources
from istio_ambient.authorization import _policies

ASKER = authorization.Requester("details", "service-mesh")
DETAILS = authorization.Target.service("shop", "details")
PODS = authorization.Target.app("shop", "details")
GET_X = authorization.Operation(ports=(80,), methods=("GET",), paths=("/x",))
GET_Y = authorization.Operation(ports=(80,), methods=("GET",), paths=("/y",))


def request(
    source: str | None,
    *operations: authorization.Operation,
    target: authorization.Target = DETAILS,
    requester: authorization.Requester = ASKER,
) -> authorization.AccessRequest:
    who = None if source is None else authorization.Source("shop", source)
    return authorization.AccessRequest(requester, "policies[0]", target, who, operations)


def manifests(*requests: authorization.AccessRequest) -> list[dict[str, Any]]:
    return [
        kube.manifest_of(p) for p in authorization.policies(requests, model="shop", app="beacon")
    ]


def only(*requests: authorization.AccessRequest) -> dict[str, Any]:
    (manifest,) = manifests(*requests)
    return manifest


def principals(rule: dict[str, Any]) -> list[str]:
    return [name.rpartition("/")[2] for name in rule["from"][0]["source"]["principals"]]


def test_an_app_policy_holds_at_the_waypoint_of_the_service():
    policy = only(request("productpage", GET_X))
    assert policy["metadata"]["namespace"] == "shop"
    assert policy["spec"] == {
        "action": "ALLOW",
        "targetRefs": [{"group": "", "kind": "Service", "name": "details"}],
        "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/productpage"]}}],
                "to": [{"operation": {"ports": ["80"], "methods": ["GET"], "paths": ["/x"]}}],
            }
        ],
    }


def test_a_unit_policy_holds_at_the_pods():
    policy = only(request("prometheus", authorization.Operation(ports=(9100,)), target=PODS))
    assert policy["spec"]["selector"] == {"matchLabels": {"app.kubernetes.io/name": "details"}}
    assert policy["spec"]["rules"][0]["to"] == [{"operation": {"ports": ["9100"]}}]
    assert "targetRefs" not in policy["spec"]


def test_sources_with_the_same_operations_share_a_rule():
    rules = only(request("b", GET_X), request("a", GET_X), request("c", GET_Y))["spec"]["rules"]
    assert [principals(rule) for rule in rules] == [["a", "b"], ["c"]]


def test_the_order_of_values_and_their_repetition_mean_nothing():
    one = authorization.Operation(ports=(1, 2), paths=("/a", "/b"))
    other = authorization.Operation(ports=(2, 1, 2), paths=("/b", "/a"))
    assert only(request("a", one)) == only(request("a", other))
    rules = only(request("a", one), request("b", other))["spec"]["rules"]
    assert [principals(rule) for rule in rules] == [["a", "b"]]


def test_a_source_has_one_rule_with_everything_it_was_given():
    rules = only(request("a", GET_Y), request("a", GET_X))["spec"]["rules"]
    assert len(rules) == 1
    assert [to["operation"]["paths"] for to in rules[0]["to"]] == [["/x"], ["/y"]]


def test_no_operations_are_everything_and_swallow_the_rest():
    assert only(request("a", GET_X), request("a"))["spec"]["rules"] == [
        {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/a"]}}]}
    ]


def test_a_target_without_sources_is_closed_and_not_left_out():
    assert "rules" not in only(request(None))["spec"]
    assert len(only(request(None), request("a", GET_X))["spec"]["rules"]) == 1


def test_no_requests_are_no_policies():
    assert manifests() == []


def test_an_operation_that_restricts_nothing_is_never_written():
    with pytest.raises(ValueError, match="restricts nothing"):
        _ = authorization.AllowRule(operations=(authorization.Operation(),)).content


def test_a_workload_target_without_labels_is_never_made():
    with pytest.raises(ValueError, match="label"):
        authorization.Target.workload("shop", {})


def test_objects_are_as_many_as_targets_and_do_not_depend_on_order():
    requests = [
        request(
            f"app-{source}",
            GET_X,
            GET_Y,
            target=authorization.Target.service("shop", f"svc-{target}"),
        )
        for source in range(30)
        for target in range(10)
    ]
    first = manifests(*requests)
    random.Random(7).shuffle(requests)  # noqa: S311  # not a secret
    assert manifests(*requests) == first
    assert len(first) == 10
    assert all(len(policy["spec"]["rules"]) == 1 for policy in first)


def test_every_source_can_be_led_back_to_who_asked():
    other = authorization.Requester("trusted", "service-mesh")
    policy = only(request("a", GET_X), request("a", GET_Y, requester=other), request("b"))
    assert json.loads(policy["metadata"]["annotations"][resources.REQUESTED_BY]) == {
        "shop/a": ["details:service-mesh", "trusted:service-mesh"],
        "shop/b": ["details:service-mesh"],
    }


def provenance(*requesters: str, complete: bool = True) -> authorization.Provenance:
    return authorization.Provenance(frozenset(requesters), complete)


def test_who_asked_is_found_again():
    other = authorization.Requester("trusted", "service-mesh")
    built = manifests(
        request("a", GET_X), request("a", GET_X, target=PODS), request(None, requester=other)
    )
    assert authorization.requesters_of(built) == {
        DETAILS: provenance("details:service-mesh", "trusted:service-mesh"),
        PODS: provenance("details:service-mesh"),
    }
    # Where the annotation was cut, any application may be a requester.
    cut = manifests(*(request(f"application-number-{n}", GET_X) for n in range(2000)))
    found = authorization.requesters_of(cut)[DETAILS]
    assert not found.complete and found.requesters == {"details:service-mesh"}
    beside = authorization.requesters_of((*cut, *built))[DETAILS]
    assert not beside.complete, "another policy of the target makes the cut one no more complete"


@pytest.mark.parametrize(
    "text", [None, "{", "[]", "[" * 100_000, '{"a": 1}', '{"a": [{}]}'], ids=range(6)
)
def test_policies_that_do_not_say_who_asked_may_be_anybodys(text: str | None):
    (policy,) = manifests(request("a", GET_X))
    policy["metadata"]["annotations"] = {} if text is None else {resources.REQUESTED_BY: text}
    unknown = provenance(complete=False)
    assert authorization.requesters_of([policy]) == {DETAILS: unknown}
    namespace_wide: dict[str, Any] = {"metadata": {"namespace": "shop"}, "spec": {"rules": [{}]}}
    assert authorization.requesters_of([namespace_wide]) == {}


def test_requesters_that_a_policy_names_are_printable():
    (policy,) = manifests(request("a", GET_X))
    named = {resources.REQUESTED_BY: json.dumps({"shop/a": ["x\ny", "\ud800"]})}
    policy["metadata"]["annotations"] = named
    (found,) = authorization.requesters_of([policy]).values()
    assert all(each.isprintable() for each in found.requesters)


def test_the_public_charms_policies_count_as_those_of_every_application_until_they_are_adopted():
    (policy,) = manifests(request("a", GET_X))
    policy["metadata"]["labels"] = {resources.SCOPE_LABEL: "istio-authorization-policy"}
    assert authorization.requesters_of([policy])[DETAILS].names(requester("b"))
    policy["metadata"]["annotations"][resources.OWNER_ANNOTATION] = "shop/beacon"
    assert not authorization.requesters_of([policy])[DETAILS].names(requester("b"))


def requester(app: str) -> authorization.Requester:
    return authorization.Requester(app, "service-mesh")


def test_what_leads_back_is_capped():
    policy = only(*(request(f"application-number-{n}", GET_X) for n in range(2000)))
    text = policy["metadata"]["annotations"][resources.REQUESTED_BY]
    assert len(text) < _policies.MAX_PROVENANCE + 1000
    assert "and more" in json.loads(text)


def test_what_is_too_large_for_one_object_is_split_and_means_the_same():
    paths = [tuple(f"/{'x' * 900}/{n}/{m}" for m in range(256)) for n in range(8)]
    operations = [authorization.Operation(methods=("GET",), paths=some) for some in paths]
    split = manifests(request("a", *operations), request("b", *operations[:3]))
    assert len(split) > 1
    assert len({policy["metadata"]["name"] for policy in split}) == len(split)
    written = {
        (who, path)
        for policy in split
        for rule in policy["spec"]["rules"]
        for who in principals(rule)
        for to in rule["to"]
        for path in to["operation"]["paths"]
    }
    expected = {("a", path) for some in paths for path in some}
    assert written == expected | {("b", path) for some in paths[:3] for path in some}
    assert all(len(json.dumps(policy)) < 1_000_000 for policy in split)


def test_more_rules_than_one_object_may_hold_are_split():
    requests = [request(f"a{n}", authorization.Operation(ports=(n,))) for n in range(1, 600)]
    split = manifests(*requests)
    assert [len(policy["spec"]["rules"]) for policy in split] == [512, 87]


def test_many_sources_in_one_rule_are_split():
    policy = only(*(request(f"a{n}", GET_X) for n in range(1200)))
    assert [len(principals(rule)) for rule in policy["spec"]["rules"]] == [500, 500, 200]


_TEXT = st.text("abz-.09", min_size=1, max_size=70)
_TARGET = st.one_of(
    st.builds(authorization.Target.service, _TEXT, _TEXT),
    st.builds(
        authorization.Target.workload, _TEXT, st.dictionaries(_TEXT, _TEXT, min_size=1, max_size=2)
    ),
)
_NAMED = st.tuples(_TEXT, _TEXT, _TARGET, st.integers(0, 3))


@pytest.mark.slow
@hypothesis.given(_NAMED, _NAMED)
@hypothesis.settings(deadline=None, max_examples=500)
def test_names_fit_and_no_two_inputs_share_one(a: Any, b: Any):
    first, second = _policies.policy_name(*a), _policies.policy_name(*b)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", first.strip("-")), first
    assert len(first) <= 63
    assert (first == second) == (a == b)


def test_names_that_read_the_same_differ():
    assert _policies.policy_name("b", "a-x", DETAILS) != _policies.policy_name("x-b", "a", DETAILS)
    dotted = authorization.Target.workload("shop", {"a": "b.c"})
    dashed = authorization.Target.workload("shop", {"a": "b-c"})
    assert _policies.policy_name("m", "a", dotted) != _policies.policy_name("m", "a", dashed)
