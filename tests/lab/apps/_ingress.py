# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The requirer's side of ingress v2, in the format of its published library."""

import json
from typing import Literal

import ops


class IngressRequirer(ops.Object):
    """Requests an ingress to the application's port.

    Values are JSON; keys at their default are left out.
    """

    def __init__(
        self,
        charm: ops.CharmBase,
        port: int,
        *,
        strip_prefix: bool = False,
        redirect_https: bool = False,
        scheme: Literal["http", "https", "h2c"] = "http",
        endpoint: str = "ingress",
    ):
        super().__init__(charm, endpoint)
        self._charm = charm
        self._endpoint = endpoint
        self._app_data = {"model": charm.model.name, "name": charm.app.name, "port": port} | {
            key: value
            for key, value, default in (
                ("strip-prefix", strip_prefix, False),
                ("redirect-https", redirect_https, False),
                ("scheme", scheme, "http"),
            )
            if value != default
        }
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

    @property
    def url(self) -> str | None:
        """The URL of the application, once the provider has published it."""
        for relation in self._charm.model.relations[self._endpoint]:
            if relation.active and (data := relation.data[relation.app].get("ingress")):
                return str(json.loads(data)["url"])
        return None

    def _publish(self, _: ops.EventBase) -> None:
        for relation in self._charm.model.relations[self._endpoint]:
            unit = self._charm.unit
            domain = f"{self._charm.app.name}-endpoints.{self._charm.model.name}"
            binding = self._charm.model.get_binding(relation)
            address = str(binding.network.bind_address) if binding else None
            host = f"{unit.name.replace('/', '-')}.{domain}.svc.cluster.local"
            relation.data[unit].update({"host": json.dumps(host), "ip": json.dumps(address)})
            if unit.is_leader():
                data = relation.data[self._charm.app]
                for key in {"strip-prefix", "redirect-https", "scheme"} - self._app_data.keys():
                    data.pop(key, None)
                data.update({key: json.dumps(value) for key, value in self._app_data.items()})
