# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The address at which clients reach the gateway, by the type of its Service."""

import datetime
from collections.abc import Mapping

import msgspec

from istio_ambient import gateways, kube
from istio_ambient.ingress.model import Cluster, GatewayRef
from istio_ambient.values.problem_codes import Code

HTTP_PORT, HTTPS_PORT = 80, 443


class Address(msgspec.Struct, frozen=True):
    """The address that the cluster gives the gateway."""

    host: str = ""
    """IP address or DNS name; empty: none yet."""
    node_ports: Mapping[int, int] = msgspec.field(default_factory=dict[int, int])
    """Ports at the address by port of the listener, where the two differ."""
    balanced: bool = True
    """It is a load balancer's: clients use its name as the host of their requests."""


def address_of(gateway: GatewayRef, cluster: Cluster) -> Address:
    """Return the address of the gateway's Service, as the cluster shows it.

    LoadBalancer: the address that the load balancer assigned. NodePort: a node that runs the
    gateway, which answers with either traffic policy, and the ports of the nodes. ClusterIP: the
    DNS name of the Service, for clients within the cluster.
    """
    service = cluster.services.get((gateway.namespace, gateway.workload))
    if service is None:
        return Address()
    if service.type == "NodePort":
        return Address(cluster.node_address, service.node_ports, balanced=False)
    if service.type == "ClusterIP":
        return Address(f"{service.name}.{service.namespace}.svc.cluster.local", balanced=False)
    return Address(service.address)


def address_readiness(
    gateway: GatewayRef,
    cluster: Cluster,
    settings: gateways.Settings | None,
    live: kube.Manifest,
) -> kube.Readiness:
    """Return whether the gateway has an address, and otherwise what it waits for.

    Args:
        gateway: the Gateway.
        cluster: has the Service that istiod made for it, if it did.
        settings: the operator's options, with the type of the Service; None: invalid.
        live: the Gateway as it is in the cluster, in JSON form.
    """
    service = cluster.services.get((gateway.namespace, gateway.workload))
    reason = ""
    if service is None:
        reason = "istiod has not made it yet"
    elif settings and service.type != settings.service_type:
        reason = f"istiod has not made it {settings.service_type} yet: it is {service.type}"
    elif not address_of(gateway, cluster).host and service.type == "NodePort":
        reason = "no node runs a pod of the gateway yet"
    elif not address_of(gateway, cluster).host:
        reason = "no address from the load balancer: has the cluster one (MetalLB, the cloud's)?"
    return kube.Readiness(
        what=f"Service {gateway.workload}",
        ready=not reason,
        reason=reason,
        since=unprogrammed_since(live) or (service.created if service else None),
        code=Code.NO_ADDRESS,
    )


def unprogrammed_since(live: kube.Manifest) -> datetime.datetime | None:
    """Return since when a Gateway has not been programmed, which requires an address.

    None where it is programmed, or where its controller has not reported yet.
    """
    for condition in live.get("status", {}).get("conditions") or ():
        # Until a controller looks at it, the status is Unknown and the time is 1970.
        if condition.get("type") == "Programmed" and condition.get("status") == "False":
            return kube.time_of(condition.get("lastTransitionTime"))
    return None
