# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the gateway and its routes are built from: plain values, whoever gathered them."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from istio_ambient import authorization
from istio_ambient.ingress.model._config import Config
from istio_ambient.ingress.model._forward_auth import ForwardAuth
from istio_ambient.ingress.model._request_auth import RequestAuth
from istio_ambient.ingress.model._requests import IngressRequest, RouteConfiguration
from istio_ambient.values.problems import Problem

GATEWAY_CLASS = "istio"


@dataclass(frozen=True)
class Certificate:
    """What the gateway proves its name with."""

    chain: str
    """PEM: the certificate, then those of its authorities."""
    key: str = field(repr=False)
    """PEM."""


@dataclass(frozen=True)
class Tls:
    """Whether clients are to be served over TLS, and with what."""

    wanted: bool = False
    """The certificates endpoint is related."""
    certificate: Certificate | None = None
    """None while there is none (yet)."""
    awaited: str = ""
    """Why the certificate that is wanted is not there, or not the one that is; empty: it is."""

    @property
    def pending(self) -> bool:
        """Whether clients have to wait for the certificate: no plain HTTP meanwhile."""
        return self.wanted and self.certificate is None


@dataclass(frozen=True)
class Upstream:
    """An ingress in front of this one."""

    app: str = ""
    """Its application; empty: none is related."""
    url: str = ""
    """Under which clients reach us through it, as `relations.ingress.parse_url` returns it; empty
    while it has not said so."""


@dataclass(frozen=True)
class ServicePort:
    """A TCP port of a Service."""

    port: int
    target: int | str
    """The pods' port, by number or by name."""
    name: str = ""


@dataclass(frozen=True)
class Service:
    """What matters here of a Kubernetes Service."""

    namespace: str
    name: str
    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: tuple[ServicePort, ...] = ()
    by_juju: bool = False
    """Juju made it, which it does for every application that it deploys."""
    external_name: bool = False
    """Leads out of the cluster, whatever its selector says."""
    type: str = "ClusterIP"
    address: str = ""
    """What the load balancer gave it: an IP address or a name."""
    node_ports: Mapping[int, int] = field(default_factory=dict[int, int])
    """Its ports as every node has them, by its own port."""
    created: datetime.datetime | None = None


@dataclass(frozen=True)
class Facts:
    """Everything that the desired objects follow from."""

    model: str
    app: str
    config: Config = field(default_factory=Config)
    replicas: int = 1
    pod_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels that the gateway's pods get."""
    requests: Sequence[IngressRequest] = ()
    """Of both `ingress` endpoints."""
    configurations: Sequence[RouteConfiguration] = ()
    """Of both `istio-ingress-route` endpoints."""
    tls: Tls = field(default_factory=Tls)
    upstream: Upstream = field(default_factory=Upstream)
    forward_auth: ForwardAuth = field(default_factory=ForwardAuth)
    request_auth: RequestAuth = field(default_factory=RequestAuth)
    authentication_in_force: frozenset[str] = frozenset()
    """Names of those of the policies of forward_auth and request_auth that are in the cluster."""
    services: Mapping[tuple[str, str], Service] = field(
        default_factory=dict[tuple[str, str], Service]
    )
    """By (namespace, name): of our own namespace, and of all where another model asks."""
    model_namespaces: Mapping[str, str] = field(default_factory=dict[str, str])
    """Namespace of a Juju model by its id; needed where another model asks."""
    named_ports: Mapping[tuple[str, str, str], frozenset[int]] = field(
        default_factory=dict[tuple[str, str, str], frozenset[int]]
    )
    """By (namespace, Service, name of its port): the pods' port numbers behind it."""
    scrapers: Sequence[authorization.AccessRequest] = ()
    """Requests to let in who scrapes our own units."""
    node_address: str = ""
    """Of a node that runs the gateway; read where its Service is reached through nodes."""
    cidrs_in_force: tuple[str, ...] | None = None
    """What the external-traffic policy of ours that is in the cluster lets in; None: none is."""
    pending: tuple[Problem, ...] = ()
    """What cannot be granted yet, found while reading databags; nobody has to do anything."""
    problems: tuple[Problem, ...] = ()
    """What was wrong with the data before it became requests."""

    @property
    def workload(self) -> str:
        """Name of the Deployment, Service and ServiceAccount that istiod makes."""
        return workload_name(self.app)

    @property
    def gateway_service(self) -> Service | None:
        """The Service that the load balancer serves, once istiod has made it."""
        return self.services.get((self.model, self.workload))


def workload_name(app: str) -> str:
    """Return the name of what istiod makes for the Gateway `app`."""
    return f"{app}-{GATEWAY_CLASS}"
