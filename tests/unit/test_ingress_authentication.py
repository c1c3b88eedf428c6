# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From databags to what the gateway asks of those who come in."""

import json

from istio_ambient import ingress, ingress_authentication
from istio_ambient.ingress_authentication import Remote
from istio_ambient.relations import istio_ingress_config

PROXY = Remote("proxy", {"decisions_address": "http://proxy.iam.svc.cluster.local:4456/decisions"})
KNOWS = Remote("istio", {"ext_authz_provider_name": "ext-authz-gate"})
RULE = {"issuer": "https://issuer.example.com", "audiences": None}


def published(login: ingress_authentication.Login) -> dict[str, str]:
    return istio_ingress_config.dump_authorizer(login.authorizer, {})


def test_no_login():
    for control_plane in (None, KNOWS):
        login = ingress_authentication.login("gate", None, control_plane)
        assert (login.auth, login.problems) == (ingress.ForwardAuth(), ())
        assert published(login) == {
            "ext_authz_service_name": "fake_host",
            "ext_authz_port": "5432",
        }


def test_a_complete_login_and_what_the_control_plane_is_told():
    login = ingress_authentication.login("gate", PROXY, KNOWS)
    assert login.auth == ingress.ForwardAuth(True, "ext-authz-gate")
    assert login.problems == ()
    databag = published(login)
    plain = ("service_name", "port", "protocol", "path_prefix")
    assert [databag[f"ext_authz_{key}"] for key in plain] == [
        "proxy.iam.svc.cluster.local",
        "4456",
        "http",
        "/decisions",
    ]
    assert json.loads(databag["include_headers_in_check"]) == [
        "authorization",
        "cookie",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-uri",
        "x-forwarded-prefix",
    ]
    assert json.loads(databag["headers_to_upstream_on_allow"]) == [
        "authorization",
        "path",
        "x-auth-request-user",
        "x-auth-request-email",
        "x-auth-request-access-token",
    ]
    assert json.loads(databag["headers_to_downstream_on_allow"]) == ["set-cookie"]
    assert json.loads(databag["headers_to_downstream_on_deny"]) == ["content-type", "set-cookie"]


def test_the_authorizers_own_headers_take_the_place_of_the_default():
    remote = Remote("proxy", {**PROXY.databag, "headers": '["x-user"]'})
    databag = published(ingress_authentication.login("gate", remote, KNOWS))
    assert databag["headers_to_upstream_on_allow"] == '["x-user"]'


def test_a_path_prefix_that_is_gone_is_overwritten():
    plain = Remote("proxy", {"decisions_address": "http://proxy.iam.svc.cluster.local:4180"})
    authorizer = ingress_authentication.login("gate", plain, KNOWS).authorizer
    key = istio_ingress_config.PATH_PREFIX
    assert key not in istio_ingress_config.dump_authorizer(authorizer, {})
    databag = istio_ingress_config.dump_authorizer(authorizer, {key: "/decisions"})
    assert databag[key] == "/"
    read, _ = istio_ingress_config.parse(databag, app="i", endpoint="e")
    assert read == authorizer


def test_each_thing_that_is_missing():
    silent, wrong = Remote("proxy", {}), Remote("proxy", {"decisions_address": "nonsense"})
    unknowing = Remote("istio", {})
    odd = Remote("istio", {"ext_authz_provider_name": "a/b c"})
    for authorizer, control_plane, part, told in (
        (silent, KNOWS, "proxy has not sent", []),
        (wrong, KNOWS, "proxy has not sent", ["proxy"]),
        (PROXY, None, "istio-k8s is not integrated", [""]),
        (PROXY, unknowing, "istio does not know", []),
        (PROXY, odd, "istio does not know", ["istio"]),
    ):
        login = ingress_authentication.login("gate", authorizer, control_plane)
        assert login.auth.pending
        assert part in login.auth.missing
        assert [problem.app for problem in login.problems] == told


def test_tokens_by_application_and_broken_rules_stay_with_theirs():
    auth, problems = ingress_authentication.tokens(
        [
            Remote("good", {"jwt_rules": json.dumps([RULE])}),
            Remote("good", {"jwt_rules": json.dumps([RULE, {**RULE, "audiences": ["a"]}])}),
            Remote("broken", {"jwt_rules": json.dumps([{"issuer": ""}])}),
            Remote("silent", {}),
        ]
    )
    assert [(trust.app, [rule.audiences for rule in trust.rules]) for trust in auth.trusts] == [
        ("broken", []),
        ("good", [(), ("a",)]),
        ("silent", []),
    ]
    assert [problem.app for problem in problems] == ["broken"]
