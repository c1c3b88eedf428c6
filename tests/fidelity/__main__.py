# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Show the differences of one configuration: `python -m tests.fidelity show [field=value…]`.

Fields and values are those that the test covers; `--all` lists each intended difference too.
"""

import collections
import sys
from collections.abc import Iterable

import rich.console
import rich.markup
import rich.table
from istio_ambient import manifests

from . import _compare, _configurations, _results
from ._intended import INTENDED


def main(arguments: list[str]) -> int:
    """Run the command; return 1 after an unintended difference, 2 on wrong usage."""
    if not arguments or arguments[0] != "show":
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    every = "--all" in arguments
    try:
        control_plane = _configurations.parse([each for each in arguments[1:] if each != "--all"])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return _show(rich.console.Console(), control_plane, every)


def _show(
    console: rich.console.Console, control_plane: manifests.ControlPlane, every: bool
) -> int:
    result = _results.compare(control_plane)
    unintended = result.unintended
    _show_fields(console, result.differences if every else unintended)
    intended = collections.Counter(
        reason for each in result.differences for reason in _compare.reasons(each, INTENDED)[:1]
    )
    table = rich.table.Table("fields", "intended, because", box=None, header_style="bold")
    for reason, count in intended.most_common():
        table.add_row(str(count), reason)
    console.print(table)
    colour = "red" if unintended else "green"
    console.print(
        f"[bold {colour}]{result.objects} objects, {intended.total()} fields differ as intended, "
        f"{len(unintended)} not"
    )
    return 1 if unintended else 0


def _show_fields(
    console: rich.console.Console, differences: Iterable[_compare.Difference]
) -> None:
    """Print fields like a diff: istioctl's values as removed, ours as added."""
    heading = ""
    for each in differences:
        if each.object != heading:
            heading = each.object
            console.print(f"[bold]{rich.markup.escape(heading)}")
        if each.path:
            console.print(f"  [cyan]{rich.markup.escape(each.path)}")
        for colour, sign, value in (("red", "-", each.theirs), ("green", "+", each.ours)):
            if value != _compare.ABSENT:
                for line in str(value).splitlines() or ['""']:
                    console.print(f"    [{colour}]{sign} {rich.markup.escape(line)}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
