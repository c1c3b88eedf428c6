# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Answers are decoded in several threads, in a process that has decoded nothing before."""

import subprocess
import sys

import pytest

PROCESSES = 120


@pytest.mark.slow
def test_no_process_dies_while_several_threads_decode_for_the_first_time():
    program = [sys.executable, "-m", "tests.unit.kube.parallel_reads", str(PROCESSES)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0
