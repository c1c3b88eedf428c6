# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The backends of routes that nothing answers at yet: the status, and what is watched. Pure.

Their routes are in the cluster all the same, and answer 500 (503 where only pods are missing)
until the application makes its Service or opens the port. Many do so long after they ask.
"""

import datetime
from collections.abc import Iterator

from istio_ambient import kube
from istio_ambient.ingress import Ingress
from istio_ambient.ingress.objects import KINDS
from istio_ambient.ingress.routing import MissingBackend, Route
from istio_ambient.values import shares
from istio_ambient.values.problem_codes import Code

MAX_WATCHED = 16
"""Backends that one unit tries to connect to."""


def missing_backends(ingress: Ingress, live: kube.Live) -> Iterator[kube.Readiness]:
    """Yield the missing backends of routes that are in the cluster.

    Each waits since its route was made, or its Service was written last: whichever was later.

    Args:
        ingress: with the routes that are served.
        live: our objects as they are in the cluster.
    """
    routes = (route for route in ingress.served.routes if route.missing)
    for route in dict.fromkeys(routes):
        obj = live.get(KINDS[route.protocol], route.name, route.namespace)
        made: datetime.datetime | None = obj.metadata.creationTimestamp if obj else None
        for missing in route.missing if made else ():
            yield kube.Readiness(
                what=_name(route),
                ready=False,
                reason=missing.reason,
                since=max(filter(None, (made, missing.since))),
                told_late=True,
                code=Code.BACKEND_MISSING,
            )


def pending(ingress: Ingress) -> Iterator[kube.Readiness]:
    """Yield the missing backends of all routes that are served, however short they are missing."""
    for route in dict.fromkeys(ingress.served.routes):
        for missing in route.missing:
            yield kube.Readiness(
                _name(route), ready=False, reason=missing.reason, code=Code.BACKEND_MISSING
            )


def watched(ingress: Ingress) -> list[tuple[str, int]]:
    """Return host and port of the missing backends, sorted: to be connected to until one answers.

    At most `MAX_WATCHED`, of each application in turn; the others are found by the next event, at
    the latest update-status.
    """
    found: dict[str, set[tuple[str, int]]] = {}
    for route in ingress.served.routes:
        found.setdefault(route.requester.app, set()).update(map(_address, route.missing))
    return shares.in_turn(found, MAX_WATCHED)


def _name(route: Route) -> str:
    return f"{route.requester.endpoint} of {route.requester.app}"


def _address(missing: MissingBackend) -> tuple[str, int]:
    return f"{missing.service}.{missing.namespace}.svc", missing.port
