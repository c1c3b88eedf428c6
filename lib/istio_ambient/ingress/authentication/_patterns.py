# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Policy paths with values, found by the paths that they have in common with another one.

A pattern is an exact path, or a prefix: a text and `*`. Patterns are sorted once, so that a search
takes as long as what it finds, and not as long as there are patterns.
"""

import bisect
from collections.abc import Iterable, Iterator
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
_Key: TypeAlias = tuple[str, bool]
"""The text of a pattern, and whether it is exact: a prefix sorts before all that it contains."""


def _key(pattern: str) -> _Key:
    return (pattern[:-1], False) if pattern.endswith("*") else (pattern, True)


def _contains(wide: _Key, narrow: _Key) -> bool:
    return wide == narrow or (not wide[1] and narrow[0].startswith(wide[0]))


class Patterns(Generic[T]):
    """Patterns, each with the values that it was given.

    Args:
        pairs: of a pattern and a value; a pattern may have several.
    """

    def __init__(self, pairs: Iterable[tuple[str, T]] = ()):
        values: dict[str, list[T]] = {}
        for pattern, value in pairs:
            values.setdefault(pattern, []).append(value)
        entries = sorted((_key(pattern), pattern) for pattern in values)
        self._keys = [key for key, _ in entries]
        self._patterns = [pattern for _, pattern in entries]
        self._values = [values[pattern] for pattern in self._patterns]
        self._parents = list(self._enclosing_positions())

    def _enclosing_positions(self) -> Iterator[int]:
        """Yield for each pattern the position of the longest prefix around it; -1: none."""
        around: list[int] = []
        for position, key in enumerate(self._keys):
            while around and not _contains(self._keys[around[-1]], key):
                around.pop()
            yield around[-1] if around else -1
            if not key[1]:
                around.append(position)

    def enclosing(self, pattern: str) -> Iterator[tuple[str, T]]:
        """Yield the patterns that match all paths of this one, the longest first."""
        key = _key(pattern)
        # Whatever sorts between a prefix and a path below it is below it, too.
        position = bisect.bisect_right(self._keys, key) - 1
        while position >= 0:
            if _contains(self._keys[position], key):
                yield from self._pairs(position)
            position = self._parents[position]

    def inside(self, pattern: str) -> Iterator[tuple[str, T]]:
        """Yield the patterns, but for this one itself, whose paths all match this one."""
        key = _key(pattern)
        position = bisect.bisect_right(self._keys, key)
        while position < len(self._keys) and _contains(key, self._keys[position]):
            yield from self._pairs(position)
            position += 1

    def overlapping(self, pattern: str) -> Iterator[tuple[str, T]]:
        """Yield the patterns that match a path which this one matches as well."""
        yield from self.enclosing(pattern)
        yield from self.inside(pattern)

    def covers(self, pattern: str) -> bool:
        """Return whether one of the patterns matches all paths of this one."""
        return any(True for _ in self.enclosing(pattern))

    def overlaps(self, pattern: str) -> bool:
        """Return whether a path matches this pattern and one of these."""
        return any(True for _ in self.overlapping(pattern))

    def widest(self) -> list[str]:
        """Return the patterns that no other one of these contains, sorted."""
        pairs = zip(self._patterns, self._parents, strict=True)
        return [pattern for pattern, parent in pairs if parent < 0]

    def _pairs(self, position: int) -> Iterator[tuple[str, T]]:
        pattern = self._patterns[position]
        for value in self._values[position]:
            yield pattern, value
