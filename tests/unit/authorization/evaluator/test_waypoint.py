# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What a waypoint makes of policies: members, actions, targets, and what is not HTTP."""

from typing import Any

import pytest
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import Decision, Reason

from tests.unit.authorization.evaluator import samples
from tests.unit.authorization.evaluator.samples import TO_DETAILS, policy

REQUEST: dict[str, Any] = {
    "method": "GET",
    "path": "/a/b?x=1",
    "host": "shop.example:80",
    "headers": {"x-team": "red"},
    "source_ip": "10.1.2.3",
}


def at_waypoint(*policies: Any, **changes: Any) -> evaluator.Hop:
    return samples.verdict(*policies, **{**REQUEST, **changes}).hops[0]


def allows(rule: dict[str, Any], **changes: Any) -> bool:
    """Return whether an ALLOW policy with this one rule lets the request in."""
    hop = at_waypoint(policy(targetRefs=TO_DETAILS, rules=[rule]), **changes)
    assert hop.decision is not Decision.CONDITIONAL
    return hop.decision is Decision.ALLOWED


@pytest.mark.parametrize(
    ("member", "values", "matches"),
    [
        ("methods", ["GET"], True),
        ("methods", ["get"], False),
        ("methods", ["P*", "G*"], True),
        ("paths", ["/a/b"], True),
        ("paths", ["/a"], False),
        ("paths", ["/a*"], True),
        ("paths", ["*/b"], True),
        ("paths", ["*"], True),
        ("paths", ["/A/b"], False),
        ("paths", ["/a/{*}"], True),
        ("paths", ["/{*}"], False),
        ("paths", ["/{**}"], True),
        ("paths", ["/{*}/{**}"], True),
        ("hosts", ["shop.example"], False),
        ("hosts", ["SHOP.example:*"], True),
        ("hosts", ["*.example"], False),
        ("ports", ["80"], True),
        ("ports", ["9080"], False),
    ],
)
def test_operations(member: str, values: list[str], matches: bool):
    assert allows({"to": [{"operation": {member: values}}]}) is matches
    negative = f"not{member[0].upper()}{member[1:]}"
    assert allows({"to": [{"operation": {negative: values}}]}) is not matches


@pytest.mark.parametrize(
    ("member", "values", "matches"),
    [
        ("principals", ["cluster.local/ns/shop/sa/web"], True),
        ("principals", ["cluster.local/ns/shop/*"], True),
        ("principals", ["*/sa/web"], True),
        ("principals", ["*"], True),
        ("principals", ["cluster.local/ns/shop/sa/we"], False),
        ("namespaces", ["shop"], True),
        ("namespaces", ["s*p"], True),
        ("namespaces", ["sho"], False),
        ("serviceAccounts", ["web"], True),
        ("serviceAccounts", ["shop/web"], True),
        ("serviceAccounts", ["other/web"], False),
        ("trustDomains", ["cluster*"], True),
        ("trustDomains", ["other"], False),
        # What comes out of a tunnel has no address of its own.
        ("ipBlocks", ["10.1.0.0/16"], False),
        ("remoteIpBlocks", ["10.1.0.0/16"], True),
        ("remoteIpBlocks", ["10.1.2.3"], True),
        ("remoteIpBlocks", ["10.2.0.0/16"], False),
        ("requestPrincipals", ["*"], False),
    ],
)
def test_sources(member: str, values: list[str], matches: bool):
    assert allows({"from": [{"source": {member: values}}]}) is matches
    negative = f"not{member[0].upper()}{member[1:]}"
    assert allows({"from": [{"source": {negative: values}}]}) is not matches


@pytest.mark.parametrize(
    ("key", "values", "matches"),
    [
        ("request.headers[X-Team]", ["red"], True),
        ("request.headers[x-team]", ["r*"], True),
        ("request.headers[x-team]", ["*"], True),
        ("request.headers[x-other]", ["*"], False),
        ("source.namespace", ["shop"], True),
        ("source.principal", ["*web"], True),
        ("destination.port", ["81"], False),
        ("connection.sni", ["*"], False),
        ("request.auth.claims[iss]", ["*"], False),
    ],
)
def test_conditions(key: str, values: list[str], matches: bool):
    assert allows({"when": [{"key": key, "values": values}]}) is matches
    assert allows({"when": [{"key": key, "notValues": values}]}) is not matches


def test_members_are_joined_by_and_entries_by_or():
    get = {"operation": {"methods": ["GET"], "paths": ["/x"]}}
    assert not allows({"to": [get]})
    assert allows({"to": [get, {"operation": {"ports": ["80"]}}]})
    assert not allows({"to": [{"operation": {"ports": ["80"]}}], **from_no_client()})
    assert allows({})


def from_no_client() -> dict[str, Any]:
    return {"from": [{"source": {"namespaces": ["nobody"]}}]}


def test_deny_goes_before_allow_and_what_no_allow_rule_matches_is_denied():
    deny = policy("deny", targetRefs=TO_DETAILS, action="DENY", rules=[samples.FROM_WEB])
    allow = policy("allow", targetRefs=TO_DETAILS, rules=[{}])
    for both in ((deny, allow), (allow, deny)):
        hop = at_waypoint(*both)
        assert (hop.reason, str(hop.policy)) == (Reason.DENY, "shop/deny rule 0")
    assert at_waypoint(deny, source="shop/other").reason is Reason.NO_DENY
    lacking = at_waypoint(policy("none", targetRefs=TO_DETAILS))
    assert (lacking.reason, str(lacking.policy)) == (Reason.LACK_OF_ALLOW, "shop/none")
    assert at_waypoint().reason is Reason.NO_POLICY


def test_an_external_authorizer_has_to_agree_besides():
    asked = policy(
        "ask", targetRefs=TO_DETAILS, action="CUSTOM", provider={"name": "p"}, rules=[{}]
    )
    hop = at_waypoint(asked)
    assert (hop.decision, hop.reason) == (Decision.CONDITIONAL, Reason.CUSTOM)
    assert [str(ref) for ref in hop.asks] == ["shop/ask rule 0"]
    closed = policy("closed", targetRefs=TO_DETAILS)
    assert at_waypoint(asked, closed).decision is Decision.DENIED
    elsewhere = policy("ask", targetRefs=TO_DETAILS, action="CUSTOM", rules=[from_no_client()])
    assert at_waypoint(elsewhere).decision is Decision.ALLOWED


@pytest.mark.parametrize(
    "nothing",
    [
        policy(targetRefs=TO_DETAILS, action="AUDIT", rules=[{}]),
        policy(targetRefs=TO_DETAILS, annotations={"istio.io/dry-run": "true"}),
        policy(),
        policy(selector={"matchLabels": {"app.kubernetes.io/name": "details"}}),
        policy("closed", "mesh"),
        policy("closed", "other", targetRefs=TO_DETAILS),
        policy(targetRefs=[{**TO_DETAILS[0], "name": "other"}]),
        policy(targetRefs=[{**TO_DETAILS[0], "group": "apps"}]),
        policy(targetRefs=[{**samples.TO_GATEWAY[0], "name": "other"}]),
        policy("closed", "mesh", targetRefs=samples.TO_GATEWAY),
        policy(targetRefs=samples.TO_CLASS),
        policy("closed", "mesh", targetRefs=[{**samples.TO_CLASS[0], "name": "istio"}]),
    ],
)
def test_what_is_about_something_else_changes_nothing(nothing: Any):
    assert at_waypoint(nothing).reason is Reason.NO_POLICY


@pytest.mark.parametrize(
    "closing",
    [
        policy(targetRefs=TO_DETAILS),
        policy(targetRef=TO_DETAILS[0]),
        policy(targetRefs=[{"kind": "Service", "name": "details"}]),
        policy(targetRefs=samples.TO_GATEWAY),
        policy("closed", "mesh", targetRefs=samples.TO_CLASS),
        policy(targetRefs=[{**TO_DETAILS[0], "name": "other"}, *TO_DETAILS]),
    ],
)
def test_every_way_to_name_a_target(closing: Any):
    assert at_waypoint(closing).reason is Reason.LACK_OF_ALLOW


def test_hardened_mode_closes_what_nothing_opens():
    assert at_waypoint(*samples.hardened()).reason is Reason.LACK_OF_ALLOW
    opening = policy(targetRefs=TO_DETAILS, rules=[samples.FROM_WEB])
    assert samples.verdict(*samples.hardened(), opening, **REQUEST).allowed


def _on_tcp(*policies: Any) -> evaluator.Hop:
    tcp = samples.service(ports=[{"name": "tcp-db", "port": 80}])
    return at_waypoint(*policies, changes={"services": (tcp,)})


def test_on_a_port_that_is_not_http_what_is_about_http_only_narrows():
    rule = {"to": [{"operation": {"methods": ["GET"]}}, {"operation": {"ports": ["80"]}}]}
    assert allows(rule)
    allow = policy(targetRefs=TO_DETAILS, rules=[rule])
    assert _on_tcp(allow).reason is Reason.LACK_OF_ALLOW
    no_match = {"to": [{"operation": {"methods": ["PUT"], "ports": ["80"]}}]}
    deny = policy(targetRefs=TO_DETAILS, action="DENY", rules=[no_match])
    assert at_waypoint(deny).reason is Reason.NO_DENY
    assert _on_tcp(deny).reason is Reason.DENY


@pytest.mark.parametrize("name", ["http-web", "web", "grpc", ""])
def test_ports_that_a_waypoint_takes_for_http(name: str):
    rule = {"to": [{"operation": {"methods": ["GET"]}}]}
    for port in ({"name": name, "port": 80}, {"name": "tcp", "appProtocol": "http", "port": 80}):
        found = samples.service(ports=[port])
        assert allows(rule, changes={"services": (found,)})


def test_what_istiod_cannot_read_never_widens():
    broken = {"to": [{"operation": {"ports": ["http", "80"]}}]}
    assert not allows(broken)
    for rule in (broken, {"to": [{"operation": {"ports": ["http"]}}]}):
        deny = policy(targetRefs=TO_DETAILS, action="DENY", rules=[rule])
        assert at_waypoint(deny).reason is Reason.DENY
    # A condition that istiod does not know makes it leave the rule out, whatever the action.
    unknown = {"when": [{"key": "request.time", "values": ["noon"]}]}
    assert not allows(unknown)
    deny = policy(targetRefs=TO_DETAILS, action="DENY", rules=[unknown])
    assert at_waypoint(deny).reason is Reason.NO_DENY


def test_what_the_request_leaves_open_makes_the_verdict_conditional():
    rule = {
        **samples.FROM_WEB,
        "to": [
            {"operation": {"methods": ["GET"], "paths": ["/a", "/b/*"], "ports": ["80"]}},
            {"operation": {"ports": ["81"]}},
        ],
    }
    allow = policy("allow", targetRefs=TO_DETAILS, rules=[rule])
    opened = {"method": None, "path": None}
    hop = at_waypoint(allow, **opened)
    assert (hop.decision, hop.reason) == (Decision.CONDITIONAL, Reason.ALLOW)
    assert [(str(c.policy), c.text) for c in hop.only] == [("shop/allow rule 0", "GET /a, /b/*")]
    assert at_waypoint(allow, **opened, source="shop/x").decision is Decision.DENIED
    assert at_waypoint(allow, **opened, port=81).decision is Decision.ALLOWED
    deny = policy(
        "deny",
        targetRefs=TO_DETAILS,
        action="DENY",
        rules=[{"to": [{"operation": {"paths": ["/admin"]}}]}],
    )
    hop = at_waypoint(deny, **opened)
    assert (hop.decision, hop.reason) == (Decision.CONDITIONAL, Reason.DENY)
    assert [c.text for c in hop.unless] == ["/admin"]
    assert at_waypoint(deny).decision is Decision.ALLOWED


def test_an_open_port_is_the_only_one_that_the_service_has():
    one = samples.service(ports=[{"port": 80, "targetPort": 9080}])
    rule = {"to": [{"operation": {"ports": ["80"]}}]}
    allow = policy("allow", targetRefs=TO_DETAILS, rules=[rule])
    assert at_waypoint(allow, port=None).decision is Decision.CONDITIONAL
    assert at_waypoint(allow, port=None, changes={"services": (one,)}).port == 80
