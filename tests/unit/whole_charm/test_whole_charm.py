# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Every option and every fact of every charm reaches the cluster, a databag, the status or Pebble.

The real charms run with a fake API server, each case in a scenario with one thing changed. A new
option, or a new field of the facts, needs a case in the package `cases`. What
the cases miss is shown by `make wires`.
"""

import functools
import json
from typing import Any

import pytest

from tests.unit.whole_charm import facts, running
from tests.unit.whole_charm.cases import beacon, control_plane, ingress
from tests.unit.whole_charm.outcomes import Outcome
from tests.unit.whole_charm.scenarios import Case, Patch, patched

SUITES = {suite.charm: suite for suite in (control_plane.SUITE, beacon.SUITE, ingress.SUITE)}
CASES = [
    pytest.param(charm, case, id=f"{charm}: {name}")
    for charm, suite in SUITES.items()
    for name, case in suite.cases.items()
]


@functools.cache
def _run(charm: str, patches: str) -> Outcome:
    return running.run(patched(SUITES[charm].base, *json.loads(patches)))


def outcome(charm: str, *patches: Patch) -> Outcome:
    """Return the outcome of a charm's scenario with patches; each combination runs once."""
    return _run(charm, json.dumps(patches))


@pytest.mark.slow  # All together: each case runs a charm twice.
@pytest.mark.parametrize(("charm", "case"), CASES)
def test_a_change_changes_what_it_should(charm: str, case: Case):
    before, after = outcome(charm, case.given), outcome(charm, case.given, case.change)
    assert case.expect
    assert after.mismatches({**case.expect, **case.same}) == []
    assert before.mismatches(case.same) == []
    wanted = case.expect.items()
    already = [place for place, value in wanted if not before.mismatches({place: value})]
    assert already == [], "this is so without the change"


@pytest.mark.parametrize("charm", SUITES)
def test_every_option_has_a_case(charm: str):
    declared = running.charmcraft(charm)["config"]["options"]
    assert SUITES[charm].options.keys() == declared.keys()


@pytest.mark.slow
@pytest.mark.parametrize("charm", SUITES)
def test_every_fact_has_a_case(charm: str):
    suite = SUITES[charm]
    known = facts.fields_of(type(outcome(charm).facts))
    unchanged = known - _changed(charm)
    assert known
    assert sorted(unchanged - suite.constant.keys()) == [], "no case changes these fields"
    assert sorted(suite.constant.keys() - unchanged) == [], "these are not constant"


def _changed(charm: str) -> set[str]:
    """Return the fields of a charm's facts that some case changes."""
    found: set[str] = set()
    for case in SUITES[charm].cases.values():
        before, after = outcome(charm, case.given), outcome(charm, case.given, case.change)
        found |= facts.changed(before.facts, after.facts)
    return found


def test_every_charm_has_cases():
    assert SUITES.keys() == {path.parent.name for path in running.CHARMS.glob("*/charmcraft.yaml")}


def test_a_hook_after_a_hook_writes_nothing():
    """The fake API server keeps what it is sent, so that a charm recognizes it."""
    for charm in SUITES:
        again: dict[str, Any] = {"earlier": {}}
        assert outcome(charm, again).at("requests") == []
