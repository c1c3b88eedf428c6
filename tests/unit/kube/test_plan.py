# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The plan: what is done with each object, and why."""

from typing import Any

import pytest
from istio_ambient import kube, resources
from istio_ambient.kube import _identity
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.core_v1 import Namespace
from lightkube.resources.rbac_authorization_v1 import ClusterRole

from tests.unit.kube.objects import IDENTITY, as_live, config_map, edited, live, policy

OWNER = kube.OWNER_ANNOTATION
SPEC: dict[str, Any] = {
    "group": "example.com",
    "names": {"kind": "X", "plural": "x"},
    "scope": "Cluster",
    "versions": [],
}


def only(plan: kube.Plan) -> kube.Change:
    (change,) = plan.changes
    return change


def test_what_is_absent_is_created_with_our_identity():
    change = only(kube.plan([config_map(a="1")], live()))
    assert change.verb is kube.Verb.CREATE
    assert change.manifest is not None
    metadata = change.manifest["metadata"]
    assert metadata["labels"][_identity.INSTANCE_LABEL] == "shop-beacon"
    assert metadata["annotations"][kube.OWNER_ANNOTATION] == "shop/beacon"


def test_what_is_as_wanted_is_left_alone():
    assert kube.plan([config_map(a="1")], live(as_live(config_map(a="1")))).writes == ()


def test_what_we_want_otherwise_is_applied():
    change = only(kube.plan([config_map(a="2")], live(as_live(config_map(a="1")))))
    assert change.verb is kube.Verb.UPDATE
    assert "data.a" in change.reason


def test_what_somebody_edited_is_repaired_whatever_the_hash_says():
    edited = as_live(config_map(a="1"))
    edited.data["a"] = "tampered"
    assert only(kube.plan([config_map(a="1")], live(edited))).verb is kube.Verb.UPDATE


def test_a_rule_added_to_an_allow_nothing_policy_is_taken_out_by_replacing_it():
    opened = as_live(policy(), manager="kubectl-edit", operation="Update")
    opened["spec"] = {"rules": [{}]}
    change = only(kube.plan([policy()], live(opened)))
    assert change.verb is kube.Verb.REPLACE
    assert change.manifest is not None
    assert change.manifest["spec"] == {}
    assert change.manifest["metadata"]["resourceVersion"] == "7"


def test_labels_that_others_added_are_no_drift_and_survive_a_replacement():
    ours = as_live(policy(), manager="kubectl-label", operation="Update")
    labelled = edited(ours, labels={**ours.metadata.labels, "team": "payments"})
    assert kube.plan([policy()], live(labelled)).writes == ()
    change = only(kube.plan([policy(action="DENY")], live(labelled)))
    assert change.manifest is not None
    assert change.manifest["metadata"]["labels"]["team"] == "payments"


def test_what_is_no_longer_wanted_is_deleted_after_what_replaces_it():
    plan = kube.plan([policy("new")], live(as_live(policy("old"))))
    assert [(c.verb, c.ref.name) for c in plan.changes] == [
        (kube.Verb.CREATE, "new"),
        (kube.Verb.DELETE, "old"),
    ]


def test_custom_resource_definitions_are_never_deleted():
    crd: kube.Resource = CustomResourceDefinition.from_dict(  # pyright: ignore[reportUnknownMemberType]
        {"metadata": {"name": "x.example.com"}, "spec": SPEC}
    )
    found = kube.Live(IDENTITY, (CustomResourceDefinition,), {kube.ref_of(crd): crd})
    assert kube.plan([], found).changes == ()


def test_a_name_that_somebody_else_holds_is_refused():
    stranger = policy("allow", rules=[{}])
    change = only(kube.plan([policy()], live(), {kube.ref_of(stranger): stranger}))
    assert change.verb is kube.Verb.REFUSED
    assert change.existing is not None


def test_what_a_removed_application_released_is_taken_over():
    released = edited(as_live(policy()), labels={}, annotations={OWNER: "released"})
    change = only(kube.plan([policy()], live(), {kube.ref_of(released): released}))
    assert change.verb in (kube.Verb.UPDATE, kube.Verb.REPLACE)


def test_kinds_that_are_not_served_are_deferred():
    change = only(kube.plan([policy()], live(missing=[resources.AuthorizationPolicy])))
    assert change.verb is kube.Verb.DEFERRED
    assert not kube.plan([policy()], live(missing=[resources.AuthorizationPolicy])).writes


def test_two_objects_of_one_name_are_a_mistake():
    with pytest.raises(ValueError, match="twice"):
        kube.plan([policy(), policy()], live())


def test_a_kind_that_was_not_read_is_a_mistake():
    with pytest.raises(ValueError, match="not among the kinds"):
        kube.plan([Namespace(metadata=ObjectMeta(name="shop"))], live())


def test_order_configuration_before_custom_resources():
    role = ClusterRole(metadata=ObjectMeta(name="role"))
    plan = kube.plan([policy(), config_map(), role], live())
    assert [c.ref.kind for c in plan.changes][-1] == "AuthorizationPolicy"


def test_who_may_come_in_stands_before_what_lets_them_in_and_goes_after_it():
    kinds = (resources.AuthorizationPolicy, resources.HTTPRoute)
    meta = ObjectMeta(name="a", namespace="shop")
    route = resources.HTTPRoute(metadata=meta, spec={})
    empty = kube.Live(IDENTITY, kinds)
    made = kube.plan([route, policy()], empty)
    assert [change.kind for change in made.changes] == list(kinds)
    both = {change.ref: change.kind.from_dict(change.manifest) for change in made.changes}
    gone = kube.plan([], kube.Live(IDENTITY, kinds, both))
    assert [change.kind for change in gone.changes] == [*reversed(kinds)]


class TestIdentity:
    def test_model_and_application_that_share_an_instance_label_do_not_share_objects(self):
        one, two = kube.Identity("a-b", "c"), kube.Identity("a", "b-c")
        assert one.instance == two.instance
        (change,) = kube.plan([policy()], kube.Live(one, (resources.AuthorizationPolicy,))).changes
        assert change.manifest is not None
        assert one.owns(change.manifest)
        assert not two.owns(change.manifest)

    def test_what_a_controller_made_is_the_controllers(self):
        obj = as_live(policy())
        assert IDENTITY.owns(kube.manifest_of(obj))
        owner = {"apiVersion": "v1", "kind": "Gateway", "name": "g", "uid": "u"}
        made = edited(obj, ownerReferences=[{**owner, "controller": True}])
        assert not IDENTITY.owns(kube.manifest_of(made))

    @pytest.mark.parametrize(
        ("scope", "manager", "adopted"),
        [
            ("istio-waypoint", "beacon", True),
            ("istio-waypoint", "another", False),
            ("something-else", "beacon", False),
        ],
    )
    def test_adopts_what_the_public_charm_of_the_same_name_made(
        self, scope: str, manager: str, adopted: bool
    ):
        labels = {**IDENTITY.labels, _identity.SCOPE_LABEL: scope}
        obj = edited(as_live(policy(), manager=manager), annotations={}, labels=labels)
        assert IDENTITY.owns(kube.manifest_of(obj)) is adopted

    def test_an_adopted_object_is_replaced_whole(self):
        labels = {**IDENTITY.labels, _identity.SCOPE_LABEL: "istio-waypoint"}
        public = as_live(policy(action="ALLOW"), manager="beacon")
        obj = edited(public, annotations={}, labels=labels)
        change = only(kube.plan([policy(action="ALLOW")], live(obj)))
        assert (change.verb, change.reason) == (kube.Verb.REPLACE, "taken over")
