# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Starts labs from a program outside of them."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence

_ROOT = pathlib.Path(__file__).parents[2]


def run_in_namespaces(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Run a command in a lab of its own and return its exit status.

    Args:
        command: What to run.
        env: Environment variables in addition to this process's.

    Returns:
        The command's exit status, or 128 plus the number of the signal that ended it.
    """
    return start_in_namespaces(command, env).wait()


def start_in_namespaces(
    command: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a lab of its own; return the process of the launcher."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lab.run", "--", *command],
        cwd=_ROOT,
        env={**os.environ, **(env or {})},
    )
