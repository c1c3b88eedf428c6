# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What `check` says of a request from outside."""

from typing import Any

from istio_ambient.ingress.reports import ingress_trace, lookup

from tests.unit.authorization.evaluator import samples

GATEWAY = {
    "metadata": {"name": "gate", "namespace": "shop"},
    "spec": {
        "gatewayClassName": "istio",
        "listeners": [{"name": "http-80", "port": 80, "protocol": "HTTP"}],
    },
}
ROUTE = {
    "kind": "HTTPRoute",
    "metadata": {"name": "details", "namespace": "shop"},
    "spec": {
        "parentRefs": [{"name": "gate"}],
        "rules": [{"backendRefs": [{"name": "details", "port": 80}]}],
    },
}
TO_GATE = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gate"}]
LOGIN = samples.policy(
    "login", targetRefs=TO_GATE, action="CUSTOM", provider={"name": "login"}, rules=[{}]
)
ALWAYS = ["NetworkPolicies", "connections that are open already"]
EXTENSIONS = "EnvoyFilters and WasmPlugins at its proxies"


def trace(
    url: str, *policies: dict[str, Any], backend: Any = None, **changes: Any
) -> ingress_trace.IngressTrace:
    services = (samples.service(labels=backend),)
    gateways = (samples.gateway(), GATEWAY)
    snapshot = samples.snapshot(
        *policies, services=services, gateways=gateways, auto_allow=False, **changes
    )
    request = lookup.ClientRequest.of_url(url)
    return ingress_trace.ingress_trace(request, "192.0.2.7", GATEWAY, [ROUTE], snapshot)


def not_weighed(found: ingress_trace.IngressTrace) -> list[str]:
    """The same in text and JSON."""
    listed = ingress_trace.data(found)["not-weighed"]
    assert ingress_trace.text(found).endswith(f"\n\nnot weighed: {'; '.join(listed)}")
    return listed


def test_check_says_what_it_does_not_weigh():
    assert not_weighed(trace("http://h/")) == [EXTENSIONS, *ALWAYS]
    assert not_weighed(trace("http://h:81/")) == ALWAYS
    unread = trace("http://h/", LOGIN, unread=("PeerAuthentications",))
    assert not_weighed(unread) == [
        "PeerAuthentications (cannot be read)",
        "whether the external authorizer is known to the mesh",
        "what the external authorizer answers",
        EXTENSIONS,
        *ALWAYS,
    ]
    by_waypoint = trace("http://h/", backend={"istio.io/ingress-use-waypoint": "true"})
    assert not_weighed(by_waypoint)[0] == "routes (HTTPRoute, GRPCRoute) at waypoints"


def test_a_decision_is_said_once():
    everybody = samples.policy("everybody", targetRefs=TO_GATE, rules=[{}])
    lines = ingress_trace.data(trace("http://h/", everybody))["policies"]
    assert lines == ["gateway shop/gate: allowed by an ALLOW policy (shop/everybody rule 0)"]
