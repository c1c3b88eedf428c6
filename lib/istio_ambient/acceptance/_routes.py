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


def route_findings(
    routes: Iterable[kube.Manifest], now: datetime.datetime
) -> Iterator[kube.Readiness]:
    """Yield the routes that istiod should have looked at by now, and has not.

    Args:
        routes: HTTPRoutes and GRPCRoutes of ours, in JSON form.
        now: the time by the API server's clock.
    """
    for route in routes:
        metadata = route["metadata"]
        if "deletionTimestamp" in metadata or _is_seen(route) or not is_settled(route, now):
            continue
        what = f"{route['kind']} {metadata['namespace']}/{metadata['name']}"
        reason = "istiod has not looked at it, so it may not be served"
        since = written_at(route)
        yield kube.Readiness(
            what, ready=False, reason=reason, since=since, code=Code.ROUTE_NOT_SEEN
        )


def _is_seen(route: kube.Manifest) -> bool:
    """Return whether istiod has a condition on the route as it is now."""
    return any(
        status.get("controllerName") == GATEWAY_CONTROLLER
        and any(True for _ in kube.current_conditions(status, route))
        for status in kube.items(kube.section(route, "status"), "parents")
    )
