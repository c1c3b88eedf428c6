# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Nothing that runs in a hook sleeps, in code paths that no test reaches either."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*ROOT.glob("lib/istio_ambient/**/*.py"), *ROOT.glob("charms/*/src/**/*.py")]
PAUSES = {"sleep", "wait"}
BOUNDED = [
    "lib/istio_ambient/kube/_live.py: wait",
    "lib/istio_ambient/kube/_live.py: wait",
    "lib/istio_ambient/kube/_transport.py: wait",
]
"""The pauses between two tries of one request, and until what a hook wrote has arrived."""


def pauses(source: str) -> Iterator[str]:
    """Yield the names of the functions called that pause, or wait until something happens."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            if name in PAUSES:
                yield str(name)


def test_nothing_in_library_and_charms_pauses_but_what_is_bounded():
    assert {path.parts[-3] for path in SOURCES} >= {
        "istio-k8s",
        "istio-beacon-k8s",
        "istio-ingress-k8s",
    }
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in pauses(path.read_text())
    ]
    assert sorted(found) == BOUNDED


@pytest.mark.parametrize(
    "source", ["time.sleep(1)", "sleep(1)", "client.wait(Pod, 'x')", "event.wait()"]
)
def test_a_pause_is_seen(source: str):
    assert len(list(pauses(source))) == 1
