# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The library is layered as its documentation says: imports go one way only."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "lib" / "istio_ambient"
ARCHITECTURE = ROOT / "docs" / "explanation" / "architecture.md"


FOREIGN = {"Juju": "ops", "Kubernetes": "lightkube"}
"""What is imported by whoever knows of these."""


def rows() -> list[tuple[list[str], str]]:
    """Return the rows of the documentation's table: what is in them, what that does not know."""
    row = re.compile(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|[^|]*\|([^|]*)\|$", re.MULTILINE)
    found = row.findall(ARCHITECTURE.read_text())
    return [(re.findall(r"`([a-z_]+)`", names), unknown) for names, unknown in found]


def layers() -> list[list[str]]:
    """Return the packages and modules of the library, the innermost first."""
    return [names for names, _ in rows()]


def imported(file: Path) -> Iterator[str]:
    """Yield the packages and modules of the library that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            package, *rest = node.module.split(".")
            if package == "istio_ambient":
                yield from rest[:1] or (alias.name for alias in node.names)


def parts() -> dict[str, list[Path]]:
    """Return the files of every package and module of the library."""
    found: dict[str, list[Path]] = {}
    for file in LIBRARY.rglob("*.py"):
        name = file.relative_to(LIBRARY).parts[0].removesuffix(".py")
        found.setdefault(name, []).append(file)
    del found["__init__"]
    return found


def test_every_part_has_a_layer():
    named = [name for layer in layers() for name in layer]
    assert sorted(named) == sorted(parts())


@pytest.mark.parametrize("part", sorted(parts()))
def test_a_part_imports_what_is_further_in_only(part: str):
    number = {name: depth for depth, layer in enumerate(layers()) for name in layer}
    wanted = {name for file in parts()[part] for name in imported(file)} - {part}
    assert {name for name in wanted if number[name] > number[part]} == set()


@pytest.mark.parametrize("module", sorted(FOREIGN.values()))
def test_a_part_imports_nothing_of_what_it_does_not_know(module: str):
    users = {name for name, files in parts().items() if any(_uses(f, module) for f in files)}
    unknowing = {
        name
        for names, text in rows()
        for name in names
        for what in FOREIGN
        if what in text
        if FOREIGN[what] == module
    }
    assert unknowing and users & unknowing == set()


def _uses(file: Path, module: str) -> bool:
    return re.search(rf"^(import|from) {module}\b", file.read_text(), re.MULTILINE) is not None
