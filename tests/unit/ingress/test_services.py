# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What is taken out of Services, namespaces and endpoint slices."""

from typing import Any

import pytest
from istio_ambient import authorization, ingress, kube
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice


def loaded(kind: kube.ResourceType, manifest: dict[str, Any]) -> kube.Resource:
    return kind.from_dict(manifest)


def service(spec: dict[str, Any], **status: Any) -> authorization.ServiceFacts:
    manifest = {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "labels": {"app.kubernetes.io/managed-by": "juju"},
            "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": spec,
        "status": {"loadBalancer": status},
    }
    return authorization.services_of([loaded(Service, manifest)])[("shop", "web")]


def test_tcp_ports_with_their_targets():
    ports: list[dict[str, Any]] = [
        {"name": "a", "port": 80, "targetPort": 8080},
        {"name": "b", "port": 81, "targetPort": "web", "protocol": "TCP"},
        {"port": 82},
        {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
    ]
    found = service({"ports": ports, "selector": {"app.kubernetes.io/name": "web"}})
    assert [(p.port, p.target) for p in found.ports] == [(80, 8080), (81, "web"), (82, 82)]
    assert found.by_juju
    assert found.created is not None
    assert found.selector == {"app.kubernetes.io/name": "web"}


@pytest.mark.parametrize(
    ("entries", "address"),
    [
        ([], ""),
        ([{"ip": "203.0.113.1"}], "203.0.113.1"),
        ([{"hostname": "lb.example.com"}], "lb.example.com"),
        ([{}, {"ip": "2001:db8::1"}], "2001:db8::1"),
    ],
)
def test_the_address_that_the_load_balancer_gave(entries: list[dict[str, str]], address: str):
    assert service({}, ingress=entries).address == address


def test_a_service_that_leads_out_of_the_cluster():
    assert service({"type": "ExternalName", "externalName": "example.com"}).external_name


def test_ports_by_name_are_those_of_the_endpoints():
    def endpoints(name: str, port: int, protocol: str = "TCP") -> kube.Resource:
        metadata = {
            "name": f"{name}-{port}",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": name},
        }
        ports = [{"name": "http", "port": port, "protocol": protocol}]
        return loaded(
            EndpointSlice,
            {"metadata": metadata, "addressType": "IPv4", "endpoints": [], "ports": ports},
        )

    found = ingress.named_ports_of(
        [endpoints("a", 1), endpoints("a", 2), endpoints("b", 3), endpoints("a", 4, "UDP")]
    )
    assert found == {("shop", "a", "http"): {1, 2}, ("shop", "b", "http"): {3}}


def test_endpoints_are_needed_only_for_wanted_ports_known_by_name():
    ports = [{"port": 80, "targetPort": "web"}, {"port": 81, "targetPort": 81}]
    services = {("shop", "web"): service({"ports": ports})}
    assert ingress.need_named_ports(services, [("shop", "web", 80)])
    assert not ingress.need_named_ports(services, [("shop", "web", 81), ("shop", "gone", 80)])
