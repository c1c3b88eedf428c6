# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

from typing import Any

import pytest
from istio_ambient import authorization, kube, manifests
from istio_ambient.authorization import AllowRule, Source, Target
from istio_ambient.manifests import _config
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

PODS = Target.workload("shop", {"app": "details"})
POLICY = authorization.allow(
    "details", PODS, (AllowRule((Source("shop", "web"), Source("store", "web"))), AllowRule())
)
CLOSED = authorization.allow("closed", PODS, ())


def spec(policy: kube.Resource) -> dict[str, Any]:
    return kube.manifest_of(policy)["spec"]


def principals(*trust_domains: str) -> list[str]:
    (translated,) = authorization.in_trust_domains([POLICY], trust_domains)
    rules = spec(translated)["rules"]
    assert rules[1:] == spec(POLICY)["rules"][1:]
    assert spec(translated)["selector"] == spec(POLICY)["selector"]
    return rules[0]["from"][0]["source"]["principals"]


def test_identities_are_named_in_the_trust_domain_of_the_mesh():
    assert principals("mesh.example") == [
        "mesh.example/ns/shop/sa/web",
        "mesh.example/ns/store/sa/web",
    ]


def test_identities_are_named_in_aliases_too():
    assert principals("mesh.example", "cluster.local", "mesh.example") == [
        "mesh.example/ns/shop/sa/web",
        "cluster.local/ns/shop/sa/web",
        "mesh.example/ns/store/sa/web",
        "cluster.local/ns/store/sa/web",
    ]


def test_more_aliases_than_policies_can_hold_allow_nobody():
    named = principals("a.example", "b.example", "c.example", "d.example")
    assert {each.partition("/")[0] for each in named} == {"a.example", "b.example", "c.example"}
    assert authorization.MAX_TRUST_DOMAINS == _config.MAX_ALIASES + 1


def test_everything_else_stays_as_it_is():
    other = ConfigMap(
        metadata=ObjectMeta(name="a"), data={"principals": "cluster.local/ns/a/sa/b"}
    )
    assert authorization.in_trust_domains([other, CLOSED], ("mesh.example",)) == (other, CLOSED)
    assert authorization.in_trust_domains([POLICY], ("cluster.local",)) == (POLICY,)


@pytest.mark.parametrize(
    "trust_domains", [("cluster.local",), ("mesh.example",), ("new.example", "old.example")]
)
def test_trust_domains_are_read_from_policies_again(trust_domains: tuple[str, ...]):
    translated = authorization.in_trust_domains([CLOSED, POLICY], trust_domains)
    found = authorization.trust_domains_of(map(kube.manifest_of, translated))
    assert found == trust_domains


def test_without_identities_it_is_the_default():
    assert authorization.trust_domains_of([kube.manifest_of(CLOSED), {}]) == ("cluster.local",)


@pytest.mark.parametrize("named", ["*", "", " ", "a/b", "x" * 256, "a,b", "mesh.example\n"])
def test_what_can_be_no_trust_domain_is_named_in_no_policy(named: str):
    assert authorization.usable_trust_domains(("mesh.example", named)) == ("mesh.example",)
    assert authorization.usable_trust_domains((named,)) == ("cluster.local",)


def test_a_principal_that_was_written_by_hand_is_spread_to_no_other_policy():
    (translated,) = authorization.in_trust_domains([POLICY], ["mesh.example"])
    changed = kube.manifest_of(translated)
    changed["spec"]["rules"][0]["from"][0]["source"]["principals"].insert(0, "*/ns/shop/sa/web")
    assert authorization.trust_domains_of([changed]) == ("mesh.example",)


def test_ids_trust_domains_and_aliases_are_checked_and_good_aliases_are_used():
    config = manifests.Config.model_validate(
        {
            "cluster_id": "a b",
            "trust_domain": "spiffe://Shop",
            "trust_domain_aliases": "old.example, Old",
        }
    )
    fields = [each.field for each in config.problems]
    assert fields == ["cluster-id", "trust-domain", "trust-domain-aliases"]
    assert config.trust_domain_aliases == ("old.example",)
    assert config.invalid == {"cluster-id", "trust-domain"}
