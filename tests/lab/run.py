# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Run a command inside the lab's namespaces: `python -m tests.lab.run -- <command…>`.

ztunnel is looked up and the other programs are built first, because inside only the lab's own
network exists. Needs root.
"""

import os
import pathlib
import sys

import rich.console

from tests import ztunnel
from tests.lab import _binaries, _namespaces


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status, or 2 on wrong usage."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print("usage: python -m tests.lab.run -- <command…>", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("the lab needs root: it makes network namespaces", file=sys.stderr)
        return 2
    try:
        found = ztunnel.find(os.environ, _binaries.cache_folder())
    except ztunnel.ProgramError as error:
        print(error, file=sys.stderr)
        return 2
    _announce(found, _binaries.cache_folder())
    _binaries.ensure()
    # No HTTP proxy is reachable inside.
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    environment.update(ztunnel.variables(found, environment))
    environment["PATH"] = os.pathsep.join(
        [environment.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    )
    return _namespaces.run(command, environment)


def _announce(found: ztunnel.Program | ztunnel.Missing, cache: pathlib.Path) -> None:
    console = rich.console.Console(stderr=True, highlight=False, soft_wrap=True)
    if isinstance(found, ztunnel.Missing):
        notice = f"lab: {found}. To run it, {ztunnel.how_to_get(cache)}"
        console.print(notice, style="bold yellow", markup=False)
    else:
        console.print(f"lab: {found}", markup=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
