# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The reference names everything that istio-k8s offers."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHARM = ROOT / "charms" / "istio-k8s"
REFERENCE = ROOT / "docs" / "reference"


def declared() -> list[str]:
    """Return options, endpoints and actions of the charm."""
    metadata: dict[str, Any] = yaml.safe_load((CHARM / "charmcraft.yaml").read_text())
    sections = (metadata["config"]["options"], *map(metadata.get, ("provides", "requires")))
    return [name for section in (*sections, metadata["actions"]) for name in section or ()]


@pytest.mark.parametrize("name", declared())
def test_options_endpoints_and_actions_are_in_the_reference(name: str):
    text = (REFERENCE / "charms.md").read_text()
    assert f"`{name}`" in text or f"`{name} " in text


def test_alerts_are_in_the_reference_with_their_severity():
    files = (CHARM / "src" / "prometheus_alert_rules").glob("*.yaml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    lines = (REFERENCE / "alerts.md").read_text().splitlines()
    rows = dict(line.strip("| ").split(" | ")[:2] for line in lines if line.startswith("| `Istio"))
    assert rows == {f"`{name}`": rule["labels"]["severity"] for name, rule in rules.items()}
