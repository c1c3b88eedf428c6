# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Routes of interface `istio_ingress_route`: objects, names, ownership."""

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient import ingress
from istio_ambient.ingress.routing import Match, PathType
from istio_ambient.interfaces.istio_ingress_route import Backend

from tests.unit.ingress.samples import (
    PlacedRoute,
    backend,
    configuration,
    facts,
    objects,
    redirect,
    route,
    service,
)
from tests.unit.ingress.tempo import TEMPO, TLS, grpc, listeners, messages, routes, tempo, wanted


def test_an_http_route_with_everything():
    asked = route(
        matches=(
            Match(PathType.PREFIX, "/api", "GET", (("x-beta", "yes"),)),
            Match(PathType.REGEX, "/v[0-9]+/.*"),
        ),
        hostnames=("api.example.com",),
        rewrite={
            "hostname": "inside.example.com",
            "path": {"type": "ReplaceFullPath", "replaceFullPath": "/"},
        },
        backends=(backend("tempo", 3200, 90), backend("tempo", 9096, 10)),
    )
    assert objects(wanted(tempo(asked)))["HTTPRoute shop/tempo-main-httproute-http-8080-gate"][
        "spec"
    ] == {
        "parentRefs": [{"name": "gate", "namespace": "shop", "sectionName": "http-8080"}],
        "hostnames": ["api.example.com"],
        "rules": [
            {
                "matches": [
                    {
                        "path": {"type": "PathPrefix", "value": "/api"},
                        "method": "GET",
                        "headers": [{"name": "x-beta", "value": "yes"}],
                    },
                    {"path": {"type": "RegularExpression", "value": "/v[0-9]+/.*"}},
                ],
                "filters": [
                    {
                        "type": "URLRewrite",
                        "urlRewrite": {
                            "hostname": "inside.example.com",
                            "path": {"type": "ReplaceFullPath", "replaceFullPath": "/"},
                        },
                    }
                ],
                "backendRefs": [
                    {"name": "tempo", "port": 3200, "weight": 90},
                    {"name": "tempo", "port": 9096, "weight": 10},
                ],
            }
        ],
    }


def test_a_grpc_route_and_how_the_gateway_speaks_to_its_backend():
    found = objects(wanted(tempo(grpc())))
    assert found["GRPCRoute shop/tempo-traces-grpcroute-http-9096-gate"]["spec"]["rules"] == [
        {
            "matches": [
                {"method": {"service": "a.B", "method": "C"}},
                {"method": {"service": "a.D"}},
                {},
            ],
            "backendRefs": [{"name": "tempo", "port": 9096}],
        }
    ]
    assert found["DestinationRule shop/tempo-grpc-dest-rule-gate"]["spec"] == {
        "host": "tempo.shop.svc.cluster.local",
        "exportTo": ["."],
        "workloadSelector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "gate"}},
        "trafficPolicy": {"connectionPool": {"http": {"useClientProtocol": True}}},
    }


def test_a_port_without_grpc_is_spoken_to_as_before():
    found = objects(wanted(tempo(grpc(), route())))
    policy = found["DestinationRule shop/tempo-grpc-dest-rule-gate"]["spec"]["trafficPolicy"]
    assert policy["portLevelSettings"] == [
        {
            "port": {"number": 3200},
            "connectionPool": {"http": {"h2UpgradePolicy": "DO_NOT_UPGRADE"}},
        }
    ]


def test_plain_http_needs_no_destination_rule():
    assert not [name for name in objects(wanted(tempo(route()))) if "DestinationRule" in name]


def test_a_grpc_route_that_redirects_is_an_http_route():
    elsewhere = redirect(hostname="new.example.com", statusCode=308)
    found = objects(wanted(tempo(grpc(redirect=elsewhere))))
    (rule,) = found["HTTPRoute shop/tempo-traces-httproute-http-9096-gate"]["spec"]["rules"]
    assert [match["path"] for match in rule["matches"]] == [
        {"type": "Exact", "value": "/a.B/C"},
        {"type": "PathPrefix", "value": "/a.D"},
        {"type": "PathPrefix", "value": "/"},
    ]
    assert rule["filters"] == [
        {
            "type": "RequestRedirect",
            "requestRedirect": {"hostname": "new.example.com", "statusCode": 308},
        }
    ]
    assert "backendRefs" not in rule
    assert "AuthorizationPolicy shop/tempo-gate-shop-l4" not in found


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        (backend("productpage", 9080), "Service productpage is not one of tempo: refused"),
        (backend("open", 80), "selects no pods: refused"),
        (backend("away", 80), "leads out of the cluster: refused"),
    ],
)
def test_a_route_with_one_backend_that_is_not_its_own_is_refused_whole(ref: Backend, told: str):
    extra = (service("open", port=80, selector={}), service("away", port=80, external_name=True))
    asked = wanted(
        tempo(route(backends=(backend("tempo", 3200, 1), ref)), route("other", field="x")),
        services=(TEMPO, service(), *extra),
    )
    assert routes(asked) == {"HTTPRoute shop/tempo-other-httproute-http-8080-gate"}
    assert "tempo:istio-ingress-route http_routes[0].backends[1].service: " in messages(asked)
    assert told in messages(asked)


TRUSTED = ingress.Config(trusted_requesters=frozenset({"tempo"}))


def test_trust_lifts_whose_service_it_is_and_nothing_else():
    refs = (backend("productpage", 9080),)
    asked = wanted(tempo(route(backends=refs)), config=TRUSTED)
    assert messages(asked) == ""
    assert "AuthorizationPolicy shop/productpage-gate-shop-l4" in objects(asked)
    foreign = tempo(route(backends=refs), model="bank")
    services = (service(namespace="bank"), TEMPO)
    refused = wanted(foreign, config=TRUSTED, services=services)
    assert routes(refused) == set()
    assert "asks for model bank" in messages(refused)


def test_a_configuration_for_another_model_opens_no_port():
    asked = wanted(tempo(route(), model="bank", ports=(8443,)))
    assert listeners(asked) == [("http-80", 80, "HTTP")]


def test_several_services_of_another_models_applications():
    other = "3f1c0c9e-0000-4000-8000-000000000001"
    services = (
        service("web", "blog", 80),
        service(
            "web-admin", "blog", 80, selector={"app.kubernetes.io/name": "web"}, by_juju=False
        ),
        service("stray", "blog", 80, selector={"app.kubernetes.io/name": "x"}, by_juju=False),
    )
    refs = [(backend("web", 80), backend("web-admin", 80)), (backend("stray", 80),)]
    asked = facts(
        configuration(
            "remote-1",
            *(route(f"r{n}", backends=each) for n, each in enumerate(refs)),
            model="blog",
            uuid=other,
        ),
        services=services,
        model_namespaces={other: "blog"},
    )
    assert routes(asked) == {"HTTPRoute blog/remote-1-r0-httproute-http-8080-gate"}
    assert "Service stray of model blog is of no application of Juju's" in messages(asked)


def test_objects_of_different_applications_never_share_a_name():
    services = tuple(service(name, port=80) for name in ("a", "a-b"))
    one = configuration("a", route("b-c", backends=(backend("a", 80),)), relation_id=1)
    two = configuration(
        "a-b",
        route("c", backends=(backend("a-b", 80),), matches=(Match(path="/c"),)),
        relation_id=2,
    )
    found = routes(wanted(one, two, services=services))
    assert len(found) == 2
    assert "HTTPRoute shop/a-b-c-httproute-http-8080-gate" in found
    assert found == routes(wanted(two, one, services=services))


def test_routes_of_one_application_with_one_name_are_both_served():
    asked = wanted(
        tempo(route(matches=(Match(path="/a"),)), route(field="x", matches=(Match(path="/b"),)))
    )
    assert len(routes(asked)) == 2


PATHS = ["/", "/a", "/a/b"]
_refs = st.builds(backend, st.sampled_from(["tempo", "productpage", "open", "gone"]), st.just(80))
_route_requests = st.builds(
    route,
    st.sampled_from(["x", "y"]),
    port=st.sampled_from([80, 443, 8080, 15021]),
    matches=st.lists(st.builds(Match, path=st.sampled_from(PATHS)), min_size=1, max_size=2),
    hostnames=st.lists(st.sampled_from(["a.b", "*.b", "c.d"]), max_size=2).map(tuple),
    backends=st.lists(_refs, min_size=1, max_size=2, unique=True).map(tuple),
    grpc=st.booleans(),
    redirect=st.none() | st.just(redirect(hostname="x.y")),
)
_configurations = st.tuples(
    st.sampled_from(["tempo", "productpage", "evil"]),
    st.lists(_route_requests, max_size=3),
    st.sampled_from(["shop", "bank"]),
    st.sampled_from(["istio-ingress-route", "istio-ingress-route-unauthenticated"]),
)


def numbered(number: int, wish: tuple[str, list[PlacedRoute], str, str]) -> ingress.IngressRequest:
    """Return the configuration as it is read of one databag."""
    app, wanted, model, endpoint = wish
    fields = [(f"routes[{n}]", each) for n, (_, each) in enumerate(wanted)]
    return configuration(app, *fields, model=model, endpoint=endpoint, relation_id=number)


@pytest.mark.slow
@hypothesis.settings(max_examples=200)
@hypothesis.given(
    st.lists(_configurations, max_size=4),
    st.sampled_from(["", "*.b"]),
    st.sampled_from([ingress.Tls(), TLS, ingress.Tls(wanted=True)]),
)
def test_never_wider_than_what_is_ones_own(
    wishes: list[tuple[str, list[PlacedRoute], str, str]],
    listener: str,
    tls: ingress.Tls,
):
    services = (
        service("tempo", port=80),
        service("productpage", port=80),
        service("open", port=80, selector={}),
        service("tempo", namespace="bank", port=80),
    )
    asked = facts(
        *(numbered(n, wish) for n, wish in enumerate(wishes)),
        services=services,
        config=ingress.Config(listener_hostname=listener),
        tls=tls,
    )
    served = ingress.resolve(asked).served
    places: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
    for each in served.routes:
        assert each.namespace == "shop"
        assert each.redirect or each.backends or each.missing
        assert {backend.service for backend in each.backends} <= {each.requester.app}
        for match in each.matches:
            for host in each.answers_to:
                place = (each.listener.name, host, match.path)
                places.setdefault(place, set()).add((each.requester.app, each.requester.endpoint))
    assert all(len(requesters) == 1 for requesters in places.values())
    open_listeners = {name for name, _, _ in listeners(asked)}
    found = objects(asked)
    for name, manifest in found.items():
        if name.startswith(("HTTPRoute", "GRPCRoute")):
            (parent,) = manifest["spec"]["parentRefs"]
            assert parent["sectionName"] in open_listeners
            (rule,) = manifest["spec"]["rules"]
            assert rule["matches"]
            for ref in rule.get("backendRefs", ()):
                assert f"AuthorizationPolicy shop/{ref['name']}-gate-shop-l4" in found
    if tls.pending:
        assert served.routes == ()
    # Every route has an object of its own, equal ones of one application excepted.
    refs = {each.ref: each for each in served.routes}
    for each in served.routes:
        same = refs[each.ref]
        assert (same.requester.app, same.matches, same.target) == (
            each.requester.app,
            each.matches,
            each.target,
        )
