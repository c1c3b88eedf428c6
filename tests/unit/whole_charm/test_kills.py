# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A hook that is killed before any of its writes is continued by the next one.

What access there is in between is the matter of `test_transitions`.
"""

import itertools

import pytest

from tests.unit.whole_charm import faults, recorded
from tests.unit.whole_charm.recorded import Ending, Recording

PARTS = 4
SMALLEST_NUMBER = 200
"""Of kill points."""


def kill_points(recording: Recording) -> list[int]:
    """Return the index of each request that writes."""
    return [index for index, call in enumerate(recording.ending.calls) if call.is_write]


def every_point() -> list[tuple[Recording, int]]:
    """Return the kill points of all hooks that write, the removal included."""
    return [
        (recording, index)
        for charm in recorded.CHARMS
        for recording in recorded.recordings(charm)
        if not recording.name.startswith("action")
        for index in kill_points(recording)
    ]


def continued(recording: Recording, killed: Ending) -> Ending:
    """Return what the hook after a killed one ends in: Juju runs that of the removal again."""
    if recording.name == "removal":
        return recording.resumed(killed.state)
    return recording.next(killed.state)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_the_next_hook_continues_a_killed_one(part: int):
    for recording, index in itertools.islice(every_point(), part, None, PARTS):
        killed = recording.again(lambda cluster, i=index: faults.injected(cluster, faults.KILL, i))
        assert killed.crash == "killed"
        after = continued(recording, killed)
        wanted = continued(recording, recording.ending)
        where = f"{recording}: {recording.ending.calls[index]}"
        assert after.crash == "", where
        assert after.state.contents == wanted.state.contents, where
        assert after.state.databags == wanted.state.databags, where


@pytest.mark.slow
def test_hooks_are_killed_often_enough():
    assert len(every_point()) >= SMALLEST_NUMBER
