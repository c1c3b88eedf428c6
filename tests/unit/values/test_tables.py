# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What actions answer with: tables that stay tables, and no more than Juju can carry."""

import json

from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.values import tables

HEADINGS = ("WHO", "WHAT")


def test_columns_are_aligned_and_no_line_ends_in_spaces():
    text = tables.table(HEADINGS, [("productpage", "GET"), ("a", "")], empty="-")
    assert text == "WHO          WHAT\nproductpage  GET\na"


def test_a_table_without_rows_is_the_given_text():
    assert tables.table(HEADINGS, [], empty="no requests") == "no requests"


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1))
def test_one_row_is_one_printable_line_whatever_its_text(rows: list[tuple[str, str]]):
    lines = tables.table(HEADINGS, rows, empty="-").split("\n")
    assert len(lines) == len(rows) + 1
    assert all(line.isprintable() for line in lines)


@given(st.lists(st.integers(0, 10**6)), st.integers(2, 200))
def test_the_first_entries_that_fit_are_kept(entries: list[int], limit: int):
    text, left_out = tables.fitting(entries, tables.as_json, limit)
    kept = len(entries) - left_out
    assert json.loads(text) == entries[:kept]
    assert len(text) <= limit
    if left_out:
        assert len(tables.as_json(entries[: kept + 1])) > limit


def test_a_result_is_an_argument_that_linux_accepts():
    names = [f"application-{number}" for number in range(20_000)]
    results = tables.fitted("table", names, "\n".join)
    assert len(str(results["table"])) + len("table=") < 128 * 1024
    assert int(results["table-left-out"]) > 0
    assert tables.fitted("table", names[:1], "\n".join) == {"table": names[0]}
