# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Listeners: ports, hostnames, and the routes at them."""

from collections.abc import Iterable

import pytest
from istio_ambient import ingress
from istio_ambient.ingress.routing._listeners import port_of

from tests.unit.ingress.samples import configuration, objects, redirect, route
from tests.unit.ingress.tempo import TLS, grpc, listeners, messages, routes, tempo, wanted


def test_listeners_are_those_asked_for_and_the_usual_one():
    assert listeners(wanted(tempo(route(), grpc(), ports=(8081, 8080)))) == [
        ("http-80", 80, "HTTP"),
        ("http-8080", 8080, "HTTP"),
        ("http-8081", 8081, "HTTP"),
        ("http-9096", 9096, "HTTP"),
    ]


def test_with_tls_every_listener_is_https_but_the_redirecting_one():
    asked = wanted(tempo(route(), route("usual", port=80), grpc()), tls=TLS)
    assert listeners(asked) == [
        ("http-80", 80, "HTTP"),
        ("https-443", 443, "HTTPS"),
        ("https-8080", 8080, "HTTPS"),
        ("https-9096", 9096, "HTTPS"),
    ]
    spec = objects(asked)["Gateway shop/gate"]["spec"]
    assert spec["listeners"][1]["tls"] == {
        "mode": "Terminate",
        "certificateRefs": [{"kind": "Secret", "name": "gate-tls-certificate"}],
    }
    assert routes(asked) == {
        "HTTPRoute shop/tempo-main-httproute-https-8080-gate",
        "HTTPRoute shop/tempo-usual-httproute-https-443-gate",
        "HTTPRoute shop/tempo-usual-httproute-http-80-gate",
        "GRPCRoute shop/tempo-traces-grpcroute-https-9096-gate",
    }
    (rule,) = objects(asked)["HTTPRoute shop/tempo-usual-httproute-http-80-gate"]["spec"]["rules"]
    assert "backendRefs" not in rule
    assert rule["filters"][0]["requestRedirect"] == {"scheme": "https", "statusCode": 301}


def test_while_there_is_no_certificate_nothing_is_served():
    asked = wanted(tempo(route()), tls=ingress.Tls(wanted=True))
    assert (listeners(asked), routes(asked)) == ([("http-80", 80, "HTTP")], set())
    assert [each.what for each in ingress.resolve(asked).served.pending] == ["certificates"]
    assert messages(asked) == ""


def test_while_there_is_no_authorizer_nothing_is_served():
    asked = wanted(tempo(route()), forward_auth=ingress.ForwardAuth(wanted=True))
    assert routes(asked) == set()
    assert [each.what for each in ingress.resolve(asked).served.pending] == ["forward-auth"]


def test_a_route_that_itself_leads_to_tls_stays_on_plain_http():
    to_tls = route("to-tls", port=80, redirect=redirect(scheme="https"))
    asked = wanted(tempo(to_tls, route("site", port=443)), tls=TLS)
    assert messages(asked) == ""
    assert "HTTPRoute shop/tempo-to-tls-httproute-http-80-gate" in routes(asked)
    assert "HTTPRoute shop/tempo-to-tls-httproute-https-443-gate" not in routes(asked)


@pytest.mark.parametrize("port", [15000, 15008, 15021, 15090])
def test_ports_that_istio_uses_are_refused(port: int):
    asked = wanted(tempo(route(port=port), route("other")))
    assert routes(asked) == {"HTTPRoute shop/tempo-other-httproute-http-8080-gate"}
    assert f"Istio itself uses port {port}" in messages(asked)
    assert "tempo:istio-ingress-route listeners" in messages(asked)


def listening(app: str, ports: Iterable[int], relation_id: int) -> ingress.IngressRequest:
    return configuration(app, ports=ports, relation_id=relation_id)


def test_no_more_listeners_than_a_gateway_has():
    apps = [listening(f"app-{n}", range(2000 + 16 * n, 2016 + 16 * n), n) for n in range(4)]
    asked = wanted(*apps, listening("productpage", (1000, 2001), 9))
    assert len(listeners(asked)) == 64
    assert "app-3:istio-ingress-route listeners: the gateway has no room" in messages(asked)
    assert "productpage:istio-ingress-route listeners: the gateway has no room" in messages(asked)
    # A port that is open already takes no room.
    assert messages(asked).count("productpage:") == 1


def test_no_application_takes_the_listeners_of_others():
    greedy = listening("tempo", range(2000, 2062), 1)
    asked = wanted(greedy, listening("productpage", (3000,), 9))
    names = {name for name, *_ in listeners(asked)}
    assert len(names) == 1 + 16 + 1 and "http-3000" in names
    assert "tempo:istio-ingress-route listeners: port 2016 is one too many: refused" in messages(
        asked
    )


def test_a_port_at_which_an_application_is_served_stays_open():
    served = tempo(route(port=3200), relation_id=99)
    built = ingress.desired(ingress.resolve(wanted(served))).objects
    routes_of = tuple(ingress.KINDS.values())
    live = ingress.attached_routes(
        (obj for obj in built if isinstance(obj, routes_of)), ingress.GatewayRef("shop", "gate")
    )
    newcomers = [listening(f"app-{n}", range(4000 + 16 * n, 4016 + 16 * n), n) for n in range(4)]
    kept = listeners(wanted(served, *newcomers, live_routes=live))
    assert "http-3200" in {name for name, *_ in kept}
    assert "http-3200" not in {name for name, *_ in listeners(wanted(served, *newcomers))}
    # Likewise among the ports of one application.
    more = tempo(route(port=3200), ports=range(2000, 2062), relation_id=99)
    assert "http-3200" in {name for name, *_ in listeners(wanted(more, live_routes=live))}


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("http-80", 80),
        ("https-443", 80),
        ("http-8080", 8080),
        ("https-8080", 8080),
        ("http-443", 443),
        ("", 0),
        ("mesh", 0),
        ("http-²", 0),
    ],
)
def test_the_port_that_a_listener_serves(name: str, port: int):
    assert port_of(name) == port


@pytest.mark.parametrize(
    ("listener", "hostnames", "kept"),
    [
        ("", ("a.example.com",), ["a.example.com"]),
        ("*.example.com", ("a.example.com", "a.example.org"), ["a.example.com"]),
        ("a.example.com", ("*.example.com",), ["*.example.com"]),
        ("*.example.com", ("*.b.example.com",), ["*.b.example.com"]),
        ("a.example.com", (), None),
    ],
)
def test_hostnames_that_fit_the_listeners(
    listener: str, hostnames: tuple[str, ...], kept: list[str] | None
):
    config = ingress.Config(listener_hostname=listener)
    found = objects(wanted(tempo(route(hostnames=hostnames)), config=config))
    spec = found["HTTPRoute shop/tempo-main-httproute-http-8080-gate"]["spec"]
    assert spec.get("hostnames") == kept


@pytest.mark.parametrize("hostname", ["a.example.org", "*.org", "example.com", "xexample.com"])
def test_hostnames_that_the_gateway_does_not_answer_to_are_refused(hostname: str):
    config = ingress.Config(listener_hostname="*.example.com")
    asked = wanted(tempo(route(hostnames=(hostname,), field="http_routes[0]")), config=config)
    assert routes(asked) == set()
    assert "tempo:istio-ingress-route http_routes[0].hostnames: none of them" in messages(asked)
