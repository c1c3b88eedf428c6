# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Compare the evaluator with real proxies: `python -m tests.lab.truth [pairs [seed]]`."""

import sys
import time
from typing import Any

import rich.console

from tests import authorization_cases, lab
from tests.lab import conftest, juju
from tests.lab.truth import _batches, _bed, _minimal, _trial

MODEL = "istio-system"
PAIRS, SEED = 2000, 1
REDUCED = 5
"""Disagreements that are reduced to few rules, since each takes a minute."""
_ALIASES = {"trustDomainAliases": [authorization_cases.ALIAS]}
MESHES: tuple[tuple[bool, dict[str, Any]], ...] = (
    (True, {}),
    (True, {"pathNormalization": {"normalization": "MERGE_SLASHES"}, **_ALIASES}),
    (False, {"pathNormalization": {"normalization": "DECODE_AND_MERGE_SLASHES"}}),
    (False, {"pathNormalization": {"normalization": "NONE"}, **_ALIASES}),
)
"""Whether istiod allows waypoints automatically, and members of MeshConfig."""


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status: 1 after a disagreement."""
    console = rich.console.Console(highlight=False, soft_wrap=True)
    count, seed = [*map(int, arguments), *(PAIRS, SEED)[len(arguments) :]]
    with console.status("starting the lab") as status, lab.Cluster() as cluster:
        mesh = juju.Model(cluster, MODEL)
        mesh.deploy(conftest.CHARMS / "istio-k8s")
        mesh.wait_active()
        bed = _bed.Bed(cluster, MODEL)
        trial = _trial.Trial(bed, status.update)
        status.update("laying out the mesh")
        with bed.laid_out():
            started, sent = time.monotonic(), 0.0
            for number, (auto_allow, mesh_config) in enumerate(MESHES):
                status.update(f"auto-allow {auto_allow}, {mesh_config}")
                mesh.config("istio-k8s", auto_allow_waypoint_policy=auto_allow)
                mesh.wait_active()
                bed.configure(mesh_config)
                share = count * (number + 1) // len(MESHES) - count * number // len(MESHES)
                known = len(trial.tally.disagreements)
                began = time.monotonic()
                trial.run(_batches.batches(share, 10 * seed + number, MODEL, bed.guarded))
                sent += time.monotonic() - began
                console.print(
                    f"{sent:.0f} s, {auto_allow=} {mesh_config}: {trial.tally}", markup=False
                )
                for place, found in enumerate(trial.tally.disagreements[known:], known):
                    status.update("reducing a disagreement")
                    reduced = str(_minimal.reduced(bed, found)) if place < REDUCED else ""
                    console.print(reduced or found.headline, style="red", markup=False)
            known = len(trial.tally.disagreements)
            trial.compare_reasons()
            for found in trial.tally.disagreements[known:]:
                console.print(found.headline, style="red", markup=False)
            took = time.monotonic() - started
            console.print(f"{took:.0f} s, of which {sent:.0f} s for the pairs")
    for (layer, kind), number in sorted(trial.tally.kinds.items()):
        console.print(f"{layer} {kind}: {number}")
    if trial.tally.late:
        console.print(f"{trial.tally.late} only when sent again")
    console.print(str(trial.tally))
    return 1 if trial.tally.disagreements else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
