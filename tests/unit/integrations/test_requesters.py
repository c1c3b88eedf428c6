# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who is at the other end, as Juju vouches for it."""

from types import SimpleNamespace
from typing import Any, cast

import ops
import pytest
from istio_ambient import authorization
from istio_ambient.integrations import requesters


class OldRelation:
    """A relation of a Juju that does not tell the other end's model."""

    name = "service-mesh"

    def __init__(self, app: str):
        self.app = SimpleNamespace(name=app)

    @property
    def remote_model(self) -> Any:
        """Fail as ops does."""
        raise ops.ModelError("relation-model-get: not found")


@pytest.mark.parametrize(("uuid", "known"), [("ours", ""), ("theirs", "theirs")])
def test_the_model_of_the_other_end_is_what_juju_says(uuid: str, known: str):
    remote = SimpleNamespace(uuid=uuid)
    app = SimpleNamespace(name="remote-1")
    relation = SimpleNamespace(app=app, name="service-mesh", remote_model=remote)
    requester = requesters.requester_of(cast(ops.Relation, relation), "ours")
    assert requester == authorization.Requester("remote-1", "service-mesh", known)


@pytest.mark.parametrize(
    ("app", "known"), [("details", ""), ("remote-4f6c", authorization.UNKNOWN_MODEL)]
)
def test_where_juju_does_not_say_a_remote_application_is_not_taken_for_one_of_ours(
    app: str, known: str
):
    requester = requesters.requester_of(cast(ops.Relation, OldRelation(app)), "ours")
    assert requester == authorization.Requester(app, "service-mesh", known)
