# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Juju's records of applications, units and relations."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops import pebble, testing

from tests.lab.juju._charm import Charm


@dataclass
class Scope:
    """The part of one relation that one unit knows from hooks."""

    members: dict[int, int] = field(default_factory=dict[int, int])
    """Remote unit number to the version of its databag that the unit has seen (-1: joined)."""
    app_version: int = 0
    """Version of the remote application's databag that the unit has seen."""


@dataclass
class Side:
    """One end of a relation: an application's databags in it."""

    app: "Application | None"
    """None for a remote application without a charm."""
    endpoint: str
    alias: str
    """The name by which the other side knows this application."""
    model_uuid: str
    app_data: dict[str, str] = field(default_factory=dict[str, str])
    app_version: int = 0
    unit_data: dict[int, dict[str, str]] = field(default_factory=dict[int, dict[str, str]])
    """Databags of the units that are in the relation."""
    unit_version: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def name(self) -> str:
        """``application:endpoint``."""
        return f"{self.app.name if self.app else self.alias}:{self.endpoint}"

    def write(self, app_data: dict[str, str]) -> bool:
        """Replace the application databag; return whether that changed it."""
        if app_data == self.app_data:
            return False
        self.app_data = dict(app_data)
        self.app_version += 1
        return True

    def write_unit(self, unit: int, data: dict[str, str]) -> bool:
        """Replace a unit databag; return whether that changed it."""
        if data == self.unit_data.get(unit):
            return False
        self.unit_data[unit] = dict(data)
        self.unit_version[unit] = self.unit_version.get(unit, 0) + 1
        return True


@dataclass(eq=False, repr=False)
class Relation:
    """A relation; a peer relation has one side."""

    id: int
    interface: str
    sides: tuple[Side, ...]
    dying: bool = False
    quiet: bool = False
    """The relation comes and goes without hooks; units see it in their next hook."""

    def __repr__(self) -> str:
        return " ".join(side.name for side in self.sides)

    @property
    def cross_model(self) -> bool:
        """Whether the two sides live in different models."""
        return len({side.model_uuid for side in self.sides}) > 1

    @property
    def peer(self) -> bool:
        """Whether it relates the units of one application."""
        return len(self.sides) == 1

    def other(self, side: Side) -> Side:
        """Return the opposite side; the same side for a peer relation."""
        return next((s for s in self.sides if s is not side), side)

    def sides_of(self, app: "Application") -> Iterator[Side]:
        """Yield the sides that an application has in this relation."""
        return (side for side in self.sides if side.app is app)


@dataclass(eq=False, repr=False)
class Unit:
    """One unit: the state that it knows from hooks, and the state that its charm left."""

    app: "Application"
    number: int
    containers: dict[str, testing.Container]

    installed: bool = False
    started: bool = False
    stopped: bool = False
    dead: bool = False
    dying: bool = False
    restarts: bool = False
    """Its pod was replaced, and the charm in the new pod has not started."""
    knows_leadership: bool = False
    known_config: int = -1
    ready: set[str] = field(default_factory=set[str])
    """Containers whose pebble-ready hook has run."""
    scopes: dict[tuple[int, str], Scope] = field(default_factory=dict[tuple[int, str], Scope])
    """By relation id and endpoint."""

    checks: dict[tuple[str, str], pebble.Check] = field(
        default_factory=dict[tuple[str, str], pebble.Check]
    )
    """Checks as they were probed last, by container and name."""

    deferred: list[testing.DeferredEvent] = field(default_factory=list[testing.DeferredEvent])
    stored_states: frozenset[testing.StoredState] = frozenset()
    opened_ports: frozenset[testing.Port] = frozenset()
    # The classes are not all public, the values are ops.StatusBase instances.
    status: Any = field(default_factory=testing.UnknownStatus)
    version: str = ""
    log: list[testing.JujuLogLine] = field(default_factory=list[testing.JujuLogLine])
    address: str = ""
    """The pod's address once it has one."""
    pod: str = ""
    """The pod's uid."""
    on_mesh: bool = False
    """Whether the pod has the label that puts it on the mesh."""

    @property
    def name(self) -> str:
        """``application/number``."""
        return f"{self.app.name}/{self.number}"

    @property
    def pod_name(self) -> str:
        """Name of its pod."""
        return f"{self.app.name}-{self.number}"

    def __repr__(self) -> str:
        return self.name

    def replace_pod(self) -> None:
        """Start again in another pod: without an address, and without Pebble layers."""
        self.restarts = self.installed
        self.ready = set()
        self.containers = {name: testing.Container(name) for name in self.app.charm.containers}


@dataclass(eq=False, repr=False)
class Application:
    """A deployed charm."""

    name: str
    charm: Charm
    staged: Path
    """The charm folder as the charm sees it: links, which protect the source from writes."""
    kubeconfig: Path
    """Of the application's ServiceAccount."""
    trusted: bool
    config: dict[str, str | int | float | bool]
    config_version: int = 0
    units: dict[int, Unit] = field(default_factory=dict[int, Unit])
    leader: int | None = None
    dying: bool = False
    status: Any = field(default_factory=testing.UnknownStatus)
    service_address: str = ""
    open_ports: tuple[tuple[int, str], ...] = ()

    def __repr__(self) -> str:
        return self.name

    @property
    def living(self) -> list[Unit]:
        """The units that are not being removed."""
        return [unit for unit in self.units.values() if not unit.dying]

    @property
    def planned_units(self) -> int:
        """The number of units that ``goal-state`` would report."""
        return 0 if self.dying else len(self.living)
