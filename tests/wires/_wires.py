# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""All wires of the modules, whether a case uses them or not."""

import sys
from collections.abc import Collection
from typing import Any

from tests.wires import _calls, _switch
from tests.wires._calls import Call
from tests.wires._switch import Wire


def wires(used: Collection[Wire]) -> list[Wire]:
    """Return the wires, without those that carry what is used where they are cut.

    Args:
        used: the wires that cases use: what some calls call is known only once they are reached.
    """
    found = set(used)
    for number, call in enumerate(_calls.CALLS):
        found.update(Wire(number, name) for name in _names(number, call))
    return sorted(wire for wire in found if not _carries_default(wire))


def label(wire: Wire) -> str:
    """Return `<callee>(<parameter>)`, such as `ingress.Facts(replicas)`."""
    return f"{_calls.CALLS[wire.call].callee}({wire.name})"


def label_in_module(wire: Wire) -> str:
    """Return `<module>: <label>`."""
    return f"{_calls.CALLS[wire.call].module}: {label(wire)}"


def place(wire: Wire) -> str:
    """Return `<file>:<line>: <label>`."""
    call = _calls.CALLS[wire.call]
    return f"{call.path}:{call.line}: {label(wire)}"


def _names(number: int, call: Call) -> Collection[str]:
    if call.callee.endswith(".model_copy"):
        return call.update
    arguments = (None,) * call.positional
    return _switch.handed_on(_callee(number), arguments, dict.fromkeys(call.keywords)).keys()


def _callee(number: int) -> Any:
    """Return what a call calls, as its module has it; None: that is not known."""
    reached = _switch.callee_of(number)
    if reached is not None:
        return reached
    call = _calls.CALLS[number]
    value: Any = sys.modules.get(call.module)
    for name in call.callee.split("."):
        value = getattr(value, name, None)
    return value


def _carries_default(wire: Wire) -> bool:
    """Return whether a wire carries a constant that is what is used where it is cut."""
    source = _constant(wire)
    if source is None:
        return False
    try:
        left = _switch.left_by_cut(_callee(wire.call), wire.name)
    except LookupError:
        return False
    module = sys.modules[_calls.CALLS[wire.call].module]
    return repr(eval(source, vars(module))) == repr(left)  # noqa: S307 - a constant of our own


def _constant(wire: Wire) -> str | None:
    """Return the source of what a wire carries, where that is a constant."""
    call, callee = _calls.CALLS[wire.call], _callee(wire.call)
    if wire.name in call.constants or not _switch.is_model(callee):
        return call.constants.get(wire.name)
    placed = _switch.handed_on(callee, range(call.positional), {})
    return call.constants.get(placed[wire.name]) if wire.name in placed else None
