# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Secrets that an operator names in an option."""

from collections.abc import Mapping

import ops

from istio_ambient.charm.relations import REFUSALS
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem


def read(
    model: ops.Model, option: str, secret_id: object, app: str
) -> Mapping[str, str] | Problem | None:
    """Return the content of the secret that an option names.

    The read moves the charm to the newest revision, so that the next `juju update-secret` sends
    it an event (secret-changed).

    Args:
        model: the charm's model.
        option: the option's name, for the problem.
        secret_id: the option's value, such as `secret:9m4e2mr0ui3e8a215n4g`.
        app: the charm's application, for the command that grants the secret to it.

    Returns:
        The content by key; None where the option is not set; a problem where the secret does not
        exist, is not granted to the application, or cannot be read.
    """
    if not secret_id:
        return None
    try:
        return model.get_secret(id=str(secret_id)).get_content(refresh=True)
    except ops.SecretNotFoundError:
        message = "no such secret, or not granted"
    except REFUSALS:
        message = "not readable"
    remedy = f"juju grant-secret <name> {app}, and give the option the secret's id"
    return Problem(
        app="",
        endpoint="config",
        field=option,
        message=message,
        remedy=remedy,
        code=Code.SECRET_UNREADABLE,
    )
