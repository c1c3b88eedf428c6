# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What applications ask of the gateway."""

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from istio_ambient import authorization
from istio_ambient.interfaces.ingress import IngressRequirerData
from istio_ambient.interfaces.istio_ingress_route import Configuration, GrpcRoute, HttpRoute

PlacedRoute: TypeAlias = tuple[str, HttpRoute | GrpcRoute]
"""A route with its place in the databag: `http_routes[2]`."""


class IngressRequest(msgspec.Struct, frozen=True):
    """The content of one application's databag, with what Juju and the endpoint add to it."""

    requester: authorization.Requester
    relation_id: int
    data: IngressRequirerData | Configuration
    """Of interface `ingress` or `istio_ingress_route`."""
    authenticated: bool = True
    """Its routes require a login or a token, where forward-auth or istio-request-auth is on."""
    complete: bool = True
    """False: some entries of the databag were invalid, and are left out of `data`."""

    @property
    def model(self) -> str:
        """The model that the requester says it runs in."""
        return self.data.model

    @property
    def order(self) -> tuple[str, str, int]:
        """The sort key of requests."""
        return self.requester.app, self.requester.endpoint, self.relation_id

    @property
    def routes(self) -> tuple[PlacedRoute, ...]:
        """The routes of a configuration; none for a request of interface `ingress`."""
        if isinstance(self.data, IngressRequirerData):
            return ()
        return (*self.data.http_routes, *self.data.grpc_routes)

    @property
    def ports(self) -> set[int]:
        """The ports that a configuration asks the gateway to listen on."""
        listeners = () if isinstance(self.data, IngressRequirerData) else self.data.listeners
        used = (route.listener.port for _, route in self.routes)
        return {*(listener.port for listener in listeners), *used}

    @property
    def backends(self) -> Iterator[tuple[str, int]]:
        """Name and port of each Service that the request names."""
        if isinstance(self.data, IngressRequirerData):
            yield self.data.name, self.data.port
        for _, route in self.routes:
            for backend in route.backends:
                yield backend.service, backend.port
