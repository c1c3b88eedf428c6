#!/usr/bin/env python3
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The books in stock: the charm of the tutorial."""

import ops
from charmlibs.interfaces.service_mesh import (
    AppPolicy,
    Endpoint,
    Method,
    ServiceMeshConsumer,
    UnitPolicy,
)

PORT = 9080


class StockCharm(ops.CharmBase):
    """Lets related applications look up a book, and scrapers reach its pods."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.mesh = ServiceMeshConsumer(
            self,
            policies=[
                AppPolicy(
                    relation="stock",
                    endpoints=[
                        Endpoint(ports=[PORT], methods=[Method.get], paths=["/stock/{*}"]),
                    ],
                ),
                UnitPolicy(relation="metrics-endpoint", ports=[PORT]),
            ],
        )
        framework.observe(self.on.start, self._on_start)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_start(self, _: ops.StartEvent) -> None:
        self.unit.set_ports(PORT)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus())


if __name__ == "__main__":
    ops.main(StockCharm)
