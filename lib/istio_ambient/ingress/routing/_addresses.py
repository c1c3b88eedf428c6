# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Where clients reach the gateway, by the type of its Service."""

import dataclasses
import datetime
from collections.abc import Mapping

from istio_ambient import kube
from istio_ambient.ingress.model import Facts
from istio_ambient.ingress.routing import _hosts
from istio_ambient.ingress.routing._listeners import (
    DEFAULT_PORTS,
    HTTP_PORT,
    HTTPS_PORT,
    Listener,
    serving,
)


@dataclasses.dataclass(frozen=True)
class Address:
    """What the cluster gives a client to connect to."""

    host: str = ""
    """IP address or DNS name; empty: nothing yet."""
    node_ports: Mapping[int, int] = dataclasses.field(default_factory=dict[int, int])
    """Where the ports of listeners are reached by other numbers."""
    balanced: bool = True
    """Whether it is a load balancer's, whose name is a name that clients use."""


def address_of(facts: Facts) -> Address:
    """Return where the gateway's Service is reached, as it is now.

    LoadBalancer: what the load balancer gave. NodePort: a node that runs the gateway, which
    answers with either traffic policy, at the ports of the nodes. ClusterIP: the Service's name,
    from within the cluster.
    """
    service = facts.gateway_service
    if service is None:
        return Address()
    if service.type == "NodePort":
        return Address(facts.node_address, service.node_ports, balanced=False)
    if service.type == "ClusterIP":
        return Address(f"{service.name}.{service.namespace}.svc.cluster.local", balanced=False)
    return Address(service.address)


def hosts_of(facts: Facts) -> _hosts.Hosts:
    """Return the hostnames to use.

    `external_hostname` is published as it is, without a port: whatever it names stands in front.
    So is what an upstream ingress says, for it names that ingress; the rest is our own.
    """
    own, url = _own_hosts(facts), facts.upstream.url
    if not url:
        return own
    scheme, _, public = url.partition("://")
    return dataclasses.replace(own, public=public, tls=scheme == "https")


def _own_hosts(facts: Facts) -> _hosts.Hosts:
    address, tls = address_of(facts), facts.tls.wanted
    found = dataclasses.replace(_hosts.hosts(facts.config, address.host), tls=tls)
    if address.balanced:
        return found
    # Nobody outside calls a node or a Service by the name that the cluster has for it.
    alone = _hosts.hosts(facts.config, "")
    public = alone.public
    if not public and found.public:
        port = HTTPS_PORT if tls else HTTP_PORT
        number = address.node_ports.get(port, port)
        public = found.public if number == port else f"{found.public}:{number}"
    return dataclasses.replace(found, listener=alone.listener, public=public)


def base_url(listener: Listener, facts: Facts) -> str:
    """Return what URLs at a listener begin with, whatever is in front; empty: not known yet.

    What applications are told, for the listener that serves them; the number that nodes have for
    the port of any other.
    """
    found = hosts_of(facts)
    if listener == serving(HTTP_PORT, facts):
        return found.url
    host = _hosts.hosts(facts.config, "").public
    port = listener.port
    if not host:
        address = address_of(facts)
        host = _hosts.hosts(facts.config, address.host).public
        port = address.node_ports.get(port, port)
    shown = "" if port == DEFAULT_PORTS[listener.scheme] else f":{port}"
    return f"{listener.scheme}://{host}{shown}" if host else ""


def address_readiness(facts: Facts, live: kube.Manifest) -> kube.Readiness:
    """Return whether the gateway has an address, and else what it waits for.

    Args:
        facts: what is wanted, and the Service as it is.
        live: the Gateway as it is.
    """
    service = facts.gateway_service
    created = service.created if service else None
    return kube.Readiness(
        what=f"Service {facts.workload}",
        ready=not (reason := _missing(facts)),
        reason=reason,
        since=unprogrammed_since(live) or created,
    )


def _missing(facts: Facts) -> str:
    service, settings = facts.gateway_service, facts.config.gateway
    if service is None:
        return "istiod has not made it yet"
    if settings and service.type != settings.service_type:
        return f"istiod has not made it {settings.service_type} yet: it is {service.type}"
    if address_of(facts).host:
        return ""
    if service.type == "NodePort":
        return "no node runs a pod of the gateway yet"
    return "no address from the load balancer: has the cluster one (MetalLB, the cloud's)?"


def unprogrammed_since(live: kube.Manifest) -> datetime.datetime | None:
    """Return since when a Gateway has not been programmed, which it is not without an address.

    None where it is, or where its controller has not said so.
    """
    for condition in live.get("status", {}).get("conditions") or ():
        # Until a controller looks at it, the status is Unknown and the time is 1970.
        if condition.get("type") == "Programmed" and condition.get("status") == "False":
            return datetime.datetime.fromisoformat(condition["lastTransitionTime"])
    return None
