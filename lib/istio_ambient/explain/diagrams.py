# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom, as diagrams in the languages of Graphviz and Mermaid.

Names and operations come from policies of any owner. Characters with a meaning in these languages
are escaped, so that text stays text. See
https://graphviz.org/doc/info/lang.html and https://mermaid.js.org/syntax/flowchart.html.
"""

from collections.abc import Iterable, Sequence

from istio_ambient.authorization.evaluator import ANY_CLIENT, ANY_OPERATION, Access
from istio_ambient.values.text import printable

_PLAIN_IN_MERMAID = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ./_,:-"
)


def dot(accesses: Iterable[Access], destinations: Sequence[str], title: str) -> str:
    """Return a directed graph for Graphviz: `dot -Tsvg`.

    Args:
        accesses: the edges.
        destinations: all destinations, `<namespace>/<name>`, those without an access too.
        title: the heading.
    """
    allowed = sorted(accesses)
    nodes = _nodes(allowed, destinations)
    reached = {entry.destination for entry in allowed}
    lines = [
        "digraph access {",
        "  rankdir=LR;",
        "  labelloc=t;",
        f"  label={_dot_text(title)};",
        "  node [shape=box, style=rounded];",
    ]
    for name, node in nodes.items():
        unreached = name in destinations and name not in reached
        style = ' style="rounded,dashed"' if unreached else ""
        lines.append(f"  {node} [label={_dot_text(_label(name, unreached))}{style}];")
    for entry in allowed:
        colour = " color=orangered" if entry.operations == ANY_OPERATION else ""
        ends = f"{nodes[entry.source]} -> {nodes[entry.destination]}"
        lines.append(f"  {ends} [label={_dot_text(entry.operations)}{colour}];")
    return "\n".join([*lines, "}"])


def mermaid(accesses: Iterable[Access], destinations: Sequence[str], title: str) -> str:
    """Return a Mermaid flowchart, which GitHub and many wikis draw; arguments as for `dot`."""
    allowed = sorted(accesses)
    nodes = _nodes(allowed, destinations)
    reached = {entry.destination for entry in allowed}
    lines = ["flowchart LR", f"  accTitle: {_mermaid_text(title)}"]
    for name, node in nodes.items():
        unreached = name in destinations and name not in reached
        lines.append(f'  {node}["{_mermaid_text(_label(name, unreached))}"]')
    for entry in allowed:
        arrow = "==>" if entry.operations == ANY_OPERATION else "-->"
        label = _mermaid_text(entry.operations)
        lines.append(f'  {nodes[entry.source]} {arrow}|"{label}"| {nodes[entry.destination]}')
    return "\n".join(lines)


def _nodes(allowed: Sequence[Access], destinations: Sequence[str]) -> dict[str, str]:
    """Return the identifiers of the nodes, by name."""
    names = {entry.source for entry in allowed} | {entry.destination for entry in allowed}
    return {name: f"n{number}" for number, name in enumerate(sorted(names | set(destinations)))}


def _label(name: str, unreached: bool) -> str:
    label = "any client" if name == ANY_CLIENT else name
    return f"{label}: no client" if unreached else label


def _dot_text(text: str) -> str:
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mermaid_text(text: str) -> str:
    """Return the text with Mermaid's decimal entity codes for all but plain characters."""
    return "".join(c if c in _PLAIN_IN_MERMAID else f"#{ord(c)};" for c in printable(text))
