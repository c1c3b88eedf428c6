# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The scenarios in the lab: real requests, decided by real proxies under the charms' policies."""

import os

import pytest

from tests import lab
from tests.lab import backend, conftest
from tests.scenarios import catalog, scenario
from tests.scenarios.backend import Need
from tests.scenarios.site import Site


@pytest.fixture(scope="module")
def site(cluster: lab.Cluster, new_module_model: conftest.ModelFactory) -> Site:
    deployed = Site(backend.LabBackend(cluster, new_module_model))
    for _ in deployed.deploy():
        pass
    return deployed


@pytest.mark.parametrize("case", catalog.SCENARIOS, ids=lambda case: case.name)
def test_scenario(site: Site, case: scenario.Scenario):
    try:
        case(site)
    except scenario.SkippedError as skipped:
        if Need.ZTUNNEL in skipped.needs and os.environ.get("LAB_REQUIRE_ZTUNNEL"):
            pytest.fail(f"{skipped}, though a ztunnel is required")
        pytest.skip(str(skipped))
