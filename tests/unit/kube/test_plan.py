# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The plan: the change of each object, and its reason."""

from typing import Any

import msgspec
import pytest
from istio_ambient import kube, resources
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.core_v1 import Namespace, Service
from lightkube.resources.rbac_authorization_v1 import ClusterRole

from tests.unit.kube.objects import IDENTITY, as_live, config_map, edited, live, policy

OWNER = resources.OWNER_ANNOTATION
SPEC: dict[str, Any] = {
    "group": "example.com",
    "names": {"kind": "X", "plural": "x"},
    "scope": "Cluster",
    "versions": [],
}


def only(plan: kube.Plan) -> kube.Change:
    (change,) = plan.changes
    return change


def test_an_absent_object_is_created_with_the_marks_of_its_owner():
    change = only(kube.plan([config_map(a="1")], live()))
    assert change.verb is kube.Verb.CREATE
    assert change.manifest is not None
    metadata = change.manifest["metadata"]
    assert metadata["labels"][resources.INSTANCE_LABEL] == "shop-beacon"
    assert metadata["annotations"][resources.OWNER_ANNOTATION] == "shop/beacon"


def test_an_object_as_desired_is_unchanged():
    assert kube.plan([config_map(a="1")], live(as_live(config_map(a="1")))).writes == ()


def test_changed_content_is_applied():
    change = only(kube.plan([config_map(a="2")], live(as_live(config_map(a="1")))))
    assert change.verb is kube.Verb.UPDATE
    assert "data.a" in change.reason


def test_an_edited_object_is_repaired_although_its_hash_is_that_of_the_desired_one():
    edited = as_live(config_map(a="1"))
    edited.data["a"] = "tampered"
    assert only(kube.plan([config_map(a="1")], live(edited))).verb is kube.Verb.UPDATE


def test_an_allow_nothing_policy_with_an_added_rule_is_replaced():
    opened = as_live(policy(), manager="kubectl-edit", operation="Update")
    opened["spec"] = {"rules": [{}]}
    change = only(kube.plan([policy()], live(opened)))
    assert change.verb is kube.Verb.REPLACE
    assert change.manifest is not None
    assert change.manifest["spec"] == {}
    assert change.manifest["metadata"]["resourceVersion"] == "7"


def test_labels_of_other_managers_are_no_drift_and_survive_a_replacement():
    ours = as_live(policy(), manager="kubectl-label", operation="Update")
    labelled = edited(ours, labels={**ours.metadata.labels, "team": "payments"})
    assert kube.plan([policy()], live(labelled)).writes == ()
    change = only(kube.plan([policy(action="DENY")], live(labelled)))
    assert change.manifest is not None
    assert change.manifest["metadata"]["labels"]["team"] == "payments"


def test_an_object_is_deleted_after_the_one_that_replaces_it_is_created():
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


def test_an_object_of_another_owner_is_refused():
    stranger = policy("allow", rules=[{}])
    change = only(kube.plan([policy()], live(), {kube.ref_of(stranger): stranger}))
    assert change.verb is kube.Verb.REFUSED
    assert change.existing is not None


def test_an_object_that_its_owner_released_is_adopted():
    released = edited(as_live(policy()), labels={}, annotations={OWNER: "released"})
    change = only(kube.plan([policy()], live(), {kube.ref_of(released): released}))
    assert change.verb in (kube.Verb.UPDATE, kube.Verb.REPLACE)


def test_an_object_whose_owner_is_no_more_is_adopted():
    theirs = edited(as_live(policy()), annotations={OWNER: "old/beacon"})
    plan = kube.plan([policy()], live(), {kube.ref_of(theirs): theirs}, abandoned=["old/beacon"])
    assert only(plan).verb is kube.Verb.UPDATE
    plan = kube.plan([policy()], live(), {kube.ref_of(theirs): theirs}, abandoned=["other/beacon"])
    assert only(plan).verb is kube.Verb.REFUSED


def test_an_object_whose_marks_a_webhook_removed_is_still_ours():
    ours = edited(as_live(policy()), annotations={}, labels={})
    assert only(kube.plan([policy()], live(), {kube.ref_of(ours): ours})).verb is kube.Verb.UPDATE
    theirs = edited(as_live(policy(), manager="helm"), annotations={}, labels={})
    change = only(kube.plan([policy()], live(), {kube.ref_of(theirs): theirs}))
    assert change.verb is kube.Verb.REFUSED
    labelled = edited(as_live(policy()), annotations={}, labels={resources.INSTANCE_LABEL: "x"})
    change = only(kube.plan([policy()], live(), {kube.ref_of(labelled): labelled}))
    assert change.verb is kube.Verb.REFUSED


def unread(*objects: kube.Resource, kind: kube.ResourceType) -> kube.Live:
    """Return live objects beside a kind that could not be read."""
    error = kube.RequestError("list it", "conversion webhook failed", 500, transient=True)
    return msgspec.structs.replace(live(*objects), unread={kind: error})


def test_what_cannot_be_read_stays_and_the_rest_goes_on():
    found = unread(as_live(config_map(a="1")), kind=resources.Telemetry)
    verbs = {c.ref.name: c.verb for c in kube.plan([config_map(a="2"), policy()], found).changes}
    assert verbs == {"settings": kube.Verb.UPDATE, "allow": kube.Verb.CREATE}
    found = unread(as_live(config_map(a="1")), kind=resources.AuthorizationPolicy)
    change = next(c for c in kube.plan([policy()], found).changes if c.ref.name == "allow")
    assert change.verb is kube.Verb.HELD
    assert "AuthorizationPolicy can be read" in change.reason


def test_where_a_kind_that_decides_about_access_cannot_be_read_only_access_is_taken_away():
    route = resources.HTTPRoute(metadata=ObjectMeta(name="open", namespace="shop"), spec={})
    old = resources.HTTPRoute(metadata=ObjectMeta(name="old", namespace="shop"), spec={})
    found = unread(as_live(old), as_live(policy(rules=[{}])), kind=resources.GRPCRoute)
    plan = kube.plan([route, policy()], found, guards=[kube.ref_of(policy())])
    verbs = {change.ref.name: change.verb for change in plan.changes}
    held = kube.Verb.HELD
    assert verbs == {"open": held, "allow": kube.Verb.UPDATE, "old": kube.Verb.DELETE}
    wider = unread(as_live(old), as_live(policy()), kind=resources.GRPCRoute)
    plan = kube.plan([route, policy(rules=[{}])], wider)
    assert {change.verb for change in plan.changes if change.ref.name == "allow"} == {held}


def test_nothing_is_served_while_its_guards_cannot_be_read():
    route = resources.HTTPRoute(metadata=ObjectMeta(name="open", namespace="shop"), spec={})
    found = unread(as_live(route), kind=resources.AuthorizationPolicy)
    plan = kube.withheld(kube.plan([route, policy()], found), found)
    assert plan.writes == ()
    assert kube.missing(plan, found) == frozenset(), "what exists is served on"


def test_kinds_that_are_not_served_are_deferred():
    change = only(kube.plan([policy()], live(missing=[resources.AuthorizationPolicy])))
    assert change.verb is kube.Verb.DEFERRED
    assert not kube.plan([policy()], live(missing=[resources.AuthorizationPolicy])).writes


def test_two_desired_objects_of_one_name_raise():
    with pytest.raises(ValueError, match="twice"):
        kube.plan([policy(), policy()], live())


def test_a_kind_that_was_not_read_raises():
    with pytest.raises(ValueError, match="not among the kinds"):
        kube.plan([Namespace(metadata=ObjectMeta(name="shop"))], live())


def test_configuration_is_applied_before_other_objects_and_what_narrows_access_first():
    role, service = ClusterRole(metadata=ObjectMeta(name="role")), Service(metadata=META)
    plan = kube.plan([service, policy(), config_map(), role], live())
    kinds = ["AuthorizationPolicy", "ClusterRole", "ConfigMap", "Service"]
    assert [change.ref.kind for change in plan.changes] == kinds


META = ObjectMeta(name="a", namespace="shop")


def test_another_field_manager_counts_as_another_writer():
    live_policy = as_live(policy())
    other = msgspec.structs.replace(IDENTITY, field_manager="another")
    found = kube.Live(other, (resources.AuthorizationPolicy,), live(live_policy).objects)
    change = only(kube.plan([policy(action="DENY")], found))
    assert change.verb is kube.Verb.REPLACE


class TestIdentity:
    def test_two_owners_of_one_instance_label_do_not_share_objects(self):
        one, two = resources.identity("a-b", "c"), resources.identity("a", "b-c")
        assert one.labels == two.labels
        (change,) = kube.plan([policy()], kube.Live(one, (resources.AuthorizationPolicy,))).changes
        assert change.manifest is not None
        assert one.owns(change.manifest)
        assert not two.owns(change.manifest)

    def test_an_object_that_a_controller_made_belongs_to_the_controller(self):
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
    def test_objects_of_the_public_charm_of_the_same_application_are_adopted(
        self, scope: str, manager: str, adopted: bool
    ):
        labels = {**IDENTITY.labels, resources.SCOPE_LABEL: scope}
        obj = edited(as_live(policy(), manager=manager), annotations={}, labels=labels)
        assert IDENTITY.owns(kube.manifest_of(obj)) is adopted

    def test_an_adopted_object_is_replaced_whole(self):
        labels = {**IDENTITY.labels, resources.SCOPE_LABEL: "istio-waypoint"}
        public = as_live(policy(action="ALLOW"), manager="beacon")
        obj = edited(public, annotations={}, labels=labels)
        change = only(kube.plan([policy(action="ALLOW")], live(obj)))
        assert (change.verb, change.reason) == (kube.Verb.REPLACE, "adopted")
