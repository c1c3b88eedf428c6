# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Requests for routes: from databags to the facts of the ingress, and the answers to them."""

from collections.abc import Iterable, Mapping

from istio_ambient import ingress, kube
from istio_ambient.integrations.requesters import RequesterDatabag
from istio_ambient.interfaces import ingress as ingress_interface
from istio_ambient.interfaces import istio_ingress_route
from istio_ambient.values.problems import Problem

INGRESS = "ingress"
INGRESS_UNAUTHENTICATED = "ingress-unauthenticated"
ROUTE = "istio-ingress-route"
ROUTE_UNAUTHENTICATED = "istio-ingress-route-unauthenticated"

AUTHENTICATED = frozenset({INGRESS, ROUTE})
"""Endpoints whose routes require a login or a token, where these are on."""

_ROUTE_KEYS = (istio_ingress_route.EXTERNAL_HOST, istio_ingress_route.TLS_ENABLED)
KEYS: Mapping[str, tuple[str, ...]] = {
    INGRESS: (ingress_interface.URL_KEY,),
    INGRESS_UNAUTHENTICATED: (ingress_interface.URL_KEY,),
    ROUTE: _ROUTE_KEYS,
    ROUTE_UNAUTHENTICATED: _ROUTE_KEYS,
}
"""The keys that we write into our databags, by endpoint."""


def read(
    databags: Iterable[RequesterDatabag],
) -> tuple[tuple[ingress.IngressRequest, ...], tuple[Problem, ...]]:
    """Return the requests in the databags of the four endpoints of `KEYS`, and their problems."""
    requests: list[ingress.IngressRequest] = []
    problems: list[Problem] = []
    for databag in databags:
        app, endpoint = databag.requester.app, databag.requester.endpoint
        is_ingress = endpoint in (INGRESS, INGRESS_UNAUTHENTICATED)
        parse = ingress_interface.parse if is_ingress else istio_ingress_route.parse
        data, found = parse(databag.content, app=app, endpoint=endpoint)
        problems += found
        if data is not None:
            request = ingress.IngressRequest(
                requester=databag.requester,
                relation_id=databag.relation_id,
                data=data,
                authenticated=endpoint in AUTHENTICATED,
                complete=not found,
            )
            requests.append(request)
    return tuple(requests), tuple(problems)


def answers(found: ingress.Ingress, live: kube.Live) -> dict[int, dict[str, str]]:
    """Return the content of our databags by relation id; none for applications without a route.

    Args:
        found: with the routes that are served.
        live: the objects in the cluster: an answer is given once the route's object exists.
    """
    if not found.hosts.public:
        return {}
    host = istio_ingress_route.dump(found.hosts.public, tls=found.hosts.tls)
    result: dict[int, dict[str, str]] = dict.fromkeys(found.served.without_routes, host)
    for route in found.served.routes:
        kind = ingress.KINDS[route.protocol]
        if route.relation_id in found.served.clashing:
            continue
        if live.get(kind, route.name, route.namespace) is None:
            continue
        if route.requester.endpoint in (INGRESS, INGRESS_UNAUTHENTICATED):
            result[route.relation_id] = ingress_interface.dump(found.url(route))
        else:
            result[route.relation_id] = host
    return result
