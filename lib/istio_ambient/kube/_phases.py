# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The order of writes to objects that decide about access: first what narrows it.

The engine knows no policies. An `Access` says for each changed object when it is written, and what
is written before that, so that access is never wider than before and after the plan.
"""

import enum
from collections.abc import Callable, Mapping, Sequence

import msgspec

from istio_ambient.kube._objects import Manifest, Ref


class Phase(enum.IntEnum):
    """When a change is applied. Changes of one phase are applied in parallel, in any order."""

    NARROW = 0
    """Takes access away."""
    WITHDRAW = 1
    """Deletes an object that gives access, after those that take its place."""
    NEUTRAL = 2
    """Everything else; by kind, see `_kinds.STAGES`."""
    GRANT = 3
    """Creates an object that gives access, and takes it from those it does not name."""
    WIDEN = 4
    """Gives access to more."""
    REMOVE = 5
    """Deletes: an object that takes access away, or one that does neither."""


class Transition(msgspec.Struct, frozen=True):
    """An object that decides about access, before and after a plan."""

    ref: Ref
    before: Manifest | None
    """As it is in the cluster; None: it is not there."""
    after: Manifest | None
    """As it is desired; None: it is to be deleted. The same as `before` where it stays."""
    guards: bool = False
    """Other objects serve requests only while it is in force."""


class Placement(msgspec.Struct, frozen=True):
    """When a change is applied."""

    phase: Phase
    interim: Manifest | None = None
    """The content that is written in phase NARROW already, before the change itself."""


def _unplaced(_transitions: Sequence[Transition], _stepwise: bool) -> Mapping[Ref, Placement]:
    return {}


class Access(msgspec.Struct, frozen=True):
    """What the engine has to know of the kinds that decide about access."""

    kinds: frozenset[str] = frozenset()
    """Kinds whose changes `placements` places."""
    guards: frozenset[str] = frozenset()
    """Kinds that restrict what objects of the kinds `guarded` expose. While one of them is not
    served by the API server, nothing that is guarded is created."""
    guarded: frozenset[str] = frozenset()
    """Kinds that are created and changed only while the guards are in force."""
    placements: Callable[[Sequence[Transition], bool], Mapping[Ref, Placement]] = _unplaced
    """Return when each changed object is written; of all transitions of one plan. With True, what
    gives access is always a step of its own, after what takes it away."""


NO_ACCESS = Access()
