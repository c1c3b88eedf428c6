# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Alert rules and dashboards of a charm, held to what Prometheus makes of them.

`promtool` checks and tests the rules; without it that is skipped, and a failure where CI is set.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from istio_ambient.charm import _alert_rules
from istio_ambient.interfaces import cos

CHARMS = Path(__file__).parents[4] / "charms"
NAMES = ("istio-k8s", "istio-beacon-k8s", "istio-ingress-k8s")
UUID = "8b2e5c5e-8f5f-4c11-8d3f-5a4f0b5d6f01"


def labels(app: str) -> str:
    """Return the labels that Prometheus gives what it scrapes of an application."""
    return f'juju_model="mesh",juju_model_uuid="{UUID}",juju_application="{app}"'


def rule_files(charm: str) -> list[Path]:
    return sorted((CHARMS / charm / "src" / "prometheus_alert_rules").glob("*.yaml"))


def rules_of(charm: str) -> dict[str, Any]:
    """Return a charm's rules as they are sent for its application `app` in model `mesh`."""
    topology = cos.Topology("mesh", UUID, "app", "app/0", charm)
    return _alert_rules.rules_of(topology, [path.read_text() for path in rule_files(charm)])


def run(folder: Path, *arguments: str) -> None:
    """Run promtool.

    Raises:
        AssertionError: it is not content.
    """
    done = _run(folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        reason = "no promtool: tools/bootstrap puts it into .venv/bin"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@dataclass(frozen=True)
class Case:
    """What is scraped for an hour, once a minute, and which alerts fire after 45 minutes."""

    title: str
    values: Mapping[str, str]
    """Metric, or `metric;label="value"`, to values in promtool's notation.

    Labels that name a Juju application stand in place of the one whose rules are checked.
    """
    expected: Set[str] = field(default_factory=frozenset[str])
    says: Mapping[str, str] = field(default_factory=dict[str, str])
    """Alert to a text that its only firing instance has in its description."""

    def __str__(self) -> str:
        return self.title


def constant(value: float) -> str:
    """Return the values of a series that does not change."""
    return f"{value:g}x60"


def check(charm: str, case: Case, usual: Mapping[str, str], folder: Path) -> None:
    """Check which alerts of a charm fire.

    Args:
        charm: whose rules.
        case: what to check.
        usual: what is scraped where all is well; the case's values go over it. Another
            application of the same charm sees the opposite, which must change nothing.
        folder: for promtool's files.
    """
    rules = rules_of(charm)
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    names = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert case.expected <= set(names)
    # Tests compare labels and texts too: which alerts fire is asked of Prometheus' own series.
    checks = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > bool 0',
            "eval_time": "45m",
            "exp_samples": [{"labels": "{}", "value": 1}] if name in case.expected else [],
        }
        for name in names
    ]
    test: dict[str, Any] = {
        "name": case.title,
        "interval": "1m",
        "input_series": list(_series({**usual, **case.values}, usual)),
        "promql_expr_test": checks,
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(document))
    run(folder, "test", "rules", "test.yaml")
    for alert, text in case.says.items():
        # promtool prints the alerts that fire where none is expected.
        wrong: dict[str, Any] = {"eval_time": "45m", "alertname": alert, "exp_alerts": []}
        test.update({"promql_expr_test": [], "alert_rule_test": [wrong]})
        (folder / "test.yaml").write_text(yaml.safe_dump(document))
        printed = _run(folder, "test", "rules", "test.yaml").stderr
        assert printed.count(text) == 1, printed


def _series(values: Mapping[str, str], usual: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for name, value in values.items():
        metric, _, more = name.partition(";")
        if "juju_application=" in more:
            yield {"series": _selector(metric, "", more), "values": value}
            continue
        yield {"series": _selector(metric, labels("app"), more), "values": value}
        theirs = usual.get(name, "0+100x60")
        yield {"series": _selector(metric, labels("other"), more), "values": theirs}


def _selector(metric: str, topology: str, more: str) -> str:
    return f"{metric}{{{','.join(filter(None, (topology, more)))}}}"
