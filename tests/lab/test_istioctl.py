# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What operators look at besides Juju: Istio's own tools, and the metrics of refusals.

The tools run on what the charms install, and complain of nothing. Alerts about a source and a
target read metrics and labels that the real proxies serve.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import lab
from tests.lab import _binaries, backend, conftest
from tests.scenarios.bookshop import BEACON
from tests.scenarios.site import Site

MESH, SHOP = "istio-system", "shop"
INFORMATION = {"IST0102", "IST0118"}
"""A namespace without sidecars, and the names that Juju gives to ports: neither is a mistake."""


@pytest.fixture(scope="module")
def deployed(cluster: lab.Cluster, new_module_model: conftest.ModelFactory) -> Site:
    """The three charms and the bookshop, in hardened mode."""
    found = Site(backend.LabBackend(cluster, new_module_model))
    for _ in found.deploy():
        pass
    found.mesh.config("istio-k8s", {"hardened-mode": True})
    found.mesh.wait_active()
    return found


def istioctl(*arguments: str) -> str:
    """Return what istioctl prints.

    Raises:
        AssertionError: it fails.
    """
    program = _binaries.program("istioctl")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_analyze_warns_of_nothing(deployed: Site):
    found = json.loads(istioctl("analyze", "-A", "-i", MESH, "-o", "json"))
    assert [each for each in found if each["code"] not in INFORMATION] == []
    assert {each["level"] for each in found} == {"Info"}


def test_precheck_finds_no_issue(deployed: Site):
    assert "No issues found" in istioctl("x", "precheck", "-i", MESH)


def test_waypoints_are_listed_and_programmed(deployed: Site):
    waypoint = f"{SHOP}-{BEACON}-waypoint"
    listed = [line.split() for line in istioctl("waypoint", "list", "-A").splitlines()]
    assert [SHOP, waypoint, "default", "service", "True"] in listed
    status = istioctl("waypoint", "status", "-n", SHOP)
    assert f"{waypoint} True Programmed Programmed" in " ".join(status.split())


def test_ztunnel_config_reads_what_a_ztunnel_has(
    cluster: lab.Cluster, deployed: Site, tmp_path: Path
):
    conftest.need_ztunnel(cluster)
    # From a file: istioctl forwards a port through the kubelet, which is played here.
    dump = tmp_path / "config_dump.json"
    dump.write_text(cluster.ztunnel_config(SHOP, "details-"))

    def rows(kind: str) -> list[list[str]]:
        text = istioctl("ztunnel-config", kind, "-f", str(dump))
        return [line.split() for line in text.splitlines()]

    assert any(row[1] == "details-0" and row[-1] == "HBONE" for row in rows("workload")[1:])
    waypoint = f"{SHOP}-{BEACON}-waypoint"
    assert any(row[1] == "details" and waypoint in row for row in rows("service")[1:])
    assert any(row[-2:] == ["Allow", "Global"] for row in rows("policy")[1:])
    assert all("Available" in row for row in rows("certificate")[1:] if row)


def connection_rules() -> str:
    """Return the expressions of istio-k8s' alerts about connections."""
    path = conftest.CHARMS / "istio-k8s/src/prometheus_alert_rules/data-plane.yaml"
    groups = yaml.safe_load(path.read_text())["groups"]
    rules = next(group["rules"] for group in groups if group["name"] == "connections")
    return " ".join(rule["expr"] for rule in rules)


def samples(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield metric and labels of each sample in the text format of Prometheus."""
    for name, labels in re.findall(r"^(\w+)\{(.*)\} ", text, re.M):
        yield name, dict(re.findall(r'(\w+)="([^"]*)"', labels))


def test_refusals_and_plain_text_are_counted_by_source_and_target(
    cluster: lab.Cluster, deployed: Site
):
    conftest.need_ztunnel(cluster)
    details = f"{SHOP}/details:9080"
    assert lab.eventually(lambda: cluster.request("shop/ratings", details).status == 403)
    assert cluster.request("shop/ratings", details, via="pod").hop == "ztunnel"
    assert cluster.request(None, details, via="pod", timeout=2).hop == "ztunnel"

    def served() -> list[tuple[str, dict[str, str]]]:
        found = list(samples(cluster.metrics(SHOP, "details-", port=15020)))
        assert any(labels.get("response_flags") == "DENY" for _, labels in found)
        return found

    found = lab.eventually(served)
    refused = {
        "reporter": "destination",
        "response_flags": "DENY",
        "source_principal": "spiffe://cluster.local/ns/shop/sa/ratings",
        "destination_workload_namespace": "shop",
        "destination_workload": "details",
    }
    failed = [labels for name, labels in found if name == "istio_tcp_connections_failed_total"]
    assert any(refused.items() <= labels.items() for labels in failed)

    read = re.findall(r"(istio_tcp_\w+)\{([^}]*)\}", connection_rules())
    assert {name for name, _ in read} <= {name for name, _ in found}
    for name, selector in read:
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', selector))
        # ztunnels of pods that only answer have no connection of their own.
        if wanted["reporter"] == "destination":
            assert any(name == n and wanted.items() <= labels.items() for n, labels in found)
    grouped = re.findall(r"(?:by|on) \(([^)]+)\)", connection_rules())
    named = {label.strip() for group in grouped for label in group.split(",")}
    assert named <= failed[0].keys()

    waypoint = samples(cluster.metrics(SHOP, f"{SHOP}-{BEACON}-waypoint"))
    assert ("envoy_http_rbac", "denied") in {
        (name, labels.get("authz_enforce_result")) for name, labels in waypoint
    }
