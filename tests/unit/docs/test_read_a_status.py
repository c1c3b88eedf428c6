# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about statuses has a row for every code, and for no code that is none."""

import re
from collections.abc import Iterator

from istio_ambient.values.problem_codes import Code

from tests.unit.docs import pages

MARKER = "every code has a row: tests/unit/docs/test_read_a_status.py"
NUMBERS = {code.value.number for code in Code}


def named() -> Iterator[tuple[int, int]]:
    """Yield the first and last number of each code or range that a row is about."""
    for row in pages.table("how-to/read-a-status.md", MARKER):
        for first, last in re.findall(r"CI-(\d+)(?: to CI-(\d+))?", row[0]):
            yield int(first), int(last or first)


def test_every_code_has_a_row():
    covered = {number for first, last in named() for number in range(first, last + 1)}
    assert sorted(NUMBERS - covered) == []


def test_every_row_is_about_codes_that_exist():
    assert sorted({end for ends in named() for end in ends} - NUMBERS) == []
