# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio_ingress_route: the published requirer library and we read each other."""

import ops
import pytest
from charmlibs.interfaces import istio_ingress_route as published
from istio_ambient.interfaces import istio_ingress_route
from ops import testing

GRPC = published.Listener(port=9096, protocol=published.ProtocolType.GRPC)
CALLS = published.GRPCRoute(
    name="calls",
    listener=GRPC,
    matches=[published.GRPCRouteMatch(method=published.GRPCMethodMatch(service="a.B"))],
    backends=[published.BackendRef(service="requirer", port=9096)],
)


class RequirerCharm(ops.CharmBase):
    """Requests a route in every hook in which the library allows it."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.routes = published.IstioIngressRouteRequirer(self, "routes")
        framework.observe(self.routes.on.ready, self._on_ready)

    def _on_ready(self, _: ops.EventBase) -> None:
        config = published.IstioIngressRouteConfig(
            model=self.model.name, listeners=[GRPC], grpc_routes=[CALLS]
        )
        self.routes.submit_config(config)


@pytest.mark.parametrize("tls", [True, False])
def test_requirer_and_provider_read_each_other(tls: bool):
    relation = testing.Relation(
        "routes", remote_app_data=istio_ingress_route.dump("apps.example.com", tls=tls)
    )
    context = testing.Context(
        RequirerCharm,
        meta={"name": "requirer", "requires": {"routes": {"interface": "istio_ingress_route"}}},
    )
    state = testing.State(
        leader=True, relations={relation}, model=testing.Model("shop", uuid="0" * 32)
    )
    with context(context.on.relation_changed(relation), state) as manager:
        after = manager.run()
        routes = manager.charm.routes
        assert (routes.external_host, routes.tls_enabled) == ("apps.example.com", tls)
    written = after.get_relation(relation.id).local_app_data
    found, problems = istio_ingress_route.parse(written, app="requirer", endpoint="routes")
    assert problems == []
    assert found is not None
    assert (found.model, [listener.port for listener in found.listeners]) == ("shop", [9096])
    ((place, route),) = found.grpc_routes
    assert (place, route.name, route.backends[0].service) == (
        "grpc_routes[0]",
        "calls",
        "requirer",
    )
