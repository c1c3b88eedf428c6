# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The requirer's side of ingress v2, whose published library is not in a package registry."""

import json

import ops


class IngressRequirer(ops.Object):
    """Requests a URL for the application's port, without the URL's prefix in forwarded paths.

    Values are JSON.
    """

    def __init__(self, charm: ops.CharmBase, port: int, endpoint: str = "ingress"):
        super().__init__(charm, endpoint)
        self._charm = charm
        self._endpoint = endpoint
        self._port = port
        events = charm.on[endpoint]
        for event in (
            events.relation_created,
            events.relation_joined,
            events.relation_changed,
            charm.on.config_changed,
            charm.on.leader_elected,
            charm.on.upgrade_charm,
        ):
            self.framework.observe(event, self._publish)

    def _publish(self, _: ops.EventBase) -> None:
        unit, app, model = self._charm.unit, self._charm.app, self._charm.model
        for relation in model.relations[self._endpoint]:
            domain = f"{app.name}-endpoints.{model.name}.svc.cluster.local"
            binding = model.get_binding(relation)
            address = str(binding.network.bind_address) if binding else None
            host = f"{unit.name.replace('/', '-')}.{domain}"
            relation.data[unit].update({"host": json.dumps(host), "ip": json.dumps(address)})
            if unit.is_leader():
                requested = {
                    "model": model.name,
                    "name": app.name,
                    "port": self._port,
                    "strip-prefix": True,
                }
                data = {key: json.dumps(value) for key, value in requested.items()}
                relation.data[app].update(data)
