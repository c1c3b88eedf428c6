# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Juju's names; and names within Kubernetes' limits, distinct for distinct inputs."""

import hashlib
import re

LABEL_LIMIT = 63
"""Characters allowed in a label value, and in the name part of a label key."""
# Juju's `names.ApplicationSnippet`, and `names.validModelName` of https://github.com/juju/names.
_APPLICATION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*")
_MODEL = re.compile(r"[a-z0-9][a-z0-9-]*")


def is_application(name: str) -> bool:
    """Return whether Juju gives this name to an application."""
    return len(name) <= LABEL_LIMIT and bool(_APPLICATION.fullmatch(name))


def is_owner(text: str) -> bool:
    """Return whether a text is `<model>/<application>`, both with names that Juju gives."""
    model, _, app = text.partition("/")
    is_model = len(model) <= LABEL_LIMIT and bool(_MODEL.fullmatch(model))
    return is_model and is_application(app)


def name_with_hash(text: str, limit: int = LABEL_LIMIT) -> str:
    """Return a text; one longer than ``limit`` is cut to it, and ends in a hash of the text.

    The part before the hash ends in a character that may end a DNS label.
    """
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{text[: limit - len(digest) - 1].rstrip('-._')}-{digest}"


def model_app_name(
    model: str,
    app: str,
    *,
    separator: str,
    prefix: str = "",
    suffix: str = "",
    limit: int = LABEL_LIMIT,
) -> str:
    """Return ``<prefix><model><separator><app><suffix>`` in at most ``limit`` characters.

    A longer name has model and application cut in proportion to their lengths, and six digits of
    the SHA-1 of ``<model><separator><app>`` before the suffix. Queries of operators and the public
    charms of the same names rely on this form, so it must not change.
    """
    text = f"{prefix}{model}{separator}{app}{suffix}"
    if len(text) <= limit:
        return text
    digest = hashlib.sha1(f"{model}{separator}{app}".encode(), usedforsecurity=False).hexdigest()
    room = limit - len(prefix) - len(suffix) - 6 - 2 * len(separator)
    model_room = max(1, int(room * len(model) / (len(model) + len(app))))
    app_room = max(1, room - model_room)
    return (
        f"{prefix}{model[:model_room]}{separator}{app[:app_room]}{separator}{digest[:6]}{suffix}"
    )
