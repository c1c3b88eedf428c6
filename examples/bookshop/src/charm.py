#!/usr/bin/env python3
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The bookshop's charm: an application in one of four roles, on a mesh and behind an ingress."""

import json
from pathlib import Path

import ingress
import ops
from charmlibs.interfaces.service_mesh import (
    AppPolicy,
    Endpoint,
    Method,
    Policy,
    ServiceMeshConsumer,
    UnitPolicy,
)
from ops import pebble

CONTAINER = SERVICE = "bookshop"
PORT = 9080
PROGRAM = Path(__file__).parent / "bookshop.py"
INSTALLED = "/opt/bookshop/bookshop.py"
REQUEST_SECONDS = 15

ACCESS = {
    "productpage": None,
    "details": Endpoint(ports=[PORT], methods=[Method.get], paths=["/health", "/details/*"]),
    "reviews": Endpoint(ports=[PORT]),
    "ratings": Endpoint(ports=[PORT], methods=[Method.get], paths=["/ratings/*"]),
}
"""What each role lets its callers request; productpage requests no access for any caller."""


class BookshopCharm(ops.CharmBase):
    """Runs the bookshop's program, publishes its URL to callers, and joins a mesh."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.container = self.unit.get_container(CONTAINER)
        self.role = str(self.config["role"])
        self.mesh = ServiceMeshConsumer(self, policies=self._policies())
        self.ingress = ingress.IngressRequirer(self, PORT)
        api, backends = self.on["api"], self.on["backends"]
        for event in (
            self.on[CONTAINER].pebble_ready,
            self.on.config_changed,
            self.on.leader_elected,
            self.on.upgrade_charm,
            api.relation_created,
            backends.relation_changed,
            backends.relation_broken,
            self.on["metrics-endpoint"].relation_created,
            self.on["metrics-endpoint"].relation_joined,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on["request"].action, self._on_request)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _policies(self) -> list[Policy | AppPolicy | UnitPolicy]:
        """Return the access that this role requests to itself."""
        policies: list[Policy | AppPolicy | UnitPolicy] = [
            UnitPolicy(relation="metrics-endpoint", ports=[PORT])
        ]
        if endpoint := ACCESS.get(self.role):
            policies.append(AppPolicy(relation="api", endpoints=[endpoint]))
        return policies

    @property
    def backends(self) -> dict[str, str]:
        """URLs of the applications that this one calls, by their role."""
        urls: dict[str, str] = {}
        for relation in self.model.relations["backends"]:
            if relation.active:
                data = relation.data[relation.app]
                if data.get("role") and data.get("url"):
                    urls[data["role"]] = data["url"]
        return urls

    def _reconcile(self, _: ops.EventBase) -> None:
        """Do all that the charm does: every event leads here."""
        self.unit.set_ports(PORT)
        self._publish()
        if self.container.can_connect():
            self.container.push(INSTALLED, PROGRAM.read_text(), make_dirs=True)
            self.container.add_layer(SERVICE, self._layer(), combine=True)
            self.container.replan()

    def _layer(self) -> pebble.LayerDict:
        return {
            "services": {
                SERVICE: {
                    "override": "replace",
                    "startup": "enabled",
                    "command": f"python3 -u {INSTALLED} serve",
                    "environment": {
                        "APP": self.app.name,
                        "ROLE": self.role,
                        "BACKENDS": json.dumps(self.backends, sort_keys=True),
                    },
                }
            },
        }

    def _publish(self) -> None:
        """Write what callers and scrapers need into the databags."""
        scraped = self.model.relations["metrics-endpoint"]
        for relation in scraped:
            address = f"{self.unit.name.replace('/', '-')}.{self.app.name}-endpoints"
            host = f"{address}.{self.model.name}.svc.cluster.local"
            relation.data[self.unit]["prometheus_scrape_unit_address"] = host
            relation.data[self.unit]["prometheus_scrape_unit_name"] = self.unit.name
        if not self.unit.is_leader():
            return
        url = f"http://{self.app.name}.{self.model.name}.svc.cluster.local:{PORT}"
        for relation in self.model.relations["api"]:
            relation.data[self.app].update({"role": self.role, "url": url})
        jobs = [{"metrics_path": "/metrics", "static_configs": [{"targets": [f"*:{PORT}"]}]}]
        metadata = {
            "model": self.model.name,
            "model_uuid": self.model.uuid,
            "application": self.app.name,
            "unit": self.unit.name,
            "charm_name": self.meta.name,
        }
        for relation in scraped:
            relation.data[self.app]["scrape_jobs"] = json.dumps(jobs)
            relation.data[self.app]["scrape_metadata"] = json.dumps(metadata)
        # The library does so when relations change; the access also depends on the role.
        self.mesh.update_service_mesh()

    def _on_request(self, event: ops.ActionEvent) -> None:
        """Send a request from the workload's container, so that it is the application's own."""
        method = event.params.get("method", "GET")
        command = ["python3", INSTALLED, "request", method, event.params["url"]]
        try:
            output, _ = self.container.exec(command, timeout=REQUEST_SECONDS).wait_output()
        except (pebble.Error, TimeoutError) as error:
            event.fail(f"the request could not be sent: {error}")
            return
        answer = json.loads(output)
        body = answer.pop("body", "")
        answer["status"] = answer["status"] or "none"
        answer["body"] = body if isinstance(body, str) else json.dumps(body, indent=2)
        event.set_results({name: value for name, value in answer.items() if value})

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        if self.role not in ACCESS:
            event.add_status(ops.BlockedStatus(f"option role is one of {', '.join(ACCESS)}"))
        if not self.container.can_connect():
            event.add_status(ops.WaitingStatus("waiting for Pebble"))
        elif not self._runs():
            event.add_status(ops.WaitingStatus("waiting for the program"))
        callees = ", ".join(sorted(self.backends))
        event.add_status(ops.ActiveStatus(f"calls {callees}" if callees else ""))

    def _runs(self) -> bool:
        services = self.container.get_services(SERVICE)
        return SERVICE in services and services[SERVICE].is_running()


if __name__ == "__main__":
    ops.main(BookshopCharm)
