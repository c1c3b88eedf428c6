# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The differences between two sets of objects, and which of them are intended."""

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import _normal_form

ABSENT = "absent"

identity = _normal_form.identity


@dataclasses.dataclass(frozen=True)
class Difference:
    """A field with different values, or (path "") an object that only one side has."""

    object: str
    path: str
    ours: Any
    theirs: Any


@dataclasses.dataclass(frozen=True)
class Intended:
    """Differences that are intended, with the reason.

    `object` and `path` are patterns as file names have them; `*` also spans dots and slashes.
    """

    object: str
    path: str
    reason: str
    ours: Any = None
    """The value of ours that is covered; None covers any value."""
    theirs: Any = None

    def covers(self, difference: Difference) -> bool:
        """Return whether this entry covers a difference."""
        return (
            _match(difference.object, self.object)
            and _match(difference.path, self.path)
            and self.ours in (None, difference.ours)
            and self.theirs in (None, difference.theirs)
        )


def _match(text: str, pattern: str) -> bool:
    # In a path, brackets are literal.
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def differences(
    ours: Iterable[Mapping[str, Any]], theirs: Iterable[Mapping[str, Any]]
) -> Iterator[Difference]:
    """Yield every difference, by object and path."""
    mine = {_normal_form.identity(each): _normal_form.flatten(each) for each in ours}
    others = {_normal_form.identity(each): _normal_form.flatten(each) for each in theirs}
    for name in sorted(mine.keys() | others.keys()):
        if name not in mine or name not in others:
            yield Difference(
                name,
                "",
                "present" if name in mine else ABSENT,
                "present" if name in others else ABSENT,
            )
            continue
        for path in sorted(mine[name].keys() | others[name].keys()):
            left, right = mine[name].get(path, ABSENT), others[name].get(path, ABSENT)
            if left != right:
                yield Difference(name, path, left, right)


def reasons(difference: Difference, intended: Iterable[Intended]) -> list[str]:
    """Return why a difference is intended; empty where it is not."""
    return [entry.reason for entry in intended if entry.covers(difference)]
