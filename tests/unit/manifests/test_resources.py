# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys

import pytest

PROLOGUE = """
from lightkube.generic_resource import create_namespaced_resource, create_global_resource
"""
EPILOGUE = """
from istio_ambient import resources
from lightkube.codecs import from_dict
made = from_dict({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway"})
assert type(made) is resources.Gateway
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own: lightkube's registry lives as long as the process."""
    return subprocess.run(
        [sys.executable, "-c", PROLOGUE + code + EPILOGUE],
        env={"PYTHONPATH": "lib"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "earlier",
    [
        "",
        "create_namespaced_resource('gateway.networking.k8s.io', 'v1', 'Gateway', 'gateways')",
        "create_namespaced_resource('gateway.networking.k8s.io', 'v1', 'Gateway', 'gateways',"
        " verbs=['get'])",
    ],
)
def test_uses_what_another_library_registered(earlier: str):
    result = run(earlier)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "earlier",
    [
        "create_namespaced_resource('gateway.networking.k8s.io', 'v1', 'Gateway', 'gates')",
        "create_global_resource('gateway.networking.k8s.io', 'v1', 'Gateway', 'gateways')",
    ],
)
def test_refuses_a_different_resource_of_the_same_name(earlier: str):
    result = run(earlier)
    assert result.returncode != 0
    assert "gateway.networking.k8s.io/v1 Gateway" in result.stderr
    assert "plural gateways" in result.stderr
