# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Clients outside the cluster that send requests continuously during a change."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tests import lab


@contextmanager
def clients(cluster: lab.Cluster, where: str, **request: Any) -> Generator[list[lab.Response]]:
    """Let a client send requests continuously; yield the list of its responses so far."""
    seen: list[lab.Response] = []
    stopping = threading.Event()

    def send_requests() -> None:
        while not stopping.is_set():
            seen.append(cluster.request_outside(where, **request))

    thread = threading.Thread(target=send_requests)
    thread.start()
    try:
        yield seen
    finally:
        stopping.set()
        thread.join()
