# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What each charmcraft.yaml promises to Juju and to a store, and what of the library it packs."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "lib" / "istio_ambient"
SOURCE = "https://github.com/charmed-istio/charmed-istio"
CHARMS = [
    project.parent
    for folder in ("charms", "examples")
    for project in sorted((ROOT / folder).glob("*/charmcraft.yaml"))
]
WITH_LIBRARY = [charm for charm in CHARMS if (charm / "lib").exists()]

every_charm = pytest.mark.parametrize("charm", CHARMS, ids=lambda charm: charm.name)
every_charm_with_the_library = pytest.mark.parametrize(
    "charm", WITH_LIBRARY, ids=lambda charm: charm.name
)


def project(charm: Path) -> dict[str, Any]:
    return yaml.safe_load((charm / "charmcraft.yaml").read_text())


def module(name: str) -> Path | None:
    """Return the file of a module of the library, if there is one."""
    path = LIBRARY.parent / name.replace(".", "/")
    return next((p for p in (path / "__init__.py", path.with_suffix(".py")) if p.is_file()), None)


def names_imported(path: Path) -> Iterator[str]:
    """Yield the names that a file imports, wherever in it: in functions and for types too."""
    package = path.parent.relative_to(LIBRARY.parent).parts if LIBRARY in path.parents else ()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*start, *filter(None, [node.module])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def modules_needed(charm: Path) -> set[Path]:
    """Return the files of the library that the charm's code imports, directly or not."""
    needed: set[Path] = set()
    reached = list((charm / "src").rglob("*.py"))
    while reached:
        for name in names_imported(reached.pop()):
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                file = module(".".join(parts[:depth]))
                if file and file not in needed:
                    needed.add(file)
                    reached.append(file)
    return needed


def left_out(charm: Path) -> list[Path]:
    """Return the folders of the library that the charm's archive does not contain."""
    staged: list[str] = project(charm)["parts"]["charm"]["stage"]
    return [ROOT / path.removeprefix("-") for path in staged if path.startswith("-")]


@every_charm_with_the_library
def test_what_a_charm_imports_is_packed(charm: Path):
    needed = modules_needed(charm)
    assert LIBRARY / "kube" / "__init__.py" in needed
    missing = [file for file in needed for folder in left_out(charm) if folder in file.parents]
    assert not missing, "stage: in charmcraft.yaml leaves out what is imported"


@every_charm_with_the_library
def test_a_package_that_a_charm_does_not_import_is_not_packed(charm: Path):
    needed = modules_needed(charm)
    packages = {file.parent for file in LIBRARY.rglob("__init__.py")} - {LIBRARY}
    imported = {folder for file in needed for folder in file.parents}
    page = LIBRARY / "explain" / "page"
    if page.with_name("access_page.py") not in needed:
        packages.add(page)
    out = left_out(charm)
    unneeded = [
        package
        for package in packages - imported
        if not any(folder in (package, *package.parents) for folder in out)
    ]
    assert not unneeded, "stage: in charmcraft.yaml packs what is not imported"
    assert all(folder.is_dir() for folder in out)


@every_charm
def test_no_action_takes_a_parameter_that_it_does_not_have(charm: Path):
    open_actions = [
        name
        for name, action in project(charm)["actions"].items()
        if action.get("additionalProperties") is not False
    ]
    assert not open_actions


@every_charm
def test_every_charm_leads_to_the_same_places(charm: Path):
    assert project(charm)["links"] == {
        "contact": f"{SOURCE}/discussions",
        "documentation": "https://charmed-istio.readthedocs.io",
        "issues": f"{SOURCE}/issues",
        "source": SOURCE,
        "website": "https://github.com/charmed-istio",
    }


@every_charm
def test_every_charm_is_packed_for_both_architectures_on_either(charm: Path):
    assert project(charm)["platforms"] == {
        f"ubuntu@24.04:{architecture}": {
            "build-on": ["amd64", "arm64"],
            "build-for": [architecture],
        }
        for architecture in ("amd64", "arm64")
    }


@every_charm
def test_no_charm_runs_as_root(charm: Path):
    assert project(charm)["charm-user"] == "non-root"
    # Juju ignores the user before 3.6.
    assert "juju >= 3.6.4" in project(charm)["assumes"]
