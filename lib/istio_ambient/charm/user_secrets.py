# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Secrets that an operator names in an option."""

from collections.abc import Mapping

import ops

from istio_ambient.values.problems import Problem


def read(
    model: ops.Model, option: str, secret_id: object, app: str
) -> Mapping[str, str] | Problem | None:
    """Return the newest content of a secret, a problem, or None where the option is not set.

    Whoever reads follows the newest revision, so that `juju update-secret` makes an event.

    Args:
        model: our model.
        option: the option's name.
        secret_id: its value.
        app: our application, for the command that grants the secret to it.
    """
    if not secret_id:
        return None
    try:
        return model.get_secret(id=str(secret_id)).get_content(refresh=True)
    except ops.SecretNotFoundError:
        message = "no such secret, or not granted"
    except ops.ModelError:
        message = "not readable"
    remedy = f"juju grant-secret <name> {app}, and give the option the secret's id"
    return Problem("", "config", option, message, remedy)
