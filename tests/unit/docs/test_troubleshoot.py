# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about troubleshooting explains every line that the charms write into the log."""

import ast
from collections.abc import Iterator

from tests.unit.docs import pages

PAGE = "how-to/troubleshoot.md"
MARKER = "held equal to the code: tests/unit/docs/test_troubleshoot.py"
ROOT = pages.DOCS.parent
LEVELS = ("warning", "error", "exception", "critical")


def lines_of_the_code() -> Iterator[tuple[str, str]]:
    """Yield level and text of the lines that operators see; a problem alone has its own text."""
    files = [*(ROOT / "lib" / "istio_ambient").rglob("*.py"), *ROOT.glob("charms/*/src/*.py")]
    for node in (each for file in files for each in ast.walk(ast.parse(file.read_text()))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="logger"), attr=level),
                args=[ast.Constant(value=str() as text), *_],
            ) if level in LEVELS and text != "%s":
                yield level.upper(), text
            case _:
                pass


def test_every_line_of_the_log_has_a_row():
    rows = [(row[0], *pages.quoted(row[1])) for row in pages.table(PAGE, MARKER)]
    assert sorted(rows) == sorted(set(lines_of_the_code()))
