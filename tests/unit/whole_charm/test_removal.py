# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A removal deletes what it can, whatever is refused, and names all that is left.

No hook follows `remove`: what it leaves, an operator has to find.
"""

import re
from collections.abc import Callable, Iterable

import httpx2
import pytest

from tests.unit.whole_charm import faults, recorded, running
from tests.unit.whole_charm.cases import base_beacon
from tests.unit.whole_charm.fake_cluster import FakeCluster
from tests.unit.whole_charm.faults import FAULTS, Extent, Fault
from tests.unit.whole_charm.http_cluster import Call, HttpCluster, plural_of
from tests.unit.whole_charm.recorded import Ending, Recording
from tests.unit.whole_charm.scenarios import EMPTY, patched

REFUSALS = [
    fault
    for fault in FAULTS
    if fault.extent is Extent.SAME
    and fault.name in ("403 of a webhook", "500 of a webhook", "connection reset", "a page")
]
CHARMS = list(recorded.CHARMS)


def test_the_labels_of_the_beacon_go_from_its_namespace():
    given = patched(EMPTY, base_beacon.BASE, {"config": {"model-on-mesh": True}})
    cluster = FakeCluster(running.manifests(given["objects"]), given["kubernetes"])
    _, left = running.run_hook(given, cluster)
    labels = cluster.manifests["Namespace shop"]["metadata"]["labels"]
    assert labels["istio.io/dataplane-mode"] == "ambient"
    running.run_hook(patched(given, recorded.REMOVAL), cluster, left)
    after = cluster.manifests["Namespace shop"]["metadata"].get("labels", {})
    assert not [key for key in after if "istio.io" in key]


def removal(charm: str) -> Recording:
    """Return the recorded removal of a charm."""
    return next(each for each in recorded.recordings(charm) if each.name == "removal")


def failing(fault: Fault, fails: Callable[[Call], bool]) -> Callable[[HttpCluster], HttpCluster]:
    """Return a transport in which some requests end in a fault."""

    def transport(cluster: HttpCluster) -> HttpCluster:
        def interfere(call: Call, request: httpx2.Request) -> httpx2.Response | None:
            return (
                fault.act(request, lambda: broken.served(call, request)) if fails(call) else None
            )

        broken = HttpCluster(cluster.cluster, interfere)
        return broken

    return transport


def left_behind(recording: Recording, ending: Ending) -> set[str]:
    """Return the objects that would not be there without the faults."""
    return set(ending.state.objects) - set(recording.ending.state.objects)


def complaints(ending: Ending) -> str:
    """Return what the log has of faults."""
    return "\n".join(ending.warnings)


def unnamed(recording: Recording, left: Iterable[str], log: str) -> list[str]:
    """Return what is left and not named: what istiod made is named by its kind at least."""
    ours = own(recording)
    return [
        name for name in sorted(left) if (name if name in ours else name.split()[0]) not in log
    ]


def own(recording: Recording) -> set[str]:
    """Return the objects with the application's label."""
    label = f"{recording.scenario['model']}-{recording.scenario['app']}"
    return {
        name
        for name, each in recording.before.objects.items()
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/instance") == label
    }


def has_command(recording: Recording, log: str) -> bool:
    """Return whether a log says how what is left is deleted."""
    app = f"{recording.scenario['model']}-{recording.scenario['app']}"
    label = re.escape(f"app.kubernetes.io/instance={app}")
    return re.search(rf"kubectl delete .*(-l|--selector)[ =]\S*{label}", log) is not None


def deletions(recording: Recording) -> list[Call]:
    """Return the requests that delete something that there is."""
    before = recording.before.objects
    kept = recording.ending.state.objects
    gone = {each["metadata"]["name"] for name, each in before.items() if name not in kept}
    return [c for c in recording.ending.calls if c.method == "DELETE" and c.name in gone]


@pytest.mark.slow
@pytest.mark.parametrize("charm", CHARMS)
def test_a_refused_deletion_leaves_one_object_which_is_named(charm: str):
    recording = removal(charm)
    refused = deletions(recording)
    assert refused
    for number, call in enumerate(refused):
        fault = REFUSALS[number % len(REFUSALS)]
        ending = recording.again(failing(fault, lambda c, p=call.place: c.place == p))
        left, log = left_behind(recording, ending), complaints(ending)
        assert ending.crash == "", (call, fault)
        assert [name.split("/")[-1].split()[-1] for name in left] == [call.name], (call, fault)
        assert unnamed(recording, left, log) == [], (call, fault)
        assert has_command(recording, log) or not left & own(recording), (call, fault)


def test_a_gateway_class_of_an_operator_stays():
    recording = removal("istio-k8s")
    classes = {"GatewayClass of-an-operator", "GatewayClass istio-waypoint"}
    assert classes <= set(recording.before.objects)
    assert classes & set(recording.ending.state.objects) == {"GatewayClass of-an-operator"}


@pytest.mark.slow
@pytest.mark.parametrize("charm", CHARMS)
@pytest.mark.parametrize("fault", REFUSALS, ids=str)
def test_where_every_deletion_is_refused_each_object_is_named(charm: str, fault: Fault):
    recording = removal(charm)
    ending = recording.again(failing(fault, lambda call: call.method == "DELETE"))
    left, log = left_behind(recording, ending), complaints(ending)
    assert ending.crash == ""
    assert left >= own(recording) - set(recording.ending.state.objects)
    assert unnamed(recording, left, log) == []
    assert has_command(recording, log)


@pytest.mark.slow
@pytest.mark.parametrize("charm", CHARMS)
def test_a_kind_that_cannot_be_listed_is_named_and_the_rest_is_deleted(charm: str):
    recording = removal(charm)
    reads = (call for call in recording.ending.calls if call.method == "GET" and not call.name)
    # What istiod keeps its configuration in stays anyway, and is listed for the log only.
    lists = [c for c in reads if "istio.io/config" not in c.query.get("labelSelector", "")]
    for number, call in enumerate(lists):
        fault = REFUSALS[number % len(REFUSALS)]
        ending = recording.again(failing(fault, lambda c, p=call.place: c.place == p))
        left, log = left_behind(recording, ending), complaints(ending)
        assert ending.crash == "", (call, fault)
        unread = {name for name in left if plural_of(name.split()[0]) == call.plural}
        # What limits access may stay as long as it is not known what gives access.
        assert all(name in log for name in left - unread), (call, fault)
        kinds = {name.split()[0] for name in unread}
        assert all(f"list {kind}: " in log for kind in kinds), (call, fault)
        assert has_command(recording, log) or not left & own(recording), (call, fault)


@pytest.mark.slow
@pytest.mark.parametrize("charm", CHARMS)
def test_where_nothing_can_be_read_the_log_says_how_to_delete_by_label(charm: str):
    recording = removal(charm)
    for fault in REFUSALS:
        ending = recording.again(failing(fault, lambda _: True))
        assert ending.crash == "", fault
        assert has_command(recording, complaints(ending)), fault


@pytest.mark.slow
@pytest.mark.parametrize("charm", CHARMS)
def test_a_deletion_that_fails_once_is_repeated(charm: str):
    recording = removal(charm)
    once = [fault for fault in FAULTS if fault.extent is Extent.ONCE]
    for number, call in enumerate(deletions(recording)):
        fault = once[number % len(once)]
        index = recording.ending.calls.index(call)
        ending = recording.again(lambda c, f=fault, i=index: faults.injected(c, f, i))
        assert ending.crash == "", (call, fault)
        assert left_behind(recording, ending) == set(), (call, fault)
