# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The alert rules and dashboards of istio-k8s, held to what Prometheus makes of them.

`promtool` checks and tests the rules; without it that is skipped, and a failure where CI is set.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from istio_ambient import alert_rules
from istio_ambient.relations import prometheus_scrape

SOURCE = Path(__file__).parents[2] / "charms" / "istio-k8s" / "src"
TOPOLOGY = prometheus_scrape.Topology(
    "mesh", "8b2e5c5e-8f5f-4c11-8d3f-5a4f0b5d6f01", "istio", "istio/0", "istio-k8s"
)
LABELS = f'juju_model="mesh",juju_model_uuid="{TOPOLOGY.model_uuid}",juju_application="istio"'
OTHER = LABELS.replace('"istio"', '"other"')
DAY = 24 * 3600


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    files = sorted((SOURCE / "prometheus_alert_rules").glob("*.yaml"))
    return alert_rules.rules_of(TOPOLOGY, [path.read_text() for path in files])


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        reason = "no promtool: tools/bootstrap puts it into .venv/bin"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def run(promtool: str, folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [promtool, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_speak_of_one_application_and_say_whose_they_are(rules: dict[str, Any]):
    groups = rules["groups"]
    assert all(group["name"].startswith("mesh_8b2e5c5e_istio_") for group in groups)
    assert len({group["name"] for group in groups}) == len(groups)
    for rule in (rule for group in groups for rule in group["rules"]):
        assert alert_rules.PLACEHOLDER not in rule["expr"]
        assert LABELS in rule["expr"]
        assert rule["labels"]["juju_charm"] == "istio-k8s"
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_selector_is_of_one_application():
    for path in (SOURCE / "prometheus_alert_rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                without = re.sub(r"\w*\{[^}]*%%juju_topology%%\}", "", rule["expr"])
                assert not re.search(r"(pilot|citadel|istio|ztunnel)_|__name__", without)


def test_promtool_accepts_the_rules(rules: dict[str, Any], promtool: str, tmp_path: Path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    run(promtool, tmp_path, "check", "rules", "rules.yaml")


def constant(value: float) -> str:
    return f"{value:g}x60"


UP = {"pilot_info": constant(1), "istio_cni_install_ready": constant(1)}
"""Without these two, what is missing is told."""
CASES: list[tuple[str, dict[str, str], set[str]]] = [
    ("all is well", {"ztunnel_connected": constant(1)}, set()),
    ("istiod is gone", {"pilot_info": "_x60"}, {"IstioControlPlaneDown"}),
    ("istio-cni is gone", {"istio_cni_install_ready": "_x60"}, {"IstioNodeAgentMissing"}),
    (
        "pushes fail",
        {'pilot_xds_pushes;type="cds_senderr"': "0+1x60", 'pilot_xds_pushes;type="cds"': "0+9x60"},
        {"IstioPushErrors"},
    ),
    ("a ztunnel takes nothing", {"pilot_xds_write_timeout": "0+1x60"}, {"IstioPushErrors"}),
    ("pushes go well", {'pilot_xds_pushes;type="cds"': "0+9x60"}, set()),
    (
        "pushes are slow",
        {
            'pilot_proxy_convergence_time_bucket;le="10"': "0+1x60",
            'pilot_proxy_convergence_time_bucket;le="20"': "0+9x60",
            'pilot_proxy_convergence_time_bucket;le="+Inf"': "0+9x60",
        },
        {"IstioPushesSlow"},
    ),
    ("a proxy refuses", {"pilot_total_xds_rejects": "0+1x60"}, {"IstioConfigurationRejected"}),
    (
        "a proxy refuses for the first time",
        {'pilot_total_xds_rejects;type="lds"': "_x35 1x25"},
        {"IstioConfigurationRejected"},
    ),
    ("no proxy refuses any more", {"pilot_total_xds_rejects": "7x60"}, set()),
    (
        "an internal error for the first time",
        {"pilot_total_xds_internal_errors": "_x35 1x25"},
        {"IstioInternalErrors"},
    ),
    (
        "a certificate is not signed for the first time",
        {"citadel_server_csr_sign_err_count": "_x35 1x25"},
        {"IstioCertificatesNotSigned"},
    ),
    ("internal errors", {"pilot_total_xds_internal_errors": "0+1x60"}, {"IstioInternalErrors"}),
    (
        "the root certificate lasts 20 days",
        {"citadel_server_root_cert_expiry_timestamp": constant(20 * DAY)},
        {"IstioRootCertificateExpiresSoon"},
    ),
    (
        "the root certificate lasts 40 days",
        {"citadel_server_root_cert_expiry_timestamp": constant(40 * DAY)},
        set(),
    ),
    (
        "the signing certificate lasts two days",
        {"citadel_server_cert_chain_expiry_timestamp": constant(2 * DAY)},
        {"IstioSigningCertificateExpiresSoon", "IstioCertificateExpires"},
    ),
    (
        "the root certificate lasts two days, the signing certificate longer",
        {
            "citadel_server_root_cert_expiry_timestamp": constant(2 * DAY),
            "citadel_server_cert_chain_expiry_timestamp": constant(400 * DAY),
        },
        {"IstioRootCertificateExpiresSoon", "IstioCertificateExpires"},
    ),
    (
        "certificates are not signed",
        {"citadel_server_csr_sign_err_count": "0+1x60"},
        {"IstioCertificatesNotSigned"},
    ),
    ("a node lost ztunnel", {"ztunnel_connected": constant(0)}, {"IstioZtunnelNotOnEveryNode"}),
    ("a node never had ztunnel", {"ztunnel_connected": "_x60"}, {"IstioZtunnelNotOnEveryNode"}),
    ("istio-cni is not ready", {"istio_cni_install_ready": constant(0)}, {"IstioCniNotReady"}),
    (
        "one of two nodes lost ztunnel",
        {
            'istio_cni_install_ready;pod="b"': constant(1),
            "ztunnel_connected": constant(1),
            'ztunnel_connected;pod="b"': constant(0),
        },
        {"IstioZtunnelNotOnEveryNode"},
    ),
]


def series(values: dict[str, str]) -> Iterator[dict[str, str]]:
    """Return the input of a promtool test; `name;label="value"` is a metric with that label."""
    for name, value in {**UP, "ztunnel_connected": constant(1), **values}.items():
        metric, _, more = name.partition(";")
        yield {"series": f"{metric}{{{','.join(filter(None, (LABELS, more)))}}}", "values": value}
        # What another application sees changes nothing here: it is well when we are not.
        theirs = constant(1) if metric in (*UP, "ztunnel_connected") else "0+100x60"
        other = ",".join(filter(None, (OTHER, more)))
        yield {"series": f"{metric}{{{other}}}", "values": theirs}


@pytest.mark.parametrize(("case", "values", "expected"), CASES, ids=[case for case, *_ in CASES])
def test_which_alerts_fire(
    case: str,
    values: dict[str, str],
    expected: set[str],
    rules: dict[str, Any],
    promtool: str,
    tmp_path: Path,
):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    names = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    # Tests compare labels and texts too: which alerts fire is asked of Prometheus' own series.
    checks = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > bool 0',
            "eval_time": "45m",
            "exp_samples": [{"labels": "{}", "value": 1}] if name in expected else [],
        }
        for name in names
    ]
    test = {
        "name": case,
        "interval": "1m",
        "input_series": list(series(values)),
        "promql_expr_test": checks,
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    run(promtool, tmp_path, "test", "rules", "test.yaml")


def dashboards() -> list[Path]:
    return sorted((SOURCE / "grafana_dashboards").glob("*.json"))


@pytest.mark.parametrize("path", dashboards(), ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path, promtool: str, tmp_path: Path):
    dashboard = json.loads(path.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    expressions = [target["expr"] for p in panels for target in p.get("targets", ())]
    assert expressions
    assert {p["datasource"]["uid"] for p in panels if p["type"] != "row"} == {"${prometheusds}"}
    # As recording rules, promtool reads the queries.
    rules = [{"record": f"panel_{n}", "expr": expr} for n, expr in enumerate(expressions)]
    document = {"groups": [{"name": "panels", "rules": rules}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(document))
    run(promtool, tmp_path, "check", "rules", "rules.yaml")


def test_there_are_rules_and_dashboards():
    assert len(dashboards()) == 2
    assert len(list((SOURCE / "prometheus_alert_rules").glob("*.yaml"))) == 2
