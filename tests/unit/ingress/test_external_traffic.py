# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The allowed clients: those of the configured networks, and no others."""

from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from istio_ambient import ingress, kube, resources
from istio_ambient.authorization import order
from istio_ambient.ingress.objects import _cidrs, _policies
from lightkube.models.meta_v1 import ObjectMeta

from tests.unit.ingress.samples import facts, objects

NAME = "AuthorizationPolicy shop/gate-shop-external-traffic"
IDENTITY = resources.identity("shop", "gate")


def spec(cidrs: str, **changes: Any) -> dict[str, Any]:
    config = ingress.Config(external_traffic_policy_cidrs=cidrs)
    return objects(facts(config=config, **changes))[NAME]["spec"]


def let_in(spec: dict[str, Any]) -> list[str]:
    assert spec["action"] == "ALLOW"
    assert spec["targetRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gate"}
    ]
    if "rules" not in spec:
        return []
    (rule,) = spec["rules"]
    assert list(rule) == ["from"]
    assert rule["from"][0]["source"]["ipBlocks"], "empty is anybody"
    return rule["from"][0]["source"]["ipBlocks"]


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("0.0.0.0/0", ["0.0.0.0/0"]),
        ("203.0.113.0/24, 10.0.0.0/8", ["10.0.0.0/8", "203.0.113.0/24"]),
        ("2001:DB8::/32,::/0", ["2001:db8::/32", "::/0"]),
        ("192.0.2.1", ["192.0.2.1/32"]),
        ("10.0.0.0/8,10.0.0.0/8,", ["10.0.0.0/8"]),
        ("", []),
        (" , ", []),
    ],
)
def test_valid_networks(text: str, networks: list[str]):
    assert _cidrs.parse_cidrs(text) == (tuple(networks), ())
    assert let_in(spec(text)) == networks


@pytest.mark.parametrize(
    "bad",
    [
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.1/8",
        "10.0.0.0/255.0.0.0",
        "0.0.0.0/0.0.0.0",
        "010.0.0.0",
        "10.0.0.0/8;::/0",
        "/8",
        "nonsense",
        "fe80::1%eth0/128",
        "::ffff:0:0/96",
    ],
)
def test_invalid_networks_are_named_and_allow_no_client(bad: str):
    networks, (problem,) = _cidrs.parse_cidrs(f"0.0.0.0/0,{bad}")
    assert networks == ()
    assert (problem.endpoint, problem.field) == ("config", "external-traffic-policy-cidrs")
    assert f"'{bad}'" in problem.message
    assert let_in(spec(f"0.0.0.0/0,{bad}")) == []


def test_with_nonsense_the_last_good_policy_stays():
    assert let_in(spec("x", cidrs_in_force=("10.0.0.0/8",))) == ["10.0.0.0/8"]
    assert let_in(spec("x", cidrs_in_force=())) == []
    assert let_in(spec("192.0.2.0/24", cidrs_in_force=("10.0.0.0/8",))) == ["192.0.2.0/24"]


def policy(manifest: kube.Manifest) -> kube.Resource:
    metadata = ObjectMeta(
        name=manifest["metadata"]["name"],
        namespace=manifest["metadata"]["namespace"],
        labels=manifest["metadata"]["labels"],
        annotations=manifest["metadata"]["annotations"],
    )
    return resources.AuthorizationPolicy(metadata=metadata, spec=manifest["spec"])


def live_with(*cidrs: str) -> kube.Live:
    """Return what is live after these networks were applied."""
    wanted = _policies.external_traffic_policy("shop", "gate", cidrs)
    empty = kube.Live(IDENTITY, (resources.AuthorizationPolicy,))
    (change,) = kube.plan([wanted], empty).changes
    return msgspec.structs.replace(empty, objects={change.ref: policy(change.manifest or {})})


@pytest.mark.parametrize("cidrs", [("10.0.0.0/8",), ("10.0.0.0/8", "::/0"), ()])
def test_the_policy_in_force_is_read_back(cidrs: tuple[str, ...]):
    assert ingress.cidrs_in_force(live_with(*cidrs)) == cidrs


def test_no_policy_is_in_force_before_the_first():
    assert ingress.cidrs_in_force(kube.Live(IDENTITY)) is None


TAMPERED: tuple[dict[str, Any], ...] = (
    {"rules": [{"from": [{"source": {"ipBlocks": ["0.0.0.0/0"]}}]}]},
    {"rules": [{}]},
    {"rules": [{"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}, {}]},
    {"rules": "x"},
    {"action": "DENY"},
)


@pytest.mark.parametrize("tampered", TAMPERED)
def test_the_networks_of_a_changed_policy_are_not_used(tampered: dict[str, Any]):
    live = live_with("10.0.0.0/8")
    ((ref, found),) = live.objects.items()
    changed = kube.manifest_of(found)
    changed["spec"] = {**changed["spec"], **tampered}
    edited = msgspec.structs.replace(live, objects={ref: policy(changed)})
    assert ingress.cidrs_in_force(edited) is None


@hypothesis.given(st.text(alphabet="0123456789abcdef.:/, %x*-", max_size=30))
def test_any_text_allows_its_networks_or_no_client(text: str):
    networks, problems = _cidrs.parse_cidrs(text)
    assert not (networks and problems)
    assert len(networks) <= len([entry for entry in text.split(",") if entry.strip()])
    assert let_in(spec(text)) == list(networks)


@pytest.mark.parametrize(("taken", "made"), [(False, True), (True, False)])
def test_no_gateway_is_made_whose_limits_cannot_be_put_in_place(taken: bool, made: bool):
    wanted = ingress.desired(ingress.resolve(facts()))
    empty = kube.Live(resources.identity("shop", "gate", access=order.ACCESS), ingress.MANAGED)
    policy = _policies.external_traffic_policy("shop", "gate", [])
    others = {kube.ref_of(policy): policy} if taken else {}
    plan = kube.plan(wanted.objects, empty, others, guards=wanted.guards)
    kinds = {change.kind for change in kube.withheld(plan, empty).writes}
    assert (resources.Gateway in kinds) is made
