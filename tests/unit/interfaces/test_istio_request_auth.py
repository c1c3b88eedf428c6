# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient.interfaces import istio_request_auth
from istio_ambient.values.problems import Problem

ISSUER = "https://issuer.example.com"
GOOD: dict[str, Any] = {"issuer": ISSUER, "jwks_uri": "http://keys.iam.svc:8080/keys?all=1"}


def parse(*rules: Any) -> tuple[list[istio_request_auth.JwtRule], list[Problem]]:
    return raw(json.dumps(list(rules)))


def raw(text: str) -> tuple[list[istio_request_auth.JwtRule], list[Problem]]:
    return istio_request_auth.parse({"jwt_rules": text}, app="app", endpoint="auth")


def test_every_field_of_a_rule():
    (rule,), problems = parse(
        {
            **GOOD,
            "audiences": ["shop"],
            "forward_original_token": True,
            "claim_to_headers": [{"header": "x-auth-email", "claim": "user.email"}],
            "from_headers": [
                {"name": "x-jwt", "prefix": None},
                {"name": "X-JWT", "prefix": "Token "},
            ],
            "some_later_field": None,
        }
    )
    assert problems == []
    assert (rule.issuer, rule.audiences, rule.forward_original_token) == (ISSUER, ("shop",), True)
    assert [(c.header, c.claim) for c in rule.claim_to_headers or ()] == [
        ("x-auth-email", "user.email")
    ]
    assert [(h.name, h.prefix) for h in rule.from_headers or ()] == [
        ("x-jwt", None),
        ("X-JWT", "Token "),
    ]


def test_keys_are_found_at_the_issuer_where_no_address_is_given():
    (rule,), problems = parse({"issuer": ISSUER})
    assert (rule.jwks_uri, problems) == (None, [])
    (rule,), problems = parse({**GOOD, "issuer": "testing@secure.example.com"})
    assert (rule.issuer, problems) == ("testing@secure.example.com", [])
    assert parse({"issuer": "testing@secure.example.com"})[0] == []


@pytest.mark.parametrize("text", ["null", "[]"])
def test_no_rules_yet(text: str):
    assert raw(text) == ([], [])
    assert istio_request_auth.parse({}, app="a", endpoint="e") == ([], [])


@pytest.mark.parametrize("text", ["{", '"x"', "{}", "1", "[" * 100_000, "NaN"])
def test_rules_that_are_not_a_list_are_a_problem(text: str):
    rules, problems = raw(text)
    assert (rules, [problem.field for problem in problems]) == ([], ["jwt_rules"])


BAD: list[tuple[dict[str, Any], str]] = [
    ({"issuer": ""}, "issuer"),
    ({"issuer": "https://*"}, "issuer"),
    ({"issuer": "a b"}, "issuer"),
    ({"issuer": 1}, "issuer"),
    ({"issuer": None}, "issuer"),
    ({"jwks_uri": ""}, "jwks_uri"),
    ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
    ({"jwks_uri": "ftp://keys.example.com"}, "jwks_uri"),
    ({"jwks_uri": "http://user:pass@keys.example.com"}, "jwks_uri"),
    ({"jwks_uri": "http://localhost:15014/debug"}, "jwks_uri"),
    ({"jwks_uri": "http://127.0.0.1:8080/"}, "jwks_uri"),
    ({"jwks_uri": "http://[::ffff:127.0.0.1]/"}, "jwks_uri"),
    ({"jwks_uri": "http://[::1]/"}, "jwks_uri"),
    ({"jwks_uri": "http://169.254.169.254/latest/meta-data"}, "jwks_uri"),
    ({"jwks_uri": "http://[fe80::1%25eth0]/"}, "jwks_uri"),
    ({"jwks_uri": "http://2130706433/"}, "jwks_uri"),
    ({"jwks_uri": "http://0.0.0.0/"}, "jwks_uri"),
    ({"jwks_uri": "http://keys.example.com\n/"}, "jwks_uri"),
    ({"audiences": [""]}, "audiences"),
    ({"audiences": ["*"]}, "audiences"),
    ({"audiences": "shop"}, "audiences"),
    ({"audiences": ["x"] * 65}, "audiences"),
    ({"forward_original_token": "yes"}, "forward_original_token"),
    ({"from_headers": [{"name": ""}]}, "from_headers"),
    ({"from_headers": [{"name": "Host"}]}, "from_headers"),
    ({"from_headers": [{"name": ":path"}]}, "from_headers"),
    ({"from_headers": [{"name": "x-jwt", "prefix": "\n"}]}, "from_headers"),
    ({"claim_to_headers": [{"header": "x y", "claim": "c"}]}, "claim_to_headers"),
    ({"claim_to_headers": [{"header": ":authority", "claim": "c"}]}, "claim_to_headers"),
    ({"claim_to_headers": [{"header": "Authorization", "claim": "c"}]}, "claim_to_headers"),
    ({"claim_to_headers": [{"header": "X-Forwarded-For", "claim": "c"}]}, "claim_to_headers"),
    ({"claim_to_headers": [{"header": "x_forwarded_for", "claim": "c"}]}, "claim_to_headers"),
    ({"claim_to_headers": [{"header": "host", "claim": "c"}]}, "claim_to_headers"),
    ({"claim_to_headers": [{"header": "x-envoy-original-path", "claim": "c"}]}, "claim_to"),
    ({"claim_to_headers": [{"header": "x-user", "claim": ""}]}, "claim_to_headers"),
    ({"claim_to_headers": [{"header": "x-user"}]}, "claim_to_headers"),
    ({"jwks": "{}"}, "jwks"),
]


@pytest.mark.parametrize(("change", "field"), BAD, ids=lambda value: str(value)[:60])
def test_an_invalid_rule_is_dropped_and_the_others_stay(change: dict[str, Any], field: str):
    rules, problems = parse({**GOOD, **change}, {**GOOD, "audiences": ["shop"]})
    assert [rule.audiences for rule in rules] == [("shop",)]
    assert problems[0].field.startswith(f"jwt_rules[0].{field}")
    assert problems[0].remedy


TOKEN_HEADERS = (
    "x-jwt",
    "X-Shop-JWT",
    "x-jwt-assertion",
    "x-jwt-token",
    "x-goog-iap-jwt-assertion",
    "cf-access-jwt-assertion",
    "x-amzn-oidc-data",
    "x-ms-token-aad-id-token",
)
CLAIM_HEADERS = (
    "x-auth-email",
    "X-User-Id",
    "x-user-email",
    "x-jwt-sub",
    "x-claim-tenant",
    "x-email",
    "x-user",
    "x-account-email",
    "x-remote-user",
    "x-webauth-groups",
    "kubeflow-userid",
    "kubeflow-groups",
    "x-auth-request-email",
)
OTHER_HEADERS = (
    *("accept", "host", "cookie", "origin", "range", "te", "user-agent", "if-match", "x-api-key"),
    *("content-type", "content-length", "connection", "upgrade", "forwarded", "via", "expect"),
    *("x-csrf-token", "x-auth-token", "x-auth-key", "x-user-agent", "x-request-id", "x-real-ip"),
    *("x-forwarded-for", "x-forwarded-user", "x-forwarded-email", "x-envoy-original-path"),
    *("x-istio-user", "x-auth-request-access-token", "proxy-authorization", "sec-user", ":path"),
    *(
        "x_auth_email",
        "x-auth-",
        "x-jwt_sub",
        "xauth-email",
        "jwtx",
        "x-user*",
        "",
        "x-\u212a-email",
    ),
)


@pytest.mark.parametrize("name", TOKEN_HEADERS)
def test_headers_that_may_hold_tokens(name: str):
    assert parse({**GOOD, "from_headers": [{"name": name}]})[1] == []
    assert parse({**GOOD, "claim_to_headers": [{"header": name, "claim": "c"}]})[0] == []


@pytest.mark.parametrize("name", CLAIM_HEADERS)
def test_headers_that_may_hold_claims(name: str):
    assert parse({**GOOD, "claim_to_headers": [{"header": name, "claim": "c"}]})[1] == []
    assert parse({**GOOD, "from_headers": [{"name": name}]})[0] == []


@pytest.mark.parametrize("name", [*OTHER_HEADERS, "authorization"])
def test_headers_with_another_meaning_hold_neither(name: str):
    for rule in (
        {"from_headers": [{"name": name}]},
        {"claim_to_headers": [{"header": name, "claim": "c"}]},
    ):
        rules, (problem,) = parse({**GOOD, **rule})
        assert rules == []
        assert problem.remedy.startswith("use ")


@pytest.mark.parametrize(
    ("prefix", "valid"),
    [("Bearer ", True), ("Bearer", True), ("Basic ", False), ("", False), (None, False)],
)
def test_other_credentials_in_authorization_are_not_taken_for_tokens(
    prefix: str | None, *, valid: bool
):
    rules, _ = parse({**GOOD, "from_headers": [{"name": "Authorization", "prefix": prefix}]})
    assert bool(rules) is valid


def test_rules_beyond_the_limit_are_dropped_with_a_problem():
    rules, problems = parse(*[GOOD] * (istio_request_auth.MAX_RULES + 1))
    assert (len(rules), len(problems)) == (istio_request_auth.MAX_RULES, 1)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
entries = st.dictionaries(st.sampled_from([*istio_request_auth.JwtRule.model_fields, "x"]), values)


@pytest.mark.slow
@hypothesis.given(st.text() | st.lists(entries | values).map(json.dumps))
def test_foreign_data_never_raises(text: str):
    rules, _ = raw(text)
    assert all(rule.issuer for rule in rules)
