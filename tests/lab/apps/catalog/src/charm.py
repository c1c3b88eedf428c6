# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""An application that requests the routes of its options with the published library."""

from typing import Literal, cast

import ops
from charmlibs.interfaces import istio_ingress_route, service_mesh

from tests.lab import apps

PORTS = (9080, 9082, 9096, 9443)


class CatalogCharm(ops.CharmBase):
    """Requests routes; its status shows the published addresses."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.mesh = service_mesh.ServiceMeshConsumer(self)
        self.ingresses = [
            apps.IngressRequirer(
                self,
                int(self.config["port"]),
                scheme=cast(Literal["http", "https", "h2c"], self.config["scheme"]),
                endpoint=endpoint,
            )
            for endpoint in ("ingress", "ingress-open")
        ]
        self.routes = {
            endpoint: istio_ingress_route.IstioIngressRouteRequirer(self, endpoint)
            for endpoint in ("routes", "open-routes")
        }
        for event in self.on.events().values():
            if issubclass(event.event_type, ops.HookEvent):
                framework.observe(event, self._on_event)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_event(self, _: ops.HookEvent) -> None:
        self.unit.set_ports(*PORTS)
        if not self.unit.is_leader():
            return
        for endpoint, requirer in self.routes.items():
            text = str(self.config[endpoint])
            if text and requirer.is_ready():
                config = istio_ingress_route.IstioIngressRouteConfig.model_validate_json(text)
                requirer.submit_config(config)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        hosts = [
            f"{'https' if each.tls_enabled else 'http'}://{each.external_host}"
            for each in self.routes.values()
            if each.external_host
        ]
        event.add_status(ops.ActiveStatus(" ".join(hosts)))


if __name__ == "__main__":
    ops.main(CatalogCharm)
