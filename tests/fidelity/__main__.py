# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Show the differences of one configuration: `python -m tests.fidelity show [field=value…]`."""

import sys

import rich.console
import rich.table

from . import _compare, _configurations, _results
from ._intended import INTENDED


def main(arguments: list[str]) -> int:
    """Run the command; returns 1 where something differs that is not intended, 2 on bad usage."""
    if not arguments or arguments[0] != "show":
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    try:
        control_plane = _configurations.parse(arguments[1:])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    table = rich.table.Table("object", "field", "ours", "istioctl", "why", show_lines=True)
    unintended = 0
    for difference in _results.compare(control_plane).differences:
        reasons = _compare.reasons(difference, INTENDED)
        unintended += not reasons
        table.add_row(
            difference.object,
            difference.path,
            f"[green]{_short(difference.ours)}[/]",
            f"[red]{_short(difference.theirs)}[/]",
            reasons[0] if reasons else "[bold red]not intended[/]",
        )
    console = rich.console.Console(soft_wrap=False)
    console.print(table)
    console.print(f"{table.row_count} differences, {unintended} not intended")
    return 1 if unintended else 0


def _short(value: object) -> str:
    text = str(value).replace("[", r"\[")
    return text if len(text) <= 200 else f"{text[:200]}…"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
