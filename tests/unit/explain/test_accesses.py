# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Who may reach whom, as a list: one situation each."""

from typing import Any

import pytest
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import Client, DestinationKind, Proxy
from istio_ambient.explain import access_list

from tests.unit.authorization.evaluator import samples
from tests.unit.authorization.evaluator.samples import FROM_WEB, TO_DETAILS, policy, snapshot

RULE = {
    **FROM_WEB,
    "to": [{"operation": {"methods": ["GET"], "paths": ["/health"], "ports": ["80"]}}],
}
ALLOW = policy("allow", targetRefs=TO_DETAILS, rules=[RULE])


def listed(
    *policies: Any, kind: DestinationKind = DestinationKind.SERVICE, **changes: Any
) -> list[tuple[str, str, tuple[str, ...]]]:
    found = evaluator.Reach(snapshot(*policies, **changes)).all()
    return [
        (access_list.who(each), access_list.requests(each), each.unless)
        for each in found
        if each.kind is kind
    ]


ON_MESH = "any workload on the mesh"


def test_without_a_policy_any_client_is_allowed():
    assert listed(auto_allow=False) == [("any client", "everything", ())]


def test_clients_outside_bypass_the_waypoint_and_are_denied_at_pods_that_only_it_may_reach():
    assert listed() == [(ON_MESH, "everything", ())]
    assert listed(kind=DestinationKind.WORKLOAD) == []


def test_a_rule_is_listed_with_sources_and_operations():
    assert listed(ALLOW) == [("shop/web", "GET /health on 80", ())]
    found = evaluator.Reach(snapshot(ALLOW)).all()
    (access,) = [each for each in found if each.kind is DestinationKind.SERVICE]
    assert [str(ref) for ref in access.policies] == ["shop/allow rule 0"]
    assert (access.destination, access.proxy) == ("shop/details", Proxy.WAYPOINT)


def test_a_policy_without_rules_allows_no_client():
    assert listed(policy(targetRefs=TO_DETAILS)) == []
    known = evaluator.Reach(snapshot()).destinations()
    assert evaluator.Destination.service("shop", "details") in known


def test_hardened_mode_closes_what_no_policy_opens():
    assert listed(*samples.hardened(), ALLOW) == [("shop/web", "GET /health on 80", ())]
    assert listed(*samples.hardened()) == []


def test_requests_that_the_pods_deny_to_the_waypoint_are_not_listed():
    closed = policy("closed", selector={"matchLabels": {"app.kubernetes.io/name": "details"}})
    assert listed(ALLOW, closed, auto_allow=False) == []
    port = {"to": [{"operation": {"ports": ["9080"]}}]}
    some = policy("some", rules=[port])
    assert listed(ALLOW, some, auto_allow=False) == [
        ("any client outside the mesh", "on 80", ()),
        ("shop/web", "GET /health on 80", ()),
    ]


def test_deny_policies_take_away_or_are_told():
    deny = policy("deny", targetRefs=TO_DETAILS, action="DENY", rules=[FROM_WEB])
    assert listed(ALLOW, deny) == []
    assert listed(deny) == [(f"{ON_MESH} but not shop/web", "everything", ())]
    post = policy(
        "post",
        targetRefs=TO_DETAILS,
        action="DENY",
        rules=[{"to": [{"operation": {"methods": ["POST"]}}]}],
    )
    assert listed(ALLOW, post) == [("shop/web", "GET /health on 80, but not: POST", ("POST",))]
    other = {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/other"]}}]}
    assert listed(ALLOW, policy("o", targetRefs=TO_DETAILS, action="DENY", rules=[other])) == [
        ("shop/web", "GET /health on 80", ())
    ]


@pytest.mark.parametrize("identities", [{"principals": ["*"]}, {"namespaces": ["*"]}])
def test_any_identity_is_not_any_client(identities: dict[str, Any]):
    rule = {"from": [{"source": identities}]}
    deny = policy("deny", targetRefs=TO_DETAILS, action="DENY", rules=[rule])
    assert listed(deny) == []
    assert listed(deny, auto_allow=False) == [("any client outside the mesh", "everything", ())]
    assert listed(ALLOW, deny) == []
    allow = policy("any", targetRefs=TO_DETAILS, rules=[rule])
    assert listed(allow) == [(ON_MESH, "everything", ())]
    assert listed(allow, deny) == []


def test_the_condition_of_an_external_authorizer_is_listed():
    ask = policy("ask", targetRefs=TO_DETAILS, action="CUSTOM", provider={"name": "p"}, rules=[{}])
    denied = "everything, if the external authorizer denies"
    assert listed(ask) == [(ON_MESH, f"everything, but not: {denied}", (denied,))]


def test_sources_of_every_kind_have_words():
    sources = [
        {"namespaces": ["shop"]},
        {"serviceAccounts": ["job", "other/cron"]},
        {"notNamespaces": ["evil"]},
        {"ipBlocks": ["10.0.0.0/8"]},
    ]
    rule = {"from": [{"source": each} for each in sources]}
    found = listed(policy("l4", rules=[rule]), kind=DestinationKind.WORKLOAD, auto_allow=False)
    # The source evil/* has an address only; the others may do everything.
    assert [(who, what) for who, what, _ in found] == [
        ("any client but not evil/*", "everything"),
        ("evil/*", "from 10.0.0.0/8"),
    ]
    found = listed(
        policy("l4", rules=[{"from": [{"source": each} for each in (*sources[:2], sources[3])]}]),
        kind=DestinationKind.WORKLOAD,
        auto_allow=False,
    )
    assert [(who, what) for who, what, _ in found] == [
        ("any client but not other/cron, shop/*", "from 10.0.0.0/8"),
        ("other/cron", "everything"),
        ("shop/*", "everything"),
    ]


def test_a_service_without_a_waypoint_is_judged_at_its_pods():
    plain: dict[str, Any] = {
        "namespaces": (samples.namespace(**samples.AMBIENT),),
        "auto_allow": False,
    }
    assert listed(ALLOW, **plain) == [("any client", "everything", ())]
    assert listed(policy("l4", rules=[FROM_WEB]), **plain) == [("shop/web", "everything", ())]


HARDENED = tuple(samples.hardened())
OFF_MESH = samples.pod(labels={"istio.io/dataplane-mode": "none"})


def test_hardened_mode_leaves_pods_off_the_mesh_open_past_their_waypoint():
    found = listed(*HARDENED, pods=(OFF_MESH,))
    assert found == [("any client outside the mesh", "everything", ())]
    straight = listed(*HARDENED, kind=DestinationKind.WORKLOAD, pods=(OFF_MESH,))
    assert straight == [("any client", "everything", ())]


def test_a_waypoint_without_pods_is_no_way_and_the_pods_stay_open():
    scaled: dict[str, Any] = {"with_waypoint_pods": False, "auto_allow": False}
    assert listed(**scaled) == [("any client outside the mesh", "everything", ())]
    assert listed(kind=DestinationKind.WORKLOAD, **scaled) == [("any client", "everything", ())]


@pytest.mark.parametrize("traffic", ["all", "workload"])
def test_pods_without_a_policy_behind_a_waypoint_of_their_own_are_open_through_it(traffic: str):
    gateway = samples.gateway(labels={"istio.io/waypoint-for": traffic})
    found = listed(kind=DestinationKind.WORKLOAD, gateways=(gateway,))
    assert found == [(ON_MESH, "everything", ())]


def test_a_rule_about_methods_refuses_everything_on_a_port_without_http_and_only_there():
    ports = [{"name": "http", "port": 80}, {"name": "tcp-db", "port": 81}]
    deny = policy(
        "deny",
        targetRefs=TO_DETAILS,
        action="DENY",
        rules=[{"to": [{"operation": {"methods": ["DELETE"]}}]}],
    )
    found = listed(deny, services=(samples.service(ports=ports),))
    assert found == [(ON_MESH, "on 80, but not: DELETE", ("DELETE",))]


def test_a_headless_service_is_listed_at_its_pods_whose_ports_are_those_that_clients_dial():
    # The port of the Service is the pods' 9080, except where the Service is headless.
    only = policy("only", rules=[{"to": [{"operation": {"ports": ["80"]}}]}])
    headless = samples.service(clusterIP="None")
    straight = listed(only, kind=DestinationKind.WORKLOAD, services=(headless,), auto_allow=False)
    assert straight == [("any client", "on 80", ())]
    assert listed(only, services=(headless,), auto_allow=False) == []
    assert listed(only, auto_allow=False) == []
    known = evaluator.Reach(snapshot(services=(headless,))).destinations()
    assert known == [samples.PODS]


def test_ports_that_are_named_udp_are_served_by_no_waypoint():
    ports = [{"name": "http", "port": 80}, {"name": "udp-dns", "port": 81}]
    services = (samples.service(ports=ports),)
    assert listed(services=services) == [(ON_MESH, "on 80", ())]
    assert listed(services=services, auto_allow=False) == [
        ("any client", "on 80", ()),
        ("any client outside the mesh", "on 81", ()),
    ]


def test_a_gateway_that_use_waypoint_names_takes_no_requests_of_the_mesh():
    edge = samples.gateway()
    edge["spec"]["gatewayClassName"] = "istio"
    assert listed(gateways=(edge,), auto_allow=False) == [
        ("any client outside the mesh", "everything", ()),
        ("shop/way-istio", "everything", ()),
    ]
    straight = listed(kind=DestinationKind.WORKLOAD, gateways=(edge,), auto_allow=False)
    assert straight == [("any client", "everything", ())]
    assert listed(gateways=(edge,)) == []


def test_a_strict_peer_authentication_takes_clients_outside_from_the_list():
    strict = samples.policy("strict", "mesh", mtls={"mode": "STRICT"})
    found = listed(auto_allow=False, peer_authentications=(strict,))
    assert found == [(ON_MESH, "everything", ())]
    pods = listed(kind=DestinationKind.WORKLOAD, auto_allow=False, peer_authentications=(strict,))
    assert pods == [(ON_MESH, "everything", ())]


def test_endpoints_that_nobody_knows_are_said_to_be_unknown():
    service = samples.service(selector={})
    ((who, what, (unknown,)),) = listed(services=(service,))
    assert (who, what.partition(",")[0]) == ("any client", "everything")
    assert unknown.startswith("at endpoints that are not known")


def test_a_waypoints_own_account_and_pods_off_the_mesh_are_no_clients():
    rule = {"from": [{"source": {"serviceAccounts": ["way", "lost", "web"]}}]}
    lost = samples.pod("lost-0", "lost", "lost", labels={"istio.io/dataplane-mode": "none"})
    found = listed(
        policy("l4", rules=[rule]),
        kind=DestinationKind.WORKLOAD,
        pods=(samples.pod(), lost),
    )
    assert [who for who, _, _ in found] == ["shop/web"]


def test_an_ingress_gateway_is_listed_on_its_own():
    door = samples.gateway("door")
    door["spec"]["gatewayClassName"] = "istio"
    rule = {"from": [{"source": {"serviceAccounts": ["door-istio"]}}]}
    found = evaluator.Reach(
        snapshot(policy("l4", rules=[rule]), gateways=(samples.gateway(), door))
    ).all()
    at_service = [each for each in found if each.kind is DestinationKind.SERVICE]
    assert [(each.source, each.client) for each in at_service] == [
        ("*/*", Client.MESH),
        ("shop/door-istio", Client.GATEWAY),
    ]
