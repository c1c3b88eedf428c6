# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""An application behind the ingress, built on the published library of istio_request_auth."""

import json

import ops
from charmlibs.interfaces import istio_request_auth

from tests.lab import apps


class AccountCharm(ops.CharmBase):
    """Publishes the JWT rules of its option `rules`."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.ingress = apps.IngressRequirer(self, apps.PORT)
        self.tokens = istio_request_auth.IstioRequestAuthRequirer(self)
        relation_changed = self.on["istio-request-auth"].relation_changed
        for event in (self.on.config_changed, relation_changed):
            framework.observe(event, self._on_change)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_change(self, _: ops.EventBase) -> None:
        self.unit.set_ports(apps.PORT)
        rules = json.loads(str(self.config["rules"]) or "[]")
        self.tokens.publish_data([istio_request_auth.JWTRule(**rule) for rule in rules])

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus())


if __name__ == "__main__":
    ops.main(AccountCharm)
