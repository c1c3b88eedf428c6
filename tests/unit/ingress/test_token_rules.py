# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Rules about tokens of applications that share a gateway: which can, and what each rule needs."""

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient import ingress, kube, resources
from istio_ambient.ingress import GatewayRef, Trust
from istio_ambient.ingress.authentication import _token_keys, _token_rules
from istio_ambient.interfaces.istio_request_auth import ClaimToHeader, FromHeader, JwtRule
from istio_ambient.values.problem_codes import Code

ISSUER, OTHER = "https://issuer.example.com", "https://other.example.com"
KEYS, THEIRS = "https://issuer.example.com/keys", "https://evil.example.com/keys"
GATEWAY = GatewayRef("shop", "gate")
NONE = _token_rules.NO_CLAIM


def rule(issuer: str = ISSUER, keys: str | None = KEYS, **more: Any) -> JwtRule:
    claims = more.pop("claims", {})
    return JwtRule(
        issuer=issuer,
        jwks_uri=keys,
        claim_to_headers=tuple(ClaimToHeader(header=h, claim=c) for h, c in claims.items()),
        **more,
    )


def in_force(*trusts: Trust, inline: bool = True) -> dict[str, ingress.TokenUses]:
    """Return what is read from the cluster once the rules of these applications are there."""
    objects: dict[kube.Ref, Any] = {}
    for obj in _token_keys.request_authentications(GATEWAY, _token_rules.complete(trusts), {}):
        written: Any = obj
        if not inline:
            # As earlier revisions wrote rules.
            told = json.loads(written.metadata.annotations.pop(_token_keys.SOURCES_ANNOTATION))
            for each, source in zip(written["spec"]["jwtRules"], told, strict=True):
                del each["jwks"]
                each.update({"jwksUri": source["jwksUri"]} if "jwksUri" in source else {})
        objects[kube.ref_of(written)] = written
    live = kube.Live(resources.identity("shop", "gate"), ingress.MANAGED, objects)
    return ingress.uses_in_force(live)


def compatible(
    *trusts: Trust, live: dict[str, ingress.TokenUses] | None = None, login: tuple[str, ...] = ()
) -> tuple[dict[str, tuple[JwtRule, ...]], list[str]]:
    found, problems = ingress.compatible(trusts, live or {}, gateway="gate", login_headers=login)
    return {trust.app: trust.rules for trust in found}, [str(problem) for problem in problems]


VICTIM = Trust("victim", (rule(claims={"x-user-email": "email"}),))
OTHER_KEYS = Trust("evil", (rule(keys=THEIRS), rule(OTHER, THEIRS)))
DISCOVERY = Trust("evil", (rule(keys=None), rule(OTHER, THEIRS)))
OTHER_CLAIM = Trust("evil", (rule(claims={"X-User-Email": "nickname"}), rule(OTHER, THEIRS)))
OTHER_ISSUER = Trust(
    "evil", (rule(OTHER, KEYS, claims={"X-USER-email": "email"}), rule(OTHER, THEIRS))
)


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("evil", [OTHER_KEYS, DISCOVERY, OTHER_CLAIM])
def test_the_rules_in_the_cluster_stay_and_the_newcomer_is_refused(evil: Trust, *, inline: bool):
    live = in_force(VICTIM, inline=inline)
    rules, problems = compatible(evil, VICTIM, live=live)
    assert rules == {"victim": VICTIM.rules, "evil": evil.rules[1:]}
    assert len(problems) == 1
    assert problems[0].startswith("evil:istio-request-auth jwt_rules: ")
    assert "victim" in problems[0]
    # The other way round as well: who is there stays.
    rules, problems = compatible(evil, VICTIM, live=in_force(evil, inline=inline))
    assert rules == {"victim": (), "evil": evil.rules}


@pytest.mark.parametrize("evil", [OTHER_KEYS, DISCOVERY, OTHER_CLAIM, OTHER_ISSUER])
def test_where_none_is_in_the_cluster_all_are_refused_and_each_names_the_other(evil: Trust):
    for live in ({}, in_force(Trust("third", VICTIM.rules))):
        rules, problems = compatible(evil, VICTIM, live=live)
        assert rules["victim"] == ()
        assert not {ISSUER, "x-user-email"} & {
            text
            for each in rules["evil"]
            for text in (each.issuer, *(c.header.lower() for c in each.claim_to_headers or ()))
        }
        assert [problem.partition(":")[0] for problem in problems] == ["evil", "victim"]
        assert "victim" in problems[0]
        assert "evil" in problems[1]


def test_an_application_in_force_that_changes_its_keys_takes_none_away():
    same = Trust("evil", VICTIM.rules)
    live = in_force(VICTIM, same)
    assert compatible(VICTIM, same, live=live) == (
        {"victim": VICTIM.rules, "evil": VICTIM.rules},
        [],
    )
    rules, _ = compatible(VICTIM, Trust("evil", (rule(keys=THEIRS),)), live=live)
    assert rules == {"victim": VICTIM.rules, "evil": ()}


def test_headers_that_the_gateway_only_removes_are_no_claim_to_them():
    evil = Trust("evil", (rule(claims={"x-user-email": NONE}),))
    neighbour = Trust("evil", (rule(audiences=("bank",), claims={"x-user-name": "name"}),))
    rules, _ = compatible(VICTIM, evil, live=in_force(VICTIM, neighbour))
    assert rules == {"victim": VICTIM.rules, "evil": ()}


def test_the_same_issuer_keys_and_claims_with_audiences_of_their_own():
    bank = Trust("bank", (rule(audiences=("bank",), claims={"x-user-email": "email"}),))
    shop = Trust("shop", (rule(audiences=("shop",), claims={"x-user-email": "email"}),))
    assert compatible(bank, shop) == ({"bank": bank.rules, "shop": shop.rules}, [])


def test_headers_of_the_login_carry_no_claim():
    evil = Trust("evil", (rule(claims={"X-Auth-Request-User": "sub"}), rule(OTHER)))
    for pattern in ("x-auth-request-user", "X-Auth-*", "*-user"):
        rules, (problem,) = compatible(evil, login=(pattern,))
        assert rules == {"evil": evil.rules[1:]}
        assert "x-auth-request-user: the login sets it; use another header" in problem
    assert compatible(evil)[1] == []


def test_rules_that_have_an_issuer_or_a_header_in_common_are_refused_together():
    """Part of the keys of an issuer would be another use of it."""
    two = (rule(), rule(keys=THEIRS, claims={"x-user-email": "name"}))
    evil = Trust("evil", (*two, rule(OTHER, claims={"x-user-name": "name"})))
    third = Trust("third", (rule(), rule(keys=THEIRS)))
    rules, _ = compatible(
        evil, Trust("victim", (rule(OTHER, claims={"x-user-email": "email"}),)), third
    )
    assert rules == {"evil": evil.rules[2:], "victim": (), "third": third.rules}


def test_headers_of_one_application_are_limited():
    many = {f"x-user-{n}": "c" for n in range(_token_rules.MAX_CLAIM_HEADERS)}
    trust = Trust("evil", (rule(claims=many), rule(OTHER, claims={"x-user-more": "c"})))
    rules, (problem,) = compatible(trust)
    assert rules == {"evil": trust.rules[:1]}
    assert "more than 16 headers" in problem


def claims(found: JwtRule) -> dict[str, str]:
    return {each.header.lower(): each.claim for each in found.claim_to_headers or ()}


def completed(*trusts: Trust) -> dict[str, list[JwtRule]]:
    return {trust.app: list(trust.rules) for trust in _token_rules.complete(trusts)}


def test_each_rule_removes_the_headers_of_all():
    """A client sends the headers of rules that are not run."""
    other = Trust(
        "other", (rule(OTHER, claims={"x-auth-id": "id"}), rule("https://third.example.com"))
    )
    found = completed(VICTIM, other)
    assert claims(found["victim"][0]) == {"x-user-email": "email", "x-auth-id": NONE}
    assert claims(found["other"][0]) == {"x-auth-id": "id", "x-user-email": NONE}
    assert claims(found["other"][1]) == {"x-auth-id": NONE, "x-user-email": NONE}


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ({}, {}, True),
        ({"audiences": ("a",)}, {}, True),
        ({"audiences": ("a",)}, {"audiences": ("b", "a")}, True),
        ({"audiences": ("a", "b")}, {"audiences": ("a",)}, False),
        ({}, {"audiences": ("a",)}, False),
        ({"from_headers": (FromHeader(name="x-jwt"),)}, {}, False),
        ({}, {"from_headers": (FromHeader(name="Authorization", prefix="Bearer "),)}, True),
        ({"issuer": OTHER}, {}, False),
        ({"keys": None}, {}, False),
    ],
)
def test_a_rule_has_the_claims_of_those_who_accept_each_of_its_tokens(
    first: dict[str, Any], second: dict[str, Any], *, shared: bool
):
    one = Trust("one", (rule(**first, claims={"x-user-one": "one"}),))
    two = Trust("two", (rule(**second, claims={"x-user-two": "two"}),))
    expected = {"x-user-one": "one", "x-user-two": "two" if shared else NONE}
    assert claims(completed(one, two)["one"][0]) == expected


def test_tokens_are_read_from_headers_only():
    """Envoy's own default is the query parameter `access_token` of any request, too."""
    (found,) = completed(Trust("app", (rule(),)))["app"]
    assert found.from_headers == (FromHeader(name="authorization", prefix="Bearer "),)


APPS = ("a", "b", "c")
RULES = st.builds(
    rule,
    st.sampled_from([ISSUER, OTHER]),
    st.sampled_from([KEYS, THEIRS, None]),
    claims=st.dictionaries(st.sampled_from(["x-user-a", "x-user-b"]), st.sampled_from(["c", "d"])),
    audiences=st.sampled_from([None, ("a",), ("b",)]),
)
TRUSTS = st.lists(RULES, max_size=3).map(tuple)
ALL = st.tuples(*(TRUSTS.map(lambda rules, app=app: Trust(app, rules)) for app in APPS))


@pytest.mark.slow
@hypothesis.given(ALL, ALL)
def test_what_shares_the_gateway_agrees_and_whoever_is_in_force_stays(
    before: tuple[Trust, ...], after: tuple[Trust, ...]
):
    settled, _ = ingress.compatible(before, {}, gateway="gate")
    live = in_force(*(trust for trust in settled if trust.rules))
    # Whatever b and c want next, a stays as it is.
    wanted = (settled[0], *after[1:])
    found, problems = ingress.compatible(wanted, live, gateway="gate")
    assert found[0] == settled[0]
    keys: dict[str, dict[str, set[str | None]]] = {}
    headers: dict[str, dict[str, set[tuple[str, str]]]] = {}
    for trust in found:
        for each in trust.rules:
            keys.setdefault(each.issuer, {}).setdefault(trust.app, set()).add(each.jwks_uri)
            for claim in each.claim_to_headers or ():
                by_app = headers.setdefault(claim.header, {})
                by_app.setdefault(trust.app, set()).add((each.issuer, claim.claim))
    for by_app in (*keys.values(), *headers.values()):
        assert len({frozenset(ways) for ways in by_app.values()}) == 1
    refused = {trust.app for trust, kept in zip(wanted, found, strict=True) if trust != kept}
    assert refused == {problem.app for problem in problems}


def test_what_applications_cannot_share_has_its_code():
    found = ingress.compatible((VICTIM, OTHER_KEYS), {}, gateway="gate")[1]
    assert {problem.code for problem in found} == {Code.ISSUER_CONTRADICTS}
    found = ingress.compatible((VICTIM, OTHER_CLAIM), {}, gateway="gate")[1]
    assert {problem.code for problem in found} == {Code.HEADER_CONTRADICTS}
