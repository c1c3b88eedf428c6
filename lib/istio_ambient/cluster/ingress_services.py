# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Reads from the API server that routes depend on: as many for one application as for many."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
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
    authorizer: ingress.AuthorizerService | None = None,
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
        authorizer: the Service of the external authorizer; None: no login is required.
        route_namespaces: whose routes the operator admits.
        cross_model: whether namespaces of other models are needed for another reason.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    requesters = [request.requester for request in requests]
    if authorizer is not None:
        requesters.append(authorizer.requester)
    elsewhere = any(requester.model_uuid for requester in requesters)
    where = None if elsewhere else gateway.namespace
    admitted = None if elsewhere or route_namespaces else gateway.namespace
    listed, foreign_routes = kube.read_together(
        lambda: kube.list_kind(client, Service, namespace=where) or (),
        lambda: _foreign_routes(client, gateway, live, admitted),
    )
    services = authorization.services_of(listed)
    namespaces = (kube.list_kind(client, Namespace) or ()) if elsewhere or cross_model else ()
    model_namespaces = authorization.model_namespaces(namespaces)
    named = [
        (model_namespaces.get(request.requester.model_uuid, request.model), *backend)
        for request in requests
        for backend in request.backends
    ]
    if authorizer is not None:
        named.append((authorizer.namespace, authorizer.name, authorizer.port))
    slices: Iterable[EndpointSlice] = ()
    if ingress.need_named_ports(services, named):
        slices = kube.list_kind(client, EndpointSlice, namespace=where) or ()
    return ingress.Cluster(
        services=services,
        model_namespaces=model_namespaces,
        named_ports=ingress.named_ports_of(slices),
        foreign_routes=foreign_routes,
        node_address=_node_address(client, gateway, services),
    )


def _node_address(
    client: kube.Client,
    gateway: ingress.GatewayRef,
    services: Mapping[tuple[str, str], authorization.ServiceFacts],
) -> str:
    """Return the address of a node that runs the gateway; empty: clients need none."""
    service = services.get((gateway.namespace, gateway.workload))
    if service is None or service.type != "NodePort":
        return ""
    return gateway_workloads.node_address(client, gateway.namespace, gateway.name)


def live_routes(live: kube.Live, gateway: ingress.GatewayRef) -> tuple[ingress.AttachedRoute, ...]:
    """Return our own routes in the cluster."""
    kinds = ingress.KINDS.values()
    return ingress.attached_routes((route for kind in kinds for route in live.of(kind)), gateway)


def in_force(
    client: kube.Client, found: ingress.Ingress, live: kube.Live, unguarded: frozenset[str]
) -> ingress.Facts:
    """Return the facts after a hook's writes: the policies in the cluster, and accepted routes.

    Routes without authentication that this hook wrote are looked for until istiod has answered.

    Args:
        client: for reads only.
        found: what this hook wrote.
        live: our objects after the writes.
        unguarded: policies at the gateway that are missing.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    facts = found.facts
    if unguarded:
        return msgspec.structs.replace(facts, unguarded=unguarded)
    if not facts.needs_authentication:
        return facts
    kinds = tuple(ingress.KINDS.values())
    routes = live_routes(live, facts.gateway)
    waiting = {route.ref for route in found.authentication.waiting}

    def read() -> tuple[ingress.AttachedRoute, ...]:
        return live_routes(kube.read_live(client, live.identity, kinds), facts.gateway)

    if any(route.ref in waiting for route in routes):
        routes = kube.read_until(
            read, lambda seen: all(r.accepted is not None for r in seen if r.ref in waiting)
        )
    policies = ingress.authentication_in_force(live)
    if (routes, policies) == (facts.live_routes, facts.authentication_in_force):
        return facts
    return msgspec.structs.replace(facts, live_routes=routes, authentication_in_force=policies)


def _foreign_routes(
    client: kube.Client, gateway: ingress.GatewayRef, live: kube.Live, namespace: str | None
) -> tuple[ingress.AttachedRoute, ...]:
    # Without a label: those who change labels between two LISTs would hide routes from us.
    listed = (
        route
        for kind in (resources.HTTPRoute, resources.GRPCRoute)
        for route in kube.list_kind(client, kind, namespace=namespace) or ()
    )
    foreign = (route for route in listed if kube.ref_of(route) not in live.objects)
    return ingress.attached_routes(foreign, gateway)
