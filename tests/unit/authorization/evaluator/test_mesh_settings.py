# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What decides beside policies: PeerAuthentications, the mesh config, tokens, addresses."""

import base64
from typing import Any

import pytest
from istio_ambient import authorization
from istio_ambient.authorization.evaluator import ClientKind, Decision, Reason

from tests.unit.authorization.evaluator import samples
from tests.unit.authorization.evaluator.samples import verdict

TO_POD: dict[str, Any] = {"target": samples.POD, "port": 9080}
LABELS = {"matchLabels": {"app.kubernetes.io/name": "details"}}
STRICT, PERMISSIVE = {"mode": "STRICT"}, {"mode": "PERMISSIVE"}


def peer(where: str, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> dict[str, Any]:
    made = samples.policy(f"peer-{created}", where, **spec)
    made["metadata"]["creationTimestamp"] = created
    return made


@pytest.mark.parametrize(
    ("peers", "ports"),
    [
        ([], {9080, 9081}),
        ([peer("mesh", mtls=STRICT)], set[int]()),
        ([peer("mesh", mtls=STRICT, selector=LABELS)], {9080, 9081}),
        ([peer("other", mtls=STRICT)], {9080, 9081}),
        ([peer("mesh", mtls=STRICT), peer("shop", mtls=PERMISSIVE)], {9080, 9081}),
        ([peer("mesh", mtls=STRICT), peer("shop")], set[int]()),
        ([peer("shop", mtls=STRICT), peer("shop", "2025", mtls=PERMISSIVE)], {9080, 9081}),
        ([peer("shop", mtls=PERMISSIVE), peer("shop", mtls=STRICT, selector=LABELS)], set[int]()),
        ([peer("shop", selector=LABELS, portLevelMtls={"9080": STRICT})], {9081}),
        (
            [peer("shop", selector=LABELS, mtls=STRICT, portLevelMtls={"9080": PERMISSIVE})],
            {9080},
        ),
        (
            [
                peer("mesh", mtls=STRICT),
                peer("shop", selector=LABELS, portLevelMtls={"9080": PERMISSIVE}),
            ],
            {9080},
        ),
        # istiod names a policy that it does not make.
        (
            [
                peer("mesh", mtls=STRICT),
                peer("shop"),
                peer("shop", selector=LABELS, portLevelMtls={"9080": PERMISSIVE}),
            ],
            {9080, 9081},
        ),
    ],
)
def test_a_peer_authentication_refuses_plain_text(peers: list[Any], ports: set[int]):
    changes = {"peer_authentications": tuple(peers), "auto_allow": False}
    for port in (9080, 9081):
        request: dict[str, Any] = {"target": samples.POD, "port": port, "changes": changes}
        found = verdict(client=ClientKind.OUTSIDE, **request)
        assert found.allowed is (port in ports)
        if not found.allowed:
            assert found.hops[0].reason is Reason.PLAIN_TEXT
            assert str(found.hops[0].policy).startswith("PeerAuthentication ")
        assert verdict(**request).allowed
        assert verdict(client=ClientKind.NODE, **request).allowed


@pytest.mark.parametrize(("selector", "applies"), [({}, False), ({"matchLabels": {}}, True)])
def test_an_empty_map_of_labels_selects_all_pods(selector: Any, applies: bool):
    for where in ("shop", "mesh"):
        closed = samples.policy("closed", where, selector=selector)
        found = verdict(closed, changes={"auto_allow": False}, **TO_POD)
        assert found.allowed is not applies


def with_mesh(**settings: Any) -> dict[str, Any]:
    return {"mesh": authorization.MeshSettings(**settings)}


@pytest.mark.parametrize(
    ("normalization", "path", "seen"),
    [
        ("NONE", "/a/../b", "/a/../b"),
        ("BASE", "/a//b", "/a//b"),
        ("BASE", "/a%2Fb", "/a%2Fb"),
        ("MERGE_SLASHES", "/a//b", "/a/b"),
        ("MERGE_SLASHES", "/a%2Fb", "/a%2Fb"),
        ("DECODE_AND_MERGE_SLASHES", "/a%2f%2Fb", "/a/b"),
        ("DECODE_AND_MERGE_SLASHES", "/a%5Cb", "/a/b"),
        ("BASE", "/<a>|`", "/%3Ca%3E%7C%60"),
    ],
)
def test_paths_are_normalized_as_the_mesh_config_says(normalization: str, path: str, seen: str):
    changes = with_mesh(path_normalization=normalization)
    for rule in (
        {"to": [{"operation": {"paths": [seen]}}]},
        {"when": [{"key": "request.headers[:path]", "values": [f"{seen}?q=/../<"]}]},
    ):
        allow = samples.policy(targetRefs=samples.TO_DETAILS, rules=[rule])
        assert verdict(allow, path=f"{path}?q=/../<", changes=changes).allowed


def test_trust_domains_have_aliases_at_waypoints_only():
    changes = with_mesh(trust_domain="new.example", trust_domain_aliases=("old.example",))
    for domain, at_pod in (("new", True), ("old", False), ("other", False)):
        source = {"source": {"principals": [f"{domain}.example/ns/shop/sa/web"]}}
        rules = [{"from": [source]}]
        at_waypoint = samples.policy(targetRefs=samples.TO_DETAILS, rules=rules)
        assert verdict(at_waypoint, changes=changes).allowed is (domain != "other")
        pods = samples.policy(rules=rules)
        assert verdict(pods, changes=changes, **TO_POD).allowed is at_pod


def custom(name: str, provider: str, dry_run: bool = False) -> dict[str, Any]:
    return samples.policy(
        name,
        annotations={"istio.io/dry-run": "true"} if dry_run else None,
        targetRefs=samples.TO_DETAILS,
        action="CUSTOM",
        provider={"name": provider},
        rules=[{}],
    )


@pytest.mark.parametrize(
    ("policies", "decision"),
    [
        ([custom("a", "login")], Decision.CONDITIONAL),
        ([custom("a", "nobody")], Decision.DENIED),
        ([custom("a", "nobody", dry_run=True)], Decision.ALLOWED),
        ([custom("a", "login", dry_run=True)], Decision.DENIED),
        ([custom("a", "login"), custom("b", "login")], Decision.CONDITIONAL),
        ([custom("a", "login"), custom("b", "other")], Decision.DENIED),
        ([custom("a", "login", dry_run=True), custom("b", "other")], Decision.DENIED),
        ([custom("a", "login", True), custom("b", "other", True)], Decision.ALLOWED),
    ],
)
def test_providers_of_custom_policies(policies: list[Any], decision: Decision):
    changes = with_mesh(authorizers=frozenset({"login", "other"}))
    assert verdict(*policies, changes=changes).decision is decision


@pytest.mark.parametrize(
    ("policies", "decision"),
    [
        ([custom("a", "login")], Decision.ALLOWED),
        ([custom("a", "login", dry_run=True)], Decision.ALLOWED),
        ([custom("a", "grpc")], Decision.CONDITIONAL),
        ([custom("a", "grpc", dry_run=True)], Decision.DENIED),
        ([custom("a", "nobody")], Decision.DENIED),
        ([custom("a", "login"), custom("b", "grpc")], Decision.DENIED),
    ],
)
def test_an_authorizer_that_speaks_http_is_not_asked_on_other_ports(
    policies: list[Any], decision: Decision
):
    ports = [{"name": "http", "port": 80}, {"name": "tcp-x", "port": 81}]
    settings = with_mesh(
        authorizers=frozenset({"login", "grpc"}), http_authorizers=frozenset({"login"})
    )
    changes = {**settings, "services": (samples.service(ports=ports),)}
    assert verdict(*policies, port=81, changes=changes).decision is decision
    assert verdict(*policies, port=80, changes=changes).decision is not Decision.ALLOWED


@pytest.mark.parametrize(
    ("sent", "allowed"),
    [
        ({}, True),
        ({"x-forwarded-for": "192.0.2.1"}, False),
        ({"x-forwarded-for": "192.0.2.1, 10.0.0.7"}, True),
        ({"x-forwarded-for": "nowhere"}, True),
    ],
)
def test_a_waypoint_takes_the_address_that_the_client_writes(sent: Any, allowed: bool):
    rules = [{"from": [{"source": {"remoteIpBlocks": ["10.0.0.0/8"]}}]}]
    allow = samples.policy(targetRefs=samples.TO_DETAILS, rules=rules)
    assert verdict(allow, source_ip="10.0.0.1", headers=sent).allowed is allowed
    assert verdict(allow, source_ip="10.0.0.1").decision is Decision.CONDITIONAL


def test_on_other_ports_the_address_is_that_of_the_connection():
    rules = [{"from": [{"source": {"remoteIpBlocks": ["10.0.0.0/8"]}}]}]
    allow = samples.policy(targetRefs=samples.TO_DETAILS, rules=rules)
    changes = {"services": (samples.service(ports=[{"name": "tcp-x", "port": 81}]),)}
    written = {"x-forwarded-for": "192.0.2.1"}
    found = verdict(allow, port=81, source_ip="10.0.0.1", headers=written, changes=changes)
    assert found.allowed
    assert verdict(allow, port=81, source_ip="10.0.0.1", changes=changes).allowed


def token(*parts: str) -> str:
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


TOKENS = samples.policy(
    "tokens", targetRefs=samples.TO_DETAILS, jwtRules=[{"issuer": "https://login.example"}]
)
WITH_TOKEN = samples.policy(
    targetRefs=samples.TO_DETAILS,
    rules=[{"from": [{"source": {"requestPrincipals": ["*"]}}]}],
)
VALID = {"authorization": f"Bearer {token('{}', '{}', 'x')}"}


@pytest.mark.parametrize(
    ("headers", "without_policy", "with_policy"),
    [
        ({}, Decision.ALLOWED, Decision.DENIED),
        ({"authorization": "Basic eA=="}, Decision.ALLOWED, Decision.DENIED),
        ({"authorization": "Bearer x"}, Decision.DENIED, Decision.DENIED),
        ({"authorization": "Bearer a.b.c"}, Decision.DENIED, Decision.DENIED),
        (VALID, Decision.CONDITIONAL, Decision.CONDITIONAL),
        (None, Decision.ALLOWED, Decision.CONDITIONAL),
    ],
)
def test_a_malformed_token_is_refused(
    headers: Any, without_policy: Decision, with_policy: Decision
):
    changes = {"request_authentications": (TOKENS,)}
    found = verdict(headers=headers, changes=changes)
    assert found.decision is without_policy
    assert (found.hops[0].reason is Reason.UNAUTHORIZED) == (
        without_policy is not Decision.ALLOWED
    )
    assert verdict(WITH_TOKEN, headers=headers, changes=changes).decision is with_policy
    assert verdict(headers=headers).allowed
    told = "whether a token of the request is valid" in found.not_weighed
    assert told == (headers in (VALID, None))


def test_one_token_that_may_be_valid_suffices():
    changes = {"request_authentications": (TOKENS,)}
    found = verdict(path="/?access_token=x", headers=VALID, changes=changes)
    assert found.decision is Decision.CONDITIONAL


def test_a_token_in_the_query_counts():
    changes = {"request_authentications": (TOKENS,)}
    asked: dict[str, Any] = {"headers": {}, "changes": changes}
    assert verdict(path="/?access_token=x", **asked).decision is Decision.DENIED
    assert verdict(path="/?other=x", **asked).allowed


def test_a_policy_for_an_authorizer_that_is_unknown_comes_before_a_malformed_token():
    custom = samples.policy(
        targetRefs=samples.TO_DETAILS, action="CUSTOM", provider={"name": "nobody"}, rules=[{}]
    )
    asked: dict[str, Any] = {"headers": {"authorization": "Bearer x"}}
    settings = authorization.MeshSettings(authorizers=frozenset({"login"}))
    changes = {"request_authentications": (TOKENS,), "mesh": settings}
    found = verdict(custom, changes=changes, **asked)
    assert (found.decision, found.hops[0].reason) == (Decision.DENIED, Reason.DENY)
    assert str(found.hops[0].policy) == "shop/policy rule 0"
    # Where the authorizer is asked, the token is what certainly refuses the request.
    asks = samples.policy(
        targetRefs=samples.TO_DETAILS, action="CUSTOM", provider={"name": "login"}, rules=[{}]
    )
    assert verdict(asks, changes=changes, **asked).hops[0].reason is Reason.UNAUTHORIZED


def test_of_several_authorizers_the_rule_is_named_that_envoy_names():
    policies = [
        samples.policy(
            name,
            targetRefs=samples.TO_DETAILS,
            action="CUSTOM",
            provider={"name": asked},
            rules=[{}],
        )
        for name, asked in (("a", "permits"), ("b", "nobody"))
    ]
    assert str(verdict(*policies).hops[0].policy) == "shop/b rule 0"
