# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What applications ask of the gateway."""

from collections.abc import Iterator
from dataclasses import dataclass

from istio_ambient import authorization
from istio_ambient.interfaces import istio_ingress_route
from istio_ambient.interfaces.ingress import IngressRequirerData


@dataclass(frozen=True)
class IngressRequest:
    """The content of one application's databag, with what Juju and the endpoint add to it."""

    requester: authorization.Requester
    relation_id: int
    data: IngressRequirerData | istio_ingress_route.Configuration
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
    def configuration(self) -> istio_ingress_route.Configuration | None:
        """Listeners and routes; None for a request of interface `ingress`."""
        return None if isinstance(self.data, IngressRequirerData) else self.data

    @property
    def backends(self) -> Iterator[tuple[str, int]]:
        """Name and port of each Service that the request names."""
        if isinstance(self.data, IngressRequirerData):
            yield self.data.name, self.data.port
            return
        for _, route in (*self.data.http_routes, *self.data.grpc_routes):
            for backend in route.backends:
                yield backend.service, backend.port
