# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Reads from the API server that routes depend on: as many for one application as for many."""

from collections.abc import Collection, Iterable, Sequence

from lightkube.resources.core_v1 import Namespace, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from istio_ambient import authorization, ingress, kube, resources
from istio_ambient.cluster import gateway_workloads


def read(
    client: kube.Client,
    gateway: ingress.GatewayRef,
    requests: Sequence[ingress.IngressRequest],
    live: kube.Live,
    *,
    route_namespaces: Collection[str] = (),
    cross_model: bool = False,
) -> ingress.Cluster:
    """Return the facts from the cluster that decide about requests and the gateway's address.

    Services and namespaces of other models are read only where a requester is of another model,
    EndpointSlices only where a target port is known by name only, the gateway's pods only where
    clients reach it through nodes. Routes of other owners are read in other namespaces only where
    these may have any.

    Args:
        client: for the API server.
        gateway: the Gateway.
        requests: of all applications.
        live: our own objects, routes among them.
        route_namespaces: whose routes the operator admits.
        cross_model: whether namespaces of other models are needed for another reason.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    elsewhere = any(request.requester.model_uuid for request in requests)
    where = None if elsewhere else gateway.namespace
    services = authorization.services_of(kube.list_kind(client, Service, namespace=where) or ())
    namespaces = (kube.list_kind(client, Namespace) or ()) if elsewhere or cross_model else ()
    slices: Iterable[EndpointSlice] = ()
    named = ((request.model, *backend) for request in requests for backend in request.backends)
    if ingress.need_named_ports(services, named):
        slices = kube.list_kind(client, EndpointSlice, namespace=where) or ()
    service = services.get((gateway.namespace, gateway.workload))
    node_address = ""
    if service is not None and service.type == "NodePort":
        node_address = gateway_workloads.node_address(client, gateway.namespace, gateway.name)
    return ingress.Cluster(
        services=services,
        model_namespaces=authorization.model_namespaces(namespaces),
        named_ports=ingress.named_ports_of(slices),
        foreign_routes=_foreign_routes(
            client, gateway, live, None if elsewhere or route_namespaces else gateway.namespace
        ),
        node_address=node_address,
    )


def _foreign_routes(
    client: kube.Client, gateway: ingress.GatewayRef, live: kube.Live, namespace: str | None
) -> tuple[ingress.AttachedRoute, ...]:
    listed = (
        route
        for kind in (resources.HTTPRoute, resources.GRPCRoute)
        for route in kube.list_kind(client, kind, namespace=namespace) or ()
    )
    foreign = (route for route in listed if kube.ref_of(route) not in live.objects)
    return ingress.attached_routes(foreign, gateway)
