# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The packed charms on a real Juju and a real Kubernetes: `make pack integration`.

For machines that have a Juju controller on a Kubernetes cloud with a load balancer.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import jubilant
import pytest

BUILD = Path(__file__).resolve().parents[2] / "build"
METRICS_PROXY = "docker.io/ubuntu/metrics-proxy:0.1.1-24.04_stable"
CHARMS = ("istio-k8s", "istio-beacon-k8s", "istio-ingress-k8s")


@pytest.fixture(scope="module")
def juju() -> Iterator[jubilant.Juju]:
    if shutil.which("juju") is None:
        pytest.skip("juju is not installed on this machine")
    with jubilant.temp_model() as model:
        yield model


def packed(charm: str) -> Path:
    found = sorted(BUILD.glob(f"{charm}_*.charm"))
    assert found, f"no {charm} in {BUILD}: run make pack first"
    return found[-1]


def test_the_three_charms_become_active_together(juju: jubilant.Juju):
    for charm in CHARMS:
        resources = {"metrics-proxy-image": METRICS_PROXY}
        juju.deploy(packed(charm), charm, resources=resources, trust=True)
    juju.wait(lambda status: jubilant.all_active(status, *CHARMS), timeout=900)


def test_hardened_mode_can_be_turned_on_and_off(juju: jubilant.Juju):
    for value in (True, False):
        juju.config("istio-k8s", {"hardened-mode": value})
        juju.wait(lambda status: jubilant.all_active(status, *CHARMS), timeout=300)
