# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Keys in the rules about tokens: what is written, what is read back, and what is fetched when."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from istio_ambient import ingress, kube, resources
from istio_ambient.ingress import GatewayRef, KeySource, SigningKeys, Trust
from istio_ambient.ingress.authentication import _token_keys, key_problems, key_readiness
from istio_ambient.interfaces.istio_request_auth import ClaimToHeader, JwtRule
from istio_ambient.values import jwks
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

from tests.unit.values.test_jwks import OKP, ec_key

IDENTITY = resources.identity("shop", "gate")
GATEWAY = GatewayRef("shop", "gate")
KINDS = (resources.RequestAuthentication,)
ONE, OTHER = (
    jwks.parse(json.dumps({"keys": [key]}).encode()).text for key in (ec_key(kid="1"), OKP)
)
ISSUER = "https://issuer.example.com"
SOURCE = KeySource(ISSUER, f"{ISSUER}/keys")
RULE = JwtRule(issuer=ISSUER, jwks_uri=SOURCE.jwks_uri)
SHOP = Trust("shop", (RULE,))
Keys = Mapping[KeySource, SigningKeys]
DOWN = SigningKeys(fault="answered 503", transient=True)
HTML = SigningKeys(fault="answered HTML")


def as_live(manifest: kube.Manifest) -> kube.Resource:
    kind: Any = resources.RequestAuthentication
    return kind.from_dict(manifest)


def written(*trusts: Trust, keys: Keys) -> dict[str, kube.Resource]:
    objects = _token_keys.request_authentications(GATEWAY, trusts, keys)
    return {obj.metadata.name: obj for obj in objects}


def rules(obj: Any) -> list[dict[str, Any]]:
    return kube.manifest_of(obj)["spec"]["jwtRules"]


def live(*trusts: Trust, keys: Keys, **edits: Any) -> kube.Live:
    """Return our live objects, with members of their first rule edited by another."""
    objects: dict[kube.Ref, kube.Resource] = {}
    for obj in written(*trusts, keys=keys).values():
        (change,) = kube.plan([obj], kube.Live(IDENTITY, KINDS)).changes
        manifest = change.manifest or {}
        manifest["spec"]["jwtRules"][0] |= edits
        objects[change.ref] = as_live(manifest)
    return kube.Live(IDENTITY, KINDS, objects)


def test_keys_are_inline_so_that_istiod_fetches_nothing():
    (rule,) = rules(written(SHOP, keys={SOURCE: SigningKeys(ONE)})["request-auth-shop-gate"])
    assert rule == {"issuer": ISSUER, "jwks": ONE}


def test_without_keys_no_token_is_valid_and_headers_of_claims_are_still_removed():
    claims = (ClaimToHeader(header="x-user", claim="sub"),)
    rule = JwtRule(issuer=ISSUER, claim_to_headers=claims)
    (found,) = rules(written(Trust("shop", (rule,)), keys={})["request-auth-shop-gate"])
    assert found["jwks"] == jwks.UNUSABLE
    assert found["outputClaimToHeaders"] == [{"header": "x-user", "claim": "sub"}]


def test_keys_of_another_place_are_not_the_keys_of_an_issuer():
    keys = {KeySource(ISSUER, "https://elsewhere.example.com"): SigningKeys(ONE)}
    (rule,) = rules(written(SHOP, keys=keys)["request-auth-shop-gate"])
    assert rule["jwks"] == jwks.UNUSABLE


def test_what_is_in_force_is_read_from_our_live_objects():
    bank = Trust("bank", (JwtRule(issuer="https://bank.example.com"), RULE))
    keys = {
        SOURCE: SigningKeys(ONE, fault="answered 503", transient=True),
        KeySource("https://bank.example.com"): HTML,
    }
    assert ingress.keys_in_force(live(SHOP, bank, keys=keys)) == keys
    # It was never tried.
    assert ingress.keys_in_force(live(SHOP, keys={})) == {}
    assert ingress.keys_in_force(kube.Live(IDENTITY)) == {}


def test_keys_that_another_wrote_are_not_in_force():
    assert ingress.keys_in_force(live(SHOP, keys={SOURCE: SigningKeys(ONE)}, jwks=OTHER)) == {}
    # An object of an earlier revision, or of the public charm.
    found = live(SHOP, keys={SOURCE: SigningKeys(ONE)})
    ((ref, obj),) = found.objects.items()
    manifest = kube.manifest_of(obj)
    del manifest["metadata"]["annotations"][_token_keys.SOURCES_ANNOTATION]
    older = {ref: as_live(manifest)}
    assert ingress.keys_in_force(msgspec.structs.replace(found, objects=older)) == {}


def test_what_is_in_another_namespace_is_no_memory_of_ours():
    """Whoever may write there can give an object all our labels and annotations."""
    tenant = ingress.GatewayRef("evil", GATEWAY.name)
    forged = _token_keys.request_authentications(tenant, (SHOP,), {SOURCE: SigningKeys(OTHER)})
    ours = live(SHOP, keys={SOURCE: SigningKeys(ONE)})
    (change,) = kube.plan(forged, kube.Live(IDENTITY, KINDS)).changes
    objects = {change.ref: as_live(change.manifest or {})}
    assert change.ref.namespace == "evil"
    alone = msgspec.structs.replace(ours, objects=objects)
    assert ingress.keys_in_force(alone) == {}
    assert ingress.left_to_istiod(alone) == frozenset()
    assert ingress.uses_in_force(alone) == {}
    both = msgspec.structs.replace(ours, objects={**objects, **ours.objects})
    assert ingress.keys_in_force(both) == {SOURCE: SigningKeys(ONE)}


def test_a_fetch_that_brings_no_keys_leaves_the_last_good_ones():
    before = {SOURCE: SigningKeys(ONE)}
    for failed in (DOWN, HTML):
        after = ingress.renewed(before, {SOURCE: failed})
        assert after[SOURCE] == SigningKeys(ONE, failed.fault, failed.transient)
    assert ingress.renewed(before, {SOURCE: SigningKeys(OTHER)})[SOURCE] == SigningKeys(OTHER)
    assert ingress.renewed({}, {SOURCE: DOWN})[SOURCE] == DOWN


def test_a_source_is_fetched_when_it_is_new_and_when_keys_are_renewed():
    due = functools.partial(ingress.keys_due, GATEWAY)
    assert due([SHOP], {}, renew=False) == [SOURCE]
    for tried in (SigningKeys(ONE), DOWN, HTML):
        assert due([SHOP], {SOURCE: tried}, renew=False) == []
        assert due([SHOP], {SOURCE: tried}, renew=True) == [SOURCE]
    assert due([Trust("shop")], {}, renew=True) == []


def test_an_object_that_cannot_be_written_has_nothing_fetched_for_it_in_each_hook():
    bank = Trust("bank", (RULE,))
    name = _token_keys.request_auth_name("shop", GATEWAY.name)
    unwritten = {kube.ref_in(resources.RequestAuthentication, name, GATEWAY.namespace)}
    due = functools.partial(ingress.keys_due, GATEWAY, unwritten=unwritten)
    assert due([SHOP], {}, renew=False) == []
    assert due([SHOP], {}, renew=True) == [SOURCE]
    # Another object remembers it.
    assert due([SHOP, bank], {}, renew=False) == [SOURCE]


def of_version_before(*rules: dict[str, Any]) -> kube.Live:
    """Return a live object whose keys istiod fetches."""
    name = _token_keys.request_auth_name("shop", GATEWAY.name)
    metadata = {"name": name, "namespace": GATEWAY.namespace}
    obj = as_live({"metadata": metadata, "spec": {"jwtRules": [*rules]}})
    return kube.Live(IDENTITY, KINDS, {kube.ref_of(obj): obj})


LEFT = {"issuer": ISSUER, "jwksUri": SOURCE.jwks_uri}


def after(found: kube.Live, *trusts: Trust, keys: Keys) -> dict[str, list[dict[str, Any]]]:
    """Return the rules of each application after a hook that finds these objects."""
    left = ingress.left_to_istiod(found)
    objects = _token_keys.request_authentications(GATEWAY, trusts, keys, left)
    return {obj.metadata.name: rules(obj) for obj in objects}


def test_istiod_fetches_keys_for_a_rule_of_the_version_before_until_there_are_some():
    before = of_version_before({**LEFT, "audiences": ["a", "b"]})
    assert ingress.keys_in_force(before) == {}
    narrower = Trust("shop", (RULE.model_copy(update={"audiences": ("a",)}),))
    for keys in ({}, {SOURCE: DOWN}, {SOURCE: HTML}):
        (found,) = after(before, narrower, keys=keys)["request-auth-shop-gate"]
        assert found == {**LEFT, "audiences": ["a"]}
    (found,) = after(before, SHOP, keys={SOURCE: SigningKeys(ONE)})["request-auth-shop-gate"]
    assert found == {"issuer": ISSUER, "jwks": ONE}


def test_an_issuer_that_istiod_asked_where_its_keys_are_stays_with_it_likewise():
    rule = JwtRule(issuer=ISSUER)
    found = after(of_version_before({"issuer": ISSUER}), Trust("shop", (rule,)), keys={})
    assert found["request-auth-shop-gate"] == [{"issuer": ISSUER}]


def test_a_rule_that_is_new_is_never_left_to_istiod():
    elsewhere = JwtRule(issuer=ISSUER, jwks_uri="https://elsewhere.example.com")
    other = JwtRule(issuer="https://bank.example.com", jwks_uri=SOURCE.jwks_uri)
    trusts = (Trust("shop", (elsewhere, other, JwtRule(issuer=ISSUER))), Trust("bank", (RULE,)))
    found = after(of_version_before(LEFT), *trusts, keys={})
    written = [rule for each in found.values() for rule in each]
    assert [rule["jwks"] for rule in written] == 4 * [jwks.UNUSABLE]
    assert ingress.left_to_istiod(live(SHOP, keys={})) == frozenset()


def test_what_is_left_to_istiod_is_remembered_with_the_fault_and_not_tried_in_each_hook():
    keys = {SOURCE: DOWN}
    left = ingress.left_to_istiod(of_version_before(LEFT))
    (obj,) = _token_keys.request_authentications(GATEWAY, [SHOP], keys, left)
    (change,) = kube.plan([obj], kube.Live(IDENTITY, KINDS)).changes
    found = kube.Live(IDENTITY, KINDS, {change.ref: as_live(change.manifest or {})})
    assert ingress.left_to_istiod(found) == left
    assert ingress.keys_in_force(found) == keys


def many(app: str, count: int) -> Trust:
    return Trust(app, tuple(JwtRule(issuer=f"https://{app}{n}.io") for n in range(count)))


def test_the_number_of_sources_is_limited_for_an_application():
    trusts = [many("a", 9), SHOP]
    due = ingress.keys_due(GATEWAY, trusts, {}, renew=True)
    assert len(due) == 9
    assert SOURCE in due
    (problem,) = key_problems(trusts, dict.fromkeys(due, SigningKeys(ONE)))
    assert (problem.app, problem.field) == ("a", "jwt_rules")
    assert problem.message.startswith("more than 8")
    assert problem.message.endswith(": keys of https://a8.io")
    found = rules(written(*trusts, keys={})["request-auth-a-gate"])
    assert len(found) == 9


def test_who_has_keys_keeps_them_when_others_are_too_many():
    trusts = [*(many(f"a{number}", 8) for number in range(9)), SHOP]
    due = ingress.keys_due(GATEWAY, trusts, {SOURCE: SigningKeys(ONE)}, renew=True)
    assert len(due) == 64
    assert SOURCE in due


def test_a_fault_is_told_to_the_application_that_named_the_source():
    trusts = [SHOP, Trust("bank", (RULE,)), Trust("api", (JwtRule(issuer="https://api.io"),))]
    keys = {SOURCE: HTML, KeySource("https://api.io"): SigningKeys(ONE)}
    expected = Problem(
        app="shop",
        endpoint="istio-request-auth",
        field="jwt_rules",
        message=f"answered HTML: keys of {ISSUER}",
        remedy="correct jwks_uri or its server",
        code=Code.KEYS_UNUSABLE,
    )
    found = key_problems(trusts, keys)
    assert found[0] == expected
    assert [problem.app for problem in found] == ["shop", "bank"]
    assert len(str(expected).encode()) <= 120
    assert key_readiness(trusts, keys) == []


def test_what_a_later_fetch_may_bring_is_waited_for():
    for keys, reason in (
        ({}, "not fetched yet"),
        ({SOURCE: DOWN}, "answered 503"),
        (
            {SOURCE: SigningKeys(ONE, "answered 503", True)},
            "answered 503, the last good ones stay",
        ),
    ):
        (found,) = key_readiness([SHOP], keys)
        assert (found.what, found.ready) == ("shop:istio-request-auth", False)
        assert found.reason == f"{reason}: keys of {ISSUER}"
        assert key_problems([SHOP], keys) == []
    assert key_readiness([SHOP], {SOURCE: SigningKeys(ONE)}) == []


def test_equal_rules_are_written_once():
    same = JwtRule(issuer=ISSUER, jwks_uri=SOURCE.jwks_uri, audiences=())
    found = written(Trust("shop", (RULE, same)), keys={})["request-auth-shop-gate"]
    assert len(rules(found)) == 1
    elsewhere = JwtRule(issuer=ISSUER, jwks_uri="https://elsewhere.example.com")
    both = written(Trust("shop", (RULE, elsewhere)), keys={})["request-auth-shop-gate"]
    assert len(rules(both)) == 2
