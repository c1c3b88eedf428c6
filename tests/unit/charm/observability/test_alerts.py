# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Each alert of each charm has a case in which it fires, and one in which it does not.

The cases themselves run in the modules that hold them. Alerts are read from the charms' files, so
that a new alert, file or charm without a case fails here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from tests.unit.charm.observability import (
    promtool,
    test_control_plane,
    test_gateway,
    test_waypoint,
)


@dataclass(frozen=True)
class Cases:
    """The cases of one charm, and what is scraped in all of them."""

    usual: Mapping[str, str] = field(default_factory=dict[str, str])
    cases: tuple[promtool.Case, ...] = ()


CASES = {
    "istio-k8s": Cases(test_control_plane.WELL, tuple(test_control_plane.CASES)),
    "istio-beacon-k8s": Cases(test_waypoint.WELL, tuple(test_waypoint.CASES)),
    "istio-ingress-k8s": Cases(test_gateway.WELL, tuple(test_gateway.CASES)),
}
RULE_FILES = sorted(promtool.CHARMS.glob("*/src/prometheus_alert_rules/*"))
RULES = {
    (path.parents[2].name, rule["alert"]): rule
    for path in RULE_FILES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
}
METRIC = re.compile(r'(\w+)\{|__name__=~"([^"]+)"')


def metrics_of(rule: Mapping[str, Any]) -> set[str]:
    """Return regular expressions for the names of the metrics that an alert's rule reads."""
    return {name or pattern for name, pattern in METRIC.findall(rule["expr"])}


def has_series(cases: Cases, case: promtool.Case, metric: str) -> bool:
    """Return whether a metric has values all through a case."""
    values = {**cases.usual, **case.values}
    names = {name.partition(";")[0] for name, value in values.items() if "_" not in value}
    return any(re.fullmatch(metric, name) for name in names)


def test_each_rule_file_is_one_that_the_charms_send():
    assert {path.parents[2].name for path in RULE_FILES} == {
        path.parent.name for path in promtool.CHARMS.glob("*/charmcraft.yaml")
    }
    assert {path.suffix for path in RULE_FILES} == {".yaml"}


@pytest.mark.parametrize(("charm", "alert"), sorted(RULES), ids=str)
def test_the_alert_fires_in_a_case(charm: str, alert: str):
    assert any(alert in case.expected for case in CASES.get(charm, Cases()).cases)


@pytest.mark.parametrize(("charm", "alert"), sorted(RULES), ids=str)
def test_the_alert_is_silent_in_a_case_with_the_metrics_that_it_reads(charm: str, alert: str):
    cases = CASES.get(charm, Cases())
    silent = [case for case in cases.cases if alert not in case.expected]
    metrics = metrics_of(RULES[charm, alert])
    assert metrics
    missing = {m for m in metrics if not any(has_series(cases, case, m) for case in silent)}
    assert not missing
