# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What differs between two sets of objects, and which of it is intended."""

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import _normal_form

ABSENT = "absent"

identity = _normal_form.identity


@dataclasses.dataclass(frozen=True)
class Difference:
    """A field that is not the same, or (path "") an object that only one side has."""

    object: str
    path: str
    ours: Any
    theirs: Any


@dataclasses.dataclass(frozen=True)
class Intended:
    """Differences that we want, with the reason.

    `object` and `path` are patterns as file names have them; `*` also spans dots and slashes.
    """

    object: str
    path: str
    reason: str
    ours: Any = None
    """The only value of ours that is meant; None is any."""
    theirs: Any = None

    def covers(self, difference: Difference) -> bool:
        """Say whether this is one of them."""
        return (
            _match(difference.object, self.object)
            and _match(difference.path, self.path)
            and self.ours in (None, difference.ours)
            and self.theirs in (None, difference.theirs)
        )


def _match(text: str, pattern: str) -> bool:
    # Brackets stand for themselves in a path.
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
