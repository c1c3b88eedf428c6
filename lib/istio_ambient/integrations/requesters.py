# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The application at the other end of a relation, as Juju reports it."""

from collections.abc import Mapping

import msgspec

from istio_ambient import authorization
from istio_ambient.charm.relations import Relation, Relations


class RequesterDatabag(msgspec.Struct, frozen=True):
    """The databag that a remote application has written."""

    requester: authorization.Requester
    relation_id: int
    content: Mapping[str, str]

    @property
    def app(self) -> str:
        """The application's name at our end of the relation."""
        return self.requester.app


def databag_of(relations: Relations, relation: Relation) -> RequesterDatabag:
    """Return the databag of the remote application of a relation; an unreadable one is empty.

    Args:
        relations: of the charm.
        relation: has a remote application.
    """
    content = relations.databag(relation) or {}
    return RequesterDatabag(requester_of(relations, relation), relation.id, content)


def requester_of(relations: Relations, relation: Relation) -> authorization.Requester:
    """Return the requester of a relation.

    Args:
        relations: of the charm.
        relation: one with an application at its other end.
    """
    uuid = relations.model_uuid(relation) or authorization.UNKNOWN_MODEL
    own = relations.model.uuid
    return authorization.Requester(relation.app.name, relation.name, "" if uuid == own else uuid)
