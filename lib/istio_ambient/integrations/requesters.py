# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The application at the other end of a relation, as Juju reports it."""

import ops

from istio_ambient import authorization


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
