# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The page about the scenarios has all of them, and what each backend leaves out."""

import re
from typing import Any

import pytest

from tests.integration import charms
from tests.scenarios import backend, bookshop, catalog, scenario
from tests.scenarios.backend import Need

PAGE = (charms.ROOT / "docs" / "how-to" / "run-the-scenarios.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table after a heading, without its head."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_lists_every_scenario_in_its_order():
    documented = [re.sub(r"^requests with .*", "requests", row[0]) for row in rows("Scenarios")]
    names = [re.sub(r"^requests with .*", "requests", each.name) for each in catalog.SCENARIOS]
    assert documented == list(dict.fromkeys(names))


def test_the_page_says_what_each_backend_leaves_out_and_why():
    expected = {
        (name, str(need), reason)
        for name, missing in backend.MISSING.items()
        for need, reason in missing.items()
    }
    found = {
        ({"the lab": "lab", "a real Juju": "juju"}[where], need, reason)
        for where, need, reason, *_ in rows("What is left out")
    }
    assert found == expected


def test_names_of_scenarios_are_unique():
    names = [each.name for each in catalog.SCENARIOS]
    assert len(set(names)) == len(names)


class _Site:
    """A site whose backend has nothing that some scenarios need."""

    backend: Any = None

    def missing(self, need: Need) -> str:
        return f"no {need}"


def test_a_scenario_is_left_out_with_the_reason_and_not_run():
    site: Any = _Site()
    site.backend = site
    ran: list[str] = []
    case = scenario.Scenario("one", lambda _: ran.append("one"), frozenset({Need.PUBLIC_CHARMS}))
    with pytest.raises(scenario.SkippedError, match="no the public charms"):
        case(site)
    assert ran == []
    scenario.Scenario("two", lambda _: ran.append("two"))(site)
    assert ran == ["two"]


def test_requests_that_only_some_backends_can_send_say_so():
    sent = [request for scene in bookshop.scenes() for request in scene.requests]
    assert {r.need for r in sent if r.source == bookshop.OUTSIDE} == {Need.CLIENT_ADDRESSES}
    assert {r.need for r in sent if r.hop is bookshop.Hop.ZTUNNEL} == {Need.ZTUNNEL}
    assert None in {request.need for request in sent}
