# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Text from outside, made fit for a status or a table: on one line and printable."""


def printable(text: str, limit: int | None = None) -> str:
    """Return the text on one line, without control characters, at most `limit` characters long.

    A character that is not printable becomes U+FFFD; a text that is cut ends in an ellipsis.
    """
    # A lone surrogate cannot be encoded when the status is set; a newline breaks `juju status`.
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if limit is None or len(clean) <= limit:
        return clean
    return clean[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def shown(value: object, limit: int = 60) -> str:
    """Return a value as a message quotes it: its Python notation, at most `limit` characters."""
    return printable(repr(value), limit)
