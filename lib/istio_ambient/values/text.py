# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Foreign text made fit to be shown: on one line, without what a terminal would obey."""


def printable(text: str, limit: int | None = None) -> str:
    """Return the text on one line, printable, at most `limit` characters long."""
    # A lone surrogate cannot be encoded when the status is set; a newline breaks `juju status`.
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if limit is None or len(clean) <= limit:
        return clean
    return clean[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
