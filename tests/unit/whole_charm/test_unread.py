# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What cannot be read is taken for no absence: cluster and databags stay as they are."""

import contextlib
from collections.abc import Generator
from typing import Any
from unittest import mock

import pytest
from istio_ambient import kube, resources

from tests.unit.whole_charm import faults, recorded, running
from tests.unit.whole_charm.cases import base_beacon
from tests.unit.whole_charm.fake_cluster import FakeCluster
from tests.unit.whole_charm.faults import Extent, Fault
from tests.unit.whole_charm.outcomes import ABSENT
from tests.unit.whole_charm.scenarios import EMPTY, Patch, patched

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


@contextlib.contextmanager
def unreadable(kind: type[Any]) -> Generator[None]:
    """Let no list of a kind succeed."""
    real = FakeCluster.list

    def refused(self: FakeCluster, res: Any, **options: Any) -> Any:
        if res is kind:
            raise kube.RequestError(
                "list Gateways", "conversion webhook is down", 500, transient=True
            )
        return real(self, res, **options)

    with mock.patch.object(FakeCluster, "list", refused):
        yield


SETTLED = patched(EMPTY, base_beacon.BASE)
NO_ACCESS_ASKED: Patch = base_beacon.asking()
OTHER_ACCESS_ASKED: Patch = base_beacon.changed(source_app_name="reviews")
MORE_ACCESS_ASKED: Patch = base_beacon.asking(
    base_beacon.ENTRY, {**base_beacon.ENTRY, "source_app_name": "reviews"}
)


@pytest.mark.parametrize(
    ("change", "is_closed"),
    [(NO_ACCESS_ASKED, True), (OTHER_ACCESS_ASKED, True), (MORE_ACCESS_ASKED, False)],
    ids=["nothing is asked for", "a client takes the place of another", "one more client"],
)
def test_access_is_withdrawn_and_not_given_while_waypoints_cannot_be_read(
    change: Patch, is_closed: bool
):
    """Gateways decide about labels and databags; these stay, and no client is added."""
    before = running.run_with_left(SETTLED)
    live, left = running.run_with_left(SETTLED, before[1])
    with unreadable(resources.Gateway):
        outcome, _ = running.run_with_left(patched(SETTLED, change), left)
    policy = outcome.at(base_beacon.DETAILS)
    assert policy is not ABSENT, "without a policy, every workload is allowed"
    rules = policy["spec"].get("rules", [])
    assert (rules == []) == is_closed
    if not is_closed:
        assert rules == live.at(f"{base_beacon.DETAILS}: spec.rules")
    kept = ("Gateway ", "ConfigMap ", "app databag", "unit databag", "Namespace ")
    places = {place for place in live.sections if place.startswith(kept)}
    assert len(places) > 5
    assert {p: outcome.at(p) for p in places} == {p: live.at(p) for p in places}
    assert "Gateway" in outcome.at("status")
    healed, _ = running.run_with_left(patched(SETTLED, change), left)
    assert healed.at(base_beacon.DETAILS) != policy or not is_closed
