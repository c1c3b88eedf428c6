# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about policies of operators names the marks by which the charms know their own."""

from istio_ambient import authorization, resources

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
        authorization.REQUESTED_BY,
    }
    assert manager == identity.field_manager


def test_the_values_are_those_of_an_identity():
    identity = resources.identity("<model>", "<application>")
    rows = pages.table("how-to/own-policies.md", MARKER)
    values = {row[0]: pages.quoted(row[1]) for row in rows}
    assert values["label `app.kubernetes.io/instance`"] == [*identity.labels.values()]
    assert values["annotation `charmed-istio/owner`"] == [identity.owner]
