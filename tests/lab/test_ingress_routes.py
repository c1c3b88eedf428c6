# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Routes that applications describe with the published library, at the real gateway."""

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from charmlibs.interfaces import istio_ingress_route as published
from istio_ambient import resources
from lightkube.resources.core_v1 import Service

from tests import lab
from tests.lab import apps, juju
from tests.lab.conftest import ModelFactory

APP, UNIT, CHARM = "gate", "gate/0", "charms/istio-ingress-k8s"
ADDRESS = "203.0.113.10"
HTTP = published.Listener(port=8080, protocol=published.ProtocolType.HTTP)
GRPC = published.Listener(port=9096, protocol=published.ProtocolType.GRPC)
USUAL = published.Listener(port=80, protocol=published.ProtocolType.HTTP)


@pytest.fixture(scope="module")
def shop(control_plane: juju.Model, new_module_model: ModelFactory) -> Iterator[juju.Model]:
    """A model with a gateway, and an application that describes its own routes."""
    model = new_module_model("shop", controller=control_plane.controller)
    model.deploy(CHARM, APP)
    model.deploy(apps.CATALOG)
    model.integrate("catalog:routes", f"{APP}:istio-ingress-route")
    model.wait_active()
    yield model


def backend(port: int = 9080, weight: int | None = None) -> published.BackendRef:
    return published.BackendRef(service="catalog", port=port, weight=weight)


def http(name: str, path: str, kind: str = "PathPrefix", **changes: Any) -> published.HTTPRoute:
    """Return a route for a path, with further members of its match and of the route."""
    match = published.HTTPRouteMatch(
        path=published.HTTPPathMatch(type=published.HTTPPathMatchType(kind), value=path),
        method=changes.pop("method", None),
        headers=changes.pop("headers", None),
    )
    arguments: dict[str, Any] = {"listener": HTTP, "backends": [backend()], **changes}
    return published.HTTPRoute(name=name, matches=[match], **arguments)


def grpc(name: str, method: str | None = None, **changes: Any) -> published.GRPCRoute:
    match = published.GRPCRouteMatch(
        method=published.GRPCMethodMatch(service="books.Catalog", method=method),
        headers=changes.pop("headers", None),
    )
    arguments: dict[str, Any] = {"listener": GRPC, "backends": [backend(9096)], **changes}
    return published.GRPCRoute(name=name, matches=[match], **arguments)


def request_routes(
    cluster: lab.Cluster,
    shop: juju.Model,
    *routes: Any,
    option: str = "routes",
    app: str = "catalog",
) -> None:
    """Let the application request these routes, and wait until every proxy has them."""
    config = published.IstioIngressRouteConfig(
        model=shop.name,
        listeners=[route.listener for route in routes],
        http_routes=[route for route in routes if isinstance(route, published.HTTPRoute)],
        grpc_routes=[route for route in routes if isinstance(route, published.GRPCRoute)],
    )
    shop.config(app, **{option: config.model_dump_json()})
    shop.wait_active()
    cluster.wait_synced()


def get(cluster: lab.Cluster, path: str, port: int = 8080, **request: Any) -> lab.Response:
    return cluster.request_outside(f"http://{ADDRESS}:{port}{path}", **request)


def answers(cluster: lab.Cluster, path: str, status: int, **request: Any) -> lab.Response:
    """Return the response once it has this status."""

    def seen() -> lab.Response:
        response = get(cluster, path, **request)
        assert response.status == status, response
        return response

    return lab.eventually(seen)


def ok(call: Callable[[], lab.Answer]) -> lab.Answer:
    """Return the answer to a gRPC call once its code is OK."""

    def seen() -> lab.Answer:
        answer = call()
        assert answer.code == "OK", answer
        return answer

    return lab.eventually(seen)


def databag_of(shop: juju.Model, endpoint: str = "istio-ingress-route") -> dict[str, str]:
    return dict(shop.databag(f"{APP}:{endpoint}", remote="catalog"))


def test_paths_methods_headers_and_hostnames(cluster: lab.Cluster, shop: juju.Model):
    request_routes(
        cluster,
        shop,
        http("prefix", "/api/"),
        http("exact", "/exact", "Exact"),
        http("expression", r"/v[0-9]+/(a|b)", "RegularExpression"),
        http("posts", "/posts", method=published.HTTPMethod.POST),
        http("beta", "/beta", headers={"X-Beta": "yes"}),
        http("host", "/host", hostnames=["Books.Example.com", "*.example.org"]),
    )
    assert databag_of(shop) == {"external_host": ADDRESS, "tls_enabled": "False"}
    assert shop.unit_status("catalog/0").message == f"http://{ADDRESS}"
    assert answers(cluster, "/api/x", 200).json()["path"] == "/api/x"
    seen: dict[str, int | None] = {}
    for path in ("/api", "/apix", "/exact", "/exact/x", "/v12/a", "/v/a", "/v1/a/x", "/other"):
        seen[path] = get(cluster, path).status
    assert seen == {
        "/api": 200,
        "/apix": 404,
        "/exact": 200,
        "/exact/x": 404,
        "/v12/a": 200,
        "/v/a": 404,
        "/v1/a/x": 404,
        "/other": 404,
    }
    assert get(cluster, "/posts", method="POST").status == 200
    assert get(cluster, "/posts").status == 404
    assert get(cluster, "/beta", headers={"x-beta": "yes"}).status == 200
    assert get(cluster, "/beta", headers={"x-beta": "no"}).status == 404
    for host in ("books.example.com", "books.example.com:8080", "a.b.example.org"):
        assert get(cluster, "/host", headers={"host": host}).status == 200
    for host in ("example.com", "example.org", ADDRESS):
        assert get(cluster, "/host", headers={"host": host}).status == 404
    assert get(cluster, "/api", port=80).status == 404


def rewrite(hostname: str | None = None, **path: str) -> published.URLRewriteFilter:
    return published.URLRewriteFilter(
        urlRewrite=published.URLRewriteSpec(hostname=hostname, path=modifier(**path))
    )


def modifier(full: str = "", prefix: str | None = None) -> published.PathModifier | None:
    if full:
        kind, value = published.PathModifierType.ReplaceFullPath, full
    elif prefix is not None:
        kind, value = published.PathModifierType.ReplacePrefixMatch, prefix
    else:
        return None
    return published.PathModifier(type=kind, value=value)


def redirect(**spec: Any) -> published.RequestRedirectFilter:
    return published.RequestRedirectFilter(requestRedirect=published.RequestRedirectSpec(**spec))


def test_rewrites_and_redirects(cluster: lab.Cluster, shop: juju.Model):
    request_routes(
        cluster,
        shop,
        http("prefix", "/old", filters=[rewrite(prefix="/new")]),
        http("strip", "/strip", filters=[rewrite(prefix="/")]),
        http("full", "/full", filters=[rewrite(full="/one", hostname="inside.example.com")]),
        http("away", "/away", filters=[redirect(hostname="docs.example.com")], backends=[]),
        http("found", "/found", filters=[redirect(path=modifier(prefix="/x"), statusCode=302)]),
    )
    assert answers(cluster, "/old/x?y=z", 200).json()["path"] == "/new/x?y=z"
    assert get(cluster, "/strip/x").json()["path"] == "/x"
    full = get(cluster, "/full/x/y").json()
    assert (full["path"], full["headers"]["host"]) == ("/one", "inside.example.com")
    away = get(cluster, "/away/x")
    assert (away.status, away.headers["location"]) == (
        301,
        "http://docs.example.com:8080/away/x",
    )
    found = get(cluster, "/found/y")
    assert (found.status, found.headers["location"]) == (302, f"http://{ADDRESS}:8080/x/y")


def test_weights_share_the_requests(cluster: lab.Cluster, shop: juju.Model):
    # Port 9443 speaks TLS and does not answer plain HTTP, which distinguishes the two backends.
    request_routes(
        cluster, shop, http("shared", "/shared", backends=[backend(9080, 60), backend(9443, 40)])
    )
    answers(cluster, "/shared", 200)
    seen = [get(cluster, "/shared").status for _ in range(60)]
    assert 10 < seen.count(200) < 60


def test_grpc_to_a_grpc_backend(cluster: lab.Cluster, shop: juju.Model):
    request_routes(
        cluster,
        shop,
        grpc("all", headers={"tenant": "a"}),
        grpc("one", "Get"),
        http("plain", "/plain"),
    )

    call = functools.partial(lab.grpc_call, f"{ADDRESS}:9096")
    body = ok(lambda: call("/books.Catalog/Get", message="dune")).body
    assert (body["app"], body["method"], body["request"]) == (
        "catalog",
        "/books.Catalog/Get",
        "dune",
    )
    assert call("/books.Catalog/List").code == "UNIMPLEMENTED"
    tenant = {"tenant": "a"}
    assert call("/books.Catalog/List", metadata=tenant).code == "OK"
    assert call("/books.Other/Get").code == "UNIMPLEMENTED"
    # The other port of the same Service still speaks HTTP/1.1.
    assert answers(cluster, "/plain", 200).json()["version"] == "HTTP/1.1"


def test_envoy_accepts_every_valid_route(cluster: lab.Cluster, shop: juju.Model):
    expressions = [r"/\pL+", r"/(?i)a{0,999}", r"/[[:alpha:]]+\x{ff}?", "(?:/a|b)*", "^/x$"]
    paths = ["/~a!$&'()*+,;=:@%41", "/" + "a" * 1023]
    names = ["!#$%&'*+-.^_`|~", "host", "content-length"]
    request_routes(
        cluster,
        shop,
        *(http(f"e{n}", each, "RegularExpression") for n, each in enumerate(expressions)),
        *(http(f"p{n}", each, "Exact") for n, each in enumerate(paths)),
        *(http(f"q{n}", each) for n, each in enumerate(paths)),
        *(http(f"h{n}", "/h", headers={each: "!~ x"}) for n, each in enumerate(names)),
        http("hosts", "/hosts", hostnames=[f"*.{'a' * 63}.{'b' * 63}.{'c' * 63}.example"]),
        http(
            "full",
            "/full",
            filters=[
                rewrite(full="/a$1%5c1"),
            ],
        ),
        http("marker", "/marker"),
    )
    # After a refusal, Envoy would still have the previous routes.
    answers(cluster, "/marker", 200)


def test_an_invalid_route_is_reported_and_other_routes_are_served(
    cluster: lab.Cluster, shop: juju.Model
):
    good = json.loads(http("good", "/good").model_dump_json())
    match = {"path": {"type": "RegularExpression", "value": "/(?=x)"}}
    other = {**good, "name": "other", "backends": [{"service": "kubernetes", "port": 443}]}
    config = {"model": "shop", "http_routes": [{**good, "matches": [match]}, good, other]}
    shop.remove_relation("catalog:routes", f"{APP}:istio-ingress-route")
    databag = {"config": json.dumps(config)}
    shop.fake_remote(f"{APP}:istio-ingress-route", "catalog", databag)
    shop.settle()
    status = shop.unit_status(UNIT)
    assert status.name == "blocked"
    assert "catalog:istio-ingress-route http_routes[0].matches[0].path" in status.message
    assert "look-around" in status.message
    answers(cluster, "/good", 200)
    assert databag_of(shop)["external_host"] == ADDRESS
    shop.remove_relation(f"{APP}:istio-ingress-route", "catalog")
    shop.integrate("catalog:routes", f"{APP}:istio-ingress-route")
    shop.wait_active()


def test_the_schemes_of_ingress(cluster: lab.Cluster, shop: juju.Model):
    shop.integrate("catalog:ingress", f"{APP}:ingress")
    for port, scheme, said in (
        (9080, "http", {"version": "HTTP/1.1", "tls": False}),
        (9443, "https", {"version": "HTTP/1.1", "tls": True}),
        (9082, "h2c", {"version": "HTTP/2"}),
    ):
        shop.config("catalog", port=port, scheme=scheme)
        shop.wait_active()

        def spoken(said: dict[str, Any] = said) -> bool:
            response = get(cluster, "/shop-catalog/x", port=80)
            assert response.status == 200, response
            found = response.json()
            assert said.items() <= found.items(), found
            return True

        assert lab.eventually(spoken)
    shop.remove_relation("catalog:ingress", f"{APP}:ingress")
    shop.reset("catalog", "port", "scheme")
    shop.settle()


def test_one_application_on_two_endpoints_and_two_gateways(cluster: lab.Cluster, shop: juju.Model):
    shop.integrate("catalog:ingress", f"{APP}:ingress")
    shop.integrate("catalog:ingress-open", f"{APP}:ingress-unauthenticated")
    shop.settle()
    status = shop.unit_status(UNIT)
    assert status.name == "blocked"
    assert "catalog:ingress" in status.message
    assert "catalog:ingress-unauthenticated" in status.message
    for endpoint in ("ingress", "ingress-unauthenticated"):
        assert databag_of(shop, endpoint) == {}
    answers(cluster, "/shop-catalog", 404, port=80)

    shop.remove_relation("catalog:ingress-open", f"{APP}:ingress-unauthenticated")
    shop.deploy(CHARM, "side")
    shop.integrate("catalog:ingress-open", "side:ingress-unauthenticated")
    shop.wait_active()
    assert (
        json.loads(databag_of(shop, "ingress")["ingress"])["url"]
        == f"http://{ADDRESS}/shop-catalog"
    )
    beside = shop.databag("side:ingress-unauthenticated", remote="catalog")
    url = json.loads(beside["ingress"])["url"]
    assert url == "http://203.0.113.11/shop-catalog"
    answers(cluster, "/shop-catalog", 200, port=80)
    assert lab.eventually(lambda: cluster.request_outside(url).status == 200)
    shop.remove("side")
    shop.settle()
    answers(cluster, "/shop-catalog", 200, port=80)
    shop.remove_relation("catalog:ingress", f"{APP}:ingress")
    shop.settle()


def test_routes_that_two_applications_request(cluster: lab.Cluster, shop: juju.Model):
    shop.deploy(apps.CATALOG, "rival")
    shop.integrate("rival:open-routes", f"{APP}:istio-ingress-route-unauthenticated")
    request_routes(cluster, shop, http("r", "/mine"), http("s", "/mine/too"))
    theirs = [published.BackendRef(service="rival", port=9080)]
    config = published.IstioIngressRouteConfig(
        model="shop", http_routes=[http("r", "/mine", backends=theirs, method="GET")]
    )
    shop.config("rival", open_routes=config.model_dump_json())
    shop.settle()
    status = shop.unit_status(UNIT)
    assert status.name == "blocked"
    assert "catalog:istio-ingress-route" in status.message
    assert "rival:istio-ingress-route-unauthenticated" in status.message
    # Who is served stays served.
    assert databag_of(shop)["external_host"] == ADDRESS
    assert answers(cluster, "/mine", 200).json()["app"] == "catalog"
    assert get(cluster, "/mine/too").status == 200
    config.http_routes = [http("r", "/mine/deeper", backends=theirs)]
    shop.config("rival", open_routes=config.model_dump_json())
    shop.wait_active()
    assert answers(cluster, "/mine/x", 200).json()["app"] == "catalog"
    assert answers(cluster, "/mine/deeper", 200).json()["app"] == "rival"
    assert databag_of(shop)["external_host"] == ADDRESS

    # Requests for a hostname are compared only with the routes that name it. Therefore no
    # application may name the hostname by which clients know the gateway.
    known, alias = "gate.example.com", "alias.example.com"
    config.http_routes = [http("r", "/mine/deeper", backends=theirs, hostnames=[known, alias])]
    shop.config("rival", open_routes=config.model_dump_json())
    shop.wait_active()
    answers(cluster, "/mine/x", 404, headers={"host": alias})
    shop.config(APP, external_hostname=known, listener_hostname="")
    shop.settle()
    assert "http_routes[0].hostnames: catalog:" in shop.unit_status(UNIT).message
    answers(cluster, "/mine/x", 200, headers={"host": known})
    shop.reset(APP, "external_hostname", "listener-hostname")

    config.http_routes = [http("r", "/lent")]
    shop.config("rival", open_routes=config.model_dump_json())
    shop.settle()
    assert "Service catalog is not one of rival" in shop.unit_status(UNIT).message
    shop.config(APP, trusted_requesters="rival")
    shop.wait_active()
    assert answers(cluster, "/lent", 200).json()["app"] == "catalog"
    shop.reset(APP, "trusted-requesters")
    shop.remove("rival")
    shop.settle()


def test_on_the_mesh_in_hardened_mode(
    cluster: lab.Cluster, shop: juju.Model, control_plane: juju.Model
):
    shop.deploy("charms/istio-beacon-k8s", "beacon")
    shop.integrate("catalog:service-mesh", "beacon:service-mesh")
    control_plane.config("istio-k8s", hardened_mode=True)
    control_plane.wait_active()
    request_routes(cluster, shop, http("plain", "/plain"), grpc("one", "Get"))
    assert answers(cluster, "/plain", 200).json()["app"] == "catalog"
    ok(lambda: lab.grpc_call(f"{ADDRESS}:9096", "/books.Catalog/Get"))
    shop.integrate("catalog:ingress", f"{APP}:ingress")
    shop.config("catalog", port=9443, scheme="https")
    shop.wait_active()
    assert answers(cluster, "/shop-catalog", 200, port=80).json()["tls"] is True
    # The gateway is allowed where it has a route, and no other source is.
    refused = cluster.request("shop/catalog", "shop/catalog:9082", via="pod")
    assert refused.status == (401 if cluster.has_ztunnel else None)
    control_plane.config("istio-k8s", hardened_mode=False)
    control_plane.wait_active()
    shop.remove_relation("catalog:ingress", f"{APP}:ingress")
    shop.reset("catalog", "port", "scheme")
    shop.remove("beacon")
    shop.settle()


def test_over_tls(cluster: lab.Cluster, shop: juju.Model):
    shop.deploy(apps.CERTIFIER)
    shop.integrate("certifier:certificates", f"{APP}:certificates")
    shop.wait_active()
    roots = shop.run("certifier/0", "get-ca-certificate")["ca-certificate"]
    # An HTTP route and a gRPC route at one listener.
    request_routes(
        cluster,
        shop,
        http("plain", "/plain"),
        grpc("one", "Get", listener=HTTP),
        http("usual", "/usual", listener=USUAL),
    )
    assert databag_of(shop) == {"external_host": ADDRESS, "tls_enabled": "True"}
    method = "/books.Catalog/Get"
    ok(lambda: lab.grpc_call(f"{ADDRESS}:8080", method, authorities=roots))
    plain = cluster.request_outside(f"https://{ADDRESS}:8080/plain", roots=roots)
    assert (plain.status, plain.json()["version"]) == (200, "HTTP/1.1")
    assert cluster.request_outside(f"https://{ADDRESS}/usual", roots=roots).status == 200
    moved = answers(cluster, "/usual", 301, port=80)
    assert moved.headers["location"] == f"https://{ADDRESS}/usual"
    assert get(cluster, "/plain").status is None

    hundred = [http(f"r{n}", f"/r{n}", listener=USUAL) for n in range(100)]
    config = published.IstioIngressRouteConfig(model="shop", http_routes=hundred)
    first, again = written(shop, config)
    # One route and one redirect for each.
    assert 200 <= first <= 200 + 15
    assert again == 0
    shop.remove("certifier")
    shop.wait_active()


def written(shop: juju.Model, config: published.IstioIngressRouteConfig) -> tuple[int, int]:
    """Let the application request routes; return the writes of the first hook and of the next."""
    with shop.requests(UNIT) as first:
        shop.config("catalog", routes=config.model_dump_json())
        shop.settle()
    with shop.requests(UNIT) as again:
        shop.emit(UNIT, "update-status")
    return len(first.writes), len(again.writes)


def test_the_number_of_calls_does_not_depend_on_the_number_of_routes(
    cluster: lab.Cluster, shop: juju.Model
):
    request_routes(cluster, shop, http("one", "/one"))
    with shop.requests(UNIT) as one:
        shop.emit(UNIT, "update-status")
    routes = [http(f"r{n}", f"/r{n}") for n in range(90)]
    calls = [grpc(f"g{n}", f"M{n}") for n in range(10)]
    config = published.IstioIngressRouteConfig(model="shop", http_routes=routes, grpc_routes=calls)
    first, again = written(shop, config)
    # One object for each route; beside them gateway, policy and destination rule of the backend.
    assert 100 <= first <= 100 + 15
    assert again == 0
    with shop.requests(UNIT) as hundred:
        shop.emit(UNIT, "update-status")
    assert hundred.by_kind() == one.by_kind()
    answers(cluster, "/r89", 200)


def test_a_route_is_made_at_once_and_heals_when_the_port_opens(
    cluster: lab.Cluster, shop: juju.Model
):
    client: Any = cluster.client
    request_routes(cluster, shop, http("early", "/early"))
    request_routes(cluster, shop, http("early", "/early", backends=[backend(9081)]))
    answers(cluster, "/early", 500)
    assert databag_of(shop) == {"external_host": ADDRESS, "tls_enabled": "False"}

    def allowed_ports() -> list[str]:
        name = "catalog-gate-shop-l4"
        policy = client.get(resources.AuthorizationPolicy, name, namespace="shop")
        return [
            port
            for rule in policy["spec"].get("rules", ())
            for to in rule["to"]
            for port in to["operation"]["ports"]
        ]

    # The application had an open port before: its pods stay closed meanwhile.
    assert allowed_ports() == []
    port = {"name": "late", "port": 9081, "targetPort": 9080}
    client.patch(Service, "catalog", {"spec": {"ports": [port]}}, namespace="shop")
    shop.emit(UNIT, "update-status")
    assert allowed_ports() == ["9080"]
    answers(cluster, "/early", 200)
    assert shop.unit_status(UNIT).name == "active"


def test_routes_and_ports_of_a_removed_relation_are_deleted(
    cluster: lab.Cluster, shop: juju.Model
):
    shop.remove_relation("catalog:routes", f"{APP}:istio-ingress-route")
    shop.wait_active()
    client: Any = cluster.client
    for kind in (resources.HTTPRoute, resources.GRPCRoute, resources.DestinationRule):
        assert list(client.list(kind, namespace="shop")) == []
    spec = client.get(resources.Gateway, APP, namespace="shop")["spec"]
    assert [each["name"] for each in spec["listeners"]] == ["http-80"]
