# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a hook imports before it begins: nothing that only actions, or a few hooks, need."""

import functools
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = "ops, lightkube, pydantic"
"""What every charm needs; whatever they import is imported in any case."""
OURS = "istio_ambient"
COMMON = frozenset(
    ["acceptance", "authorization", "charm", "cluster", "gateways", "interfaces", "kube", "values"]
)
PACKAGES: Mapping[str, frozenset[str]] = {
    "istio-k8s": COMMON | {"control_plane", "manifests", "preflight"},
    "istio-beacon-k8s": COMMON | {"beacon", "integrations"},
    "istio-ingress-k8s": COMMON
    | {"integrations", "ingress", "ingress.authentication", "ingress.model", "ingress.objects"}
    | {"ingress.reports", "ingress.routing"},
}
"""Charm → the packages of `istio_ambient` that its import loads."""
THIRD_PARTY: Mapping[str, frozenset[str]] = {
    "istio-k8s": frozenset(),
    "istio-beacon-k8s": frozenset(),
    "istio-ingress-k8s": frozenset(),
}
"""Charm → the packages of others that its import loads beside those of `LIBRARIES`."""
_LINE = re.compile(r"import time: +\d+ \| +\d+ \| ( *)(\S+)")


def environment(charm: str) -> dict[str, str]:
    """Return the environment variables of a process that imports a charm."""
    path = f"{ROOT / 'lib'}:{ROOT / 'charms' / charm / 'src'}"
    return {**os.environ, "PYTHONPATH": path}


@functools.cache
def chains(charm: str) -> Mapping[str, tuple[str, ...]]:
    """Return the modules that the import of a charm loads, each with what imported it first."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {LIBRARIES}; import charm"],
        env=environment(charm),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, tuple[str, ...]] = {}
    importers: tuple[str, ...] = ()
    # A module stands below what it imports, two spaces further to the left.
    for line in reversed(done.stderr.splitlines()):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        importers = (*importers[: len(match[1]) // 2], match[2])
        if importers[0] == "charm":
            found[match[2]] = importers
    return found


def loaded(charm: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return our packages and those of others, each with the chain of imports that leads there."""
    ours: dict[str, str] = {}
    others: dict[str, str] = {}
    standing = {*LIBRARIES.split(", "), *sys.stdlib_module_names, OURS, "charm"}
    for module, chain in chains(charm).items():
        top, _, rest = module.partition(".")
        if top == OURS and rest and (ROOT / "lib" / Path(*module.split("."))).is_dir():
            ours[rest] = " > ".join(chain)
        elif top not in standing:
            others.setdefault(top, " > ".join(chain))
    return ours, others


@pytest.mark.parametrize("charm", PACKAGES)
def test_a_charm_imports_the_packages_of_a_hook(charm: str):
    found, _ = loaded(charm)
    surplus = [chain for name, chain in found.items() if name not in PACKAGES[charm]]
    assert not surplus, "import it where it is used: an action, a relation, an option"
    assert found.keys() == PACKAGES[charm], "take out of the list what is imported no more"


@pytest.mark.parametrize("charm", THIRD_PARTY)
def test_a_charm_imports_no_library_that_few_hooks_need(charm: str):
    _, found = loaded(charm)
    surplus = [chain for name, chain in found.items() if name not in THIRD_PARTY[charm]]
    assert not surplus, "import it where it is used: where there is a certificate, a dashboard"
    assert found.keys() == THIRD_PARTY[charm], "take out of the list what is imported no more"


@pytest.mark.parametrize("charm", PACKAGES)
def test_python_hardly_looks_for_garbage(charm: str):
    # What is registered first runs last.
    program = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count())); "
    program += "import charm; print(sum(each['collections'] for each in gc.get_stats()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(charm),
        capture_output=True,
        text=True,
        check=True,
    )
    while_importing, left_out_at_the_end = map(int, done.stdout.split())
    assert while_importing < 20, "with Python's default there are more than a hundred"
    assert left_out_at_the_end > 10_000
