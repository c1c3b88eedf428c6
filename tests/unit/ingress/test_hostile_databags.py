# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever applications write into databags: from the raw text to routes, objects and status.

Nothing crashes, no route or policy is wider than what the published library reads in the same
text, and whoever asks for what is right has it, whatever the others send.
"""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import hypothesis
import pytest
from charmlibs.interfaces import istio_ingress_route as published
from hypothesis import strategies as st
from istio_ambient import authorization, ingress
from istio_ambient.charm import status
from istio_ambient.ingress.routing import _routes
from istio_ambient.integrations import ingress_requests
from istio_ambient.integrations.requesters import RequesterDatabag

from tests.unit.ingress.samples import facts, objects, service
from tests.unit.interfaces import hostile

NEIGHBOUR = {"model": '"shop"', "name": '"reviews"', "port": "80"}
OWN, FOREIGN = "tempo", ("reviews", "open", "gone")
SERVICES = (
    service(OWN, port=80),
    service("reviews", port=80),
    service("open", port=80, selector={}),
    service(OWN, namespace="bank", port=80),
)


def known(endpoint: str, databag: Mapping[str, str]) -> ingress.Facts:
    """Return what the charm would know of this databag of tempo, and of a good one of reviews."""
    requests, problems = ingress_requests.read(
        [
            RequesterDatabag(authorization.Requester(OWN, endpoint), 1, databag),
            RequesterDatabag(authorization.Requester("reviews", "ingress"), 2, NEIGHBOUR),
        ]
    )
    return facts(*requests, services=SERVICES, problems=problems)


def check(given: ingress.Facts) -> list[_routes.Route]:
    """Check what holds whatever tempo says; return its routes."""
    found = objects(given)
    assert "HTTPRoute shop/reviews-httproute-http-80-gate" in found
    reviews, tempo = (f"AuthorizationPolicy shop/{app}-gate-shop-l4" for app in ("reviews", OWN))
    assert reviews in found
    for name, manifest in found.items():
        if name.endswith("-l4") and name != reviews:
            assert name == tempo
            assert manifest["spec"]["selector"]["matchLabels"] == {authorization.NAME_LABEL: OWN}
            (rule,) = manifest["spec"]["rules"]
            assert rule["from"] and rule["to"] == [{"operation": {"ports": ["80"]}}]
    problems = ingress.desired(ingress.resolve(given)).problems
    for problem in problems:
        assert problem.app == OWN
        assert problem.message and problem.remedy
    assert status.status_of(status.Findings(problems=list(problems)), 100).message.isprintable()
    return [route for route in ingress.resolve(given).served.routes if route.requester.app == OWN]


def asked(route: _routes.Route, text: str) -> published.HTTPRoute | published.GRPCRoute:
    """Return what the published library reads where a route is said to stand."""
    key, _, number = route.field.rstrip("]").partition("[")
    entry = json.loads(text)[key][int(number)]
    kind = published.HTTPRoute if key == "http_routes" else published.GRPCRoute
    return kind.model_validate(entry)


Wish = tuple[str, str, str, tuple[tuple[str, str], ...]]


def wishes(route: published.HTTPRoute | published.GRPCRoute) -> set[Wish]:
    """Return kind of path, path, method and headers of what is asked for."""
    found: set[Wish] = set()
    for match in route.matches or [published.HTTPRouteMatch()]:
        headers = {name.lower(): value for name, value in (match.headers or {}).items()}
        kind, path, method = "PathPrefix", "/", ""
        if isinstance(match, published.GRPCRouteMatch):
            if match.method:
                path = "/".join(["", match.method.service, *filter(None, [match.method.method])])
                kind = "Exact" if match.method.method else "PathPrefix"
        else:
            if match.path:
                kind, path = match.path.type.value, match.path.value
            method = match.method.value if match.method else ""
        path = path.rstrip("/") or "/" if kind == "PathPrefix" else path
        found.add((kind, path, method, tuple(sorted(headers.items()))))
    return found


@pytest.mark.slow
@hypothesis.given(hostile.configurations(OWN, *FOREIGN))
@hypothesis.settings(max_examples=500, deadline=None)
def test_any_configuration_of_routes(text: str):
    given = known("istio-ingress-route", {"config": text})
    for route in check(given):
        wish = asked(route, text)
        assert {
            (match.path_type.value, match.path, match.method, match.headers)
            for match in route.matches
        } == wishes(wish)
        assert set(route.hostnames) == {host.lower() for host in wish.hostnames or ()}
        assert route.listener.port == wish.listener.port not in range(15000, 15100)
        services = {(each.service, each.port) for each in wish.backends}
        if route.redirect is None:
            assert {(each.service, each.port) for each in route.backends} <= services
            assert {each.service for each in route.backends} <= {OWN}
        assert bool(route.redirect) == bool(wish.filters)


_VALUES: st.SearchStrategy[Any] = hostile.json_values(st.sampled_from(["model", "name"]))
_GOOD = {"model": '"shop"', "name": '"tempo"', "port": "80"}
_KEYS = st.sampled_from([*_GOOD, "strip-prefix", "scheme", "redirect-https", "x"])
_ODD = st.one_of(
    st.sampled_from(['"bank"', '"reviews"', '"open"', "443", '"h2c"', "true", '"../x"', "null"]),
    *hostile.anything(_VALUES),
)


@pytest.mark.slow
@hypothesis.given(st.dictionaries(_KEYS, _ODD, max_size=2), st.lists(_KEYS, max_size=1))
@hypothesis.settings(max_examples=500, deadline=None)
def test_any_request_of_ingress(odd: dict[str, str], gone: list[str]):
    databag = {key: value for key, value in {**_GOOD, **odd}.items() if key not in gone}
    given = known("ingress-unauthenticated", databag)
    for route in check(given):
        assert (route.namespace, route.authenticated) == ("shop", False)
        # One of a Service that does not exist has no backend.
        assert route.path == "/shop-tempo" or not route.backends
        named = {json.loads(text) for text in map(databag.get, _GOOD) if text}
        assert {"shop", *((each.service, each.port) for each in route.backends)} <= {
            "shop",
            *itertools.product(named, named),
        }
