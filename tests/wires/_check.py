# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Cuts each wire in a process of its own, and runs cases until one detects it."""

import collections
import contextlib
import dataclasses
import functools
import gc
import logging
import os
import signal
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from istio_ambient.values.problem_codes import Code

from tests.unit.whole_charm import running
from tests.unit.whole_charm.outcomes import Has
from tests.unit.whole_charm.scenarios import Case, Suite, patched
from tests.wires import _switch
from tests.wires._switch import Wire

LIMIT = 120
"""Seconds for one wire."""
_FEW = 3
_SAMPLE = 10


@dataclasses.dataclass(frozen=True)
class Trial:
    """A case with the scenario that it is tried in."""

    name: str
    scenario: Mapping[str, Any]
    case: Case

    @functools.cached_property
    def expected(self) -> str:
        """What is expected, as text."""
        return repr((self.case.expect, self.case.same))

    def fails(self) -> bool:
        """Return whether the outcome is another than expected, or there is none."""
        try:
            found = running.run(self.scenario)
        except Exception:  # A charm that fails is a difference too.
            return True
        return bool(found.mismatches({**self.case.expect, **self.case.same}))


def trials_of(suites: Iterable[Suite], codes: Mapping[Code, tuple[str, str]]) -> list[Trial]:
    """Return a trial for each case.

    Args:
        suites: the cases of the charms.
        codes: of problems → charm and name of a case that is also expected to provoke the code.
    """
    provoked: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for code, case_name in codes.items():
        provoked[case_name].append(code.id)

    def expecting(case: Case, found: Sequence[str]) -> Case:
        same = {"codes": Has(*found), **case.same} if found else case.same
        return dataclasses.replace(case, same=same)

    return [
        Trial(
            f"{suite.charm}: {name}",
            patched(suite.base, case.given, case.change),
            expecting(case, provoked[suite.charm, name]),
        )
        for suite in suites
        for name, case in suite.cases.items()
    ]


Ranks = Mapping[int, tuple[bool, int]]
"""Number of a trial in which a wire is used → how likely it is to detect a cut: less is more."""


def uses(trials: Sequence[Trial]) -> dict[Wire, Ranks]:
    """Run all trials with no wire cut, and return in which of them each wire is used.

    A trial is likely to detect a cut where it expects what the wire carries, and where the wire
    carries what it carries in few others.

    Raises:
        RuntimeError: a trial fails.
    """
    carried: dict[Wire, dict[int, frozenset[str]]] = collections.defaultdict(dict)
    for number, trial in enumerate(trials):
        recorded = _switch.record()
        if trial.fails():
            raise RuntimeError(f"fails with no wire cut: {trial.name}")
        for wire, values in recorded.items():
            carried[wire][number] = frozenset(values)
    return {wire: _ranks(values, trials) for wire, values in carried.items()}


def _ranks(carried: Mapping[int, frozenset[str]], trials: Sequence[Trial]) -> Ranks:
    shared = collections.Counter(carried.values())

    def rank(number: int, values: frozenset[str]) -> tuple[bool, int]:
        texts = (value.strip("'") for value in values)
        expects = any(text in trials[number].expected for text in texts if len(text) > 2)
        return not expects, shared[values]

    return {number: rank(number, values) for number, values in carried.items()}


class Check:
    """Cuts wires.

    Args:
        used: from `uses`.
        trials: likewise.
        processes: how many there are at once.
    """

    def __init__(self, used: Mapping[Wire, Ranks], trials: Sequence[Trial], processes: int):
        self._used = used
        self._trials = trials
        self._processes = processes
        self._detected: dict[int, list[int]] = collections.defaultdict(list)
        """Number of a call → trials that detected cuts of its wires, the last one first."""
        self._frequent = collections.Counter[int]()
        """Trials by how many cuts they detected."""
        self.runs = 0
        """How many trials have been run."""

    def survivors(self, wires: Sequence[Wire]) -> list[Wire]:
        """Return the wires that may be cut without any trial detecting it.

        Raises:
            RuntimeError: a trial fails in such a process with no wire cut, or does not end.
        """
        found: list[Wire] = []
        with _quiet(), tempfile.TemporaryDirectory() as folder:
            tempfile.tempdir, before = folder, tempfile.tempdir
            try:
                for wire, number in self._results([None, *wires]):
                    if number is None:
                        found += [wire] if wire else []
                    elif wire is None:
                        raise RuntimeError(f"fails with no wire cut: {self._trials[number].name}")
                    else:
                        self._detected[wire.call].insert(0, number)
                        self._frequent[number] += 1
            finally:
                tempfile.tempdir = before
        return sorted(found)

    def _results(self, wires: Iterable[Wire | None]) -> Iterator[tuple[Wire | None, int | None]]:
        """Yield each wire with the trial that detected its cut, if any did."""
        waiting = collections.deque(wires)
        under_way: dict[int, tuple[Wire | None, int]] = {}
        while waiting or under_way:
            while waiting and len(under_way) < self._processes:
                wire = waiting.popleft()
                child, answer = self._fork(wire)
                under_way[child] = wire, answer
            child, _ = os.wait()
            if child in under_way:
                wire, answer = under_way.pop(child)
                yield wire, self._read(answer)

    def _order(self, wire: Wire | None) -> Sequence[int]:
        """Return the trials for a wire, those first that are most likely to detect its cut.

        None: the process is as the others are, and no wire is cut.
        """
        if wire is None:
            return range(0, len(self._trials), _SAMPLE)
        ranks, before = self._used.get(wire, {}), self._detected[wire.call]

        def key(number: int) -> tuple[bool, int, bool, int, int, int]:
            unexpected, shared = ranks[number]
            unlikely = unexpected or shared > _FEW
            place = before.index(number) if number in before else len(before)
            return unlikely, place, unexpected, shared, -self._frequent[number], number

        return sorted(ranks, key=key)

    def _fork(self, wire: Wire | None) -> tuple[int, int]:
        """Return the process in which a wire is cut, and where it answers."""
        numbers = self._order(wire)
        answer, ours = os.pipe()
        child = os.fork()
        if child:
            os.close(ours)
            return child, answer
        gc.disable()
        signal.alarm(LIMIT)
        running.forget_folders()
        _switch.cut(wire)
        failing = (place for place, n in enumerate(numbers) if self._trials[n].fails())
        place = next(failing, None)
        text = f"{len(numbers)}" if place is None else f"{place + 1} {numbers[place]}"
        os.write(ours, text.encode())
        os._exit(0)

    def _read(self, answer: int) -> int | None:
        with os.fdopen(answer) as pipe:
            runs, _, number = pipe.read().partition(" ")
        if not runs:
            raise RuntimeError("a wire cannot be cut, or a case does not end with it cut")
        self.runs += int(runs)
        return int(number) if number else None


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Log nothing, and keep memory as it is, so that processes share it."""
    logging.disable(logging.CRITICAL)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        logging.disable(logging.NOTSET)
