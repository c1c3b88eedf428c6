# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The application at the other end of a relation, as Juju reports it."""

from collections.abc import Mapping
from dataclasses import dataclass

import ops

from istio_ambient import authorization


@dataclass(frozen=True)
class RequesterDatabag:
    """The databag that a remote application has written."""

    requester: authorization.Requester
    relation_id: int
    content: Mapping[str, str]

    @property
    def app(self) -> str:
        """The application's name at our end of the relation."""
        return self.requester.app


def databag_of(relation: ops.Relation, model_uuid: str) -> RequesterDatabag:
    """Return the databag of the remote application of a relation.

    Args:
        relation: has a remote application.
        model_uuid: of our own model.
    """
    content = dict(relation.data[relation.app])
    return RequesterDatabag(requester_of(relation, model_uuid), relation.id, content)


def requester_of(relation: ops.Relation, model_uuid: str) -> authorization.Requester:
    """Return the requester of a relation.

    Args:
        relation: one with an application at its other end.
        model_uuid: of our own model.
    """
    try:
        uuid = relation.remote_model.uuid
    except ops.ModelError:  # Juju < 3.6.2 does not report it; remote ones have the prefix.
        uuid = authorization.UNKNOWN_MODEL if relation.app.name.startswith("remote-") else ""
    return authorization.Requester(
        relation.app.name, relation.name, "" if uuid == model_uuid else uuid
    )
