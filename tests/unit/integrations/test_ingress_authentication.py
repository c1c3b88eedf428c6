# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From databags to the requirements of authenticated routes."""

import json
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from istio_ambient import authorization, ingress
from istio_ambient.integrations import ingress_authentication
from istio_ambient.integrations.requesters import RequesterDatabag
from istio_ambient.interfaces import istio_ingress_config, istio_request_auth
from istio_ambient.values.problems import Problem

from tests.unit.ingress import samples
from tests.unit.interfaces import hostile


def remote(app: str, content: dict[str, str]) -> RequesterDatabag:
    return RequesterDatabag(authorization.Requester(app, "endpoint"), 1, content)


PROXY = remote("proxy", {"decisions_address": "http://proxy.iam.svc.cluster.local:4456/decisions"})
REPLY = istio_ingress_config.Reply("ext-authz-gate", "/decisions")
KNOWS = remote("istio", istio_ingress_config.dump(REPLY))
RULE = {"issuer": "https://issuer.example.com", "audiences": None}


def published(login: ingress_authentication.Login) -> dict[str, str]:
    return istio_ingress_config.dump_authorizer(login.authorizer, {})


def tokens(
    *databags: RequesterDatabag, login: ingress_authentication.Login | None = None
) -> tuple[tuple[ingress.Trust, ...], list[Problem]]:
    login = login or ingress_authentication.Login()
    return ingress_authentication.tokens(databags, login, {}, app="gate")


def test_no_login():
    for control_plane in (None, KNOWS):
        login = ingress_authentication.login("gate", None, control_plane)
        assert (login.auth, login.problems) == (ingress.ForwardAuth(), ())
        assert published(login) == {
            "ext_authz_service_name": "fake_host",
            "ext_authz_port": "5432",
        }


def test_a_complete_login_and_the_databag_of_the_control_plane():
    login = ingress_authentication.login("gate", PROXY, KNOWS)
    assert msgspec.structs.replace(login.auth, service=None) == ingress.ForwardAuth(
        True, "ext-authz-gate"
    )
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
        "x-forwarded-proto",
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
    told = remote("proxy", {**PROXY.content, "headers": '["x-user"]'})
    databag = published(ingress_authentication.login("gate", told, KNOWS))
    assert databag["headers_to_upstream_on_allow"] == '["x-user"]'


def test_a_path_prefix_that_is_gone_is_overwritten():
    plain = remote("proxy", {"decisions_address": "http://proxy.iam.svc.cluster.local:4180"})
    authorizer = ingress_authentication.login("gate", plain, KNOWS).authorizer
    key = istio_ingress_config.PATH_PREFIX
    assert key not in istio_ingress_config.dump_authorizer(authorizer, {})
    databag = istio_ingress_config.dump_authorizer(authorizer, {key: "/decisions"})
    assert databag[key] == "/"
    read, _ = istio_ingress_config.parse(databag, app="i", endpoint="e")
    assert read == authorizer


def test_each_thing_that_is_missing():
    silent, wrong = remote("proxy", {}), remote("proxy", {"decisions_address": "nonsense"})
    unknowing = remote("istio", {})
    old = remote("istio", {"ext_authz_provider_name": "ext-authz-gate"})
    odd = remote("istio", {"ext_authz_provider_name": "a/b c"})
    for authorizer, control_plane, part, told in (
        (silent, KNOWS, "proxy has not sent", []),
        (wrong, KNOWS, "proxy has not sent", ["proxy"]),
        (PROXY, None, "istio-k8s is not integrated", [""]),
        (PROXY, unknowing, "istio does not know", []),
        (PROXY, old, "istio does not ask the authorizer at /decisions yet", []),
        (PROXY, odd, "istio does not know", ["istio"]),
    ):
        login = ingress_authentication.login("gate", authorizer, control_plane)
        assert login.auth.pending
        assert part in login.auth.missing
        assert [problem.app for problem in login.problems] == told


def test_tokens_by_application_and_broken_rules_stay_with_theirs():
    auth, problems = tokens(
        *[
            remote("good", {"jwt_rules": json.dumps([RULE])}),
            remote("good", {"jwt_rules": json.dumps([RULE, {**RULE, "audiences": ["a"]}])}),
            remote("broken", {"jwt_rules": json.dumps([{"issuer": ""}])}),
            remote("silent", {}),
        ]
    )
    assert [(trust.app, [rule.audiences or () for rule in trust.rules]) for trust in auth] == [
        ("broken", []),
        ("good", [(), ("a",)]),
        ("silent", []),
    ]
    assert [problem.app for problem in problems] == ["broken"]


WRITTEN = hostile.json_values(
    st.sampled_from(
        [*istio_request_auth.JwtRule.model_fields, "header", "claim", "name", "prefix"]
    )
)


def entries(required: dict[str, hostile.Values], optional: dict[str, hostile.Values]) -> Any:
    return st.fixed_dictionaries(required, optional=optional)


HEADERS: hostile.Values = st.sampled_from(["x-user", "Host", "x y"]) | WRITTEN
CLAIMS: hostile.Values = entries({"header": HEADERS}, {"claim": st.just("sub") | WRITTEN})
RULE_LIKE: hostile.Values = entries(
    {"issuer": st.just("https://issuer.example.com") | WRITTEN},
    {
        "jwks_uri": st.sampled_from(["http://keys.iam.svc/keys", "http://[::1]/", "file:///"]),
        "audiences": st.lists(st.sampled_from(["shop", "*", ""])) | WRITTEN,
        "claim_to_headers": st.lists(CLAIMS),
        "from_headers": st.lists(entries({"name": WRITTEN}, {})),
        "later": st.none() | WRITTEN,
    },
)
RULES = st.lists(RULE_LIKE, max_size=3).map(json.dumps)
TEXTS = st.one_of(RULES, *hostile.anything(WRITTEN))
ADDRESSES = st.sampled_from([PROXY.content["decisions_address"], "http://[::1]:1"]) | TEXTS


@pytest.mark.slow
@hypothesis.given(
    st.fixed_dictionaries({"decisions_address": ADDRESSES}, optional={"headers": TEXTS}),
    st.none() | st.fixed_dictionaries({}, optional={"ext_authz_provider_name": TEXTS}),
    TEXTS,
)
def test_any_databags_keep_authenticated_routes_closed(
    authorizer: dict[str, str], control_plane: dict[str, str] | None, rules: str
):
    told = None if control_plane is None else remote("istio", {**KNOWS.content, **control_plane})
    login = ingress_authentication.login("gate", remote("proxy", authorizer), told)
    good = remote("good", {"jwt_rules": json.dumps([RULE])})
    auth, problems = tokens(good, remote("bad", {"jwt_rules": rules}), login=login)
    facts = samples.facts(
        samples.request("productpage"),
        samples.request("open", endpoint="ingress-unauthenticated", authenticated=False),
        services=(samples.service(), samples.service("open")),
        forward_auth=login.auth,
        request_auth=auth,
        authentication_in_force=frozenset({"ext-authz-gate", "deny-without-jwt-gate"}),
        problems=(*login.problems, *problems),
    )
    found = samples.objects(facts)
    spec = found["AuthorizationPolicy shop/ext-authz-gate"]["spec"]
    operations = [
        {"operation": {"notPorts": ["80"]}},
        {"operation": {"ports": ["80"], "notPaths": ["/shop-open", "/shop-open/*"]}},
    ]
    bearer = {"key": "request.headers[authorization]"}
    if login.auth.pending:
        assert (spec["action"], spec["rules"]) == ("DENY", [{}])
        assert not [ref for ref in found if ref.startswith("HTTPRoute")]
    else:
        # No application with a route trusts tokens, so a login is needed with a token, too.
        assert (spec["action"], spec["rules"]) == ("CUSTOM", [{"to": operations}])
        first = found["AuthorizationPolicy shop/deny-without-jwt-gate"]["spec"]["rules"][0]
        assert first == {
            "from": [{"source": {"notRequestPrincipals": ["*"]}}],
            "to": operations,
            "when": [{**bearer, "values": ["Bearer *"]}],
        }
    for ref, manifest in found.items():
        if ref.startswith("RequestAuthentication"):
            for rule in manifest["spec"]["jwtRules"]:
                assert rule.get("jwksUri", rule["issuer"]).startswith(("http://", "https://"))
                headers = {each["header"].lower() for each in rule.get("outputClaimToHeaders", ())}
                assert headers <= {"x-user"}
    _, wrong = istio_ingress_config.parse(published(login), app="gate", endpoint="config")
    assert wrong == []
    assert all(problem.app and problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("address", "service"),
    [
        ("http://proxy.iam.svc.cluster.local:4456/decisions", ("iam", "proxy", 4456)),
        ("http://Proxy.iam.svc", ("iam", "proxy", 80)),
        ("https://login.example.com", None),
        ("http://a.proxy.iam.svc.cluster.local", None),
        ("http://proxy", None),
    ],
)
def test_the_service_that_decides(address: str, service: tuple[str, str, int] | None):
    authorizer = remote("proxy", {"decisions_address": address})
    found = ingress_authentication.login("gate", authorizer, KNOWS).auth.service
    assert service == (found and (found.namespace, found.name, found.port))
    assert found is None or found.requester is authorizer.requester
