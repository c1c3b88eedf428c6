# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about policies of operators names the marks by which the charms know their own."""

from typing import Any

from istio_ambient import authorization, kube, resources

from tests.unit.authorization.evaluator import samples
from tests.unit.docs import pages

MARKER = "held equal to the code: tests/unit/docs/test_own_policies.py"


def test_the_table_has_the_marks_of_the_charms_objects():
    identity = resources.identity("shop", "beacon")
    rows = pages.table("how-to/own-policies.md", MARKER)
    labels = {pages.quoted(row[0])[0] for row in rows if row[0].startswith("label")}
    annotations = {pages.quoted(row[0])[0] for row in rows if row[0].startswith("annotation")}
    (manager,) = (pages.quoted(row[1])[0] for row in rows if row[0] == "field manager")
    assert labels == identity.labels.keys()
    assert annotations == {
        identity.owner_annotation,
        identity.hash_annotation,
        resources.REQUESTED_BY,
    }
    assert manager == identity.field_manager


def test_the_values_are_those_of_an_identity():
    identity = resources.identity("<model>", "<application>")
    rows = pages.table("how-to/own-policies.md", MARKER)
    values = {row[0]: pages.quoted(row[1]) for row in rows}
    assert values["label `app.kubernetes.io/instance`"] == [*identity.labels.values()]
    assert values["annotation `charmed-istio/owner`"] == [identity.owner]


FROM_WEB: dict[str, Any] = {"action": "ALLOW", "rules": [samples.FROM_WEB]}


def test_in_hardened_mode_a_policy_of_the_operator_opens_its_target():
    own = samples.policy(targetRefs=samples.TO_DETAILS, **FROM_WEB)
    assert not samples.verdict(*samples.hardened()).allowed
    assert samples.verdict(*samples.hardened(), own).allowed


def test_a_policy_without_a_target_in_the_root_namespace_opens_pods_and_no_waypoint():
    meshwide = samples.policy(namespace="mesh", **FROM_WEB)
    for_waypoints = samples.policy(namespace="mesh", targetRefs=samples.TO_CLASS, **FROM_WEB)
    assert samples.verdict(*samples.hardened(), meshwide, target=samples.POD, port=9080).allowed
    assert not samples.verdict(*samples.hardened(), meshwide).allowed
    assert samples.verdict(*samples.hardened(), for_waypoints).allowed


def test_a_deny_policy_takes_precedence_over_those_of_the_charms():
    request = authorization.AccessRequest(
        authorization.Requester("details", "service-mesh"),
        "policies[0]",
        authorization.Target.service("shop", "details"),
        authorization.Source("shop", "web"),
    )
    made = [*authorization.policies([request], model="shop", app="beacon")]
    ours = [kube.manifest_of(each) for each in made]
    deny: dict[str, Any] = {
        "action": "DENY",
        "targetRefs": samples.TO_DETAILS,
        "rules": [samples.FROM_WEB],
    }
    assert samples.verdict(*ours).allowed
    assert not samples.verdict(*ours, samples.policy("no", **deny)).allowed
