# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The alert rules and dashboards of each charm: whole, and about its own application only."""

import json
import re
from pathlib import Path

import pytest
import yaml
from istio_ambient.charm import _alert_rules
from istio_ambient.values import documentation
from istio_ambient.values.problem_codes import Code

from tests.unit.charm.observability import promtool

BOARDS = {
    f"{charm}-{path.stem}": path
    for charm in promtool.NAMES
    for path in (promtool.CHARMS / charm / "src" / "grafana_dashboards").glob("*.json")
}


@pytest.mark.parametrize("charm", promtool.NAMES)
def test_rules_speak_of_one_application_and_say_whose_they_are(charm: str):
    groups = promtool.rules_of(charm)["groups"]
    assert groups
    assert all(group["name"].startswith("mesh_8b2e5c5e_app_") for group in groups)
    assert len({group["name"] for group in groups}) == len(groups)
    for rule in (rule for group in groups for rule in group["rules"]):
        assert _alert_rules.PLACEHOLDER not in rule["expr"]
        assert promtool.labels("app") in rule["expr"]
        assert rule["labels"]["juju_charm"] == charm
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) - {"problem"} == {"summary", "description", "runbook_url"}


PROBLEMS = {
    Code.WORKLOAD_NOT_READY: {
        "IstioCniNotReady",
        "IstioControlPlaneDown",
        "IstioGatewayDown",
        "IstioNodeAgentMissing",
        "IstioWaypointDown",
        "IstioZtunnelNotOnEveryNode",
    },
    Code.PROXY_REFUSES: {
        "IstioConfigurationRejected",
        "IstioGatewayConfigurationRejected",
        "IstioWaypointConfigurationRejected",
    },
    Code.PROXY_BEHIND: {"IstioPushErrors", "IstioPushesSlow"},
    Code.PROXY_NOT_CONNECTED: {
        "IstioGatewayCertificateNotRenewed",
        "IstioWaypointCertificateNotRenewed",
    },
}
"""The alerts about what a status reports too."""


def test_alerts_have_the_code_of_the_problem_that_the_status_reports():
    found: dict[str, set[str]] = {}
    for charm in promtool.NAMES:
        for rule in (
            rule for group in promtool.rules_of(charm)["groups"] for rule in group["rules"]
        ):
            if "problem" in rule["annotations"]:
                found.setdefault(rule["annotations"]["problem"], set()).add(rule["alert"])
    assert found == {code.id: alerts for code, alerts in PROBLEMS.items()}


@pytest.mark.parametrize("charm", promtool.NAMES)
def test_every_selector_is_of_one_application(charm: str):
    for path in promtool.rule_files(charm):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                without = re.sub(r"\w*\{[^}]*%%juju_topology%%\}", "", rule["expr"])
                without = re.sub(r'"[^"]*"', "", without)
                assert not re.search(
                    r"(pilot|citadel|istio|ztunnel|envoy)_|__name__|\bup\b", without
                )


@pytest.mark.parametrize("charm", promtool.NAMES)
def test_promtool_accepts_the_rules(charm: str, tmp_path: Path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(promtool.rules_of(charm)))
    promtool.run(tmp_path, "check", "rules", "rules.yaml")


def test_every_alert_has_a_section_in_the_runbooks_and_every_section_an_alert():
    named = {
        rule["annotations"]["runbook_url"]
        for charm in promtool.NAMES
        for group in promtool.rules_of(charm)["groups"]
        for rule in group["rules"]
    }
    page = (promtool.CHARMS.parent / documentation.source(documentation.RUNBOOKS)).read_text()
    sections = {heading.lower() for heading in re.findall(r"^### (\w+)$", page, re.M)}
    assert named == {documentation.link(documentation.RUNBOOKS, section) for section in sections}


def test_every_alert_is_in_the_reference():
    reference = (promtool.CHARMS.parent / "docs" / "reference" / "alerts.md").read_text()
    for charm in promtool.NAMES:
        for group in promtool.rules_of(charm)["groups"]:
            for rule in group["rules"]:
                link = rf"\[`{rule['alert']}`\]\(runbooks\.md#{rule['alert'].lower()}\)"
                row = rf"\| {link} \| {rule['labels']['severity']} \|"
                assert re.search(row, reference), rule["alert"]


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_a_dashboard_is_whole(board: str, tmp_path: Path):
    dashboard = json.loads(BOARDS[board].read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    expressions = [target["expr"] for p in panels for target in p.get("targets", ())]
    assert expressions
    assert {p["datasource"]["uid"] for p in panels if p["type"] != "row"} == {"${prometheusds}"}
    # As recording rules, promtool reads the queries.
    rules = [{"record": f"panel_{n}", "expr": expr} for n, expr in enumerate(expressions)]
    document = {"groups": [{"name": "panels", "rules": rules}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(document))
    promtool.run(tmp_path, "check", "rules", "rules.yaml")


def test_every_charm_has_dashboards_with_names_of_their_own():
    assert {name.partition("-k8s")[0] for name in BOARDS} == {
        "istio",
        "istio-beacon",
        "istio-ingress",
    }
    found = [json.loads(path.read_text()) for path in BOARDS.values()]
    for key in ("uid", "title"):
        assert len({board[key] for board in found}) == len(found)
