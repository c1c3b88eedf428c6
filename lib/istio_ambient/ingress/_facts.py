# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the gateway and its routes are built from: plain values, whoever gathered them."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from istio_ambient import mesh
from istio_ambient.problems import Problem

GATEWAY_CLASS = "istio"


@dataclass(frozen=True)
class Config:
    """The charm's options, as Juju gives them."""

    external_hostname: str = ""
    listener_hostname: str | None = None
    """None where unset; empty for a listener that takes any hostname."""
    external_traffic_policy_cidrs: str = "0.0.0.0/0"
    """Comma-separated; empty: nobody."""


@dataclass(frozen=True)
class Request:
    """One application that wants to be reached at `/<model>-<name>`."""

    asker: mesh.Asker
    relation_id: int
    model: str
    """Where it runs, by its own account."""
    name: str
    """Of its Service there."""
    port: int
    """Of the Service."""
    strip_prefix: bool = False
    scheme: str = "http"

    @property
    def order(self) -> tuple[str, str, int]:
        """What requests are sorted by."""
        return self.asker.app, self.asker.endpoint, self.relation_id


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
    address: str = ""
    """What the load balancer gave it: an IP address or a name."""
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
    requests: Sequence[Request] = ()
    services: Mapping[tuple[str, str], Service] = field(
        default_factory=dict[tuple[str, str], Service]
    )
    """By (namespace, name): of our own namespace, and of all where another model asks."""
    model_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    """Juju model ids of namespaces; needed where another model asks."""
    named_ports: Mapping[tuple[str, str, str], frozenset[int]] = field(
        default_factory=dict[tuple[str, str, str], frozenset[int]]
    )
    """By (namespace, Service, name of its port): the pods' port numbers behind it."""
    cidrs_in_force: tuple[str, ...] | None = None
    """What the external-traffic policy of ours that is in the cluster lets in; None: none is."""
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
