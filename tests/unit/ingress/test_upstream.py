# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""An ingress in front of the gateway: our request, and the effects of its URL."""

import json

import msgspec
import pytest
from istio_ambient import authorization, ingress
from istio_ambient.integrations import ingress_upstream
from istio_ambient.interfaces import ingress as ingress_relation

from tests.unit.ingress.samples import ADDRESS, facts, request, service

URL = "https://front.example.com:8443/shop-gate"


def behind(url: str = URL, **changes: object) -> ingress.Facts:
    upstream = ingress.Upstream("front", url)
    return msgspec.structs.replace(facts(request()), upstream=upstream, **changes)


def test_the_upstream_url_and_scheme_are_published():
    found = ingress.resolve(behind())
    assert [found.url(route) for route in found.served.routes] == [f"{URL}/shop-productpage"]
    assert found.hosts.tls
    plain = ingress.resolve(
        behind("http://198.51.100.9", tls=ingress.Tls(True, ingress.Certificate("", "")))
    )
    assert plain.hosts.url == "http://198.51.100.9"
    # Listeners and certificate stay those of the gateway itself.
    assert [each.name for each in plain.listeners.in_gateway] == ["http-80", "https-443"]
    assert (plain.hosts.listener, plain.hosts.names) == ("", (ADDRESS,))


def test_without_an_upstream_url_ours_is_published_and_the_upstream_is_awaited():
    found = ingress.resolve(behind(""))
    assert found.hosts.url == f"http://{ADDRESS}"
    (pending,) = found.served.pending
    assert (pending.what, "front has not said" in pending.reason) == ("upstream-ingress", True)


@pytest.mark.parametrize(
    ("tls", "port", "scheme"),
    [(ingress.Tls(), 80, "http"), (ingress.Tls(wanted=True), 443, "https")],
)
def test_what_we_ask_for_is_what_providers_read(tls: ingress.Tls, port: int, scheme: str):
    asked = ingress_upstream.request(ingress.resolve(facts(tls=tls)))
    read, problems = ingress_relation.parse(asked, app="gate", endpoint="ingress")
    assert problems == []
    assert read
    assert (read.model, read.name, read.port, read.scheme, read.strip_prefix) == (
        "shop",
        "gate",
        port,
        scheme,
        True,
    )
    # Keys at their default are left out.
    assert ("scheme" in asked, "redirect-https" in asked) == (scheme == "https", False)
    assert asked.keys() <= set(ingress_upstream.APP_KEYS)


@pytest.mark.parametrize(
    ("address", "databag"),
    [
        (ADDRESS, {"host": json.dumps(ADDRESS), "ip": json.dumps(ADDRESS)}),
        ("lb.example.com", {"host": '"lb.example.com"'}),
        ("", {}),
    ],
)
def test_units_say_where_the_gateway_is(address: str, databag: dict[str, str]):
    assert ingress_upstream.request_unit(ingress.resolve(facts(address=address))) == databag


def gateway_service(selector: dict[str, str]) -> authorization.ServiceFacts:
    port = authorization.ServicePort(80, 80, "http-80")
    return service("inner-istio", selector=selector, ports=(port,), by_juju=False)


MARK = "gateway.networking.k8s.io/gateway-name"


def test_an_application_that_is_an_ingress_is_reached_at_its_gateway():
    asked = request("inner", port=80, strip_prefix=True)
    services = (service("inner", port=65535), gateway_service({MARK: "inner"}))
    (route,) = ingress.resolve(facts(asked, services=services)).served.routes
    (backend,) = route.backends
    assert (backend.service, backend.port, route.path) == ("inner-istio", 80, "/shop-inner")
    assert backend.selector == ((MARK, "inner"),)


@pytest.mark.parametrize("requester", ["inner", "other"])
def test_the_gateway_of_another_application_is_refused(requester: str):
    services = (service("inner", port=65535), gateway_service({MARK: "elsewhere"}))
    taken = facts(request(requester, name="inner", port=80), services=services)
    backends = {each for route in ingress.resolve(taken).served.routes for each in route.backends}
    assert {(each.service, each.pod_ports) for each in backends} <= {("inner", ())}
    services = (service("inner", port=65535), gateway_service({MARK: "inner"}))
    others = facts(request("other", name="inner", port=80), services=services)
    (problem,) = ingress.resolve(others).problems
    assert "is not one of other" in problem.message
