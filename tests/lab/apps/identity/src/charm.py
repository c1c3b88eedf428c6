# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""An authorizer, built on the published library of forward_auth."""

import ops
from charmlibs.interfaces import forward_auth

from tests.lab import apps, identity


class IdentityCharm(ops.CharmBase):
    """Publishes the address of the authorizer's decisions."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        host = f"{self.app.name}.{self.model.name}.svc.cluster.local"
        self.forward_auth_config = forward_auth.ForwardAuthConfig(
            decisions_address=f"http://{host}:{identity.DECISIONS_PORT}{self.config['path']}",
            app_names=["account"],
        )
        self.provider = forward_auth.ForwardAuthProvider(
            self, forward_auth_config=self.forward_auth_config
        )
        framework.observe(self.on.config_changed, self._on_config_changed)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_config_changed(self, _: ops.EventBase) -> None:
        self.unit.set_ports(apps.PORT, identity.DECISIONS_PORT, identity.KEYS_PORT)
        self.provider.update_forward_auth_config(self.forward_auth_config)

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus())


if __name__ == "__main__":
    ops.main(IdentityCharm)
