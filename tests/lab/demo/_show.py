# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's output: tables that fit 80 columns and are readable without colours."""

from collections.abc import Iterable
from typing import Any

import rich.box
import rich.console
import rich.panel
import rich.table
import rich.text
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_list

from tests.scenarios import bookshop
from tests.scenarios.site import Outcome

WIDTH = 80
COLUMNS = {"": 1, "source": 12, "target": 11, "request": 21, "expected": 8, "got": 7, "by": 8}
"""Columns of the requests, each with the width of its content."""


def console() -> rich.console.Console:
    """Return a console with the width of the terminal, at most 100 columns."""
    shown = rich.console.Console(highlight=False)
    if not shown.is_terminal or shown.width > 100:
        return rich.console.Console(highlight=False, width=min(max(shown.width, WIDTH), 100))
    return shown


def requests_table(title: str) -> rich.table.Table:
    """Return an empty table of requests."""
    table = _table(title)
    for name, width in COLUMNS.items():
        table.add_column(name, min_width=width, overflow="fold")
    return table


def add_outcome(table: rich.table.Table, outcome: Outcome) -> None:
    """Add a row for the outcome of a request."""
    request = outcome.request
    mark, style = _mark(outcome)
    target = f"{request.target} pod" if request.past_waypoint else request.target
    table.add_row(
        rich.text.Text(mark, style),
        request.source,
        target,
        f"{request.method} {request.path}",
        _short(request.expect),
        rich.text.Text(_short(outcome.got), style),
        request.hop,
    )


def _table(title: str) -> rich.table.Table:
    return rich.table.Table(
        title=title,
        title_justify="left",
        box=rich.box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )


def _mark(outcome: Outcome) -> tuple[str, str]:
    if not outcome.ran:
        return "-", "yellow"
    return ("✓", "green") if outcome.as_expected else ("✗", "bold red")


def _short(verdict: str) -> str:
    return "answer" if verdict == bookshop.Expect.ANSWER else verdict


def access_table(listed: Iterable[dict[str, Any]], title: str) -> rich.table.Table:
    """Return a table of the allowed access, from the JSON of `list-access`."""
    table = _table(title)
    table.add_column("who", no_wrap=True)
    table.add_column("may reach", no_wrap=True)
    table.add_column("with", overflow="fold")
    for entry in listed:
        who = access_list.NAMES.get(entry["source"], entry["source"])
        target = f"pods of {entry['target']}" if entry.get("by") == "pods" else entry["target"]
        operations = entry.get("operations", "")
        style = "yellow" if operations == evaluator.ANY_OPERATION else ""
        table.add_row(who or "no client", target, rich.text.Text(operations, style))
    return table


def explanation(text: str) -> rich.panel.Panel:
    """Return a panel with the text of `explain`."""
    title = "[dim]juju run istio-beacon-k8s/0 explain …"
    return rich.panel.Panel(rich.text.Text(text), title=title, title_align="left")
