# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A request that the evaluator decides about."""

import dataclasses
import enum
from collections.abc import Mapping

from istio_ambient.authorization import _requests


class DestinationKind(enum.StrEnum):
    """What a client connects to."""

    SERVICE = "Service"
    """The address of a Service: through the Service's waypoint, if it has one, then to a pod."""
    WORKLOAD = "Workload"
    """The address of any pod of an application: past the waypoint of its Services."""
    POD = "Pod"
    """The address of one pod."""


@dataclasses.dataclass(frozen=True, order=True)
class Destination:
    """Where a request is sent: a Service, the pods of an application, or one pod."""

    kind: DestinationKind
    namespace: str
    name: str
    """Of the Service, the application or the pod."""

    @classmethod
    def service(cls, namespace: str, name: str) -> "Destination":
        """Return a Service as a destination."""
        return cls(DestinationKind.SERVICE, namespace, name)

    @classmethod
    def workload(cls, namespace: str, application: str) -> "Destination":
        """Return the pods of an application (`app.kubernetes.io/name`) as a destination."""
        return cls(DestinationKind.WORKLOAD, namespace, application)

    @classmethod
    def pod(cls, namespace: str, name: str) -> "Destination":
        """Return a pod as a destination."""
        return cls(DestinationKind.POD, namespace, name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class ClientKind(enum.StrEnum):
    """How what sends a request is connected to the mesh, from which the way of a request follows.

    Without a source, `MESH` and `GATEWAY` have no meaning; `OUTSIDE` and `NODE` ignore the source.
    """

    MESH = "on the mesh"
    """A pod whose own ztunnel proves its identity; that need not be one of a Juju application."""
    OUTSIDE = "outside of the mesh"
    """A client in plain text, without an identity, which no waypoint is asked about."""
    NODE = "node"
    """A process on the node of the destination's pod: the kubelet with its probes, pods with
    `hostNetwork`. istio-cni gives its connections an address of their own (169.254.7.127), which
    the pod's rules let pass by ztunnel, on any port (istio.io/istio, cni/pkg/iptables). To pods of
    other nodes, it is `OUTSIDE`."""
    GATEWAY = "ingress gateway"
    """A proxy with an identity that bypasses waypoints, unless a Service asks for its own."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A request from a source to a destination.

    A member that is None is unspecified: it may have any value. The source is the exception.
    """

    source: str | None
    """`<namespace>/<service account>`, or a principal (`<trust domain>/ns/<…>/sa/<…>`); None: a
    client without an identity, which is one outside of the mesh."""
    destination: Destination
    port: int | None = None
    """Of the Service, where the destination is one; else of the pod."""
    method: str | None = None
    path: str | None = None
    """As in the request line, with the query if there is one."""
    host: str | None = None
    """The Host header, with a port where it has one."""
    headers: Mapping[str, str] | None = None
    """Names in lower case; a header that is not in here is not sent."""
    source_ip: str | None = None
    client: ClientKind | None = None
    """None: as the snapshot has it, where all pods of a source are off the mesh, or an ingress
    gateway runs as the source."""


def principal(source: str | None, trust_domain: str = _requests.TRUST_DOMAIN) -> str | None:
    """Return a source as policies name it: a SPIFFE id without its scheme.

    Args:
        source: `<namespace>/<service account>`, or a principal.
        trust_domain: of the mesh.
    """
    if source is None or "/ns/" in source:
        return source
    namespace, _, account = source.partition("/")
    return f"{trust_domain}/ns/{namespace}/sa/{account}"
