# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom, in the languages of Graphviz and Mermaid.

Names and operations come from policies, which anybody may have written: what means something in
these languages is written as a code, so that text stays text. See
https://graphviz.org/doc/info/lang.html and https://mermaid.js.org/syntax/flowchart.html.
"""

from collections.abc import Iterable, Sequence

from istio_ambient.authorization.evaluator import EVERYBODY, EVERYTHING, Access
from istio_ambient.values.text import printable

_PLAIN_IN_MERMAID = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ./_,:-"
)


def dot(accesses: Iterable[Access], targets: Sequence[str], title: str) -> str:
    """Return a digraph for Graphviz: `dot -Tsvg`.

    Args:
        accesses: what is allowed.
        targets: all Services to show, `<namespace>/<name>`, those that nobody may reach included.
        title: the heading.
    """
    allowed = sorted(accesses)
    nodes = _nodes(allowed, targets)
    reached = {entry.target for entry in allowed}
    lines = [
        "digraph access {",
        "  rankdir=LR;",
        "  labelloc=t;",
        f"  label={_dot_text(title)};",
        "  node [shape=box, style=rounded];",
    ]
    for name, node in nodes.items():
        nobody = name in targets and name not in reached
        style = ' style="rounded,dashed"' if nobody else ""
        lines.append(f"  {node} [label={_dot_text(_label(name, nobody))}{style}];")
    for entry in allowed:
        colour = " color=orangered" if entry.operations == EVERYTHING else ""
        ends = f"{nodes[entry.source]} -> {nodes[entry.target]}"
        lines.append(f"  {ends} [label={_dot_text(entry.operations)}{colour}];")
    return "\n".join([*lines, "}"])


def mermaid(accesses: Iterable[Access], targets: Sequence[str], title: str) -> str:
    """Return a Mermaid flowchart, which GitHub and many wikis draw; arguments as for `dot`."""
    allowed = sorted(accesses)
    nodes = _nodes(allowed, targets)
    reached = {entry.target for entry in allowed}
    lines = ["flowchart LR", f"  accTitle: {_mermaid_text(title)}"]
    for name, node in nodes.items():
        nobody = name in targets and name not in reached
        lines.append(f'  {node}["{_mermaid_text(_label(name, nobody))}"]')
    for entry in allowed:
        arrow = "==>" if entry.operations == EVERYTHING else "-->"
        label = _mermaid_text(entry.operations)
        lines.append(f'  {nodes[entry.source]} {arrow}|"{label}"| {nodes[entry.target]}')
    return "\n".join(lines)


def _nodes(allowed: Sequence[Access], targets: Sequence[str]) -> dict[str, str]:
    """Return an identifier for everything that is shown, by its name."""
    names = {entry.source for entry in allowed} | {entry.target for entry in allowed}
    return {name: f"n{number}" for number, name in enumerate(sorted(names | set(targets)))}


def _label(name: str, nobody: bool) -> str:
    label = "everybody" if name == EVERYBODY else name
    return f"{label}: nobody" if nobody else label


def _dot_text(text: str) -> str:
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mermaid_text(text: str) -> str:
    """Return the text with Mermaid's decimal entity codes for all but plain letters."""
    return "".join(c if c in _PLAIN_IN_MERMAID else f"#{ord(c)};" for c in printable(text))
