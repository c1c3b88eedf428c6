# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Routes of interface `ingress`, and the policies of their backends."""

import datetime
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient import authorization, ingress, kube, resources
from istio_ambient.ingress.reports import backends
from istio_ambient.ingress.routing import Match
from istio_ambient.values.problem_codes import Code

from tests.unit.ingress import samples
from tests.unit.ingress.samples import (
    backend,
    configuration,
    facts,
    objects,
    request,
    route,
    service,
)

ROUTE = "HTTPRoute shop/productpage-httproute-http-80-gate"
POLICY = "AuthorizationPolicy shop/productpage-gate-shop-l4"
OTHER = "3f1c0c9e-0000-4000-8000-000000000001"


def messages(facts: ingress.Facts) -> str:
    return "\n".join(map(str, ingress.desired(ingress.resolve(facts)).problems))


def served(facts: ingress.Facts) -> set[str]:
    return {name for name in objects(facts) if name.startswith("HTTPRoute")}


def backend_policies(facts: ingress.Facts) -> set[str]:
    return {name for name in objects(facts) if name.endswith("-l4")}


def test_a_route_by_path_prefix_to_the_own_service():
    assert objects(facts(request()))[ROUTE]["spec"] == {
        "parentRefs": [{"name": "gate", "namespace": "shop", "sectionName": "http-80"}],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/shop-productpage"}}],
                "backendRefs": [{"name": "productpage", "port": 9080}],
            }
        ],
    }


def test_strip_prefix_rewrites_to_the_root():
    rule = objects(facts(request(strip_prefix=True)))[ROUTE]["spec"]["rules"][0]
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    assert rule["filters"] == [{"type": "URLRewrite", "urlRewrite": {"path": path}}]


@pytest.mark.parametrize(
    ("scheme", "settings"),
    [
        ("h2c", {"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}}),
        (
            "https",
            {
                "connectionPool": {"http": {"h2UpgradePolicy": "DO_NOT_UPGRADE"}},
                "tls": {
                    "mode": "SIMPLE",
                    "sni": "productpage.shop.svc.cluster.local",
                    "insecureSkipVerify": True,
                },
            },
        ),
    ],
)
def test_the_gateway_speaks_what_the_application_does(scheme: str, settings: dict[str, Any]):
    spec = objects(facts(request(scheme=scheme)))[
        "DestinationRule shop/productpage-grpc-dest-rule-gate"
    ]["spec"]
    assert spec["trafficPolicy"] == {"portLevelSettings": [{"port": {"number": 9080}, **settings}]}
    # Connections of other clients to the application do not change.
    assert spec["exportTo"] == ["."]
    assert spec["workloadSelector"]["matchLabels"] == {
        "gateway.networking.k8s.io/gateway-name": "gate"
    }


def test_a_service_of_another_model_has_a_destination_rule_of_its_own():
    here = request("web", relation_id=1, scheme="h2c")
    there = remote(scheme="h2c", relation_id=2)
    wanted = facts(here, there, services=(service("web"), WEB), model_namespaces={OTHER: "blog"})
    assert {name for name in objects(wanted) if name.startswith("DestinationRule")} == {
        "DestinationRule shop/web-grpc-dest-rule-gate",
        "DestinationRule shop/web.blog-grpc-dest-rule-gate",
    }


def test_the_gateway_may_reach_the_pods_target_port_and_nothing_else():
    wanted = facts(request(port=80), services=(service(port=80, target=8000),))
    assert objects(wanted)[POLICY]["spec"] == {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "productpage"}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/gate-istio"]}}],
                "to": [{"operation": {"ports": ["8000"]}}],
            }
        ],
    }


def test_a_named_target_port_is_what_the_endpoints_say():
    services = (service(target="web"),)
    named = {("shop", "productpage", "http"): frozenset({8001, 8000})}
    wanted = facts(request(), services=services, named_ports=named)
    rule = objects(wanted)[POLICY]["spec"]["rules"][0]
    assert rule["to"] == [{"operation": {"ports": ["8000", "8001"]}}]


def pending(facts: ingress.Facts) -> list[tuple[str, str]]:
    found = backends.pending(ingress.resolve(facts))
    return [(each.what, each.reason.partition(":")[0]) for each in found]


@pytest.mark.parametrize(
    ("services", "reason"),
    [
        ((), "there is no Service shop/productpage yet"),
        ((service(port=65535),), "Service productpage has no TCP port 9080 yet"),
        ((service(target="web"),), "no pod of productpage has the port behind 9080 yet"),
    ],
)
def test_a_route_is_made_before_its_application_answers(services: Any, reason: str):
    wanted = facts(request(), services=services)
    rule = objects(wanted)[ROUTE]["spec"]["rules"][0]
    assert rule["backendRefs"] == [{"name": "productpage", "port": 9080}]
    assert (backend_policies(wanted), messages(wanted)) == (set(), "")
    assert pending(wanted) == [("ingress of productpage", reason)]
    # The others are served as before.
    both = facts(request(), request("reviews"), services=(*services, service("reviews")))
    assert backend_policies(both) == {"AuthorizationPolicy shop/reviews-gate-shop-l4"}


def test_a_policy_allows_the_ports_that_are_known():
    routes = (
        route("a", backends=(backend("productpage", 9080),)),
        route("b", field="http_routes[1]", backends=(backend("productpage", 9081),)),
    )
    rule = objects(facts(configuration("productpage", *routes)))[POLICY]["spec"]["rules"][0]
    assert rule["to"] == [{"operation": {"ports": ["9080"]}}]


@pytest.mark.parametrize("services", [(), (service(port=65535),), (service(target="web"),)])
def test_pods_stay_closed_while_their_port_is_gone(services: Any):
    before = ingress.desired(ingress.resolve(facts(request()))).objects
    live = kube.Live(
        resources.identity("shop", "gate"), objects={kube.ref_of(obj): obj for obj in before}
    )
    wanted = facts(
        request(), services=services, backend_policies=ingress.backend_policies_of(live)
    )
    assert objects(wanted)[POLICY]["spec"] == {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "productpage"}},
        "action": "ALLOW",
    }


@pytest.mark.parametrize("asked", [request("evil", name="later"), request("later", uuid="x")])
def test_no_route_leads_to_a_service_that_may_be_anothers(asked: ingress.IngressRequest):
    wanted = facts(asked, model_namespaces={"x": "shop"}, services=())
    rule = objects(wanted)["HTTPRoute shop/later-httproute-http-80-gate"]["spec"]["rules"][0]
    assert "backendRefs" not in rule
    assert backend_policies(wanted) == set()
    # It turns out to be another application's.
    later = service("later", selector={"app.kubernetes.io/name": "victim"})
    assert served(facts(asked, model_namespaces={"x": "shop"}, services=(later,))) == set()


def test_no_backend_takes_the_share_of_one_that_is_missing():
    named = (backend("productpage", 9080, 1), backend("canary", 9080, 99))
    wanted = facts(configuration("productpage", route("a", backends=named)))
    (name,) = served(wanted)
    assert "backendRefs" not in objects(wanted)[name]["spec"]["rules"][0]
    assert backend_policies(wanted) == {POLICY}
    assert pending(wanted) == [
        ("istio-ingress-route of productpage", "there is no Service shop/canary yet")
    ]


def test_a_route_that_waits_gives_way_to_one_of_the_same_application_that_answers():
    match = Match(path="/same")
    good = route("good", matches=[match], backends=(backend("productpage", 9080),))
    field = "http_routes[1]"
    other = route("other", field=field, matches=[match], backends=(backend("kubernetes", 443),))
    wanted = facts(configuration("productpage", good, other))
    assert served(wanted) == {"HTTPRoute shop/productpage-good-httproute-http-8080-gate"}
    assert messages(wanted) == ""


def test_pods_of_another_model_stay_closed_while_their_service_is_gone():
    def wanted(*services: Any, **more: Any) -> ingress.Facts:
        return facts(remote(), services=services, model_namespaces={OTHER: "blog"}, **more)

    before = ingress.desired(ingress.resolve(wanted(WEB))).objects
    live = kube.Live(
        resources.identity("shop", "gate"), objects={kube.ref_of(obj): obj for obj in before}
    )
    after = objects(wanted(backend_policies=ingress.backend_policies_of(live)))
    (name,) = (name for name in after if name.endswith("-l4"))
    assert name == "AuthorizationPolicy blog/web-gate-blog-l4"
    assert after[name]["spec"]["selector"] == objects(wanted(WEB))[name]["spec"]["selector"]
    assert "rules" not in after[name]["spec"]


def test_the_controllers_model_has_another_name_than_its_namespace():
    def paths(model: str, namespace: str) -> set[str]:
        asked = request("dash", "dashboard", model=model, uuid=OTHER)
        there = service("dashboard", namespace=namespace)
        wanted = facts(asked, services=(there,), model_namespaces={OTHER: namespace})
        return {name for name in served(wanted) if f" {namespace}/" in name}

    assert paths("controller", "controller-k1")
    assert paths("blog", "blog")
    # A requester takes no URL of another model: `/<model>-<application>` is ambiguous.
    assert not paths("shop-product", "blog")
    assert not paths("controller", "blog")


MADE = datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def waits(wanted: ingress.Facts, *, live: bool = True) -> list[kube.Readiness]:
    """Return what is reported about backends, with the routes in the cluster or not."""
    made = [obj for obj in ingress.desired(samples.resolve(wanted)).objects if live]
    for obj in made:
        obj.metadata.creationTimestamp = MADE
    objects = {kube.ref_of(obj): obj for obj in made}
    cluster = kube.Live(resources.identity("shop", "gate"), objects=objects)
    return list(backends.missing_backends(ingress.resolve(wanted), cluster))


def test_a_missing_backend_is_told_late():
    # Since the route was made, or the Service was written.
    for written, since in ((None, MADE), (MADE - HOUR, MADE), (MADE + HOUR, MADE + HOUR)):
        wanted = facts(request(), services=(service(port=65535, written=written),))
        (found,) = waits(wanted)
        assert (found.since, found.told_late, found.ready) == (since, True, False)
        assert "has no TCP port 9080" in found.reason
    assert waits(facts(request(), services=()), live=False) == []
    assert waits(facts(request())) == []


def test_what_is_missing_is_watched():
    asked = (request(), request("reviews", relation_id=2), request("evil", name="later"))
    wanted = facts(*asked, services=(service(port=65535), service("reviews")))
    assert backends.watched(ingress.resolve(wanted)) == [
        ("later.shop.svc", 9080),
        ("productpage.shop.svc", 9080),
    ]
    many = [request(f"app{number}", relation_id=number) for number in range(99)]
    found = backends.watched(ingress.resolve(facts(*many, services=())))
    assert len(found) == backends.MAX_WATCHED


@pytest.mark.parametrize(
    ("asked", "extra", "told"),
    [
        (request(app="evil", name="productpage"), (), "Service productpage is not one of evil"),
        (request(model="bank"), (service(namespace="bank"),), "asks for model bank"),
        (request(app="open", name="open"), (service("open", selector={}),), "selects no pods"),
        (
            request(app="away", name="away"),
            (service("away", external_name=True),),
            "leads out of the cluster",
        ),
    ],
)
def test_a_refused_request_is_reported_while_others_are_served(
    asked: ingress.IngressRequest, extra: tuple[authorization.ServiceFacts, ...], told: str
):
    neighbour = request(app="reviews", relation_id=9)
    wanted = facts(asked, neighbour, services=(service(), service("reviews"), *extra))
    assert served(wanted) == {"HTTPRoute shop/reviews-httproute-http-80-gate"}
    assert backend_policies(wanted) == {"AuthorizationPolicy shop/reviews-gate-shop-l4"}
    assert told in messages(wanted)
    assert f"{asked.requester.app}:ingress" in messages(wanted)


def remote(**changes: Any) -> ingress.IngressRequest:
    arguments: dict[str, Any] = {
        "app": "remote-1",
        "name": "web",
        "model": "blog",
        "uuid": OTHER,
        **changes,
    }
    return request(**arguments)


WEB = service("web", namespace="blog")


def test_another_models_application_is_served_in_its_own_namespace():
    wanted = facts(remote(), services=(WEB,), model_namespaces={OTHER: "blog"})
    assert served(wanted) == {"HTTPRoute blog/web-httproute-http-80-gate"}
    assert backend_policies(wanted) == {"AuthorizationPolicy blog/web-gate-blog-l4"}
    route = objects(wanted)["HTTPRoute blog/web-httproute-http-80-gate"]
    assert route["spec"]["parentRefs"][0]["namespace"] == "shop"


@pytest.mark.parametrize(
    ("asked", "found", "ids"),
    [
        (remote(), WEB, {}),
        (remote(), WEB, {"blog": "someone-else"}),
        (remote(uuid="unknown"), WEB, {"blog": OTHER}),
        (remote(), service("web", namespace="blog", by_juju=False), {"blog": OTHER}),
        (
            remote(),
            service("web", namespace="blog", selector={"app.kubernetes.io/name": "x"}),
            {"blog": OTHER},
        ),
        (remote(model="shop", name="productpage"), service(), {"blog": OTHER, "shop": "ours"}),
        (remote(uuid=""), WEB, {"blog": OTHER}),
    ],
)
def test_another_models_application_is_bound_to_its_model(
    asked: ingress.IngressRequest, found: authorization.ServiceFacts, ids: dict[str, str]
):
    wanted = facts(
        asked, services=(found,), model_namespaces={uuid: name for name, uuid in ids.items()}
    )
    assert (served(wanted), backend_policies(wanted)) == (set(), set())
    assert "remote-1:ingress" in messages(wanted)
    assert "refused" in messages(wanted)


def clash() -> tuple[ingress.IngressRequest, ...]:
    # shop + x-y and shop-x + y have one path.
    return (
        request(app="x-y", relation_id=1),
        request(app="remote-7", name="y", model="shop-x", relation_id=2, uuid=OTHER),
    )


CLASHING = (service("x-y"), service("y", namespace="shop-x"), service())


def test_of_two_applications_with_one_path_one_is_served_and_both_are_named():
    requests = (*clash(), request(relation_id=3))
    wanted = facts(*requests, services=CLASHING, model_namespaces={OTHER: "shop-x"})
    assert served(wanted) == {ROUTE, "HTTPRoute shop/x-y-httproute-http-80-gate"}
    assert backend_policies(wanted) == {POLICY, "AuthorizationPolicy shop/x-y-gate-shop-l4"}
    assert {route.relation_id for route in ingress.resolve(wanted).served.routes} == {1, 3}
    (problem,) = ingress.desired(ingress.resolve(wanted)).problems
    assert "/shop-x-y" in str(problem)
    assert "x-y:ingress" in str(problem)
    assert "remote-7:ingress" in str(problem)


def test_a_conflict_ends_when_one_of_them_goes():
    wanted = facts(clash()[0], services=CLASHING, model_namespaces={OTHER: "shop-x"})
    assert served(wanted) == {"HTTPRoute shop/x-y-httproute-http-80-gate"}
    assert messages(wanted) == ""


def test_a_refused_request_causes_no_conflict():
    wanted = facts(*clash(), services=CLASHING, model_namespaces={"someone-else": "shop-x"})
    assert served(wanted) == {"HTTPRoute shop/x-y-httproute-http-80-gate"}


def test_one_application_that_asks_twice_for_the_same_is_served_once():
    wanted = facts(request(relation_id=1), request(relation_id=2))
    assert served(wanted) == {ROUTE}
    assert [route.relation_id for route in ingress.resolve(wanted).served.routes] == [1, 2]


def test_one_application_that_contradicts_itself_is_not_served():
    services = (
        service(ports=(authorization.ServicePort(80, 80), authorization.ServicePort(81, 81))),
    )
    wanted = facts(
        request(port=80, relation_id=1), request(port=81, relation_id=2), services=services
    )
    assert served(wanted) == set()
    assert "none of these routes is served" in messages(wanted)
    (problem,) = ingress.desired(ingress.resolve(wanted)).problems
    assert problem.code is Code.ROUTES_CONTRADICT


def test_long_names_stay_apart_and_fit():
    apps = ["a" * 62 + "b", "a" * 62 + "c"]
    requests = [request(app=app, relation_id=n) for n, app in enumerate(apps)]
    wanted = ingress.Facts(
        "shop",
        "g" * 200,
        requests=requests,
        cluster=ingress.Cluster({("shop", app): service(app) for app in apps}),
    )
    names = [name.partition("/")[2] for name in objects(wanted) if "aaaa" in name]
    assert len(set(names)) == 4
    assert max(map(len, names)) <= 253


def test_the_order_of_relations_changes_nothing():
    requests = [request(app=f"app{n}", relation_id=n) for n in range(5)]
    services = tuple(service(f"app{n}") for n in range(5))
    assert objects(facts(*requests, services=services)) == objects(
        facts(*reversed(requests), services=services)
    )


_requests = st.builds(
    request,
    app=st.sampled_from(["a", "b", "remote-1"]),
    name=st.sampled_from(["a", "b", "c"]),
    model=st.sampled_from(["shop", "blog", "shop-a"]),
    port=st.sampled_from([80, 81]),
    relation_id=st.integers(0, 9),
    uuid=st.sampled_from(["", OTHER, "unknown"]),
    strip_prefix=st.booleans(),
)
_services = st.builds(
    service,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["shop", "blog"]),
    st.sampled_from([80, 81]),
    st.sampled_from([8080, "web"]),
    selector=st.sampled_from([{}, {"app.kubernetes.io/name": "a"}, {"x": "y"}]),
    by_juju=st.booleans(),
)


@hypothesis.given(st.lists(_requests, max_size=5), st.lists(_services, max_size=5))
def test_never_wider_than_what_is_ones_own(
    requests: list[ingress.IngressRequest], services: list[authorization.ServiceFacts]
):
    wanted = facts(*requests, services=tuple(services), model_namespaces={OTHER: "blog"})
    for name, manifest in objects(wanted).items():
        spec = manifest.get("spec", {})
        if name.endswith("-l4"):
            (rule,) = spec["rules"]
            assert rule["from"][0]["source"]["principals"]
            assert rule["to"][0]["operation"]["ports"]
            assert spec["selector"]["matchLabels"]["app.kubernetes.io/name"] == "a"
        if name.startswith("HTTPRoute"):
            (rule,) = spec["rules"]
            namespace = manifest["metadata"]["namespace"]
            # None where a Service of this name may still turn out to be another's.
            for ref in rule.get("backendRefs", ()):
                named = (namespace, ref["name"])
                owner = {(s.namespace, s.name): s.selector for s in services}.get(named)
                # Juju makes the Service of an application's name for that application.
                is_made_later = owner is None and named in {("shop", "a"), ("shop", "b")}
                assert is_made_later or owner == {"app.kubernetes.io/name": "a"}
