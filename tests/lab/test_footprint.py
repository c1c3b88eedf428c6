# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""However a lab ends, its processes and namespaces end within five seconds."""

import os
import pathlib
import signal
import subprocess
import sys
import uuid

import pytest

from tests import lab

ROOT = pathlib.Path(__file__).parents[2]
INNER = """
import time
from tests import lab
with lab.Cluster():
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("received", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_lab_that_was_ended(cluster: lab.Cluster, received: signal.Signals):
    run = uuid.uuid4().hex
    launcher = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.run", "--", sys.executable, "-c", INNER],
        cwd=ROOT,
        env={**os.environ, "LAB_RUN_ID": run},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # A shell starts background processes with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline().strip() == "ready"
    footprint = lab.Footprint.of(run)
    # etcd, API server, controllers, scheduler, proxy, kwok: the lab must run to prove anything.
    assert len(footprint.processes) > 6
    launcher.send_signal(received)
    assert lab.eventually(lambda: not footprint.remains(), timeout=5)
    launcher.wait(timeout=5)
