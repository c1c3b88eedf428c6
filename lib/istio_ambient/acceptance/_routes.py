# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether istiod has looked at routes: it writes conditions on each, for each of its parents.

See https://gateway-api.sigs.k8s.io/guides/implementers/#status. What the conditions say is read
where the listeners are known, in `ingress.reports`.
"""

import datetime
from collections.abc import Iterable, Iterator

from istio_ambient import kube
from istio_ambient.acceptance._policies import is_settled, written_at
from istio_ambient.values.problem_codes import Code

GATEWAY_CONTROLLER = "istio.io/gateway-controller"
"""The name with which istiod reports on routes; other controllers may report on them too."""


def has_seen_any(routes: Iterable[kube.Manifest]) -> bool:
    """Return whether istiod has looked at one of the routes as it is now."""
    return any(map(_is_seen, routes))


def route_findings(
    routes: Iterable[kube.Manifest], now: datetime.datetime
) -> Iterator[kube.Readiness]:
    """Yield one finding about the routes that istiod should have looked at, and has not.

    Args:
        routes: HTTPRoutes and GRPCRoutes of ours, in JSON form.
        now: the time by the API server's clock.
    """
    unseen = [
        route
        for route in routes
        if "deletionTimestamp" not in route["metadata"]
        and not _is_seen(route)
        and is_settled(route, now)
    ]
    if unseen:
        metadata = unseen[0]["metadata"]
        first = f"{unseen[0]['kind']} {metadata['namespace']}/{metadata['name']}"
        yield kube.Readiness(
            first if len(unseen) == 1 else f"{first} and {len(unseen) - 1} more",
            ready=False,
            reason="istiod has not looked at it, so it may not be served",
            since=min(filter(None, map(written_at, unseen)), default=None),
            code=Code.ROUTE_NOT_SEEN,
        )


def _is_seen(route: kube.Manifest) -> bool:
    """Return whether istiod has a condition on the route as it is now."""
    return any(
        status.get("controllerName") == GATEWAY_CONTROLLER
        and any(True for _ in kube.current_conditions(status, route))
        for status in kube.items(kube.section(route, "status"), "parents")
    )
