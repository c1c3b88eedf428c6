# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Istio's own tools on what the charms install: they run, and complain of nothing."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import lab
from tests.lab import _binaries, suite

INFORMATION = {"IST0102", "IST0118"}
"""A namespace without sidecars, and the names that Juju gives to ports: neither is a mistake."""


@pytest.fixture(scope="module")
def deployed(cluster: lab.Cluster) -> Iterator[suite.Suite]:
    """The three charms and the bookshop, in hardened mode."""
    found = suite.Suite(cluster)
    for _ in found.deploy():
        pass
    found.mesh.config("istio-k8s", hardened_mode=True)
    found.mesh.wait_active()
    cluster.wait_synced()
    yield found
    found.shop.destroy(force=True)
    found.mesh.destroy(force=True)


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


def test_analyze_warns_of_nothing(deployed: suite.Suite):
    found = json.loads(istioctl("analyze", "-A", "-i", suite.MESH, "-o", "json"))
    assert [each for each in found if each["code"] not in INFORMATION] == []
    assert {each["level"] for each in found} == {"Info"}


def test_precheck_finds_no_issue(deployed: suite.Suite):
    assert "No issues found" in istioctl("x", "precheck", "-i", suite.MESH)


def test_waypoints_are_listed_and_programmed(deployed: suite.Suite):
    waypoint = f"{suite.SHOP}-{suite.BEACON}-waypoint"
    listed = [line.split() for line in istioctl("waypoint", "list", "-A").splitlines()]
    assert [suite.SHOP, waypoint, "default", "service", "True"] in listed
    status = istioctl("waypoint", "status", "-n", suite.SHOP)
    assert f"{waypoint} True Programmed Programmed" in " ".join(status.split())


def test_ztunnel_config_reads_what_a_ztunnel_has(deployed: suite.Suite, tmp_path: Path):
    if not deployed.cluster.has_ztunnel:
        if os.environ.get("LAB_REQUIRE_ZTUNNEL"):
            pytest.fail("not run without a ztunnel")
        pytest.skip("not run without a ztunnel")
    # From a file: istioctl forwards a port through the kubelet, which is played here.
    dump = tmp_path / "config_dump.json"
    dump.write_text(deployed.cluster.ztunnel_config(suite.SHOP, "details-"))

    def rows(kind: str) -> list[list[str]]:
        text = istioctl("ztunnel-config", kind, "-f", str(dump))
        return [line.split() for line in text.splitlines()]

    assert any(row[1] == "details-0" and row[-1] == "HBONE" for row in rows("workload")[1:])
    waypoint = f"{suite.SHOP}-{suite.BEACON}-waypoint"
    assert any(row[1] == "details" and waypoint in row for row in rows("service")[1:])
    assert any(row[-2:] == ["Allow", "Global"] for row in rows("policy")[1:])
    assert all("Available" in row for row in rows("certificate")[1:] if row)
