# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The mutation check of `make wires` itself: what it cuts, and that it finds what has no test."""

import dataclasses
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.unit.whole_charm.scenarios import Case
from tests.wires import _calls, _check, _switch, _wires
from tests.wires._switch import Wire

NAME = "charm_of_a_test"
SOURCE = """
import dataclasses
import enum
import msgspec
import pydantic


class Mode(enum.Enum):
    PLAIN = "plain"
    FANCY = "fancy"


@dataclasses.dataclass(frozen=True)
class Part:
    label: str
    size: int = 1


class Whole(msgspec.Struct, frozen=True):
    part: Part
    names: tuple[str, ...]
    mode: Mode
    rest: list[str] = msgspec.field(default_factory=list)


class Model(pydantic.BaseModel):
    count: int
    note: str | None = pydantic.Field("none", alias="a-note")


def shown(whole, *, wide=False):
    return whole, wide


def run(label, size):
    part = Part(label, size)
    whole = Whole(part, names=(label,), mode=Mode.FANCY, rest=[label])
    return shown(msgspec.structs.replace(whole, names=(*whole.names, label)), wide=size > 1)


def model():
    found = Model(**{"count": 1}, **{"a-note": "x"})
    return found.model_copy(update={"count": 2, "note": "y"})


def constants():
    return Whole(Part("x", 1), names=(), mode=Mode.PLAIN)


def unreached(label):
    return Part(label=label)
"""


@pytest.fixture(scope="module")
def sample() -> Iterator[Any]:
    """Return the module above, with its calls sent through the switch."""
    module = ModuleType(NAME)
    sys.modules[NAME] = module
    setattr(module, _calls.SWITCH, _switch.call)
    exec(_calls.compiled(SOURCE, NAME, "sample.py"), vars(module))  # noqa: S102 - the text above
    yield module
    _switch.cut(None)
    del sys.modules[NAME]


def wires(used: Iterable[Wire] = ()) -> list[Wire]:
    """Return the wires of the module."""
    return [w for w in _wires.wires(set(used)) if _calls.CALLS[w.call].module == NAME]


def wire(label: str, used: Iterable[Wire] = ()) -> Wire:
    """Return the first wire of that name."""
    return next(each for each in wires(used) if _wires.label(each) == label)


UNCUT = (
    "(Whole(part=Part(label='a', size=7), names=('a', 'a'), mode=<Mode.FANCY: 'fancy'>, "
    "rest=['a']), True)"
)
CUT = {
    "Part(label)": "label='',",
    "Part(size)": "size=1)",
    "Whole(part)": "part=Part(label='', size=1)",
    "Whole(names)": "names=('a',)",
    "Whole(mode)": "<Mode.PLAIN: 'plain'>",
    "Whole(rest)": "rest=[]",
    "msgspec.structs.replace(names)": "names=('a',)",
    "shown(wide)": "False)",
}


@pytest.mark.parametrize(("label", "text"), CUT.items(), ids=CUT)
def test_a_cut_leaves_the_default_or_what_is_empty(sample: Any, label: str, text: str):
    _switch.cut(None)
    assert str(sample.run("a", 7)) == UNCUT
    _switch.cut(wire(label))
    assert text in str(sample.run("a", 7))


def test_members_that_a_model_copy_gets_are_wires(sample: Any):
    _switch.cut(None)
    recorded = _switch.record()
    assert str(sample.model()) == "count=2 note='y'"
    _switch.cut(wire("found.model_copy(count)", recorded))
    assert str(sample.model()) == "count=1 note='y'"
    _switch.cut(wire("found.model_copy(note)", recorded))
    assert str(sample.model()) == "count=2 note='x'"
    _switch.cut(None)
    assert wire("Model(a-note)", recorded) and wire("Model(count)", recorded)


def test_a_constant_that_is_the_default_is_no_wire(sample: Any):
    line = SOURCE[: SOURCE.index("return Whole(Part(")].count("\n") + 1
    _switch.cut(None)
    places = map(_wires.place, wires())
    assert [place for place in places if place.startswith(f"sample.py:{line}:")] == [
        f"sample.py:{line}: Part(label)",
        f"sample.py:{line}: Whole(part)",
    ]
    assert sample.constants().names == ()


@dataclasses.dataclass(frozen=True)
class Run(_check.Trial):
    """Expects a text in what the module returns."""

    module: Any = None
    text: str = ""

    def fails(self) -> bool:
        """Return whether the text is missing."""
        return self.text not in str(self.module.run("a", 7))


def trials(sample: Any, *texts: str) -> list[Run]:
    return [Run(text, {}, Case({}, {}), sample, text) for text in texts]


def survivors(sample: Any, *texts: str) -> set[str]:
    _switch.cut(None)
    tried = trials(sample, *texts)
    used = _check.uses(tried)
    return set(map(_wires.place, _check.Check(used, tried, 2).survivors(wires(used))))


def test_what_no_case_detects_is_found(sample: Any):
    everything = survivors(sample)
    assert everything == set(map(_wires.place, wires()))
    detected = everything - survivors(sample, "names=('a', 'a')", "FANCY", "rest=['a']", "True)")
    labels = {place.partition(": ")[2] for place in detected}
    assert labels == {
        "Whole(names)",
        "Whole(mode)",
        "Whole(rest)",
        "msgspec.structs.replace(names)",
        "shown(wide)",
    }


def test_a_case_that_fails_uncut_is_no_detection(sample: Any):
    with pytest.raises(RuntimeError, match="fails with no wire cut: missing"):
        survivors(sample, "missing")
