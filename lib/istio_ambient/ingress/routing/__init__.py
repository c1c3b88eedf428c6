# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From requests to the routes that are served. Pure.

In the order of the pipeline: `_addresses`, `_hosts`, `_listeners`, `_backends`, `_matches`,
`_routes`, `_held`, `_conflicts`, `_served`. Which routes need authentication is in
`authentication`; the Kubernetes objects are in `objects`.
"""

from istio_ambient.ingress.model import Match, PathType, Protocol
from istio_ambient.ingress.routing._addresses import Address, address_of
from istio_ambient.ingress.routing._backends import Backends, BackendService, MissingBackend
from istio_ambient.ingress.routing._held import Held, held, own_routes
from istio_ambient.ingress.routing._hosts import Hosts, covers, hosts, intersection
from istio_ambient.ingress.routing._listeners import (
    Listener,
    Listeners,
    listener_spec,
    listeners,
    secret_name,
)
from istio_ambient.ingress.routing._routes import OBJECT_NAME_LIMIT, Route, Scheme, answers_to
from istio_ambient.ingress.routing._served import Served, served

__all__ = [
    "OBJECT_NAME_LIMIT",
    "Address",
    "BackendService",
    "Backends",
    "Held",
    "Hosts",
    "Listener",
    "Listeners",
    "Match",
    "MissingBackend",
    "PathType",
    "Protocol",
    "Route",
    "Scheme",
    "Served",
    "address_of",
    "answers_to",
    "covers",
    "held",
    "hosts",
    "intersection",
    "listener_spec",
    "listeners",
    "own_routes",
    "secret_name",
    "served",
]
