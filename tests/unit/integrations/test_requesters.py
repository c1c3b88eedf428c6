# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who is at the other end, as Juju vouches for it."""

from types import SimpleNamespace
from typing import cast

import pytest
from istio_ambient import authorization
from istio_ambient.charm.relations import Relation, Relations
from istio_ambient.integrations import requesters


def related(app: str) -> Relation:
    """Return a relation with an application."""
    return cast(Relation, SimpleNamespace(app=SimpleNamespace(name=app), name="service-mesh"))


def reporting(uuid: str | None) -> Relations:
    """Return the relations of a charm whose Juju reports a model, or refuses to."""

    def model_uuid(_: Relation) -> str | None:
        return uuid

    found = SimpleNamespace(model=SimpleNamespace(uuid="ours"), model_uuid=model_uuid)
    return cast(Relations, found)


@pytest.mark.parametrize(("uuid", "known"), [("ours", ""), ("theirs", "theirs")])
def test_the_model_of_the_other_end_is_what_juju_says(uuid: str, known: str):
    requester = requesters.requester_of(reporting(uuid), related("remote-1"))
    assert requester == authorization.Requester("remote-1", "service-mesh", known)


def test_where_juju_refuses_to_say_no_application_is_taken_for_one_of_ours():
    requester = requesters.requester_of(reporting(None), related("details"))
    assert requester.model_uuid == authorization.UNKNOWN_MODEL
