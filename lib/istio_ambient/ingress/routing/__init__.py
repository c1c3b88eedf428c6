# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From requests to the routes that are served: hosts, listeners, backends, conflicts. Pure.

Who has to authenticate is in `authentication`; the Kubernetes objects are in `objects`.
"""

from istio_ambient.ingress.routing._addresses import base_url
from istio_ambient.ingress.routing._backends import Backend
from istio_ambient.ingress.routing._exposure import Exposure, exposure
from istio_ambient.ingress.routing._hosts import intersection
from istio_ambient.ingress.routing._listeners import (
    DEFAULT_PORTS,
    Listener,
    listener_spec,
    secret_name,
)
from istio_ambient.ingress.routing._routes import OBJECT_NAME_LIMIT, Route

__all__ = [
    "DEFAULT_PORTS",
    "OBJECT_NAME_LIMIT",
    "Backend",
    "Exposure",
    "Listener",
    "Route",
    "base_url",
    "exposure",
    "intersection",
    "listener_spec",
    "secret_name",
]
