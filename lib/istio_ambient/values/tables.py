# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Results of actions: tables for people, and texts within the limits of Juju."""

import bisect
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from istio_ambient.values.text import printable

E = TypeVar("E")

MAX_RESULT = 120_000
"""Bytes of one result: it is an argument of the hook tool `action-set`, and Linux accepts at most
128 KiB (`MAX_ARG_STRLEN`, see execve(2))."""
MAX_CELL = 200
"""Characters of one cell of a table; the JSON form has the complete text."""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> str:
    """Return rows as aligned columns, one row a line, whatever text is in them.

    Cells are made printable and cut. No line ends in spaces: `juju run` would show the table as
    one quoted line.

    Args:
        headings: one for each column.
        rows: one cell for each heading.
        empty: the result where there are no rows.
    """
    shown = [tuple(printable(cell, MAX_CELL) for cell in row) for row in rows]
    lines = [tuple(headings), *shown]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(aligned) if len(lines) > 1 else empty


def as_json(value: Any) -> str:
    """Return JSON for programs: on one line, with sorted keys."""
    return json.dumps(value, sort_keys=True)


def fitting(
    entries: Sequence[E], render: Callable[[Sequence[E]], str], limit: int = MAX_RESULT
) -> tuple[str, int]:
    """Return the text of the first entries that fit into a result.

    Args:
        entries: all entries.
        render: returns the text of some entries; the text of more entries is never shorter.
        limit: in bytes of UTF-8.

    Returns:
        The text, and the number of entries that are left out.
    """
    text = render(entries)
    if len(text.encode()) <= limit:
        return text, 0
    fits = bisect.bisect_right(
        range(1, len(entries)), limit, key=lambda number: len(render(entries[:number]).encode())
    )
    return render(entries[:fits]), len(entries) - fits


def fitted(
    name: str, entries: Sequence[E], render: Callable[[Sequence[E]], str]
) -> dict[str, str | int]:
    """Return a result by its name, and `<name>-left-out` where not all entries fit (`fitting`)."""
    text, left_out = fitting(entries, render)
    return {name: text, **({f"{name}-left-out": left_out} if left_out else {})}
