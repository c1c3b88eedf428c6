# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom, as an SVG: sources on the left, destinations on the right."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree import ElementTree

from istio_ambient.authorization.evaluator import ANY_CLIENT, ANY_OPERATION, Access
from istio_ambient.values.text import printable

ROW, MARGIN, GAP, BOX_HEIGHT, TOP = 64, 24, 352, 36, 88
NARROWEST_BOX, LETTER = 220, 8
"""Widths in pixels: of a box at least, and of a letter, which is seldom wider."""
INK, QUIET, LINE, OPEN, PAPER = "#1f2933", "#7b8794", "#2f6f9f", "#c2410c", "#ffffff"
FONT = "ui-sans-serif, system-ui, sans-serif"
LONGEST_LABEL, LONGEST_NAME = 44, 64

Point: TypeAlias = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class _Column:
    """A column of boxes."""

    x: int
    labels: tuple[str, ...]

    @property
    def width(self) -> int:
        longest = max(map(len, self.labels), default=0)
        return max(NARROWEST_BOX, LETTER * min(longest, LONGEST_NAME) + MARGIN)

    @property
    def end(self) -> int:
        return self.x + self.width


def svg(accesses: Iterable[Access], destinations: Sequence[str], title: str) -> str:
    """Return an SVG document with an arrow for each access.

    Args:
        accesses: the arrows.
        destinations: all destinations, `<namespace>/<name>`, those without an access too.
        title: the heading.
    """
    allowed = sorted(accesses)
    sources = sorted({entry.source for entry in allowed})
    source_rows = {source: row for row, source in enumerate(sources)}
    destination_rows = {name: row for row, name in enumerate(destinations)}
    reached = {entry.destination for entry in allowed}
    names = ("any client" if source == ANY_CLIENT else source for source in sources)
    left = _Column(MARGIN, tuple(names))
    shown = (name if name in reached else f"{name}: no client" for name in destinations)
    right = _Column(left.end + GAP, tuple(shown))
    width, height = right.end + MARGIN, TOP + ROW * max(len(sources), len(destinations), 1)
    root = ElementTree.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=str(width),
        height=str(height),
        role="img",
    )
    _add(root, "title").text = printable(title)
    _add(root, "rect", width="100%", height="100%", fill=PAPER)
    _arrowheads(root)
    _text(root, left.x, 36, title, size=20, fill=INK, weight=600)
    _text(root, left.x, 66, "who", size=13, fill=QUIET)
    _text(root, right.x, 66, "may reach", size=13, fill=QUIET)
    labels: list[tuple[Point, str]] = []
    for number, entry in enumerate(allowed):
        start = left.end, _middle(source_rows[entry.source])
        end = right.x - 4, _middle(destination_rows[entry.destination])
        _arrow(root, start, end, is_open=entry.operations == ANY_OPERATION)
        # Labels of adjacent lines are placed apart, so that they do not overlap.
        label_at = 0.3 + 0.18 * (number % 3)
        labels.append((_between(start, end, label_at), entry.operations))
    for place, operations in labels:  # Drawn last, over all lines.
        _label(root, place, operations)
    for column in (left, right):
        _boxes(root, column)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _arrowheads(root: ElementTree.Element) -> None:
    definitions = ElementTree.SubElement(root, "defs")
    shape = {"viewBox": "0 0 10 10", "refX": 9, "refY": 5, "markerWidth": 7, "markerHeight": 7}
    for name, colour in (("narrow", LINE), ("open", OPEN)):
        marker = _add(definitions, "marker", id=name, **shape, orient="auto")
        _add(marker, "path", d="M0 0 L10 5 L0 10 z", fill=colour)


def _middle(row: int) -> float:
    return TOP + row * ROW + BOX_HEIGHT / 2


def _arrow(root: ElementTree.Element, start: Point, end: Point, *, is_open: bool) -> None:
    _add(
        root,
        "path",
        d=f"M{start[0]} {start[1]} L{end[0]} {end[1]}",
        stroke=OPEN if is_open else LINE,
        stroke_width=1.6,
        fill="none",
        marker_end="url(#open)" if is_open else "url(#narrow)",
    )


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _label(root: ElementTree.Element, place: Point, operations: str) -> None:
    x, y = place
    label = printable(operations, LONGEST_LABEL)
    text = _text(root, x, y - 6, label, size=11, fill=INK, anchor="middle")
    # Covers the lines between the words.
    stroke = {"stroke": PAPER, "stroke-width": "6", "stroke-linejoin": "round"}
    text.attrib.update({"paint-order": "stroke", **stroke})
    _add(text, "title").text = printable(operations)


def _boxes(root: ElementTree.Element, column: _Column) -> None:
    for row, label in enumerate(column.labels):
        y = TOP + row * ROW
        place = {"x": column.x, "y": y, "width": column.width, "height": BOX_HEIGHT}
        _add(root, "rect", **place, rx=6, fill="#f5f7fa", stroke=QUIET)
        middle = column.x + column.width / 2, y + BOX_HEIGHT / 2 + 5
        name = printable(label, LONGEST_NAME)
        text = _text(root, *middle, name, size=14, fill=INK, anchor="middle")
        if name != label:
            _add(text, "title").text = printable(label)


def _text(
    root: ElementTree.Element,
    x: float,
    y: float,
    content: str,
    *,
    size: int,
    fill: str,
    weight: int = 400,
    anchor: str = "start",
) -> ElementTree.Element:
    font = {"font_family": FONT, "font_size": size, "font_weight": weight}
    element = _add(root, "text", x=f"{x:g}", y=f"{y:g}", **font, fill=fill, text_anchor=anchor)
    element.text = printable(content)  # XML allows no control characters, not even as entities.
    return element


def _add(parent: ElementTree.Element, tag: str, **attributes: object) -> ElementTree.Element:
    """Add an element; an underscore in an attribute's name stands for a hyphen."""
    named = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    return ElementTree.SubElement(parent, tag, named)
