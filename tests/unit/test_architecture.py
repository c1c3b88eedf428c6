# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What `lint-imports` does not check: the documentation, and who reads databags."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARCHITECTURE = ROOT / "docs" / "explanation" / "architecture.md"


def layers() -> list[str]:
    """Return the layers of the contract about packages, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (each["layers"] for each in settings["contracts"] if each["id"] == "packages")
    return layers


def test_the_table_has_every_package_lowest_first():
    rows = re.findall(r"^\| `([a-z_]+)` \|", ARCHITECTURE.read_text(), re.MULTILINE)
    expected = [name for layer in reversed(layers()) for name in layer.split(" | ")]
    assert rows == expected


def test_the_picture_has_every_layer_highest_first():
    picture = ARCHITECTURE.read_text().split("```")[3]
    lines = [re.split(r" {2,}", line.strip())[0] for line in picture.splitlines()]
    assert [line for line in lines if re.fullmatch(r"[a-z_]+( \| [a-z_]+)*", line)] == layers()


def test_one_module_reads_and_writes_databags():
    """What Juju refuses there is caught there; see docs/explanation/refused-by-juju.md."""
    raw = re.compile(r"relation\.data\b|\.remote_model\b|\.get_binding\(|\.app\.planned_units\(")
    sources = (*ROOT.glob("lib/istio_ambient/**/*.py"), *ROOT.glob("charms/*/src/*.py"))
    found = {path.name for path in sources if raw.search(path.read_text())}
    assert found == {"relations.py"}
