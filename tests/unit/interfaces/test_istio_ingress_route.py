# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The istio_ingress_route requirer databag: what the published library writes, and bad data."""

import json
from typing import Any

import hypothesis
import pytest
from charmlibs.interfaces import istio_ingress_route as published
from istio_ambient.interfaces import istio_ingress_route
from istio_ambient.values.problems import Problem

from tests.unit.interfaces import hostile

LISTENER = {"port": 8080, "protocol": "HTTP"}
BACKEND = {"service": "tempo", "port": 3200, "weight": None}
MODIFIED = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v1"}


def route(**changes: Any) -> dict[str, Any]:
    return {"name": "main", "listener": LISTENER, "backends": [BACKEND], **changes}


def parse(config: object) -> tuple[istio_ingress_route.Configuration | None, list[Problem]]:
    databag = {"config": config if isinstance(config, str) else json.dumps(config)}
    return istio_ingress_route.parse(databag, app="tempo", endpoint="istio-ingress-route")


def with_routes(*routes: object, kind: str = "http_routes") -> dict[str, Any]:
    return {"model": "shop", "listeners": [LISTENER], kind: list(routes)}


def test_everything_that_the_published_library_writes():
    http = published.Listener(port=8080, protocol=published.ProtocolType.HTTP)
    grpc = published.Listener(port=9096, protocol=published.ProtocolType.GRPC)
    prefix = published.HTTPPathMatch(value="/api/")
    redirect = published.RequestRedirectFilter(
        requestRedirect=published.RequestRedirectSpec(hostname="Docs.example.com")
    )
    config = published.IstioIngressRouteConfig(
        model="shop",
        listeners=[http, grpc],
        http_routes=[
            published.HTTPRoute(
                name="api",
                listener=http,
                matches=[
                    published.HTTPRouteMatch(
                        path=prefix,
                        method=published.HTTPMethod.GET,
                        headers={"X-Beta": "yes"},
                    )
                ],
                filters=[
                    published.URLRewriteFilter(
                        urlRewrite=published.URLRewriteSpec(
                            hostname="inside.example.com",
                            path=published.PathModifier(
                                type=published.PathModifierType.ReplacePrefixMatch, value="/"
                            ),
                        )
                    )
                ],
                hostnames=["*.Example.com"],
                backends=[published.BackendRef(service="tempo", port=3200, weight=90)],
            ),
            published.HTTPRoute(name="docs", listener=http, filters=[redirect], backends=[]),
        ],
        grpc_routes=[
            published.GRPCRoute(
                name="traces",
                listener=grpc,
                matches=[
                    published.GRPCRouteMatch(
                        method=published.GRPCMethodMatch(service="a.B", method="C")
                    )
                ],
                backends=[published.BackendRef(service="tempo", port=9096)],
            )
        ],
    )
    found, problems = parse(config.model_dump_json())
    assert problems == []
    assert found is not None
    assert [(each.port, each.protocol) for each in found.listeners] == [
        (8080, "HTTP"),
        (9096, "GRPC"),
    ]
    (place, api), (_, docs) = found.http_routes
    assert (place, api.name, api.hostnames) == ("http_routes[0]", "api", ("*.example.com",))
    assert api.matches is not None
    assert (api.matches[0].method, api.matches[0].headers) == ("GET", {"x-beta": "yes"})
    assert api.rewrite is not None
    assert api.rewrite.hostname == "inside.example.com"
    assert api.backends[0].weight == 90
    assert docs.redirect is not None
    assert (docs.redirect.hostname, docs.redirect.status) == ("docs.example.com", 301)
    ((place, traces),) = found.grpc_routes
    assert (place, traces.matches and traces.matches[0].method) == (
        "grpc_routes[0]",
        istio_ingress_route.GrpcMethod(service="a.B", method="C"),
    )


@pytest.mark.parametrize("databag", [{}, {"config": ""}, {"other": "x"}])
def test_no_configuration_has_no_problem(databag: dict[str, str]):
    assert istio_ingress_route.parse(databag, app="a", endpoint="e") == (None, [])


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ("{", "config"),
        ("[]", "config"),
        ({"listeners": []}, "config.model"),
        ({"model": "../x"}, "config.model"),
        ({"model": "shop", "allowed-networks": ["10.0.0.0/8"]}, "config.allowed-networks"),
        ({"model": "shop", "http_routes": {}}, "config.http_routes"),
        ({"model": "shop", "listeners": [LISTENER] * 63}, "config.listeners"),
    ],
)
def test_an_invalid_configuration_is_dropped(config: object, field: str):
    found, problems = parse(config)
    assert found is None
    assert [problem.field for problem in problems] == [field]


def test_null_keys_of_a_later_release_request_nothing():
    found, problems = parse({"model": "shop", "tcp_routes": None, "grpc_routes": None})
    assert (found, problems) == (istio_ingress_route.Configuration("shop"), [])


def path(value: str, kind: str = "PathPrefix") -> dict[str, Any]:
    return {"matches": [{"path": {"type": kind, "value": value}}]}


def rewritten(modifier: dict[str, str], *paths: str) -> dict[str, Any]:
    matches = [{"path": {"type": "PathPrefix", "value": path}} for path in paths]
    filters = [{"type": "URLRewrite", "urlRewrite": {"path": modifier}}]
    return {"matches": matches, "filters": filters}


BAD_ROUTES: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"name": "Main"}, "name", "a-z, 0-9"),
    ({"backends": []}, "", "name a backend"),
    ({"backends": [BACKEND, BACKEND]}, "", "once"),
    ({"backends": [{**BACKEND, "namespace": "kube-system"}]}, "backends[0].namespace", "leave"),
    ({"backends": [{**BACKEND, "service": "a.b"}]}, "backends[0].service", "a-z, 0-9"),
    ({"backends": [{**BACKEND, "weight": 0}]}, "backends[0].weight", ""),
    ({"backends": [{**BACKEND, "port": "80"}]}, "backends[0].port", "integer"),
    ({"listener": {"port": 0, "protocol": "HTTP"}}, "listener.port", "1 to 65535"),
    ({"listener": {"port": 80, "protocol": "TCP"}}, "listener.protocol", "'HTTP' or 'GRPC'"),
    ({"hostnames": ["10.0.0.1"]}, "hostnames[0]", "DNS name"),
    ({"hostnames": ["a.b:80"]}, "hostnames[0]", "DNS name"),
    ({"hostnames": ["*"]}, "hostnames[0]", "DNS name"),
    ({"hostnames": ["a.*.b"]}, "hostnames[0]", "DNS name"),
    (path("api"), "matches[0].path.PathPrefix.value", "begin with '/'"),
    (path("/a//b"), "matches[0].path.PathPrefix.value", "begin with '/'"),
    (path("/a/../b"), "matches[0].path.PathPrefix.value", "begin with '/'"),
    (path("/a%2Fb", "Exact"), "matches[0].path.Exact.value", "begin with '/'"),
    (path("/a?b", "Exact"), "matches[0].path.Exact.value", "begin with '/'"),
    (path("/a b", "Exact"), "matches[0].path.Exact.value", "begin with '/'"),
    (path("/" + "a" * 1024), "matches[0].path.PathPrefix.value", "begin with '/'"),
    (
        path("/(?=a)", "RegularExpression"),
        "matches[0].path.RegularExpression.value",
        "look-around",
    ),
    (path(r"/(a)\1", "RegularExpression"), "matches[0].path.RegularExpression.value", "back-ref"),
    (path("/(", "RegularExpression"), "matches[0].path.RegularExpression.value", "look-around"),
    (path("(a{99}){99}", "RegularExpression"), "matches[0].path.RegularExpression.value", ""),
    (
        path("a{0,999}b{0,999}c{0,999}", "RegularExpression"),
        "matches[0].path.RegularExpression.value",
        "few",
    ),
    (path(r"/\x{100}", "RegularExpression"), "matches[0].path.RegularExpression.value", "look"),
    (path(r"/\C", "RegularExpression"), "matches[0].path.RegularExpression.value", "ASCII"),
    (path("", "RegularExpression"), "matches[0].path.RegularExpression.value", "ASCII"),
    (path("/", "Glob"), "matches[0].path", ""),
    ({"matches": [{"method": "get"}]}, "matches[0].method", "'GET'"),
    ({"matches": [{"headers": {"a b": "c"}}]}, "matches[0].headers.a b.[key]", "letters"),
    ({"matches": [{"headers": {":path": "c"}}]}, "matches[0].headers.:path.[key]", "letters"),
    ({"matches": [{"headers": {"a": "b\r\nc: d"}}]}, "matches[0].headers.a", "visible ASCII"),
    ({"matches": [{"headers": {"a": ""}}]}, "matches[0].headers.a", "visible ASCII"),
    ({"matches": [{"headers": {"A": "b", "a": "c"}}]}, "matches[0].headers", "once"),
    ({"matches": [{"query": "x"}]}, "matches[0].query", "leave it out"),
    ({"matches": [{}] * 65}, "matches", ""),
    (rewritten(MODIFIED, "/a", "/b"), "", "use one match"),
    (rewritten({"type": "ReplaceFullPath", "replaceFullPath": r"/\1"}), "filters[0]", "begin"),
    (
        {"filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 301}}]},
        "filters[0]",
        "set scheme",
    ),
    (
        {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "javascript"}}]},
        "filters[0]",
        "",
    ),
    ({"filters": [{"type": "RequestMirror", "requestMirror": {}}]}, "filters[0]", ""),
    ({"only_for": "admins"}, "only_for", "leave it out"),
)


@pytest.mark.parametrize(("changes", "field", "remedy"), BAD_ROUTES)
def test_an_invalid_route_is_a_problem_and_the_others_stay(
    changes: dict[str, Any], field: str, remedy: str
):
    found, problems = parse(with_routes(route(), route(**changes), route(name="other")))
    assert found is not None
    assert [place for place, _ in found.http_routes] == ["http_routes[0]", "http_routes[2]"]
    assert (problems[0].app, problems[0].endpoint) == ("tempo", "istio-ingress-route")
    assert problems[0].field.startswith(f"http_routes[1]{'.' if field else ''}{field}")
    assert remedy in problems[0].remedy


BAD_GRPC: tuple[tuple[dict[str, Any], str], ...] = (
    ({"matches": [{"method": {"service": "a/b"}}]}, "matches[0].method.service"),
    ({"matches": [{"method": {"service": ""}}]}, "matches[0].method.service"),
    ({"matches": [{"method": {"service": ".a"}}]}, "matches[0].method.service"),
    ({"matches": [{"method": {"service": "a", "method": "b*"}}]}, "matches[0].method.method"),
    ({"matches": [{"method": {"method": "b"}}]}, "matches[0].method.service"),
    ({"matches": [{"path": {"type": "Exact", "value": "/"}}]}, "matches[0].path"),
    ({"filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "a"}}]}, "filters[0]"),
)


@pytest.mark.parametrize(("changes", "field"), BAD_GRPC)
def test_an_invalid_grpc_route_is_a_problem_and_the_others_stay(
    changes: dict[str, Any], field: str
):
    found, problems = parse(with_routes(route(**changes), route(), kind="grpc_routes"))
    assert found is not None
    assert [place for place, _ in found.grpc_routes] == ["grpc_routes[1]"]
    assert problems[0].field.startswith(f"grpc_routes[0].{field}")


def test_an_invalid_listener_invalidates_no_route():
    config = {**with_routes(route()), "listeners": [{"port": 1}, LISTENER]}
    found, problems = parse(config)
    assert found is not None
    assert ([each.port for each in found.listeners], len(found.http_routes)) == ([8080], 1)
    assert [problem.field for problem in problems] == ["listeners[0].protocol"]


def test_problems_do_not_quote_values():
    _, problems = parse(with_routes(route(matches=[{"headers": {"authorization": "s3cr\net"}}])))
    assert "s3cr" not in "".join(map(str, problems))


@pytest.mark.parametrize("tls", [True, False])
def test_the_published_library_reads_what_is_dumped(tls: bool):
    assert istio_ingress_route.dump("a.example.com", tls=tls) == {
        "external_host": "a.example.com",
        "tls_enabled": str(tls),
    }


@hypothesis.given(hostile.configurations("tempo"))
def test_every_databag_is_read_or_has_a_problem(text: str):
    found, problems = parse(text)
    for problem in problems:
        assert problem.remedy
        assert "\n" not in str(problem)
    if found is None:
        assert problems or not text
        return
    sent: dict[str, Any] = json.loads(text)
    for key, read in (("http_routes", found.http_routes), ("grpc_routes", found.grpc_routes)):
        reported = {p.field.partition("]")[0] + "]" for p in problems if p.field.startswith(key)}
        assert {place for place, _ in read} | reported == {
            f"{key}[{number}]" for number in range(len(sent.get(key) or ()))
        }
        assert not {place for place, _ in read} & reported
