# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What cannot be read is taken for no absence: cluster and databags stay as they are."""

import pytest

from tests.unit.whole_charm import faults, recorded
from tests.unit.whole_charm.faults import Extent, Fault

WEBHOOK = Fault("a conversion webhook", faults.SERVER_ERRORS["500 of a webhook"], Extent.SAME)
LIES = ("remove it", "there is no", "not ready for more than", "has not made it")


@pytest.mark.parametrize("charm", recorded.CHARMS)
def test_a_read_that_fails_changes_nothing(charm: str):
    recording = recorded.settled(charm)
    before, calls = recording.before, recording.ending.calls
    assert recording.ending.state.digest() == before.digest()
    reads = {call.place: index for index, call in enumerate(calls) if not call.is_write}
    assert len(reads) > 8
    for place, index in reads.items():
        ending = recording.again(
            lambda cluster, index=index: faults.injected(cluster, WEBHOOK, index)
        )
        assert ending.crash == ""
        assert ending.state.contents == before.contents, place
        assert ending.state.databags == before.databags, place
        assert not ending.status.startswith("active"), place
        assert not any(lie in ending.status for lie in LIES), (place, ending.status)


@pytest.mark.parametrize("charm", recorded.CHARMS)
def test_a_kind_that_stands_apart_keeps_nothing_else_from_being_written(charm: str):
    change = next(each for each in recorded.recordings(charm) if each.name == "changing hook")
    written = {call.place for call in change.ending.calls if call.is_write}
    index = next(
        index
        for index, call in enumerate(change.ending.calls)
        if call.method == "GET" and call.plural == "horizontalpodautoscalers"
    )
    ending = change.again(lambda cluster: faults.injected(cluster, WEBHOOK, index))
    assert {call.place for call in ending.calls if call.is_write} == written
    assert "HorizontalPodAutoscaler" in ending.told
