# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Text from outside, made fit for a status, a log or a table: printable, and of limited length.

Applications, tenants, istiod and Envoy write the names, conditions and messages that we show. The
values that carry such text (problems, faults, changes, readiness) make it printable themselves.
"""

import msgspec

MAX_NAME = 120
MAX_MESSAGE = 300


def printable(text: str, limit: int | None = None) -> str:
    """Return the text on one line, without control characters, at most `limit` characters long.

    A character that is not printable becomes U+FFFD; a text that is cut ends in an ellipsis.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    if text.isprintable():
        return text
    # A lone surrogate cannot be encoded when the status is set; a newline breaks `juju status`.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def printable_lines(text: str) -> str:
    """Return the text with its lines, each of them printable."""
    return "\n".join(map(printable, text.split("\n")))


def shortened(text: str, limit: int) -> str:
    """Return the text in at most `limit` bytes of UTF-8; what is cut is before the remedy.

    Args:
        text: printable; after its last `; ` it may have a remedy, which stays where it fits.
        limit: in bytes, more than 10.
    """
    if len(text.encode()) <= limit:
        return text
    head, _, remedy = text.rpartition("; ")
    end = f"\N{HORIZONTAL ELLIPSIS}; {remedy}" if head else "\N{HORIZONTAL ELLIPSIS}"
    if head and len(end.encode()) > limit // 2:
        head, end = text, "\N{HORIZONTAL ELLIPSIS}"
    room = limit - len(end.encode())
    return (head or text).encode()[:room].decode(errors="ignore") + end


def make_printable(value: msgspec.Struct, limit: int = MAX_MESSAGE) -> None:
    """Make the texts in the fields of a frozen struct printable, from its `__post_init__`."""
    for field in value.__struct_fields__:
        text = getattr(value, field)
        if type(text) is str:
            msgspec.structs.force_setattr(value, field, printable(text, limit))


def shown(value: object, limit: int = 60) -> str:
    """Return a value as a message quotes it: its Python notation, at most `limit` characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # A number of more digits than Python writes (`sys.set_int_max_str_digits`), or a structure
        # that is too deep.
        text = f"{type(value).__name__}, too large to be shown"
    return printable(text, limit)
