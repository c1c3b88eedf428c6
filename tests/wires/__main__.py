# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""`python -m tests.wires [<part of a place>…]`: cut each wire, and report what no case detects.

With arguments only those wires are cut whose place, `<file>:<line>: <callee>(<parameter>)`, holds
one of them.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence

from tests.wires import _calls

SCOPE = (
    "charm_of_*",
    "istio_ambient.authorization._*",
    "istio_ambient.beacon.*",
    "istio_ambient.cluster.*",
    "istio_ambient.control_plane.*",
    "istio_ambient.gateways.*",
    "istio_ambient.ingress._*",
    "istio_ambient.ingress.authentication.*",
    "istio_ambient.ingress.model.*",
    "istio_ambient.ingress.objects.*",
    "istio_ambient.ingress.routing.*",
    "istio_ambient.integrations.*",
    "istio_ambient.manifests.*",
)
"""Modules whose wires are cut: all between options, databags and the cluster, and the objects."""

EQUIVALENT: Mapping[str, str] = {
    "dataclasses.replace(operations)": (
        "of a request without a source, which lets no client in: what clients may do has no effect"
    ),
    "kube.Live(identity)": "without live objects, which no charm is",
}
"""Wires whose cut has no effect, and why: `<callee>(<parameter>)`, wherever it stands."""


def main(parts: Sequence[str]) -> int:
    """Cut wires; return 1 where one may be cut, or where `EQUIVALENT` is wrong, else 0."""
    # Before anything of the library is imported.
    sys.meta_path.insert(0, _calls.Finder(SCOPE))
    from tests.unit.whole_charm import running, test_whole_charm
    from tests.wires import _check, _wires

    running.LOADER = _calls.Loader
    start = time.monotonic()
    trials = _check.trials_of(test_whole_charm.SUITES.values())
    used = _check.uses(trials)
    wires = [
        wire
        for wire in _wires.wires(used)
        if not parts or any(part in _wires.place(wire) for part in parts)
    ]
    print(f"{len(trials)} cases, {len(wires)} wires", flush=True)
    check = _check.Check(used, trials, os.cpu_count() or 1)
    survivors = check.survivors(wires)
    undetected = [wire for wire in survivors if _wires.label(wire) not in EQUIVALENT]
    labels = set(map(_wires.label, survivors))
    wrong = [] if parts else [label for label in EQUIVALENT if label not in labels]
    for wire in undetected:
        print(f"{_wires.place(wire)}: no case detects that it is cut")
    for label in wrong:
        print(f"{label}: not a wire, or cases detect that it is cut; remove it from EQUIVALENT")
    print(
        f"{len(wires)} wires cut in {time.monotonic() - start:.0f} s, {check.runs} runs: "
        f"{len(undetected)} undetected, {len(survivors) - len(undetected)} equivalent"
    )
    return 1 if undetected or wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
