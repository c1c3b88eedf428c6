# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The reference names what the charms offer."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHARMS = sorted(path.parent for path in (ROOT / "charms").glob("*/charmcraft.yaml"))
REFERENCE = ROOT / "docs" / "reference"


def declared(charm: Path, *sections: str) -> list[str]:
    """Return the names that a charm declares in these sections."""
    metadata: dict[str, Any] = yaml.safe_load((charm / "charmcraft.yaml").read_text())
    metadata["options"] = metadata["config"]["options"]
    return [name for section in sections for name in metadata.get(section) or ()]


def unnamed(names: list[str], page: str) -> list[str]:
    """Return the names that a page of the reference does not have."""
    text = (REFERENCE / page).read_text()
    return [name for name in names if f"`{name}`" not in text and f"`{name} " not in text]


@pytest.mark.parametrize("charm", CHARMS, ids=lambda charm: charm.name)
def test_options_and_endpoints_are_in_the_reference(charm: Path):
    assert unnamed(declared(charm, "options", "provides", "requires"), "charms.md") == []


@pytest.mark.parametrize("charm", CHARMS, ids=lambda charm: charm.name)
def test_actions_are_in_the_reference(charm: Path):
    # Actions of a charm have a heading or a row, each with its name first.
    text = (REFERENCE / "actions.md").read_text()
    headings = [line.removeprefix("### ") for line in text.splitlines() if line.startswith("### ")]
    actions = declared(charm, "actions")
    assert actions
    assert [name for name in unnamed(actions, "actions.md") if name not in headings] == []
