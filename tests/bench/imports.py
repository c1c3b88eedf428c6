# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""CPU that the import of a charm takes: `python -m tests.bench.imports`.

The measure is the import of the libraries alone. Neither a lab nor root is needed. Programs run in
turn, so that all see the same machine, and the least of each counts: whatever else runs makes a
program slower, and never faster.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHARMS = ("istio-k8s", "istio-beacon-k8s", "istio-ingress-k8s")
LIBRARIES = "ops, lightkube, pydantic, jinja2"
"""Their import is the unit of CPU seconds: no charm of this kind starts without them."""
ROUNDS = 10


def import_costs(rounds: int = ROUNDS) -> Mapping[str, float]:
    """Return the CPU of each charm's import, as a multiple of that of the libraries alone.

    Args:
        rounds: how often each is imported, after a first time that writes the byte code.
    """
    least = _least(
        _BASE
        | {
            charm: ("import charm", f"{ROOT / 'lib'}:{ROOT / 'charms' / charm / 'src'}")
            for charm in CHARMS
        },
        rounds,
    )
    return {charm: least[charm] / least[LIBRARIES] for charm in CHARMS}


def library_seconds(rounds: int = ROUNDS) -> float:
    """Return the CPU seconds of the import of the libraries alone; see `import_costs`."""
    return _least(_BASE, rounds)[LIBRARIES]


_BASE = {LIBRARIES: (f"import {LIBRARIES}", "")}


def _least(programs: Mapping[str, tuple[str, str]], rounds: int) -> Mapping[str, float]:
    """Return the least CPU seconds of each program, by its name: its code and import path."""
    found: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory(prefix="bytecode-") as folder:
        for _ in range(1 + rounds):
            for name, (code, path) in programs.items():
                found[name].append(_cpu_seconds(code, path, folder))
    return {name: min(seconds[1:]) for name, seconds in found.items()}


def _cpu_seconds(code: str, path: str, bytecode: str) -> float:
    # Packed charms have their byte code, and development machines may write none.
    env = {**os.environ, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": bytecode}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(after[:2]) - sum(before[:2])


def main() -> None:
    """Measure, and print a line for each charm."""
    for charm, cost in import_costs().items():
        print(f"{charm}: {cost:.2f} times the import of ops, lightkube, pydantic and jinja2")


if __name__ == "__main__":
    main()
