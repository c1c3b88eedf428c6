# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A web application behind the ingress, which requests no access for its callers."""

from typing import Literal, cast

import ops
from charmlibs.interfaces import service_mesh

from tests.lab import apps


class StorefrontCharm(ops.CharmBase):
    """Requests of the ingress what its options say."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.mesh = service_mesh.ServiceMeshConsumer(self)
        self.ingress = apps.IngressRequirer(
            self,
            apps.PORT,
            strip_prefix=bool(self.config["strip-prefix"]),
            redirect_https=bool(self.config["redirect-https"]),
            scheme=cast(Literal["http", "https", "h2c"], self.config["scheme"]),
        )
        framework.observe(self.on.start, self._on_start)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_start(self, _: ops.StartEvent) -> None:
        self.unit.set_ports(apps.PORT)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus())


if __name__ == "__main__":
    ops.main(StorefrontCharm)
