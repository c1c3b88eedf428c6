# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A charm that records every event, and uses each of Juju's facilities once."""

import logging
import threading
import time
from typing import Any

import lightkube
import ops
from lightkube.resources.core_v1 import ConfigMap

logger = logging.getLogger(__name__)

LIFECYCLE = (ops.CollectStatusEvent, ops.LifecycleEvent)
SECRET = "password"


class WitnessCharm(ops.CharmBase):
    """Records every event in its stored state."""

    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._stored.set_default(events=[], deferred=0, passwords=[], configmaps=0)
        for event in self.on.events().values():
            if not issubclass(event.event_type, LIFECYCLE):
                framework.observe(event, self._on_event)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    @property
    def _state(self) -> Any:
        return self._stored

    def _on_event(self, event: ops.EventBase) -> None:
        self._state.events.append(_name(event))
        logger.info("witnessed %s", _name(event))
        match event:
            case ops.ActionEvent():
                self._act(event)
            case ops.PebbleReadyEvent() | ops.ConfigChangedEvent():
                self._configure()
            case ops.StartEvent():
                self._state.deferred += 1
                if self._state.deferred < 2:
                    event.defer()
            case ops.UpdateStatusEvent():
                self._read_cluster()
            case ops.RelationEvent():
                self._on_relation(event)
            case ops.SecretChangedEvent():
                self._read(event.secret)
            case _:
                pass

    def _act(self, event: ops.ActionEvent) -> None:
        if event.params.get("word"):
            event.set_results({"said": event.params["word"]})
        else:
            event.fail("gave up")

    def _configure(self) -> None:
        container = self.unit.get_container("workload")
        ports = str(self.config["ports"]).split(",")
        self.unit.set_ports(*(int(port) for port in ports if port))
        if container.can_connect():
            tcp: ops.pebble.CheckDict = {
                "override": "replace",
                "threshold": 1,
                "tcp": {"host": "127.0.0.1", "port": int(self.config["check-port"])},
            }
            container.add_layer("witness", {"checks": {"reach": tcp}}, combine=True)
            container.replan()
        if self.unit.is_leader():
            self._keep_secret()

    def _keep_secret(self) -> None:
        content = {"password": str(self.config["password"])}
        try:
            secret = self.model.get_secret(label=SECRET)
            if secret.peek_content() != content:
                secret.set_content(content)
                secret.get_content(refresh=True)
        except ops.SecretNotFoundError:
            secret = self.app.add_secret(content, label=SECRET)
        for relation in self.model.relations["link"]:
            secret.grant(relation)
            relation.data[self.app]["secret"] = secret.id or ""

    def _on_relation(self, event: ops.RelationEvent) -> None:
        relation = event.relation
        if isinstance(event, ops.RelationBrokenEvent):
            if self.config["breaks"]:
                raise ValueError("option breaks is set")
            return
        relation.data[self.unit]["unit"] = self.unit.name
        if self.unit.is_leader() and relation.name != "peers":
            relation.data[self.app]["app"] = self.app.name
            relation.data[self.app]["model"] = relation.remote_model.uuid
            if self.config["chats"]:
                count = int(relation.data[event.app].get("count", 0))
                relation.data[self.app]["count"] = str(count + 1)
        if relation.name == "link" and self.unit.is_leader():
            self._keep_secret()
        if relation.name == "back" and (secret_id := relation.data[event.app].get("secret")):
            self._read(self.model.get_secret(id=secret_id))

    def _read(self, secret: ops.Secret) -> None:
        self._state.passwords.append(secret.get_content(refresh=True)["password"])

    def _read_cluster(self) -> None:
        if self.config["fails"]:
            raise ValueError("option fails is set")
        match self.config["pauses"]:
            case "sleep":
                time.sleep(0)
            case "wait":
                threading.Event().wait(0)
            case _:
                pass
        client: Any = lightkube.Client()
        self._state.configmaps = len(list(client.list(ConfigMap, namespace=self.model.name)))

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus(f"{self.app.planned_units()} planned"))


def _name(event: ops.EventBase) -> str:
    """Return the event's name, with the remote unit or application."""
    name = event.handle.kind
    if isinstance(event, ops.RelationEvent):
        remote = event.unit or event.app
        return f"{name} {remote.name if remote else ''}"
    return name


if __name__ == "__main__":
    ops.main(WitnessCharm)
