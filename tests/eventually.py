# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Waiting for asynchronous work of controllers."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx2
from lightkube.core import exceptions

T = TypeVar("T")


def eventually(
    fn: Callable[[], T],
    timeout: float = 30.0,
    interval: float = 0.2,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Call a function until its result is true.

    An AssertionError, an error of the API server and a failed connection to it count as "not yet".

    Args:
        fn: The function to call.
        timeout: Seconds for all calls together.
        interval: Seconds between calls.
        sleep: Waits for a number of seconds.

    Returns:
        The last result of the function.

    Raises:
        AssertionError: No result was true in time; the last failure is the cause.
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
        sleep(interval)
