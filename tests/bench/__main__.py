# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Print what hooks cost: `make bench`; `make bench SCALE=1` with thousands of applications."""

import argparse
import sys
from collections.abc import Callable

import rich.box
import rich.console
import rich.table

from tests.bench import _requests, hooks, imports

RUNS = 3
WIDTH = 120
SIZES, LARGE = (1, 10, 100), (1000, 4000)
POLICIES = 10
"""Access requests of one application, each for another source."""


def hooks_table(console: rich.console.Console, sizes: tuple[int, ...]) -> rich.table.Table:
    """Measure hooks in which nothing has changed, and return the table."""
    unit = imports.library_seconds()
    made = rich.table.Table(title="A hook in which nothing has changed", box=rich.box.SIMPLE)
    for column in ("charm", "apps", "hook\ntools", "function\ncalls", "CPU ÷\nimport"):
        made.add_column(column, no_wrap=True, justify="left" if column == "charm" else "right")
    series: dict[str, Callable[[int], hooks.Figures]] = {
        f"beacon, {POLICIES} policies each": lambda n: hooks.of_beacon(n, POLICIES, RUNS),
        "ingress": lambda n: hooks.of_ingress(n, RUNS),
    }
    with console.status("hooks") as status:
        for title, figures in series.items():
            for size in sizes:
                status.update(f"{title}: {size} applications")
                found = figures(size)
                ratio = f"{found.seconds / unit:.2f}"
                made.add_row(title, str(size), str(found.tools), str(found.calls), ratio)
    made.caption = f"import: of {imports.LIBRARIES}, {unit:.2f} s of CPU here"
    return made


def imports_table(console: rich.console.Console) -> rich.table.Table:
    """Measure what each charm imports before a hook begins, and return the table."""
    made = rich.table.Table(title="The import of a charm", box=rich.box.SIMPLE)
    made.add_column("charm", no_wrap=True)
    made.add_column("CPU ÷\nimport", no_wrap=True, justify="right")
    with console.status("imports"):
        for charm, cost in imports.import_costs().items():
            made.add_row(charm, f"{cost:.2f}")
    made.caption = f"import: of {imports.LIBRARIES}"
    return made


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="What a hook costs.")
    parser.add_argument("--scale", action="store_true", help="1,000 and 4,000 applications too")
    scale = parser.parse_args().scale
    # Where there is no terminal, the columns are as wide as their content.
    width = None if sys.stdout.isatty() else WIDTH
    console = rich.console.Console(highlight=False, width=width)
    console.print(imports_table(console))
    console.print(hooks_table(console, SIZES + (LARGE if scale else ())))
    console.print(_requests.table(console, SIZES + (LARGE[:1] if scale else ())))


if __name__ == "__main__":
    main()
