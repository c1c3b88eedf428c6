# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The base class of the bookshop's charms."""

from typing import ClassVar, Literal, cast

import ops
from charmlibs.interfaces import service_mesh

from tests.lab.apps import _ingress

PORT = 9080
"""The port of every application of the bookshop."""

Policies = list[service_mesh.Policy | service_mesh.AppPolicy | service_mesh.UnitPolicy]


class BookshopCharm(ops.CharmBase):
    """One application of the bookshop: it joins a mesh, publishes its URL, and calls others."""

    POLICIES: ClassVar[Policies] = []
    """The access to the application that the charm requests."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.mesh = service_mesh.ServiceMeshConsumer(self, policies=list(self.POLICIES))
        self.ingress = _ingress.IngressRequirer(
            self,
            PORT,
            strip_prefix=bool(self.config["strip-prefix"]),
            redirect_https=bool(self.config["redirect-https"]),
            scheme=cast(Literal["http", "https", "h2c"], self.config["scheme"]),
        )
        for event in (self.on.start, self.on.config_changed, self.on.upgrade_charm):
            framework.observe(event, self._on_lifecycle)
        for endpoint, relation in self.meta.provides.items():
            if relation.interface_name == f"bookshop_{self.app.name}":
                framework.observe(self.on[endpoint].relation_created, self._on_caller)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_lifecycle(self, _: ops.EventBase) -> None:
        self.unit.set_ports(PORT)

    def _on_caller(self, event: ops.RelationCreatedEvent) -> None:
        if self.unit.is_leader():
            url = f"http://{self.app.name}.{self.model.name}.svc.cluster.local:{PORT}"
            event.relation.data[self.app]["url"] = url

    @property
    def backends(self) -> dict[str, str]:
        """URLs of the applications that this one calls."""
        found: dict[str, str] = {}
        for endpoint, meta in self.meta.requires.items():
            if not (meta.interface_name or "").startswith("bookshop_"):
                continue
            for relation in self.model.relations[endpoint]:
                if relation.active and (url := relation.data[relation.app].get("url")):
                    found[relation.app.name] = url
        return found

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        names = ", ".join(sorted(self.backends))
        event.add_status(ops.ActiveStatus(f"calls {names}" if names else ""))
