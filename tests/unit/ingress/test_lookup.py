# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Which listener and route a request meets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.ingress.reports import lookup

from tests.unit.whole_charm.fake_cluster import CONTROLLER


def gateway(*listeners: dict[str, Any]) -> dict[str, Any]:
    default = {"name": "http-80", "port": 80, "protocol": "HTTP"}
    return {
        "metadata": {"name": "gate", "namespace": "shop"},
        "spec": {"listeners": list(listeners) or [default]},
    }


def route(
    name: str,
    *matches: dict[str, Any],
    kind: str = "HTTPRoute",
    hostnames: list[str] | None = None,
    section: str | None = "http-80",
    created: str = "2026-01-01T00:00:00Z",
    filters: list[dict[str, Any]] | None = None,
    status: dict[str, Any] | None = None,
) -> dict[str, Any]:
    parent = {"name": "gate", **({"sectionName": section} if section else {})}
    rule: dict[str, Any] = {"matches": list(matches), "filters": filters or []}
    if not filters:
        rule["backendRefs"] = [{"name": name, "port": 9080}]
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
        "spec": {"parentRefs": [parent], "hostnames": hostnames or [], "rules": [rule]},
        "status": status or {},
    }


def path(value: str, kind: str = "PathPrefix", **more: Any) -> dict[str, Any]:
    return {"path": {"type": kind, "value": value}, **more}


def met(url: str, *routes: dict[str, Any], at: dict[str, Any] | None = None, **more: Any) -> str:
    found = lookup.look_up(lookup.ClientRequest.of_url(url, **more), at or gateway(), routes)
    return found.route.rpartition("/")[2] or found.miss


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host/a", "short"),
        ("http://host/a/", "short"),
        ("http://host/ab", "no route of listener http-80 fits: the answer is 404"),
        ("http://host/a/b", "long"),
        ("http://host/a/b/c?x=y", "long"),
        ("http://host/a/exact", "exact"),
        ("http://host/a/exact/", "short"),
        ("http://host/x/../a/b", "long"),
        ("http://host/r/7", "expression"),
        ("http://host:81/a", "nothing listens on port 81; there is 80"),
        ("https://host:80/a", "port 80 speaks HTTP"),
    ],
)
def test_paths_in_the_order_in_which_envoy_takes_them(url: str, expected: str):
    routes = [
        route("expression", path("/r/[0-9]+", "RegularExpression")),
        route("short", path("/a")),
        route("long", path("/a/b")),
        route("exact", path("/a/exact", "Exact")),
    ]
    assert met(url, *routes) == expected
    assert met(url, *reversed(routes)) == expected


def test_methods_headers_and_age_decide_between_equal_paths():
    plain = route("plain", path("/"))
    posted = route("posted", path("/", method="POST"))
    blue = route("blue", path("/", headers=[{"name": "X-Tenant", "value": "blue"}]))
    older = route("older", path("/"), created="2025-01-01T00:00:00Z")
    assert met("http://h/", plain, posted, blue) == "plain"
    assert met("http://h/", plain, posted, blue, method="POST") == "posted"
    assert met("http://h/", plain, blue, headers={"x-tenant": "blue"}) == "blue"
    assert met("http://h/", plain, blue, headers={"x-tenant": "red"}) == "plain"
    assert met("http://h/", plain, older) == "older"


def test_the_most_specific_hostname_takes_precedence_whatever_the_path():
    routes = [
        route("any", path("/only-here")),
        route("wild", path("/"), hostnames=["*.example.com"]),
        route("exact", path("/x"), hostnames=["a.example.com"]),
    ]
    assert met("http://a.example.com/x", *routes) == "exact"
    assert met("http://b.example.com/x", *routes) == "wild"
    assert met("http://other/only-here", *routes) == "any"
    # Envoy does not go back to a wider hostname.
    assert "404" in met("http://a.example.com/only-here", *routes)


def test_listeners_by_hostname_and_routes_by_section():
    listeners = (
        {"name": "http-80", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"},
        {"name": "shop", "port": 80, "protocol": "HTTP", "hostname": "shop.example.com"},
    )
    routes = [route("wide", path("/")), route("own", path("/"), section="shop")]
    assert met("http://shop.example.com/", *routes, at=gateway(*listeners)) == "own"
    assert met("http://b.example.com/", *routes, at=gateway(*listeners)) == "wide"
    assert "answers to" in met("http://elsewhere.org/", *routes, at=gateway(*listeners))


def test_a_route_that_istiod_refuses_serves_nothing():
    refused = {
        "parents": [
            {
                "controllerName": CONTROLLER,
                "parentRef": {"name": "gate", "sectionName": "http-80"},
                "conditions": [{"type": "Accepted", "status": "False"}],
            }
        ]
    }
    assert "404" in met("http://h/", route("refused", path("/"), status=refused))


def test_grpc_methods_are_paths():
    method = {"method": {"service": "shop.Cart", "method": "Add"}}
    whole = {"method": {"service": "shop.Cart"}}
    routes = [
        route("add", method, kind="GRPCRoute"),
        route("cart", whole, kind="GRPCRoute"),
    ]
    assert met("http://h/shop.Cart/Add", *routes, method="POST") == "add"
    assert met("http://h/shop.Cart/Clear", *routes, method="POST") == "cart"
    assert "404" in met("http://h/shop.Carts/Add", *routes)
    assert "404" in met("http://h/shop.Cart", *routes)


def test_redirects_say_where_to():
    to_tls = [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]
    request = lookup.ClientRequest.of_url("http://shop.example.com/x")
    found = lookup.look_up(request, gateway(), [route("r", path("/"), filters=to_tls)])
    assert found.redirect == "302 to https://shop.example.com/x"
    assert found.backends == ()


@pytest.mark.parametrize(
    "url", ["", "shop", "ftp://x/", "http://", "http://h:nine/", "http://[::1"]
)
def test_what_is_no_url_says_so(url: str):
    with pytest.raises(lookup.UrlError):
        lookup.ClientRequest.of_url(url)


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_any_text_gets_an_answer(url_path: str, expression: str, hostnames: list[str]):
    wanted = route("r", path(expression, "RegularExpression"), hostnames=hostnames)
    try:
        request = lookup.ClientRequest.of_url("http://h/" + url_path)
    except lookup.UrlError:
        return
    assert lookup.look_up(request, gateway(), [wanted]).listener == "http-80"


def test_of_several_values_of_a_query_parameter_the_first_counts():
    blue = route("blue", path("/", queryParams=[{"name": "tenant", "value": "blue"}]))
    assert met("http://h/?tenant=blue&tenant=red", blue) == "blue"
    assert "404" in met("http://h/?tenant=red&tenant=blue", blue)


def test_expressions_take_linear_time_and_are_those_of_re2():
    hostile = route("hostile", path("/(a+)+b", "RegularExpression"))
    letters = route("letters", path(r"/\pL+", "RegularExpression"))
    assert "404" in met("http://h/" + "a" * 5000, hostile)
    assert met("http://h/abc", letters) == "letters"
