# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The content of ``juju status``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import rich.box
import rich.console
import rich.table
import rich.text

from tests.lab.juju._entities import Application, Relation, Unit

SEVERITY = ("error", "blocked", "waiting", "maintenance", "active", "unknown")
STYLES = {
    "active": "green",
    "blocked": "red",
    "error": "bold red",
    "maintenance": "yellow",
    "waiting": "yellow",
}


@dataclass(frozen=True)
class UnitStatus:
    """A unit's status."""

    name: str
    status: str
    message: str
    leader: bool
    address: str

    def __str__(self) -> str:
        return f"{self.name} {self.status}: {self.message}".rstrip(": ")


@dataclass(frozen=True)
class AppStatus:
    """An application's status: its own, or by default the worst of its units."""

    name: str
    charm: str
    version: str
    status: str
    message: str
    units: Mapping[str, UnitStatus]


@dataclass(frozen=True)
class Status:
    """The status of a model; rich prints it as a table."""

    model: str
    apps: Mapping[str, AppStatus]
    relations: tuple[str, ...]

    def __rich__(self) -> rich.table.Table:
        table = rich.table.Table(title=f"model {self.model}", box=rich.box.SIMPLE, pad_edge=False)
        for column in ("application", "version", "status", "units"):
            table.add_column(column, no_wrap=True)
        table.add_column("message", overflow="fold")
        for app in self.apps.values():
            status = rich.text.Text(app.status, STYLES.get(app.status, ""))
            table.add_row(app.name, app.version, status, str(len(app.units)), app.message)
        return table

    def __str__(self) -> str:
        console = rich.console.Console(width=120, no_color=True)
        with console.capture() as capture:
            console.print(self)
        return capture.get()


def unit_status(unit: Unit) -> UnitStatus:
    """Return a unit's status."""
    leader = unit.app.leader == unit.number
    return UnitStatus(unit.name, unit.status.name, unit.status.message, leader, unit.address)


def status(model: str, apps: Iterable[Application], relations: Iterable[Relation]) -> Status:
    """Return the status of a model."""
    return Status(
        model,
        {app.name: _app_status(app) for app in apps},
        tuple(str(relation) for relation in relations),
    )


def _app_status(app: Application) -> AppStatus:
    units = {unit.name: unit_status(unit) for unit in app.units.values()}
    name, message = app.status.name, app.status.message
    if name == "unknown" and units:
        worst = min(units.values(), key=lambda unit: SEVERITY.index(unit.status))
        name, message = worst.status, worst.message
    leader = app.units.get(app.leader) if app.leader is not None else None
    version = leader.version if leader else ""
    return AppStatus(app.name, app.charm.name, version, name, message, units)
