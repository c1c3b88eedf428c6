# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Operations with which tests let time pass in a model, and observe the model."""

import json
import time
from contextlib import AbstractContextManager

import ops

from tests.lab.juju import _agents, _checks, _events, _requests, _status
from tests.lab.juju._endpoints import JujuError, split
from tests.lab.juju._entities import Relation, Scope, Side

REPORTED_LINES = 30
"""Of each unit's juju-log."""


class Observed(_agents.Agents):
    """Operations of tests on a model beside Juju's verbs."""

    def settle(self) -> int:
        """Let all units run their hooks until none is pending; return how many ran.

        Raises:
            NotSettledError: units trigger each other's hooks without end.
            HookError: a charm raised.
        """
        return self.controller.settle()

    def emit(self, unit: str, event: str) -> None:
        """Run a hook without a relation or container now: ``update-status``, ``start``…."""
        self.run_hook(self.unit(unit), _events.Hook(event))

    def emit_secret(self, unit: str, event: str, label: str) -> None:
        """Run ``secret-rotate``, ``secret-expired`` or ``secret-changed`` for a unit's secret."""
        target = self.unit(unit)
        found = [
            s for s in self.controller.secrets.values() if s.owned_by(target) and s.label == label
        ]
        if not found:
            raise JujuError(f"{unit} owns no secret labelled {label}")
        hook = _events.Hook(event, secret=found[0].id, revision=found[0].latest)
        self.run_hook(target, hook)

    def update_status(self) -> None:
        """Run ``update-status`` on every unit."""
        for unit in self.units:
            self.run_hook(unit, _events.Hook("update-status"))

    def run_checks(self) -> list[str]:
        """Probe the Pebble checks of all units once; return the hooks that followed."""
        ran: list[str] = []
        for unit in self.units:
            for hook in _checks.run(unit):
                self.run_hook(unit, hook)
                ran.append(f"{unit.name}: {hook}")
        return ran

    def wait_active(self, *apps: str, timeout: float = 120.0) -> None:
        """Settle, run checks and ``update-status`` until the applications (all) are active.

        Raises:
            AssertionError: they are not within ``timeout`` seconds; the message holds the status.
        """
        end = time.monotonic() + timeout
        while True:
            self.settle()
            names = apps or tuple(self.apps)
            waiting = [n for n in names if self.status().apps[n].status != "active"]
            if not waiting:
                return
            if time.monotonic() > end:
                raise AssertionError(f"not active: {', '.join(waiting)}\n{self.status()}")
            time.sleep(0.5)
            ran = {line.partition(":")[0] for line in self.run_checks()}
            for unit in [unit for unit in self.units if unit.app.name in waiting]:
                if unit.name not in ran:
                    self.run_hook(unit, _events.Hook("update-status"))

    def status(self) -> _status.Status:
        """Return the status of the model, as ``juju status`` shows it."""
        return _status.status(
            self.name, self.apps.values(), [r for a in self.apps for r in self.relations_of(a)]
        )

    def unit_status(self, unit: str) -> ops.StatusBase:
        """Return a unit's status; of a problem, the whole of it: place, what is wrong, remedy.

        It is what action `status-details` of our charms shows first. `shown_status` has the text
        that `juju status` shows.
        """
        found = self.unit(unit)
        problems = self.problems(unit)
        if not problems:
            return found.status
        what = ": ".join(filter(None, (problems[0]["where"], problems[0]["message"])))
        text = "; ".join(filter(None, (what, problems[0]["remedy"])))
        return ops.StatusBase.from_name(found.status.name, text)

    def problems(self, unit: str) -> list[dict[str, str]]:
        """Return the problems that a unit's status is made of, as one of our charms keeps them."""
        states = (state.content for state in self.unit(unit).stored_states)
        kept = [state["last"] for state in states if state.get("last")]
        return json.loads(kept[0])["problems"] if kept else []

    def shown_status(self, unit: str) -> ops.StatusBase:
        """Return a unit's status as `juju status` shows it."""
        return self.unit(unit).status

    def leader(self, app: str) -> str | None:
        """Return the name of the leader."""
        application = self.app(app)
        return None if application.leader is None else f"{app}/{application.leader}"

    def set_leader(self, unit: str) -> None:
        """Make a unit the leader; leader-elected runs when the model settles."""
        target = self.unit(unit)
        for other in target.app.units.values():
            other.knows_leadership = other.knows_leadership and other is target
        target.app.leader = target.number

    def logs(self, unit: str) -> list[str]:
        """Return a unit's juju-log, oldest first."""
        return [f"{line.level}: {line.message}" for line in self.unit(unit).log]

    def report(self) -> str:
        """Return status and last log lines of the units, for the report of a failed test."""
        lines = [str(self.status())]
        for unit in self.units:
            log = [line for line in self.logs(unit.name) if not line.startswith("DEBUG")]
            lines += [f"-- {unit.name}", *log[-REPORTED_LINES:]]
        return "\n".join(lines)

    def requests(self, *units: str) -> AbstractContextManager[_requests.Requests]:
        """Collect the API requests of hooks in this context, of all units or of these."""
        return _requests.requests(units)

    # Databags.

    def databag(
        self, endpoint: str, *, remote: str | None = None, unit: int | None = None
    ) -> dict[str, str]:
        """Return a databag that ``application:endpoint`` wrote: the application's or one unit's.

        Args:
            endpoint: ``application:endpoint``; also of a remote application without a charm.
            remote: name of the application on the other side, where there are several.
            unit: number of the unit whose databag is returned; None: the application's.

        Raises:
            JujuError: there is no such relation, or more than one.
        """
        found = self._sides(endpoint, remote)
        if len(found) != 1:
            raise JujuError(f"{len(found)} relations on {endpoint} (remote {remote or 'any'})")
        side = found[0][1]
        return dict(side.app_data if unit is None else side.unit_data[unit])

    def set_databag(
        self,
        app: str,
        endpoint: str,
        key: str,
        value: str | None,
        *,
        remote: str | None = None,
        unit: int | None = None,
    ) -> None:
        """Write one raw value into an application's (or unit's) databag; None deletes the key.

        This happens in every relation on the endpoint, or in the one with ``remote``.

        Raises:
            JujuError: there is no such relation.
        """
        found = self._sides(f"{app}:{endpoint}", remote)
        if not found:
            raise JujuError(f"no relation on {app}:{endpoint}")
        for _, side in found:
            data = dict(side.app_data if unit is None else side.unit_data[unit])
            data.pop(key, None)
            data |= {} if value is None else {key: value}
            if unit is None:
                side.write(data)
            else:
                side.write_unit(unit, data)

    def fake_remote(
        self,
        endpoint: str,
        name: str,
        app_data: dict[str, str] | None = None,
        unit_data: dict[str, str] | None = None,
        model_uuid: str | None = None,
        quiet: bool = False,
    ) -> Relation:
        """Relate ``application:endpoint`` to a remote application of one unit without a charm.

        Its databags are those given here or by `set_databag`; `remove_relation` and `databag`
        take its name. A quiet relation exists as for a charm that was refreshed: no hook runs
        when it comes or goes, and the next hook sees it.

        Raises:
            JujuError: there is no such endpoint.
        """
        app, own = split(endpoint)
        application = self.app(app)
        if own is None or own not in application.charm.endpoints:
            raise JujuError(f"no endpoint {endpoint}")
        remote = Side(None, own, name, model_uuid or self.uuid)
        remote.write(app_data or {})
        remote.write_unit(0, unit_data or {})
        interface = application.charm.endpoints[own].interface
        mine = Side(application, own, app, self.uuid)
        relation = self.controller.relate(interface, mine, remote)
        if quiet:
            relation.quiet = True
            for unit in application.units.values():
                known = Scope({0: remote.unit_version[0]}, remote.app_version)
                unit.scopes[relation.id, own] = known
        return relation

    def _sides(self, endpoint: str, remote: str | None) -> list[tuple[Relation, Side]]:
        app, name = split(endpoint)
        known = self.apps.get(app)
        return [
            (relation, side)
            for relation in self.controller.relations
            for side in relation.sides
            if (side.app is known if known else side.app is None and side.alias == app)
            and name in (None, side.endpoint)
            and remote in (None, relation.other(side).alias)
        ]
