# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Waiting for what a controller does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx2
from lightkube.core import exceptions

T = TypeVar("T")


def eventually(fn: Callable[[], T], timeout: float = 30.0, interval: float = 0.2) -> T:
    """Call a function until it returns something true.

    An AssertionError and an error of the API server or on the way to it are taken as "not yet".

    Args:
        fn: What to call.
        timeout: Seconds for all calls together.
        interval: Seconds between calls.

    Returns:
        What the function returned at last.

    Raises:
        AssertionError: It did not happen in time; the last failure is the cause.
    """
    deadline = time.monotonic() + timeout
    while True:
        failure: Exception | None = None
        try:
            result = fn()
            if result:
                return result
            problem = f"returned {result!r}"
        except (AssertionError, exceptions.ApiError, httpx2.HTTPError) as error:
            failure = error
            problem = f"raised {error!r}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: the last call {problem}") from failure
        time.sleep(interval)
