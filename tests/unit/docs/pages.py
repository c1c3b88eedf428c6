# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Pages of the documentation, as tests read them: tables and blocks below a marker."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def table(page: str, marker: str) -> list[list[str]]:
    """Return the cells of the rows of the table that follows a comment of this text.

    Args:
        page: its path in the folder of the documentation.
        marker: the text of the comment in front of the table.
    """
    _, _, after = (DOCS / page).read_text().partition(f"<!-- {marker} -->")
    lines = after.strip().splitlines()
    rows = [line for line in lines[: _length(lines)] if not re.fullmatch(r"[|: -]+", line)]
    assert rows, f"{page} has no table after the comment {marker!r}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


def block(page: str, marker: str) -> str:
    """Return the text of the code block that follows a comment of this text."""
    _, _, after = (DOCS / page).read_text().partition(f"<!-- {marker} -->")
    found = re.match(r"\s*```\w*\n(.*?)```", after, re.DOTALL)
    assert found, f"{page} has no block after the comment {marker!r}"
    return found[1]


def quoted(cell: str) -> list[str]:
    """Return the code that a cell quotes."""
    return re.findall(r"`([^`]+)`", cell)


def _length(lines: list[str]) -> int:
    """Return how many lines from the first one on are rows of a table."""
    return next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
