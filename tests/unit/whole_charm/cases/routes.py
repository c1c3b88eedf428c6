# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What applications ask of the gateway, over `ingress` and `istio-ingress-route`."""

from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.cases.base_ingress import (
    ADDRESS,
    API,
    LOGIN,
    MOVED,
    PAGE,
    TRACES,
    api,
    configured,
    databag,
    matching,
    redirecting,
    rewriting,
    service,
)
from tests.unit.whole_charm.cases.gateway_charms import COS
from tests.unit.whole_charm.outcomes import ABSENT, PRESENT, Has, blocked
from tests.unit.whole_charm.scenarios import Case, Patch

ROUTE = "HTTPRoute shop/tempo-api-httproute-http-8080-gate"
REDIRECT = "HTTPRoute shop/tempo-moved-httproute-http-8080-gate"
CALLS = "GRPCRoute shop/tempo-traces-grpcroute-http-9096-gate"
MATCH, REWRITE = f"{ROUTE}: spec.rules[0].matches[0]", f"{ROUTE}: spec.rules[0].filters[0]"
BACKEND = f"{ROUTE}: spec.rules[0].backendRefs[0]"
SENT = f"{REDIRECT}: spec.rules[0].filters[0].requestRedirect"
SPEAKS = "DestinationRule shop/productpage-grpc-dest-rule-gate: spec.trafficPolicy"
LISTENERS = "Gateway shop/gate: spec.listeners"
ASKS = "AuthorizationPolicy shop/ext-authz-gate: spec.rules[0].to"

UPSTREAM = {
    "endpoint": "upstream-ingress",
    "app": "traefik",
    "app_data": {"ingress": {"url": "https://proxy.example.com/in"}},
}


def other(**members: Any) -> Patch:
    """Return the relation with an application that asks for a route much as tempo's."""
    route = {**API, "backends": [{"service": "other", "port": 80}], **members}
    config = {"model": "shop", "http_routes": [route]}
    return {"endpoint": "istio-ingress-route", "app": "other", "app_data": {"config": config}}


OTHER, WITHOUT_HOST = other(), other(hostnames=None)
SAME_PATH = other(
    listener={"port": 80, "protocol": "HTTP"},
    matches=[{"path": {"type": "PathPrefix", "value": "/shop-productpage"}}],
    hostnames=["shop.example.com"],
    filters=None,
)

INGRESS: Mapping[str, Case] = {
    "no application asks for a URL": Case({"relations": {"productpage": None}}, {PAGE: ABSENT}),
    "an application of another name asks": Case(
        {"relations": {"productpage": {"app": "reviews"}}},
        {
            "status": blocked("reviews:ingress name"),
            PAGE: ABSENT,
        },
    ),
    "an application of another model asks": Case(
        {"relations": {"stock": {"model_uuid": COS}}},
        {"status": blocked("remote-stock:ingress model")},
    ),
    "the model that it says it is in": Case(
        databag("productpage", model="store"),
        {"status": blocked("productpage:ingress model")},
    ),
    "the name that it says it has": Case(
        databag("productpage", name="productpage-api"),
        {"HTTPRoute shop/productpage-api-httproute-http-80-gate": PRESENT, PAGE: ABSENT},
        given={"objects": {"Service shop/productpage-api": service("productpage", 9080)}},
    ),
    "the port that it asks for": Case(
        databag("productpage", port=9081),
        {f"{PAGE}: spec.rules[0].backendRefs[0].port": 9081},
        given={"objects": {"Service shop/productpage": service("productpage", 9080, 9081)}},
    ),
    "its prefix is stripped": Case(
        databag("productpage", strip_prefix=True),
        {f"{PAGE}: spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch": "/"},
    ),
    "it speaks HTTP/2": Case(
        databag("productpage", scheme="h2c"),
        {f"{SPEAKS}.portLevelSettings[0].connectionPool.http.h2UpgradePolicy": "UPGRADE"},
    ),
    "no login is needed for it": Case(
        {"relations": {"productpage": {"endpoint": "ingress-unauthenticated"}}},
        {ASKS: Has("notPaths")},
        given=LOGIN,
    ),
    "what it asks for cannot be read": Case(
        databag("productpage", port="http"), {"status": blocked("productpage:ingress port")}
    ),
}

CONFIGURATIONS: Mapping[str, Case] = {
    "no application asks for routes": Case(
        {"relations": {"tempo": None}}, {ROUTE: ABSENT, CALLS: ABSENT, f"{LISTENERS}[2]": ABSENT}
    ),
    "an application of another name asks for routes": Case(
        {"relations": {"tempo": {"app": "reviews"}}},
        {"status": blocked("reviews:istio-ingress-route http_routes[0].backends[0].service")},
    ),
    "the model that a configuration is for": Case(
        configured(model="store"),
        {"status": blocked("tempo:istio-ingress-route model")},
    ),
    "a listener of its own": Case(
        configured(listeners=[{"port": 8081, "protocol": "HTTP"}]),
        {f"{LISTENERS}[http-8081].port": 8081},
    ),
    "no login is needed for its routes": Case(
        {"relations": {"tempo": {"endpoint": "istio-ingress-route-unauthenticated"}}},
        {ASKS: Has("notPaths")},
        given=LOGIN,
    ),
    "a configuration that asks for nothing": Case(
        configured(http_routes=[{"name": "x"}], grpc_routes=[]),
        {
            "status": Has("blocked: tempo:istio-ingress-route http_routes[0]"),
            "app databag tempo": {},
        },
        given=configured(http_routes=[], grpc_routes=[]),
    ),
    "a listener that Istio itself needs": Case(
        configured(listeners=[{"port": 15021, "protocol": "HTTP"}]),
        {"status": blocked("tempo:istio-ingress-route listeners", "15021")},
    ),
    "another application asks for the same path": Case(
        {"relations": {"other": OTHER}},
        {
            "status": blocked("other:istio-ingress-route http_routes[0]", "/api", "http-8080"),
        },
        given={"objects": {"Service shop/other": service("other", 80)}},
        same={ROUTE: PRESENT, "app databag tempo: external_host": ADDRESS},
    ),
    "a route for the gateway's own hostname": Case(
        api(hostnames=["shop.example.com"]),
        {
            "status": blocked(
                "tempo:istio-ingress-route http_routes[0].hostnames", "shop.example.com", "other"
            ),
            ROUTE: ABSENT,
        },
        given={
            "config": {"external_hostname": "shop.example.com", "listener-hostname": ""},
            "relations": {"other": WITHOUT_HOST},
            "objects": {"Service shop/other": service("other", 80)},
        },
    ),
    "an open path that others have closed": Case(
        {"relations": {"other": {"endpoint": "istio-ingress-route-unauthenticated"}}},
        {"status": blocked("other:istio-ingress-route-unauthenticated http_routes[0]", "/api")},
        given={
            **LOGIN,
            "relations": {**LOGIN["relations"], "other": WITHOUT_HOST},
            "objects": {"Service shop/other": service("other", 80)},
        },
    ),
    "an application's path is asked for by its hostname": Case(
        {"relations": {"other": SAME_PATH}},
        {
            "status": blocked(
                "other:istio-ingress-route http_routes[0]", "/shop-productpage", "http-80"
            ),
        },
        same={PAGE: PRESENT},
        given={
            "config": {"external_hostname": "shop.example.com"},
            "relations": {"tempo": None},
            "objects": {"Service shop/other": service("other", 80)},
        },
    ),
    "a configuration without routes": Case(
        configured(listeners=[], http_routes=[], grpc_routes=[]),
        {ROUTE: ABSENT, f"{LISTENERS}[1]": ABSENT},
        same={"app databag tempo: external_host": ADDRESS, f"{LISTENERS}[0].port": 80},
    ),
    "one route more": Case(
        configured(http_routes=[API, MOVED, {**API, "name": "more", "hostnames": ["more.shop"]}]),
        {"HTTPRoute shop/tempo-more-httproute-http-8080-gate": PRESENT},
    ),
    "the place of a route that is refused": Case(
        configured(http_routes=[MOVED, {**API, "backends": [{"service": "gate", "port": 1}]}]),
        {"status": blocked("tempo:istio-ingress-route http_routes[1].backends[0].service")},
        given=configured(
            http_routes=[{**API, "backends": [{"service": "gate", "port": 1}]}, MOVED]
        ),
    ),
    "another name of a route": Case(
        api(name="other"), {"HTTPRoute shop/tempo-other-httproute-http-8080-gate": PRESENT}
    ),
    "a route for calls in the place of one for requests": Case(
        configured(http_routes=[], grpc_routes=[TRACES]),
        {
            ROUTE: ABSENT,
            CALLS: PRESENT,
            "DestinationRule shop/tempo-grpc-dest-rule-gate: spec.trafficPolicy": {
                "connectionPool": {"http": {"useClientProtocol": True}}
            },
        },
        given=configured(http_routes=[API], grpc_routes=[]),
    ),
    "another listener of a route": Case(
        api(listener={"port": 8082, "protocol": "HTTP"}),
        {"HTTPRoute shop/tempo-api-httproute-http-8082-gate": PRESENT, ROUTE: ABSENT},
    ),
    "another hostname of a route": Case(
        api(hostnames=["other.example.com"]), {f"{ROUTE}: spec.hostnames": ["other.example.com"]}
    ),
    "another backend": Case(
        api(backends=[{"service": "tempo-api", "port": 3200, "weight": 10}]),
        {f"{BACKEND}.name": "tempo-api"},
        given={"objects": {"Service shop/tempo-api": service("tempo", 3200)}},
    ),
    "another port of a backend": Case(
        api(backends=[{"service": "tempo", "port": 9096, "weight": 10}]),
        {f"{BACKEND}.port": 9096},
    ),
    "the Service of a described route lacks a port": Case(
        {"objects": {"Service shop/tempo": service("tempo", 3200)}},
        {"plan: checks.watch-0.tcp": {"host": "tempo.shop.svc", "port": 9096}},
        same={CALLS: PRESENT},
    ),
    "the Service of a described route is missing": Case(
        {"objects": {"Service shop/tempo": None}},
        {"plan: checks.watch-0.tcp.host": "tempo.shop.svc"},
        same={f"{BACKEND}.weight": 10},
    ),
    "another weight of a backend": Case(
        api(backends=[{"service": "tempo", "port": 3200, "weight": 20}]), {f"{BACKEND}.weight": 20}
    ),
    "two backends": Case(
        api(backends=[{"service": "tempo", "port": 3200}, {"service": "tempo", "port": 9096}]),
        {f"{ROUTE}: spec.rules[0].backendRefs[1].port": 9096},
    ),
    "two matches": Case(
        api(filters=None, matches=[*API["matches"], {"path": {"type": "Exact", "value": "/x"}}]),
        {f"{ROUTE}: spec.rules[0].matches[1].path.value": "/x"},
    ),
    "another path": Case(
        matching(path={"type": "PathPrefix", "value": "/other"}), {f"{MATCH}.path.value": "/other"}
    ),
    "another kind of path": Case(
        api(
            matches=[{"path": {"type": "Exact", "value": "/api"}}],
            filters=None,
        ),
        {f"{MATCH}.path.type": "Exact"},
    ),
    "another method": Case(matching(method="PUT"), {f"{MATCH}.method": "PUT"}),
    "another header": Case(
        matching(headers={"x-tenant": "red"}),
        {f"{MATCH}.headers": [{"name": "x-tenant", "value": "red"}]},
    ),
    "another service of gRPC": Case(
        configured(grpc_routes=[{**TRACES, "matches": [{"method": {"service": "tempo.Push"}}]}]),
        {f"{CALLS}: spec.rules[0].matches[0].method": {"service": "tempo.Push"}},
        given=configured(
            grpc_routes=[{**TRACES, "matches": [{"method": {"service": "tempo.Query"}}]}]
        ),
    ),
    "another name of a route for calls": Case(
        configured(grpc_routes=[{**TRACES, "name": "spans"}]),
        {"GRPCRoute shop/tempo-spans-grpcroute-http-9096-gate": PRESENT},
    ),
    "another listener of a route for calls": Case(
        configured(grpc_routes=[{**TRACES, "listener": {"port": 9097, "protocol": "GRPC"}}]),
        {"GRPCRoute shop/tempo-traces-grpcroute-http-9097-gate": PRESENT},
    ),
    "a hostname of a route for calls": Case(
        configured(grpc_routes=[{**TRACES, "hostnames": ["calls.example.com"]}]),
        {f"{CALLS}: spec.hostnames": ["calls.example.com"]},
    ),
    "another expression of a path": Case(
        api(matches=[{"path": {"type": "RegularExpression", "value": "/b.*"}}], filters=None),
        {f"{MATCH}.path.value": "/b.*"},
        given=api(
            matches=[{"path": {"type": "RegularExpression", "value": "/a.*"}}], filters=None
        ),
    ),
    "another method of gRPC": Case(
        configured(grpc_routes=[{**TRACES, "matches": [{"method": {"service": "tempo.Query"}}]}]),
        {f"{CALLS}: spec.rules[0].matches[0].method": {"service": "tempo.Query"}},
    ),
    "calls of a method with a header": Case(
        configured(
            grpc_routes=[
                {
                    **TRACES,
                    "matches": [{"method": {"service": "tempo.Query"}, "headers": {"x-a": "b"}}],
                }
            ]
        ),
        {
            f"{CALLS}: spec.rules[0].matches[0]": {
                "method": {"service": "tempo.Query"},
                "headers": [{"name": "x-a", "value": "b"}],
            }
        },
    ),
    "calls with a header": Case(
        configured(grpc_routes=[{**TRACES, "matches": [{"headers": {"x-a": "b"}}]}]),
        {f"{CALLS}: spec.rules[0].matches[0]": {"headers": [{"name": "x-a", "value": "b"}]}},
    ),
    "no rewrite": Case(api(filters=None), {f"{ROUTE}: spec.rules[0].filters": ABSENT}),
    "a rewrite of the host": Case(
        rewriting(hostname="other.internal"), {f"{REWRITE}.urlRewrite.hostname": "other.internal"}
    ),
    "a rewrite of the path": Case(
        rewriting(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v2"}),
        {f"{REWRITE}.urlRewrite.path.replacePrefixMatch": "/v2"},
    ),
    "a rewrite of the whole path": Case(
        rewriting(path={"type": "ReplaceFullPath", "replaceFullPath": "/v1"}),
        {f"{REWRITE}.urlRewrite.path.replaceFullPath": "/v1"},
    ),
    "no redirect": Case(
        configured(http_routes=[API, {**MOVED, "filters": None, "backends": API["backends"]}]),
        {f"{REDIRECT}: spec.rules[0].filters": ABSENT},
    ),
    "a redirect to another scheme": Case(redirecting(scheme="http"), {f"{SENT}.scheme": "http"}),
    "a redirect to another host": Case(
        redirecting(hostname="other.example.com"), {f"{SENT}.hostname": "other.example.com"}
    ),
    "a redirect to another port": Case(redirecting(port=8444), {f"{SENT}.port": 8444}),
    "a redirect to another path": Case(
        redirecting(path={"type": "ReplaceFullPath", "replaceFullPath": "/other"}),
        {f"{SENT}.path.replaceFullPath": "/other"},
    ),
    "a redirect with another status": Case(
        redirecting(statusCode=307), {f"{SENT}.statusCode": 307}
    ),
}

CASES: Mapping[str, Case] = {**INGRESS, **CONFIGURATIONS}
