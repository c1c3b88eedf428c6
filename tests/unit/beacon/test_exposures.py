# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Requests of ingress gateways at the waypoint: they may do there what they may at the pods."""

import itertools
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from istio_ambient import authorization, beacon, gateways, kube, resources
from istio_ambient.ingress import model as ingress
from istio_ambient.ingress.objects import backend_policies
from istio_ambient.ingress.routing import BackendService

NAME = authorization.NAME_LABEL
GATE = authorization.Source("front", "gate-istio")
TARGET = authorization.Target.service("shop", "details")
DETAILS = authorization.Requester("details", "service-mesh")
ON = {gateways.INGRESS_USE_WAYPOINT: "true"}


def policy(ports: Any = (9080,), owner: str = "front/gate", **changes: Any) -> dict[str, Any]:
    """Return the policy that the ingress writes for its backend details."""
    backend = BackendService(
        namespace="shop",
        service="details",
        port=80,
        selector=((NAME, "details"),),
        pod_ports=ports,
    )
    (made,) = backend_policies([backend], ingress.GatewayRef("front", "gate"))
    found = kube.manifest_of(made)
    found["metadata"]["annotations"] = {"charmed-istio/owner": owner}
    return {**found, "spec": {**found["spec"], **changes}}


def service(name: str = "details", **changes: Any) -> authorization.ServiceFacts:
    ports = (authorization.ServicePort(80, 9080), authorization.ServicePort(81, 9081))
    found = authorization.ServiceFacts("shop", name, {NAME: name}, ports)
    return msgspec.structs.replace(found, **changes)


def asked(source: authorization.Source | None, **changes: Any) -> authorization.AccessRequest:
    request = authorization.AccessRequest(DETAILS, "policies[0]", TARGET, source)
    return msgspec.structs.replace(request, **changes)


WEB = asked(authorization.Source("shop", "web"))


def facts(
    *requests: authorization.AccessRequest,
    policies: Any = None,
    labels: Any = None,
    on: bool = True,
    services: Any = (),
    **changes: Any,
) -> beacon.Facts:
    read = beacon.exposures([policy()] if policies is None else policies, "shop")
    settings = {key: changes.pop(key) for key in ("hardened", "auto_allow") if key in changes}
    known = {(each.namespace, each.name): each for each in services or (service(),)}
    return beacon.Facts(
        "shop",
        "beacon",
        1,
        {},
        authorization.Cluster(known, namespace_labels={"shop": labels or {}}),
        requests=requests,
        requesters=frozenset({DETAILS}),
        config=beacon.Config(ingress_use_waypoint=on, **changes),
        ingress=beacon.IngressFacts(read, **settings),
    )


def allowed(given: beacon.Facts) -> list[tuple[str, tuple[authorization.Operation, ...]]]:
    """Return the target and operations of each request for the gateway."""
    return [
        (str(each.target), each.operations)
        for each in given.gateway_requests
        if each.source == GATE
    ]


AT_PORT = [("Service shop/details", (authorization.Operation(ports=(80,)),))]


def test_the_gateway_may_do_at_the_waypoint_what_its_application_allows_at_the_pods():
    assert allowed(facts(WEB)) == AT_PORT
    assert allowed(facts(WEB, policies=[policy((9080, 9081))]))[0][1][0].ports == (80, 81)
    assert allowed(facts(WEB, policies=[policy((7000,))])) == []
    assert allowed(facts(WEB, policies=[])) == []
    (rule, _) = kube.manifest_of(
        next(
            each
            for each in beacon.desired(facts(WEB)).objects
            if kube.ref_of(each).kind == "AuthorizationPolicy"
        )
    )["spec"]["rules"]
    assert rule["from"] == [{"source": {"principals": [GATE.principal]}}]


def test_a_service_that_is_open_is_not_closed_by_a_rule_for_the_gateway():
    assert allowed(facts()) == []
    assert allowed(facts(hardened=True)) == AT_PORT


def test_an_application_that_requests_access_for_the_ingress_decides_itself():
    gets = (authorization.Operation(methods=("GET",)),)
    for name in ("gate", "gate-istio"):
        own = asked(authorization.Source("front", name), operations=gets)
        given = facts(own, hardened=True)
        found = [each for each in given.outcomes.granted if each.source == GATE]
        assert [(each.target, each.operations) for each in found] == [(TARGET, gets)]
        assert {each.requester for each in found} == {DETAILS}


def test_an_application_whose_requests_cannot_be_read_is_closed_to_the_gateway_too():
    assert allowed(facts(asked(None, established=True), hardened=True)) == []


def test_what_the_gateway_needs_is_there_before_the_label_and_until_it_is_gone():
    assert allowed(facts(WEB, on=False)) == []
    assert allowed(facts(WEB, on=True)) == AT_PORT
    leaving = facts(WEB, on=False, labels=ON)
    assert allowed(leaving) == AT_PORT
    mark = "charmed-istio/ingress-use-waypoint-by"
    assert facts(on=True).ingress_labels()[0] == {**ON, mark: "shop.beacon"}
    ours = {**ON, mark: "shop.beacon"}
    assert facts(on=False, labels=ours).ingress_labels()[0] == dict.fromkeys(ours)
    assert facts(on=True, labels=ours).ingress_labels()[0] == ours


def test_the_label_waits_for_the_policies_of_an_earlier_hook():
    given = facts(WEB)
    made = [
        kube.manifest_of(each)
        for each in beacon.desired(given).objects
        if kube.ref_of(each).kind == "AuthorizationPolicy"
    ]
    assert given.admits(made)
    assert not given.admits([])
    assert not given.admits([{**each, "spec": {"action": "ALLOW"}} for each in made])
    assert facts().admits([])
    waiting = msgspec.structs.replace(given, admitted=False)
    assert waiting.awaits_admission
    assert waiting.ingress_labels() == ({}, [])
    assert allowed(waiting) == AT_PORT
    # Once it is there, it stays: new routes wait for the next hook.
    labelled = facts(WEB, labels={**ON, "charmed-istio/ingress-use-waypoint-by": "shop.beacon"})
    assert msgspec.structs.replace(labelled, admitted=False).ingress_labels()[0]


def test_identities_have_the_trust_domains_of_the_mesh():
    domains = ("mesh.example", "cluster.local")
    kind: Any = resources.AuthorizationPolicy
    (theirs,) = authorization.in_trust_domains([kind.from_dict(policy())], domains)
    given = facts(WEB, policies=[kube.manifest_of(theirs)])
    assert allowed(given) == AT_PORT
    given = msgspec.structs.replace(given, trust_domains=domains)
    made = [
        kube.manifest_of(each)
        for each in beacon.desired(given).objects
        if kube.ref_of(each).kind == "AuthorizationPolicy"
    ]
    assert "mesh.example/ns/front/sa/gate-istio" in str(made)
    assert given.admits(made)


@pytest.mark.parametrize("on", [True, False])
def test_a_label_of_another_owner_stays(on: bool):
    for labels in (ON, {**ON, "charmed-istio/ingress-use-waypoint-by": "shop.other"}):
        assert facts(on=on, labels=labels).ingress_labels() == ({}, [])
    labels, problems = facts(on=on, labels={gateways.INGRESS_USE_WAYPOINT: "no"}).ingress_labels()
    assert labels == {}
    assert [each.code.id for each in problems] == (["CI-122"] if on else [])


def test_services_that_are_not_behind_the_waypoint_are_left_alone():
    other = service("other")
    theirs = policy(selector={"matchLabels": {NAME: "other"}})
    known: Any = {"services": [other], "policies": [theirs], "hardened": True}
    assert allowed(facts(**known)) == []
    assert len(allowed(facts(**known, model_on_mesh=True))) == 1
    ways: list[dict[str, Any]] = [{"headless": True}, {"external_name": True}, {"selector": {}}]
    for changes in ways:
        kept: Any = {**known, "services": [service("other", **changes)], "model_on_mesh": True}
        assert allowed(facts(**kept)) == []


def opened(given: beacon.Facts) -> set[tuple[str, str]]:
    """Return who may do something at the Service, where the pods admit the waypoint."""
    policies = [kube.manifest_of(each) for each in beacon.desired(given).objects]
    closed = [each for each in policies if "targetRefs" in each.get("spec", {})]
    sources = {
        principal
        for each in closed
        for rule in each["spec"].get("rules", ())
        for clients in rule["from"]
        for principal in clients["source"]["principals"]
    }
    return {("Service", each) for each in sources} if closed else {("Service", "everybody")}


@pytest.mark.parametrize("hardened", [True, False])
def test_the_option_opens_to_nobody_else_what_only_the_gateway_reached(hardened: bool):
    # The policy of the ingress at the pods keeps the waypoint out, and with it every client.
    given = facts(hardened=hardened, auto_allow=False)
    assert opened(given) == {("Service", GATE.principal)}


@pytest.mark.parametrize("settings", [*itertools.product([True, False], repeat=2)])
def test_without_one_istiod_the_settings_are_those_of_the_policies(settings: tuple[bool, bool]):
    hardened, auto_allow = settings
    given = facts(hardened=hardened, auto_allow=auto_allow)
    ours = [kube.manifest_of(each) for each in beacon.desired(given).objects]
    found = beacon.settings_in_force(
        each for each in ours if each["kind"] == "AuthorizationPolicy"
    )
    assert found == (hardened or not auto_allow, auto_allow)
    again = facts(hardened=found[0], auto_allow=found[1])
    assert again.gateway_requests == given.gateway_requests


def test_where_istiod_allows_no_waypoint_the_pods_let_it_in_at_the_same_ports():
    assert all(each.target == TARGET for each in facts(WEB, auto_allow=True).gateway_requests)
    at_pods = facts(WEB, auto_allow=False).gateway_requests[-1]
    assert at_pods.target == authorization.Target.app("shop", "details")
    assert str(at_pods.source) == "shop/shop-beacon-waypoint"
    assert at_pods.operations == (authorization.Operation(ports=(9080,)),)


@pytest.mark.parametrize(
    "changed",
    [
        policy(owner="front/other"),
        policy(owner="front"),
        policy(owner=""),
        policy(action="DENY"),
        policy(selector={}),
        policy(rules=[]),
        policy(rules=[{"from": policy()["spec"]["rules"][0]["from"]}]),
        policy(rules=[{**policy()["spec"]["rules"][0], "when": [{"key": "source.ip"}]}]),
        policy(rules=[{"to": policy()["spec"]["rules"][0]["to"]}]),
        {**policy(), "metadata": {**policy()["metadata"], "namespace": "other"}},
    ],
)
def test_only_the_policy_of_the_gateways_own_application_counts(changed: Any):
    assert beacon.exposures([policy()], "shop")
    assert beacon.exposures([changed], "shop") == ()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["to", "from", "operation", "ports", "when"]), inner)
    ),
)


@pytest.mark.slow
@hypothesis.given(_JSON)
def test_policies_of_others_never_raise(content: Any):
    found = policy()
    rule = {**found["spec"]["rules"][0], "to": content}
    policies = [policy(rules=[rule]), policy(rules=content), policy(selector=content)]
    beacon.exposures(policies, "shop")
