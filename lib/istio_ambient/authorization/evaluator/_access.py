# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""One line of the list of who may reach whom."""

import dataclasses
import enum

from istio_ambient.authorization.evaluator._request import DestinationKind
from istio_ambient.authorization.evaluator._verdict import PolicyRef, Proxy


class Client(enum.StrEnum):
    """The classes of clients, by what proxies learn about them."""

    ANY = "any"
    """All classes, clients outside of the mesh included."""
    MESH = "mesh"
    """Any identity, or any of a namespace; ingress gateways are listed on their own."""
    IDENTITY = "identity"
    """One identity: a Juju application, or another service account."""
    GATEWAY = "gateway"
    OUTSIDE = "outside"
    """Without an identity, such as pods that are not on the mesh."""


@dataclasses.dataclass(frozen=True, order=True)
class Access:
    """One class of clients that may reach one destination, and what it may do there."""

    source: str
    """Label of the class of clients: `shop/productpage`; `shop/*` is a whole namespace, `*/*` any
    source on the mesh, `*` any client, `outside` any client outside of the mesh."""
    destination: str
    """Namespace and name of the Service, or of the workload (its application)."""
    operations: str
    """The operations that are allowed: `GET /health, /details/*`; `everything`."""
    kind: DestinationKind = DestinationKind.SERVICE
    """SERVICE: at the Service's address; WORKLOAD: at its pods' own, past the waypoint."""
    ports: tuple[int, ...] = ()
    """Ports of the Service or of the pods, sorted; empty: all ports, but for `other_than`."""
    other_than: tuple[int, ...] = ()
    """Ports that are not among these, where `ports` is empty."""
    client: Client = Client.IDENTITY
    excluded: tuple[str, ...] = ()
    """Sources that `source` includes and that may do less or something else; listed on their own
    where they may do something."""
    pods: tuple[str, ...] = ()
    """Names of the pods, where an application has others that differ; empty: all its pods."""
    proxy: Proxy | None = dataclasses.field(default=Proxy.WAYPOINT, compare=False)
    """The proxy that allows it; after a waypoint, ztunnel allows the waypoint. None: no proxy of
    the mesh is on the way."""
    unless: tuple[str, ...] = ()
    """Requests that DENY policies, external authorizers or the pods' ztunnel deny all the same."""
    policies: tuple[PolicyRef, ...] = dataclasses.field(default=(), compare=False)
    """The rules that allow it, sorted; empty: no ALLOW policy applies to the destination."""
