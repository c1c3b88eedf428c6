# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about the public charms maps their options to options that exist."""

from typing import Any

import yaml

from tests.unit.docs import pages

PAGE = "how-to/migrate.md"
MARKER = "held equal to the code: tests/unit/docs/test_migrate.py"
CHARMS = pages.DOCS.parent / "charms"


def options(charm: str) -> dict[str, Any]:
    metadata = yaml.safe_load((CHARMS / charm / "charmcraft.yaml").read_text())
    return metadata["config"]["options"]


def test_every_option_that_the_page_names_as_ours_exists():
    for charm, _, ours, _ in pages.table(PAGE, MARKER):
        (name,) = pages.quoted(charm)
        named = [each for each in pages.quoted(ours) if each != "auto"]
        assert set(named) <= options(name).keys(), ours


def test_a_value_is_carried_over_under_the_same_name_only():
    for charm, theirs, ours, carried in pages.table(PAGE, MARKER):
        if carried == "yes":
            assert pages.quoted(theirs) == pages.quoted(ours), (charm, theirs)
        elif carried.startswith("no"):
            assert not set(pages.quoted(theirs)) & options(pages.quoted(charm)[0]).keys()


def test_defaults_are_as_the_page_says():
    assert options("istio-k8s")["platform"]["default"] == "auto"


def test_refreshes_give_every_resource():
    text = (pages.DOCS / PAGE).read_text()
    for charm in sorted(path.parent.name for path in CHARMS.glob("*/charmcraft.yaml")):
        metadata = yaml.safe_load((CHARMS / charm / "charmcraft.yaml").read_text())
        _, _, command = text.partition(f"juju refresh {charm} ")
        for name, resource in metadata["resources"].items():
            shown = f"--resource {name}={resource['upstream-source']}"
            assert shown in command.partition("\njuju ")[0], charm
