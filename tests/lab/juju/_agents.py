# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The unit agents of one model: they hold its entities and run its hooks."""

import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from ops import testing

from tests.lab.juju import _charm, _controller, _events, _hooks, _kubernetes, _secrets
from tests.lab.juju._endpoints import JujuError
from tests.lab.juju._entities import Application, Relation, Unit

POD_SECONDS = 10.0
"""Seconds for which settling waits for the pods of the units."""


class Agents:
    """The applications and units of one model, and how they run hooks."""

    def __init__(
        self,
        cluster: _kubernetes.Cluster,
        name: str,
        controller: _controller.Controller | None = None,
        uuid_mark: _kubernetes.Marks = "annotation",
    ):
        self.name = name
        self.uuid = str(uuid.uuid4())
        self.apps: dict[str, Application] = {}
        self.controller = controller or _controller.Controller()
        self._cluster = cluster
        self._folder = Path(tempfile.mkdtemp(prefix=f"model-{name}-"))
        self._cloud = _kubernetes.Cloud(cluster, name, self._folder)
        self._stuck: set[str] = set()
        """Applications whose pods did not start in time; settling no longer waits for them."""
        self._cloud.create_model(self.uuid, uuid_mark)
        self.controller.models[name] = self

    def app(self, name: str) -> Application:
        """Return an application's record.

        Raises:
            JujuError: no application has that name.
        """
        if name not in self.apps:
            raise JujuError(f"no application {name} in model {self.name}")
        return self.apps[name]

    def unit(self, name: str) -> Unit:
        """Return a unit's record; ``app/leader`` is the leader.

        Raises:
            JujuError: no unit has that name.
        """
        app, _, number = name.partition("/")
        application = self.app(app)
        chosen = application.leader if number == "leader" else int(number or 0)
        if chosen is None or chosen not in application.units:
            raise JujuError(f"no unit {name}")
        return application.units[chosen]

    def relations_of(self, app: str) -> list[Relation]:
        """Return an application's relations, peers included."""
        return self.controller.relations_of(self.app(app))

    @property
    def destroyed(self) -> bool:
        """Whether the model has been destroyed."""
        return self.name not in self.controller.models

    # Called by the controller.

    @property
    def units(self) -> list[Unit]:
        """The units that have not been removed."""
        return [unit for app in self.apps.values() for unit in app.units.values()]

    def run_hook(self, unit: Unit, hook: _events.Hook) -> _hooks.Outcome:
        """Run one hook and record what it changed."""
        if hook.kind == "pebble-ready":
            _connect(unit, hook.container or "")
        outcome = _hooks.run(unit, hook, self._world())
        _events.record(unit, hook)
        if hook.secret and hook.secret in self.controller.secrets:
            secret = self.controller.secrets[hook.secret]
            _secrets.record(secret, unit, hook.kind, hook.revision)
        self._after(unit)
        return outcome

    def bury(self) -> None:
        """Remove dead units and applications."""
        for app in list(self.apps.values()):
            dead = [u for u in app.units.values() if u.dead or (u.dying and not u.installed)]
            for unit in dead:
                del app.units[unit.number]
            if app.dying and not app.units:
                self._cloud.remove(app.name)
                self.controller.forget(app)
                del self.apps[app.name]
            elif dead:
                self._cloud.scale(app.name, len(app.living))

    def observe(self) -> bool:
        """Read the pods, waiting for those that start; return whether any replaced another.

        A unit whose pod was replaced starts again, as after a change of the pod template.
        """
        if not self.apps:
            return False
        pods = self._await_pods()
        for app in self.apps.values():
            app.service_address = app.service_address or self._cloud.service_address(app.name)
        return sum(_observe_pod(unit, pods.get(unit.pod_name)) for unit in self.units) > 0

    def _await_pods(self) -> dict[str, Any]:
        """Return the pods by name, once every unit has one that matches its StatefulSet."""
        end = time.monotonic() + POD_SECONDS
        while True:
            pending = self._cloud.rolling() & set(self.apps)
            pods = {name: pod for name, pod in self._cloud.pods().items() if _runs(pod)}
            pending |= {u.app.name for u in self.units if not u.dying and u.pod_name not in pods}
            self._stuck &= pending
            if pending <= self._stuck:
                return pods
            if time.monotonic() > end:
                # A test may keep them from starting; their units continue without pods.
                self._stuck |= pending
                return pods
            time.sleep(0.1)

    # Changes of the model, for Juju's verbs.

    def _world(self) -> _hooks.World:
        model = testing.Model(self.name, uuid=self.uuid)
        relations, secrets = self.controller.relations, self.controller.secrets
        return _hooks.World(model, relations, secrets, self._cluster)

    def _after(self, unit: Unit) -> None:
        """Apply what a hook changed to the cluster."""
        app = unit.app
        opened = {(p.port, p.protocol) for u in app.units.values() for p in u.opened_ports}
        ports = tuple(sorted((port, protocol) for port, protocol in opened if port is not None))
        if ports != app.open_ports:
            app.open_ports = ports
            self._cloud.set_ports(app.name, ports)

    def _add_units(self, app: Application, count: int) -> None:
        first = max(app.units, default=-1) + 1
        for number in range(first, first + count):
            containers = {name: testing.Container(name) for name in app.charm.containers}
            app.units[number] = Unit(app, number, containers)
        self._elect(app)

    def _elect(self, app: Application) -> None:
        """Elect a leader among the units that stay."""
        living = sorted(unit.number for unit in app.living)
        if living and app.leader not in living:
            app.leader = living[0]

    def _discard(self) -> None:
        self._cloud.destroy_model()
        self.controller.models.pop(self.name, None)
        shutil.rmtree(self._folder, ignore_errors=True)


def stage(charm: _charm.Charm, folder: Path) -> Path:
    """Return a folder with links to the charm's files, in which a charm may write files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for entry in charm.root.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder


def _connect(unit: Unit, container: str) -> None:
    """Let Pebble of a container accept connections."""
    unit.containers[container] = testing.Container(container, can_connect=True)


def _runs(pod: Any) -> bool:
    return bool(pod.status and pod.status.podIP) and pod.metadata.deletionTimestamp is None


def _observe_pod(unit: Unit, pod: Any) -> bool:
    """Record a unit's pod; return whether it replaced another."""
    if pod is None:
        return False
    replaced = bool(unit.pod) and unit.pod != pod.metadata.uid
    unit.pod, unit.address = pod.metadata.uid, pod.status.podIP
    labels: dict[str, str] = pod.metadata.labels or {}
    unit.on_mesh = labels.get("istio.io/dataplane-mode") == "ambient"
    if replaced:
        unit.replace_pod()
    return replaced
