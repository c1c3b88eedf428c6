# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read of the cluster what decides about routes: as many requests whoever asks for how much."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lightkube.resources.core_v1 import Namespace, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from istio_ambient import authorization, ingress, kube
from istio_ambient.cluster import gateway_workloads
from istio_ambient.integrations import ingress_requests


@dataclass(frozen=True)
class Cluster:
    """What was read; see the members of the same names of `ingress.Facts`."""

    services: Mapping[tuple[str, str], ingress.Service]
    model_namespaces: Mapping[str, str] = field(default_factory=dict[str, str])
    named_ports: Mapping[tuple[str, str, str], frozenset[int]] = field(
        default_factory=dict[tuple[str, str, str], frozenset[int]]
    )
    node_address: str = ""


def read(
    client: kube.Client,
    model: str,
    app: str,
    asked: ingress_requests.Asked,
    *,
    cross_model: bool = False,
) -> Cluster:
    """Return the Services and what else is needed to judge what is asked for.

    Other models' Services and namespaces are only read where an application of another model asks,
    endpoints only where the number of a pod's port stands nowhere else, the gateway's pods only
    where clients reach it through nodes.

    Args:
        client: reads.
        model: our model.
        app: our application.
        asked: what applications ask for.
        cross_model: whether namespaces of other models have to be known for another reason.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    where = None if asked.cross_model else model
    services = ingress.services_of(kube.list_kind(client, Service, namespace=where) or ())
    elsewhere = asked.cross_model or cross_model
    namespaces = (kube.list_kind(client, Namespace) or ()) if elsewhere else ()
    slices: Iterable[EndpointSlice] = ()
    if ingress.need_named_ports(services, asked.services):
        slices = kube.list_kind(client, EndpointSlice, namespace=where) or ()
    gateway = services.get((model, ingress.workload_name(app)))
    by_nodes = gateway is not None and gateway.type == "NodePort"
    return Cluster(
        services=services,
        model_namespaces=authorization.model_namespaces(namespaces),
        named_ports=ingress.named_ports_of(slices),
        node_address=gateway_workloads.node_address(client, model, app) if by_nodes else "",
    )
