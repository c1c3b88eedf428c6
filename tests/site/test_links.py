# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What charms and alerts print leads to a section of the built site."""

import re
from pathlib import Path

import pytest
import yaml
from istio_ambient.values import documentation
from istio_ambient.values.problem_codes import Code

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
CHARMS = sorted(path.parent for path in ROOT.glob("charms/*/charmcraft.yaml"))
ALERTS = sorted(
    rule["alert"]
    for file in ROOT.glob("charms/*/src/prometheus_alert_rules/*")
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
)


def anchors(page: str) -> set[str]:
    """Return the sections of a page of the site."""
    return set(re.findall(r'<section id="([^"]+)"', (SITE / page).read_text()))


@pytest.mark.parametrize(
    ("page", "sections"),
    [
        (documentation.PROBLEMS, [code.id for code in Code]),
        (documentation.RUNBOOKS, ALERTS),
    ],
    ids=["problems", "alerts"],
)
def test_every_printed_link_leads_to_a_section(page: str, sections: list[str]):
    assert sections
    targets = {
        documentation.link(page, name, is_published=True).removeprefix(f"{documentation.SITE}/")
        for name in sections
    }
    file = f"{page}.html"
    assert targets <= {f"{file}#{anchor}" for anchor in anchors(file)}
    # And so does what is printed while the site is not published.
    headings = re.findall(r"^#+ (.+)$", (ROOT / documentation.source(page)).read_text(), re.M)
    assert {name.lower() for name in sections} <= {heading.lower() for heading in headings}


@pytest.mark.parametrize("charm", CHARMS, ids=lambda path: path.name)
def test_the_charms_name_the_site_that_their_links_lead_to(charm: Path):
    links = yaml.safe_load((charm / "charmcraft.yaml").read_text())["links"]
    assert documentation.SITE.startswith(links["documentation"])
