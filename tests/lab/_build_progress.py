# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How far the build of the lab's programs is, and how long it still takes."""

import time
from collections.abc import Callable, Mapping

# A package takes as long as its source is large; one without any source, as one of 28 kB.
_PACKAGE = 28_000
# Before that, the rate is a guess.
_RATE_KNOWN = 0.03


class Progress:
    """The part of a build that is done, in the measure of what takes its time.

    Args:
        sizes: package → size of its source, in bytes.
        clock: in seconds.
    """

    def __init__(
        self, sizes: Mapping[str, int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._weights = {package: size + _PACKAGE for package, size in sizes.items()}
        self._total = sum(self._weights.values()) or 1
        self._done = 0
        self._clock = clock
        self._started = clock()

    def compile(self, package: str) -> None:
        """Take note that a package is being compiled."""
        self._done += self._weights.pop(package, 0)

    @property
    def percent(self) -> int:
        """The part that is done."""
        return 100 * self._done // self._total

    def __str__(self) -> str:
        """Return the part that is done, and the time that is left as far as it is known."""
        fraction = self._done / self._total
        if fraction < _RATE_KNOWN:
            return f"{self.percent} %"
        left = (self._clock() - self._started) * (1 - fraction) / fraction
        return f"{self.percent} %, {_about(left)} left"


def _about(seconds: float) -> str:
    if seconds >= 90:
        return f"about {round(seconds / 60)} minutes"
    return "about a minute" if seconds >= 40 else "less than a minute"
