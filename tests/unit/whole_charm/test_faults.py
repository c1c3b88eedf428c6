# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whatever a request to the API server ends in, a hook ends well, and the next one goes on.

Every request of the hooks and actions of each charm is failed in turn, with the kinds of faults in
turn too: each request meets some of them, and all requests together all. `SWEEP=all` tries each
request with each fault.
"""

import functools
import itertools
import os
from collections.abc import Iterator

import pytest

from tests.unit.whole_charm import faults, recorded
from tests.unit.whole_charm.faults import Extent, Fault
from tests.unit.whole_charm.recorded import Ending, Recording

STRIDE = 1 if os.environ.get("SWEEP") == "all" else 25
"""Of so many faults, a request meets one."""
SMALLEST_SWEEP = 2775
MAX_SECONDS = 60.0
"""How long a hook may take, whatever the API server does."""
MAX_MESSAGE = 120
"""Bytes of a status message."""
MORE_CALLS = 200
"""Requests beside four times those of a hook without faults: repetitions of a few of them."""
PARTS = 8
HOOKS = ("first hook", "changing hook")
NOT_ADVICE = ("not permitted to reading", "developer.mozilla.org", "For more information check")


def combinations(recording: Recording) -> Iterator[tuple[int, Fault]]:
    """Yield the requests of a recording, by index, and the faults that they meet."""
    for index in range(len(recording.ending.calls)):
        for number, fault in enumerate(faults.FAULTS):
            if (index + number) % STRIDE == 0:
                yield index, fault


def violations(recording: Recording, index: int, fault: Fault) -> Iterator[str]:
    """Yield what is not as it should be after one fault, by a name in words and with details."""
    call = recording.ending.calls[index]
    ending = recording.again(lambda cluster: faults.injected(cluster, fault, index))
    if ending.crash:
        yield f"crash: {ending.crash}"
    if ending.seconds > MAX_SECONDS:
        yield f"time: {ending.seconds:.0f} s"
    if len(ending.calls) > 4 * len(recording.ending.calls) + MORE_CALLS:
        yield f"requests: {len(ending.calls)}"
    if len(ending.message.encode()) > MAX_MESSAGE:
        yield f"long: {ending.message}"
    for text in NOT_ADVICE:
        if text in ending.told:
            yield f"text: {ending.told}"
    if fault.extent is not Extent.ONCE and not fault.is_absence and not ending.crash:
        yield from _untold(recording, call.plural, ending, fault)
    if recording.name in (*HOOKS, "action reconcile"):
        yield from _lasting(recording, ending)
    if fault.extent is Extent.ONCE:
        yield from _repeated(recording, ending)


def _untold(recording: Recording, plural: str, ending: Ending, fault: Fault) -> Iterator[str]:
    """Yield what the operator is not told of a fault."""
    if recording.name in HOOKS and ending.status.startswith("active"):
        yield f"active: {ending.status}"
        return
    if "juju trust" in ending.told and not fault.is_denial:
        yield f"trust: {ending.told}"
    if recording.name in HOOKS and fault.extent is Extent.SAME:
        if fault.is_denial and "juju trust" not in ending.told:
            yield f"trust: {ending.told}"
        if _stem(plural) not in ending.told.lower():
            yield f"unnamed: {plural}: {ending.told}"


def _stem(plural: str) -> str:
    return plural.removesuffix("s").removesuffix("ie").removesuffix("sse")


def _repeated(recording: Recording, ending: Ending) -> Iterator[str]:
    """Yield what is different because of a fault that a repetition overcomes."""
    if (ending.status, ending.failure) != (recording.ending.status, recording.ending.failure):
        yield f"not repeated: {ending.status} {ending.failure}"
    if ending.state.digest() != recording.ending.state.digest():
        yield "not repeated: other objects"


def _lasting(recording: Recording, ending: Ending) -> Iterator[str]:
    """Yield what the next hook does not set right."""
    after = _next(recording, ending)
    wanted = _next(recording, recording.ending)
    if after.state.digest() != wanted.state.digest():
        yield f"diverges: {_differences(after, wanted)}"
    if after.status != wanted.status:
        yield f"diverges: {after.status}, not {wanted.status}"


def _differences(after: Ending, wanted: Ending) -> list[str]:
    one, other = after.state.contents, wanted.state.contents
    found = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
    return sorted(found) or ["databags"]


_followed: dict[tuple[str, bytes], Ending] = {}


def _next(recording: Recording, ending: Ending) -> Ending:
    """Return what the next hook ends in; most faults leave one of few states."""
    key = (str(recording), ending.state.digest())
    if key not in _followed:
        _followed[key] = recording.next(ending.state)
    return _followed[key]


@functools.cache
def everything() -> tuple[tuple[Recording, int, Fault], ...]:
    """Return all that is tried."""
    return tuple(
        (recording, index, fault)
        for charm in recorded.CHARMS
        for recording in recorded.recordings(charm)
        for index, fault in combinations(recording)
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_a_hook_ends_well_whatever_the_api_server_does(part: int):
    found = [
        f"{recording}: {recording.ending.calls[index]}: {fault}: {text}"
        for recording, index, fault in itertools.islice(everything(), part, None, PARTS)
        for text in violations(recording, index, fault)
    ]
    assert found == []


@pytest.mark.slow
def test_the_sweep_has_each_request_and_each_fault():
    assert len(everything()) >= SMALLEST_SWEEP
    requests = {(str(recording), index) for recording, index, _ in everything()}
    assert len(requests) == sum(
        len(recording.ending.calls)
        for charm in recorded.CHARMS
        for recording in recorded.recordings(charm)
    )
    assert {fault for _, _, fault in everything()} == set(faults.FAULTS)
