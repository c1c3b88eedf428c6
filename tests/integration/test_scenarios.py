# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The scenarios with the packed charms, on a real Juju and a real Kubernetes.

For machines that have a Juju controller on a Kubernetes cloud with a load balancer.
"""

import os
import shutil

import pytest

from tests.integration import backend
from tests.scenarios import catalog, scenario
from tests.scenarios.site import Site


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Site:
    if shutil.which("juju") is None:
        reason = "juju is not installed on this machine"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    ops_test = request.getfixturevalue("ops_test")
    run = request.getfixturevalue("event_loop").run_until_complete
    deployed = Site(backend.JujuBackend(ops_test, run, backend.kubeconfig()))
    for _ in deployed.deploy():
        pass
    return deployed


@pytest.mark.parametrize("case", catalog.SCENARIOS, ids=lambda case: case.name)
def test_scenario(site: Site, case: scenario.Scenario):
    try:
        case(site)
    except scenario.SkippedError as skipped:
        pytest.skip(str(skipped))
