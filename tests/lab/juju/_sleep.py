# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Forbids sleeping in hooks: Juju runs one at a time, and all other hooks of the unit wait."""

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import istio_ambient

_LIBRARY = str(Path(istio_ambient.__file__).parent)
_BOUNDED = (f"{_LIBRARY}/kube/_transport.py", f"{_LIBRARY}/kube/_live.py")
"""Only the bounded pauses between two attempts of a request, and until what a hook wrote has
arrived, are allowed."""


class SleptError(AssertionError):
    """A charm slept in a hook."""


@contextmanager
def forbidden(charm: Path) -> Generator[None]:
    """Let `time.sleep` and waiting for an event raise in calls from a charm or our library.

    The lab's own threads may sleep.

    Args:
        charm: the folder of the charm.

    Raises:
        SleptError: in the charm, at the call.
    """
    folders = (_LIBRARY, str(charm))
    sleep, wait = time.sleep, threading.Event.wait

    def no_sleep(seconds: float) -> None:
        if any(file.startswith(folders) for file in _callers()):
            raise SleptError(f"time.sleep({seconds}) in a hook")
        sleep(seconds)

    def no_wait(self: threading.Event, timeout: float | None = None) -> bool:
        # Starting a thread waits for an event as well: only the direct caller counts.
        caller = next(_callers())
        if caller.startswith(folders) and caller not in _BOUNDED:
            raise SleptError(f"Event.wait({timeout}) in a hook")
        return wait(self, timeout)

    patched: Any = threading.Event
    time.sleep, patched.wait = no_sleep, no_wait
    try:
        yield
    finally:
        time.sleep, patched.wait = sleep, wait


def _callers() -> Generator[str]:
    """Yield the files of the callers, the nearest first."""
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back
