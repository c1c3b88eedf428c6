# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Marks of an earlier release, whose domain was another one: recognised, and written anew once."""

from typing import Any

import pytest
from istio_ambient import kube, resources
from istio_ambient.kube import _plan

from tests.unit.kube.objects import IDENTITY, as_live, config_map, edited, live, policy

FORMER = "charmed-istio.io"
OWNER = resources.OWNER_ANNOTATION


def renamed(key: str) -> str:
    return f"{FORMER}/{key.partition('/')[2]}" if key.startswith("charmed-istio/") else key


def former(obj: kube.Resource, **metadata: Any) -> kube.Resource:
    """Return a live object as an earlier release applied it."""
    annotations = kube.manifest_of(obj)["metadata"]["annotations"]
    old = {renamed(key): text for key, text in annotations.items()}
    return edited(obj, annotations=old, **metadata)


def only(plan: kube.Plan) -> kube.Change:
    (change,) = plan.changes
    return change


def test_an_object_of_an_earlier_release_is_ours_and_is_applied_once():
    old = former(as_live(config_map(a="1")))
    assert IDENTITY.owns(kube.manifest_of(old))
    change = only(kube.plan([config_map(a="1")], live(old)))
    assert change.verb is kube.Verb.UPDATE
    assert not change.repairs
    annotations = (change.manifest or {})["metadata"]["annotations"]
    assert annotations[OWNER] == "shop/beacon"
    assert not any(key.startswith(FORMER) for key in annotations)
    assert kube.plan([config_map(a="1")], live(as_live(config_map(a="1")))).writes == ()


def test_an_object_of_an_earlier_release_that_others_edited_keeps_none_of_the_old_marks():
    old = former(as_live(policy(action="ALLOW"), manager="kubectl-edit", operation="Update"))
    change = only(kube.plan([policy(action="ALLOW")], live(old)))
    assert change.verb is kube.Verb.REPLACE
    annotations = (change.manifest or {})["metadata"]["annotations"]
    assert annotations.keys() == {OWNER, resources.HASH_ANNOTATION}


def test_old_marks_that_an_apply_leaves_are_removed_by_a_replacement():
    current = as_live(config_map(a="1"))
    both = kube.manifest_of(current)["metadata"]["annotations"] | {f"{FORMER}/owner": "released"}
    change = only(kube.plan([config_map(a="1")], live(edited(current, annotations=both))))
    assert (change.verb, change.reason) == (kube.Verb.REPLACE, f"still has {FORMER}/owner")
    assert f"{FORMER}/owner" not in (change.manifest or {})["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("owner", "verb"),
    [
        ("other/app", kube.Verb.REFUSED),
        ("", kube.Verb.REFUSED),
        ("gone/app", kube.Verb.UPDATE),
        ("released", kube.Verb.UPDATE),
    ],
)
def test_whose_an_object_of_an_earlier_release_is(owner: str, verb: kube.Verb):
    theirs = edited(as_live(policy()), labels={}, annotations={f"{FORMER}/owner": owner})
    assert not IDENTITY.owns(kube.manifest_of(theirs))
    taken = {kube.ref_of(theirs): theirs}
    assert only(kube.plan([policy()], live(), taken, abandoned={"gone/app"})).verb is verb


def test_the_name_of_today_counts_before_the_old_one():
    marks = {OWNER: "other/app", f"{FORMER}/owner": "shop/beacon"}
    assert resources.mark(marks, OWNER) == "other/app"
    labels = kube.manifest_of(as_live(policy()))["metadata"]["labels"]
    theirs = edited(as_live(policy()), labels=labels, annotations=marks)
    assert not IDENTITY.owns(kube.manifest_of(theirs))


def test_content_of_an_earlier_release_that_nobody_changed_counts_as_applied():
    wanted = edited(config_map(a="1"), annotations={"charmed-istio/jwks-sources": "[]"})
    old, identity = _plan._with_former_marks(kube.manifest_of(wanted), IDENTITY)
    applied = edited(wanted, **_plan.stamped(old, identity)["metadata"])
    assert f"{FORMER}/applied-hash" in kube.manifest_of(applied)["metadata"]["annotations"]
    assert kube.is_applied(wanted, live(applied))
    assert not kube.is_applied(config_map(a="2"), live(applied))
