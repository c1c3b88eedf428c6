# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about monitoring names every dashboard, and the interface of every endpoint for COS."""

import json

import yaml

from tests.unit.docs import pages

PAGE = "how-to/monitor.md"
MARKER = "held equal to the code: tests/unit/docs/test_monitor.py"
CHARMS = pages.DOCS.parent / "charms"
OF_COS = {"prometheus_scrape", "grafana_dashboard", "tracing"}


def test_the_table_has_the_titles_of_the_dashboards():
    shown = {
        pages.quoted(charm)[0]: sorted(pages.quoted(titles))
        for charm, titles in pages.table(PAGE, MARKER)
    }
    files = CHARMS.glob("*/src/grafana_dashboards/*.json")
    have: dict[str, list[str]] = {}
    for file in sorted(files):
        title = json.loads(file.read_text())["title"]
        have.setdefault(file.parents[2].name, []).append(title)
    assert shown == {charm: sorted(titles) for charm, titles in have.items()}


def test_every_endpoint_of_cos_is_integrated_by_a_command():
    text = (pages.DOCS / PAGE).read_text()
    for path in CHARMS.glob("*/charmcraft.yaml"):
        metadata = yaml.safe_load(path.read_text())
        for name, endpoint in {**metadata["provides"], **metadata["requires"]}.items():
            if endpoint["interface"] in OF_COS:
                assert f"{metadata['name']}:{name}" in text
