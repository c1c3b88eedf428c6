# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Juju refuses hook tools for one relation: no hook fails, and all else is as without it."""

import collections
import dataclasses
import functools
import json
from collections.abc import Collection, Mapping
from typing import Any
from unittest import mock

import ops
import pytest
from istio_ambient.authorization._rule_sets import RuleSet
from istio_ambient.charm import relations
from ops import testing
from scenario import mocking

from tests.unit.whole_charm import refusals, running
from tests.unit.whole_charm.cases import base_beacon, base_control_plane, base_ingress
from tests.unit.whole_charm.outcomes import ABSENT, Outcome
from tests.unit.whole_charm.scenarios import EMPTY, Patch, Scenario, patched

BROKEN = "broken"
"""The scenarios' name of the relation that tools are refused for, which comes last."""
REVIEWS = {"Service shop/reviews": base_ingress.service("reviews", 9080)}
INGRESS = {"model": '"shop"', "name": '"reviews"', "port": "9080"}
ROUTE = {
    "model": "shop",
    "listeners": [{"port": 8080, "protocol": "HTTP"}],
    "http_routes": [
        {
            "name": "reviews",
            "listener": {"port": 8080, "protocol": "HTTP"},
            "matches": [{"path": {"type": "PathPrefix", "value": "/reviews"}}],
            "backends": [{"service": "reviews", "port": 9080}],
        }
    ],
}
ENTRY = {**base_beacon.ENTRY, "target_app_name": "reviews"}
SENT: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "istio-beacon-k8s": {
        "service-mesh": {"policies": [ENTRY]},
        "provide-cmr-mesh": {"cmr_data": {"app_name": "collector", "juju_model_name": "cos"}},
        "metrics-endpoint": {},
        "grafana-dashboard": {},
        "charm-tracing": {
            "receivers": [
                {"protocol": {"name": "otlp_http", "type": "http"}, "url": "http://tempo:4318"}
            ]
        },
    },
    "istio-ingress-k8s": {
        "ingress": INGRESS,
        "ingress-unauthenticated": INGRESS,
        "istio-ingress-route": {"config": ROUTE},
        "istio-ingress-route-unauthenticated": {"config": ROUTE},
        "istio-ingress-config": base_ingress.LOGIN["relations"]["control plane"]["app_data"],
        "istio-request-auth": {"jwt_rules": [base_ingress.RULE]},
        "gateway-metadata": {},
        "provide-cmr-mesh": {"cmr_data": {"app_name": "collector", "juju_model_name": "cos"}},
        "metrics-endpoint": {},
        "grafana-dashboard": {},
        "certificates": {},
        "charm-tracing": {},
        "upstream-ingress": {"ingress": '{"url": "https://front.example.com/shop"}'},
        "forward-auth": base_ingress.LOGIN["relations"]["login"]["app_data"],
    },
    "istio-k8s": {
        "grafana-dashboard": {},
        "istio-metadata": {},
        "metrics-endpoint": {},
        "charm-tracing": {},
        "workload-tracing": {
            "receivers": [{"protocol": {"name": "otlp_grpc"}, "url": "other.cos.svc:4317"}]
        },
        "istio-ingress-config": base_control_plane.AUTHORIZER,
        "jwks-ca-cert": {"version": "1", "certificates": [base_control_plane.OTHER_ROOT.pem]},
    },
}
"""What the remote application of the relation has sent, by charm and endpoint."""
BASES = {
    "istio-beacon-k8s": base_beacon.BASE,
    "istio-ingress-k8s": patched(base_ingress.BASE, {"objects": REVIEWS}),
    "istio-k8s": patched(
        base_control_plane.BASE, {"relations": {"collector": None, "authority": None}}
    ),
}
RESTRICTING = {"forward-auth", "istio-request-auth", "certificates"}
"""Endpoints of the ingress gateway whose relations take from what clients may do without."""
ENDPOINTS = [(charm, endpoint) for charm, sent in SENT.items() for endpoint in sent]


def related(charm: str, endpoint: str, **members: Any) -> Patch:
    """Return the change by which another application is related to an endpoint."""
    relation = {"endpoint": endpoint, "app": "reviews", "app_data": SENT[charm][endpoint]}
    return {"relations": {BROKEN: {**relation, **members}}}


@functools.cache
def _run(charm: str, patches: str) -> tuple[Outcome, running.Left]:
    return running.run_with_left(patched(EMPTY, BASES[charm], *json.loads(patches)))


def run(charm: str, *patches: Patch) -> Outcome:
    """Return the outcome of a charm where Juju refuses nothing."""
    return _run(charm, json.dumps(patches))[0]


def run_without(charm: str, endpoint: str, role: Patch) -> Outcome:
    """Return the outcome without a relation; what it restricts stays restricted."""
    if endpoint in RESTRICTING:
        return run(charm, role, related(charm, endpoint, app_data={}))
    return run(charm, role)


def run_refused(
    scenario: Scenario,
    tools: Collection[str],
    how: str,
    before: running.Left = running.NOTHING,
) -> tuple[Outcome, running.Left, list[str]]:
    """Return the outcome where Juju refuses tools for the last relation, and which were called."""
    with refusals.refused(tools, how, relation=len(scenario["relations"])) as calls:
        return *running.run_with_left(scenario, before), calls


def others(outcome: Outcome, *, but: str = BROKEN) -> dict[str, Any]:
    """Return the cluster and the databags of all relations but one."""
    left_out = {"status", "plan", "requests", "reads", "version", "action", "log", "codes"}
    left_out |= {f"app databag {but}", f"unit databag {but}"}
    return {place: each for place, each in outcome.sections.items() if place not in left_out}


def databags(places: Mapping[str, Any]) -> dict[str, Any]:
    """Return the databags of an outcome."""
    return {place: each for place, each in places.items() if "databag" in place}


def names(outcome: Outcome, endpoint: str) -> bool:
    """Return whether a finding, which is one of those in the status, names the relation."""
    texts = tuple(f"{code} reviews:{endpoint}: Juju " for code in ("CI-202", "CI-203"))
    return any(line.startswith(texts) for line in outcome.at("log"))


def denials(outcome: Outcome) -> set[str]:
    """Return the places of policies that allow nothing."""
    closed: set[str] = set()
    for place, each in outcome.sections.items():
        if place.startswith(("AuthorizationPolicy ", "access to ")):
            spec: Mapping[str, Any] = each["spec"]
            if not spec.get("rules") and spec.get("action", "ALLOW") == "ALLOW":
                closed.add(place)
    return closed


@pytest.mark.slow
@pytest.mark.parametrize("leader", [True, False], ids=["leader", "follower"])
@pytest.mark.parametrize(("charm", "endpoint"), ENDPOINTS)
def test_all_else_is_as_without_a_relation_that_juju_refuses(
    charm: str, endpoint: str, leader: bool
):
    role = {"leader": leader}
    without = run_without(charm, endpoint, role)
    scenario = patched(EMPTY, BASES[charm], role, related(charm, endpoint))
    for how in (*refusals.GONE, *refusals.PASSING):
        outcome, _, calls = run_refused(scenario, refusals.OF_RELATIONS, how)
        found, expected = others(outcome), others(without)
        if how not in refusals.GONE:
            # Requests that cannot be read close what belongs to the application.
            for place in denials(outcome) - denials(without):
                del found[place]
        assert found == expected, how
        assert names(outcome, endpoint) == bool(calls), (how, calls)


@pytest.mark.slow
@pytest.mark.parametrize("leader", [True, False], ids=["leader", "follower"])
@pytest.mark.parametrize(("charm", "endpoint"), ENDPOINTS)
def test_no_single_refusal_fails_a_hook_or_reaches_another_relation(
    charm: str, endpoint: str, leader: bool
):
    role = {"leader": leader}
    scenario = patched(EMPTY, BASES[charm], role, related(charm, endpoint))
    live = others(run(charm, role, related(charm, endpoint)))
    without = others(run_without(charm, endpoint, role))
    for tool in refusals.OF_RELATIONS:
        for how in (refusals.FORGOTTEN, refusals.CUT_OFF, refusals.SILENT):
            outcome, _, calls = run_refused(scenario, (tool,), how)
            found = others(outcome)
            if tool in ("relation-set", "network-get"):
                assert found == live, (tool, how)
            else:
                expected = without if tool == "relation-get" else live
                assert databags(found) == databags(expected), (tool, how)
            assert names(outcome, endpoint) == (tool != "network-get" and bool(calls)), (tool, how)


def earlier(scenario: Scenario) -> running.Left:
    """Return what a hook leaves in which Juju refuses nothing."""
    return running.run_with_left(scenario)[1]


KEEPING = [
    ("istio-beacon-k8s", "service-mesh"),
    ("istio-ingress-k8s", "ingress"),
    ("istio-ingress-k8s", "istio-ingress-route-unauthenticated"),
    ("istio-ingress-k8s", "forward-auth"),
    ("istio-ingress-k8s", "istio-request-auth"),
    ("istio-ingress-k8s", "upstream-ingress"),
    ("istio-k8s", "istio-ingress-config"),
    ("istio-k8s", "jwks-ca-cert"),
    ("istio-k8s", "workload-tracing"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("charm", "endpoint"), KEEPING)
def test_a_refusal_that_passes_changes_nothing_for_a_live_relation(charm: str, endpoint: str):
    scenario = patched(EMPTY, BASES[charm], related(charm, endpoint))
    before = earlier(scenario)
    live = running.run_with_left(scenario, before)[0]
    assert others(live) != others(run(charm)), "the relation changes something"
    for how in refusals.PASSING:
        outcome, _, calls = run_refused(scenario, ("relation-get", "relation-set"), how, before)
        assert "relation-get" in calls
        assert outcome.at("requests") == [], how
        assert others(outcome) == others(live), how
        assert names(outcome, endpoint)


@pytest.mark.slow
def test_a_refusal_that_lasts_closes_what_belongs_to_the_application(
    monkeypatch: pytest.MonkeyPatch,
):
    scenario = patched(
        EMPTY, BASES["istio-beacon-k8s"], related("istio-beacon-k8s", "service-mesh")
    )
    live, left = running.run_with_left(scenario)
    place = "access to Service shop/reviews"
    assert live.at(f"{place}: spec.rules")
    for passed, is_open in ((0.0, True), (relations.KEPT - 1, True), (relations.KEPT + 1, False)):
        monkeypatch.setattr(relations, "now", lambda passed=passed: 1e9 + passed)
        outcome, left, _ = run_refused(scenario, ["relation-get"], refusals.CUT_OFF, left)
        assert outcome.at(place) is not ABSENT, "without a policy, every workload would be allowed"
        assert (outcome.at(f"{place}: spec.rules") not in (ABSENT, [])) == is_open
    again, _ = running.run_with_left(scenario, left)
    assert again.at(f"{place}: spec.rules") == live.at(f"{place}: spec.rules")


@pytest.mark.slow
@pytest.mark.parametrize("own", [None, refusals.CUT_OFF], ids=["readable", "refused otherwise"])
@pytest.mark.parametrize("how", refusals.GONE)
def test_a_databag_that_is_refused_alone_is_no_empty_one(
    how: str, own: str | None, monkeypatch: pytest.MonkeyPatch
):
    """Only where Juju knows nothing of our own unit either, the relation is forgotten."""
    scenario = patched(
        EMPTY, BASES["istio-beacon-k8s"], related("istio-beacon-k8s", "service-mesh")
    )
    live, left = running.run_with_left(scenario)
    number, real = len(scenario["relations"]), mocking._MockModelBackend.relation_get

    def refusing(self: Any, relation_id: int, member: str, is_app: bool, **named: Any) -> Any:
        refused = how if is_app and member == "reviews" else own
        if relation_id != number or (not is_app and own is None) or member == "beacon":
            return real(self, relation_id, member, is_app, **named)
        with self._wrap_hookcmd("relation-get", relation_id=relation_id):
            raise refusals._end("relation-get", str(refused))

    with monkeypatch.context() as patch:
        patch.setattr(mocking._MockModelBackend, "relation_get", refusing)
        outcome, left = running.run_with_left(scenario, left)
    assert others(outcome) == others(live)
    assert outcome.at("requests") == []
    assert names(outcome, "service-mesh")
    again, _, _ = run_refused(scenario, ["relation-get"], refusals.CUT_OFF, left)
    assert others(again) == others(live), "what it sent last is still known"


@pytest.mark.slow
def test_a_relation_that_juju_forgets_loses_at_once_what_it_had():
    """Also after a hook in which its last databag was used."""
    scenario = patched(
        EMPTY, BASES["istio-beacon-k8s"], related("istio-beacon-k8s", "service-mesh")
    )
    left = earlier(scenario)
    _, left, _ = run_refused(scenario, refusals.OF_RELATIONS, refusals.CUT_OFF, left)
    for how in refusals.GONE:
        outcome, then, _ = run_refused(scenario, refusals.OF_RELATIONS, how, left)
        assert outcome.at("access to Service shop/reviews") is ABSENT
        # What ops cannot tell from a relation that is forgotten does not come back either.
        outcome, _, _ = run_refused(scenario, refusals.OF_RELATIONS, refusals.CUT_OFF, then)
        assert outcome.at("access to Service shop/reviews") is ABSENT


@pytest.mark.slow
def test_access_of_others_is_withdrawn_beside_a_forgotten_relation():
    charm = "istio-beacon-k8s"
    before = earlier(patched(EMPTY, BASES[charm], related(charm, "metrics-endpoint")))
    asks_no_more: Patch = {"relations": {"details": {"app_data": {"policies": []}}}}
    scenario = patched(EMPTY, BASES[charm], asks_no_more, related(charm, "metrics-endpoint"))
    outcome, _, _ = run_refused(scenario, refusals.OF_RELATIONS, refusals.DENIED, before)
    assert outcome.at("access to Service shop/details") is ABSENT
    sources = outcome.at(f"{base_beacon.OURS}: spec.rules[0].from[0].source.principals")
    assert not any("reviews" in principal for principal in sources)
    status = "blocked: reviews:metrics-endpoint: Juju has forgotten this relation; "
    assert outcome.at("status") == f"{status}kubectl -n shop delete pod beacon-0"


@pytest.mark.slow
@pytest.mark.parametrize("how", [refusals.DENIED, refusals.CUT_OFF])
def test_what_a_relation_restricts_stays_restricted(how: str):
    """Nothing is open that requires a login, a token or HTTPS with the relation."""
    charm = "istio-ingress-k8s"
    for endpoint, guard in (("forward-auth", "ext-authz"), ("istio-request-auth", "deny-without")):
        scenario = patched(EMPTY, BASES[charm], related(charm, endpoint))
        for left in (running.NOTHING, earlier(scenario)):
            outcome, _, _ = run_refused(scenario, refusals.OF_RELATIONS, how, left)
            guards = [place for place in outcome.sections if f"/{guard}" in place]
            assert guards or not any(p.startswith("HTTPRoute ") for p in outcome.sections)
    scenario = patched(EMPTY, BASES[charm], related(charm, "certificates"))
    outcome, _, _ = run_refused(scenario, refusals.OF_RELATIONS, how)
    assert outcome.at("app databag productpage: ingress") is ABSENT


WITH_SECRETS: Mapping[str, Patch] = {
    "istio-beacon-k8s": {},
    "istio-ingress-k8s": base_ingress.CERTIFIER,
    "istio-k8s": {"config": {"ca-secret": base_control_plane.SECRET}},
}
"""What makes each charm read secrets."""


@pytest.mark.slow
@pytest.mark.parametrize("charm", BASES)
@pytest.mark.parametrize("how", [refusals.CUT_OFF, refusals.SILENT, refusals.MISSING])
def test_no_hook_fails_where_juju_refuses_tools_for_all(charm: str, how: str):
    tools = {*refusals.TOOLS} - {*refusals.OF_RELATIONS}
    scenario = patched(EMPTY, BASES[charm], WITH_SECRETS[charm], {"units": 3})
    with refusals.refused(tools, how) as calls:
        outcome, _ = running.run_with_left(scenario)
    assert {"goal-state", *(["secret-get"] if WITH_SECRETS[charm] else [])} <= {*calls}
    assert any("Juju refuses goal-state" in line for line in outcome.at("log"))
    with refusals.refused(["goal-state"], how):
        outcome, _ = running.run_with_left(scenario)
    # Without a peer relation, a unit knows of itself.
    expected, _ = running.run_with_left(patched(scenario, {"units": 1}))
    ours = {place for place in others(expected) if place.startswith(("Deployment ", "Horizontal"))}
    assert {p: outcome.at(p) for p in ours} == {p: expected.at(p) for p in ours}


@pytest.mark.slow
@pytest.mark.parametrize("how", [refusals.CUT_OFF, refusals.SILENT, refusals.MISSING])
def test_the_authority_in_use_stays_where_juju_refuses_its_secret(how: str):
    scenario = patched(EMPTY, BASES["istio-k8s"], WITH_SECRETS["istio-k8s"])
    served, left = running.run_with_left(scenario)
    with refusals.refused(["secret-get"], how):
        outcome, _ = running.run_with_left(scenario, left)
    assert outcome.at(base_control_plane.CACERTS) == served.at(base_control_plane.CACERTS)
    assert any(line.startswith("CI-102 config ca-secret: ") for line in outcome.at("log"))


@pytest.mark.slow
@pytest.mark.parametrize("charm", BASES)
def test_a_removal_is_known_by_the_first_unit_where_juju_refuses_goal_state(
    charm: str, monkeypatch: pytest.MonkeyPatch
):
    """Kubernetes takes the pods of a StatefulSet away in descending order."""
    left = earlier(patched(EMPTY, BASES[charm]))
    scenario = patched(EMPTY, BASES[charm], {"event": "remove", "units": 0})
    expected = running.run_with_left(scenario, left)[0].at("requests")
    assert expected != []
    with refusals.refused(["goal-state"], refusals.CUT_OFF):
        assert running.run_with_left(scenario, left)[0].at("requests") == expected
        monkeypatch.setattr(running.charm_type(charm), "is_first", False)
        outcome, _ = running.run_with_left(scenario, left)
    assert outcome.at("requests") == []
    assert any("unit 0 deletes them" in line for line in outcome.at("log"))


NAMELESS = ("relation-list", "relation-list --app", *refusals.OF_RELATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(("charm", "endpoint"), ENDPOINTS)
def test_what_an_application_has_that_juju_does_not_name_stays_as_it_is(
    charm: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
):
    scenario = patched(EMPTY, BASES[charm], related(charm, endpoint))
    live, left = running.run_with_left(scenario, earlier(scenario))
    outcome, _, calls = run_refused(scenario, NAMELESS, refusals.FORGOTTEN, left)
    assert "relation-list --app" in calls
    assert outcome.at("requests") == []
    assert others(outcome) == others(live)
    assert names(outcome, endpoint)
    # What it sent does not count for ever, and what it restricts does.
    monkeypatch.setattr(relations, "now", lambda: 2e9)
    run_refused(scenario, NAMELESS, refusals.FORGOTTEN, left)
    # Of an application that no hook has seen, nothing is known.
    outcome, _, _ = run_refused(scenario, NAMELESS, refusals.FORGOTTEN)
    if endpoint != "gateway-metadata":
        assert outcome.at("requests") == [], "only what is told there follows from nothing"
    number = len(scenario["relations"])
    named = f": Juju refuses relation-list: relation {number} has no application"
    assert any(f" {endpoint}{named}" in line for line in outcome.at("log"))


def test_an_application_that_juju_never_names_gets_a_remedy_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
):
    scenario = patched(
        EMPTY, BASES["istio-beacon-k8s"], related("istio-beacon-k8s", "service-mesh")
    )
    outcome, left, _ = run_refused(scenario, NAMELESS, refusals.FORGOTTEN)
    assert not any("delete pod" in line for line in outcome.at("log"))
    monkeypatch.setattr(relations, "now", lambda: 2e9)
    outcome, _, _ = run_refused(scenario, NAMELESS, refusals.FORGOTTEN, left)
    assert outcome.at("status").startswith("blocked: service-mesh: Juju names no application")
    assert outcome.at("status").endswith("; kubectl -n shop delete pod beacon-0")
    assert outcome.at("requests") == []


@pytest.mark.slow
@pytest.mark.parametrize(("charm", "endpoint"), ENDPOINTS)
def test_only_access_is_taken_away_where_an_application_stays_unknown(
    charm: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
):
    scenario = patched(EMPTY, BASES[charm], related(charm, endpoint))
    live, left = running.run_with_left(scenario, earlier(scenario))
    # The unit's own state is lost with its pod.
    left = dataclasses.replace(left, stored=frozenset())
    for time in TRIED:
        monkeypatch.setattr(relations, "now", lambda time=time: time)
        outcome, left, _ = run_refused(scenario, NAMELESS, refusals.FORGOTTEN, left)
        for place, before in others(live).items():
            if place.startswith(DECIDING) and time == TRIED[-1]:
                assert is_narrower(place, before, outcome.sections.get(place)), place
            elif endpoint != "gateway-metadata" or not place.startswith("ConfigMap "):
                assert outcome.sections.get(place) == before, place
        assert outcome.sections.keys() - live.sections.keys() <= {"requests"}


TRIED = (1e9, 1e9 + 600, 1e9 + 1200)
"""Times of hooks; the last one comes more than 15 minutes after the first."""
DECIDING = (
    "AuthorizationPolicy ",
    "access to ",
    "RequestAuthentication ",
    "HTTPRoute ",
    "GRPCRoute ",
)
"""How places of objects begin that decide about access."""


def is_narrower(place: str, before: Any, after: Any) -> bool:
    """Return whether an object gives no more access than before."""
    if after is None:
        # Tokens are accepted no more. The policy that requires one is an object of its own.
        return "Route " in place or place.startswith("RequestAuthentication ")
    rules = [RuleSet.of(each["spec"].get("rules", [])) for each in (after, before)]
    others = [{**each["spec"], "rules": ()} for each in (after, before)]
    is_allowing = before["spec"].get("action", "ALLOW") == "ALLOW" and "Route " not in place
    return after["spec"] == before["spec"] or (
        is_allowing and others[0] == others[1] and rules[0] <= rules[1]
    )


def test_withdrawn_access_does_not_wait_for_ever_for_an_unknown_application(
    monkeypatch: pytest.MonkeyPatch,
):
    charm = "istio-beacon-k8s"
    scenario = patched(EMPTY, BASES[charm], related(charm, "service-mesh"))
    left = dataclasses.replace(earlier(scenario), stored=frozenset())
    scenario = patched(scenario, {"relations": {"details": {"app_data": None}}})
    # After a pause, the API of the controller may only just have come back.
    for time in (0.0, *TRIED):
        monkeypatch.setattr(relations, "now", lambda time=time: time)
        outcome, left, _ = run_refused(scenario, NAMELESS, refusals.FORGOTTEN, left)
        assert (base_beacon.DETAILS in denials(outcome)) == (time == TRIED[-1])
        assert base_beacon.STOCK not in denials(outcome)
    with refusals.refused(["relation-ids"], refusals.SILENT):
        again, _ = running.run_with_left(scenario, left)
    assert again.at("requests") == [], "what has just begun may pass"


@pytest.mark.slow
def test_what_such_an_application_restricts_stays_restricted_for_ever(
    monkeypatch: pytest.MonkeyPatch,
):
    charm = "istio-ingress-k8s"
    for endpoint, guard in (("forward-auth", "ext-authz"), ("istio-request-auth", "deny-without")):
        scenario = patched(EMPTY, BASES[charm], related(charm, endpoint))
        left = earlier(scenario)
        for time in (1e9, 2e9):
            monkeypatch.setattr(relations, "now", lambda time=time: time)
            outcome, left, _ = run_refused(scenario, NAMELESS, refusals.FORGOTTEN, left)
            guards = [place for place in outcome.sections if f"/{guard}" in place]
            assert guards or not any(p.startswith("HTTPRoute ") for p in outcome.sections)
    charm, place = "istio-beacon-k8s", "access to Service shop/reviews"
    scenario = patched(EMPTY, BASES[charm], related(charm, "service-mesh"))
    left = earlier(scenario)
    for time, is_open in ((1e9, True), (2e9, False)):
        monkeypatch.setattr(relations, "now", lambda time=time: time)
        outcome, left, _ = run_refused(scenario, NAMELESS, refusals.FORGOTTEN, left)
        assert outcome.at(place) is not ABSENT, "without a policy, every workload is allowed"
        assert (outcome.at(f"{place}: spec.rules") not in (ABSENT, [])) == is_open


@pytest.mark.slow
def test_the_model_of_an_application_is_asked_for_once():
    """It never changes. Where Juju refuses, the hook is as before."""
    charm = "istio-beacon-k8s"
    scenario = patched(EMPTY, BASES[charm], related(charm, "service-mesh"))
    live, left = running.run_with_left(scenario)
    assert live.at("access to Service shop/reviews: spec.rules")
    for how in refusals.PASSING:
        outcome, _, calls = run_refused(scenario, ["relation-model-get"], how, left)
        assert not calls
        assert others(outcome) == others(live)


@pytest.mark.slow
@pytest.mark.parametrize("charm", BASES)
@pytest.mark.parametrize("tool", refusals.OF_OPS)
def test_a_hook_goes_on_where_juju_refuses_what_ops_asks_for(charm: str, tool: str):
    """Without options nothing is known, and a unit that may be no leader writes nothing."""
    writes = tool in ("status-set", "juju-log")
    scenario = patched(EMPTY, BASES[charm], WITH_SECRETS[charm])
    live, left = running.run_with_left(scenario)
    changed = patched(scenario, {"units": 3})
    expected = running.run_with_left(changed, left)[0]
    assert expected.at("requests") != []
    for how in refusals.PASSING:
        with refusals.refused([tool], how) as calls:
            outcome, _ = running.run_with_left(changed, left)
        assert calls
        assert outcome.at("requests") == (expected.at("requests") if writes else [])
        assert others(outcome) == others(expected if writes else live), how
        if tool != "juju-log":
            assert any(f"Juju refuses {tool}" in line for line in outcome.at("log"))
        if not writes:
            assert any("juju: Juju refuses " in line for line in outcome.at("log"))
            assert not outcome.at("status").startswith("active")


@pytest.mark.slow
@pytest.mark.parametrize(("charm", "action"), [(charm, "reconcile") for charm in BASES])
def test_an_action_fails_with_a_reason_where_juju_refuses_the_options(charm: str, action: str):
    scenario = patched(EMPTY, BASES[charm], {"event": {"action": action}})
    with (
        refusals.refused(["config-get"], refusals.CUT_OFF),
        pytest.raises(testing.ActionFailed, match="Juju refuses config-get"),
    ):
        running.run_with_left(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("charm", BASES)
def test_a_removal_deletes_all_where_juju_refuses_the_options(charm: str):
    left = earlier(patched(EMPTY, BASES[charm]))
    scenario = patched(EMPTY, BASES[charm], {"event": "remove", "units": 0})
    expected = running.run_with_left(scenario, left)[0].at("requests")
    with refusals.refused(["config-get", "is-leader", "status-set"], refusals.CUT_OFF):
        assert running.run_with_left(scenario, left)[0].at("requests") == expected


@pytest.mark.slow
@pytest.mark.parametrize(("charm", "endpoint"), ENDPOINTS)
def test_no_hook_of_a_relation_fails_that_juju_refuses(charm: str, endpoint: str):
    """Published libraries observe these events before the charm does."""
    scenario = patched(EMPTY, BASES[charm], related(charm, endpoint))
    number = len(scenario["relations"])
    left = earlier(scenario)
    for hook in ("relation-created", "relation-changed", "relation-broken"):
        event = patched(scenario, {"event": {"hook": hook, "relation": number}})
        for how in (refusals.DENIED, *refusals.PASSING):
            for before in (running.NOTHING, left):
                run_refused(event, refusals.TOOLS, how, before)


@pytest.mark.slow
@pytest.mark.parametrize("how", [refusals.CUT_OFF, refusals.SILENT, refusals.MISSING])
def test_a_certificate_in_use_stays_where_juju_refuses_what_its_request_needs(how: str):
    scenario = patched(EMPTY, BASES["istio-ingress-k8s"], base_ingress.CERTIFIER)
    asked = earlier(scenario)
    answered = patched(scenario, {"relations": {"certificates": {"issues": "authority"}}})
    served, left = running.run_with_left(answered, asked)
    assert served.at("certificate") is not ABSENT
    tools = [tool for tool in refusals.TOOLS if tool.startswith("secret-")]
    with refusals.refused(tools, how) as calls:
        outcome, _ = running.run_with_left(answered, left)
    assert "secret-get" in calls
    assert others(outcome) == others(served)
    assert any("Juju refuses what the certificate's" in line for line in outcome.at("log"))


@pytest.mark.slow
@pytest.mark.parametrize("charm", BASES)
def test_relations_that_juju_does_not_list_open_nothing(charm: str):
    login: Patch = base_ingress.LOGIN if "ingress" in charm else {}
    scenario = patched(EMPTY, BASES[charm], login)
    served, left = running.run_with_left(scenario)
    # The unit's own state is lost with its pod.
    left = dataclasses.replace(left, stored=frozenset())
    for how in (refusals.CUT_OFF, refusals.SILENT):
        with refusals.refused(["relation-ids"], how):
            outcome, _ = running.run_with_left(scenario, left)
        assert outcome.at("requests") == []
        for number in range(1, len(scenario["relations"]) + 1):
            with refusals.refused(["relation-list --app"], how, relation=number) as calls:
                outcome, _ = running.run_with_left(scenario, left)
            assert calls and outcome.at("requests") == []
            assert databags(others(outcome)) == databags(others(served))


@pytest.mark.slow
@pytest.mark.parametrize("charm", BASES)
def test_a_leadership_that_is_lost_within_a_hook_fails_no_hook(charm: str):
    """Ops knows it, or Juju says it: the words are those of a relation that is gone."""
    scenario = patched(EMPTY, BASES[charm])
    with refusals.refused(["relation-set"], refusals.DENIED) as calls:
        running.run_with_left(scenario)
    assert calls
    denied = mock.Mock(side_effect=ops.RelationDataAccessError("not leader"))
    with mock.patch.object(ops.RelationDataContent, "_validate_write", denied):
        outcome, _ = running.run_with_left(scenario)
    assert denied.called
    assert not any("Juju refuses" in line for line in outcome.at("log"))


ADDRESSES: list[dict[str, Any]] = [
    {},
    {"bind-addresses": []},
    {"bind-addresses": [{"interface-name": "eth0", "addresses": None}]},
    {"bind-addresses": [{"interface-name": "eth0", "addresses": [{"value": ""}]}]},
    {"bind-addresses": [{"interface-name": "eth0", "addresses": [{"value": "beacon-0.local"}]}]},
    {"bind-addresses": None},
    {"egress-subnets": ["beacon-0.local/32"]},
]


@pytest.mark.slow
@pytest.mark.parametrize("answer", ADDRESSES, ids=json.dumps)
def test_a_bind_address_that_is_a_name_or_absent_is_no_error(answer: dict[str, Any]):
    scenario = patched(EMPTY, BASES["istio-beacon-k8s"])
    get = mock.Mock(return_value=answer)
    with mock.patch.object(mocking._MockModelBackend, "network_get", get):
        outcome, _ = running.run_with_left(scenario)
    name = "beacon-0.beacon-endpoints.shop.svc.cluster.local"
    written = outcome.at("unit databag prometheus: prometheus_scrape_unit_address")
    assert get.called
    assert written == name
    assert not any("Juju refuses" in line for line in outcome.at("log"))


def test_each_databag_is_read_once():
    """A hook tool is a process, and an application may have a thousand relations."""
    counts: collections.Counter[tuple[Any, ...]] = collections.Counter()
    real = mocking._MockModelBackend.relation_get

    def count(self: Any, *arguments: Any, **named: Any) -> Any:
        counts[arguments] += 1
        return real(self, *arguments, **named)

    for charm, base in BASES.items():
        counts.clear()
        with mock.patch.object(mocking._MockModelBackend, "relation_get", count):
            running.run_with_left(patched(EMPTY, base))
        assert counts, charm
        assert {*counts.values()} == {1}, charm
