# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Routes in the cluster that name our Gateway, of any owner."""

from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from istio_ambient import ingress, kube, resources
from istio_ambient.ingress.model import AttachedRoute, Match, PathType, Protocol
from istio_ambient.ingress.reports import route_list

from tests.unit.ingress import samples
from tests.unit.whole_charm.fake_cluster import CONTROLLER

GATE = ingress.GatewayRef("shop", "gate")
PARENT = {"name": "gate", "namespace": "shop"}


def route(namespace: str = "shop", grpc: bool = False, **content: Any) -> kube.Resource:
    kind: kube.ResourceType = resources.GRPCRoute if grpc else resources.HTTPRoute
    metadata = {"name": "by-hand", "namespace": namespace, **content.pop("metadata", {})}
    spec = {"parentRefs": [PARENT], **content.pop("spec", {})}
    return kind.from_dict({"metadata": metadata, "spec": spec, **content})


def attached(*routes: kube.Resource) -> tuple[AttachedRoute, ...]:
    return ingress.attached_routes(routes, GATE)


def matches(*found: dict[str, Any], grpc: bool = False) -> tuple[Match, ...]:
    (each,) = attached(route(grpc=grpc, spec={"rules": [{"matches": list(found)}]}))
    return each.matches


@pytest.mark.parametrize(
    ("parent", "namespace", "is_ours"),
    [
        (PARENT, "team-a", True),
        ({"name": "gate"}, "shop", True),
        ({"name": "gate"}, "team-a", False),
        ({"name": "other", "namespace": "shop"}, "shop", False),
        ({"name": "gate", "kind": "Service"}, "shop", False),
    ],
)
def test_routes_that_name_our_gateway(parent: dict[str, Any], namespace: str, is_ours: bool):
    assert bool(attached(route(namespace, spec={"parentRefs": [parent]}))) is is_ours


def test_a_route_is_told_once_for_each_listener_that_it_names():
    parents = [{**PARENT, "sectionName": "http-80"}, {**PARENT, "port": 8080}]
    found = attached(route(spec={"parentRefs": parents, "hostnames": ["a.example"]}))
    assert [(each.listener, each.port) for each in found] == [("", 8080), ("http-80", 0)]
    assert {each.hostnames for each in found} == {("a.example",)}


def test_what_an_http_route_matches():
    path = {"path": {"type": "Exact", "value": "/a"}, "method": "GET"}
    headers = [{"name": "X-B", "value": "c", "type": "RegularExpression"}]
    assert matches(path, {"path": {"value": "/b/"}, "headers": headers}) == (
        Match(PathType.EXACT, "/a", "GET"),
        Match(PathType.PREFIX, "/b", headers=(("x-b", "c"),)),
    )
    assert matches({"queryParams": [{"name": "q", "value": "1"}]}) == (
        Match(headers=(("q", "1"),)),
    )


def test_what_a_grpc_route_matches():
    service, method = {"method": {"service": "a.B"}}, {"method": {"service": "a.B", "method": "C"}}
    (found,) = attached(route(grpc=True))
    assert (found.protocol, found.matches) == (Protocol.GRPC, (Match(),))
    assert matches(service, method, grpc=True) == (
        Match.of_grpc("a.B"),
        Match.of_grpc("a.B", "C"),
    )
    expression = {"method": {"type": "RegularExpression", "service": "a.*"}}
    conditions = {"headers": [{"name": "X-B", "value": "c"}]}
    assert matches({**expression, **conditions}, grpc=True) == (Match(headers=(("x-b", "c"),)),)


@pytest.mark.parametrize(
    ("match", "grpc"),
    [
        ({"path": {"type": "Glob", "value": "/a"}}, False),
        ({"path": {"value": 7}}, False),
        ({"path": {"value": "/a"}, "headers": [{"value": "without a name"}]}, False),
        ({"method": {"method": "C"}}, True),
        ({"method": {"type": "RegularExpression", "service": "a"}}, True),
    ],
)
def test_a_match_that_cannot_be_read_is_for_all_paths(match: dict[str, Any], grpc: bool):
    assert matches(match, grpc=grpc) == (Match(),)


NO_MATCHES = dict[str, Any]()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (NO_MATCHES, (Match(),)),
        ({"rules": [NO_MATCHES]}, (Match(),)),
        (
            {"rules": [{"matches": [{"path": {"value": "/a"}}]}, NO_MATCHES]},
            (Match(path="/a"), Match()),
        ),
    ],
)
def test_a_rule_without_matches_is_for_all_paths(
    spec: dict[str, Any], expected: tuple[Match, ...]
):
    assert attached(route(spec=spec))[0].matches == expected


def test_whether_istiod_accepts_it():
    def accepted(ref: dict[str, Any], generation: int = 2, value: str = "True") -> bool | None:
        condition = {"type": "Accepted", "status": value, "observedGeneration": generation}
        parent = {"parentRef": ref, "conditions": [condition]}
        status = {"parents": [{**parent, "controllerName": CONTROLLER}]}
        return attached(route(metadata={"generation": 2}, status=status))[0].accepted

    assert accepted(PARENT) is True
    assert accepted(PARENT, value="False") is False
    assert accepted(PARENT, generation=1) is None
    assert accepted({**PARENT, "sectionName": "http-80"}) is None
    assert accepted({"name": "other"}) is None


@pytest.mark.parametrize("value", ["True", "False"])
def test_only_istiod_says_whether_istiod_accepts_it(value: str):
    def said(controller: str, value: str) -> dict[str, Any]:
        conditions = [{"type": "Accepted", "status": value}]
        return {"controllerName": controller, "parentRef": PARENT, "conditions": conditions}

    other = said("tenant.example/x", "False" if value == "True" else "True")
    parents = [other, said(CONTROLLER, value)]
    assert attached(route(status={"parents": parents}))[0].accepted is (value == "True")
    assert attached(route(status={"parents": [other]}))[0].accepted is None


@pytest.mark.parametrize("text", ["", "{}", "[7]", "[", '"a:ingress"'])
def test_a_requester_that_cannot_be_read_is_not_known(text: str):
    annotated = route(metadata={"annotations": {"charmed-istio/requested-by": text}})
    assert attached(annotated)[0].requested_by == frozenset()


def test_our_own_routes_name_their_requester():
    desired = ingress.desired(ingress.resolve(samples.facts(samples.request())))
    kinds = tuple(ingress.KINDS.values())
    (found,) = attached(*(obj for obj in desired.objects if isinstance(obj, kinds)))
    assert found.requested_by == {"productpage:ingress"}
    assert (found.listener, found.matches) == ("http-80", (Match(path="/shop-productpage"),))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3)
    ),
    max_leaves=8,
)
_KEYS = ("path", "method", "headers", "queryParams", "type", "value", "service", "name")


@pytest.mark.slow
@hypothesis.given(
    st.lists(
        st.dictionaries(
            st.sampled_from(_KEYS), _JSON | st.dictionaries(st.sampled_from(_KEYS), _JSON)
        )
    ),
    st.booleans(),
)
@hypothesis.settings(deadline=None)
def test_no_match_makes_the_reading_fail(found: list[dict[str, Any]], grpc: bool):
    assert matches(*found, grpc=grpc)


def foreign(namespace: str, accepted: bool | None = None) -> AttachedRoute:
    return AttachedRoute(Protocol.HTTP, namespace, "by-hand", accepted=accepted)


def test_routes_of_other_namespaces_count_where_the_gateway_takes_them():
    strange, known = foreign("team-a"), foreign("team-b")
    taken = foreign("team-c", accepted=True)
    facts = samples.facts(
        foreign_routes=(foreign("shop"), strange, known, taken),
        config=ingress.Config.model_validate({"route_namespaces": "team-b"}),
    )
    resolved = ingress.resolve(facts)
    assert set(resolved.foreign_routes) == {foreign("shop"), known, taken}
    assert [each.route for each in route_list.foreign_entries(resolved)] == [
        "HTTPRoute shop/by-hand",
        "HTTPRoute team-b/by-hand",
        "HTTPRoute team-c/by-hand",
    ]
    text = route_list.foreign_table(route_list.foreign_entries(resolved))
    assert "HTTPRoute team-b/by-hand" in text and "team-a" not in text
    message = ingress.desired(resolved).message
    assert message.endswith("3 routes of another owner, see list-routes: HTTPRoute shop/by-hand")
    assert "another owner" not in ingress.desired(ingress.resolve(samples.facts())).message


def test_a_route_that_the_gateway_does_not_take_closes_no_path():
    asked = samples.request(endpoint="ingress-unauthenticated", authenticated=False)
    login = ingress.ForwardAuth(wanted=True, provider_name="ext-authz-gate")

    def policy(*routes: AttachedRoute) -> Any:
        given = samples.facts(asked, forward_auth=login, foreign_routes=routes)
        return samples.objects(given)["AuthorizationPolicy shop/ext-authz-gate"]["spec"]["rules"]

    assert policy(foreign("stranger")) == policy()
    assert policy(foreign("stranger", accepted=False)) == policy()
    assert policy(foreign("stranger", accepted=True)) != policy()
    assert policy(foreign("shop")) != policy()
    # One with our labels and annotations in a namespace of a tenant.
    given = samples.resolve(samples.facts(asked, forward_auth=login)).facts
    for accepted, closes in ((None, False), (False, False), (True, True)):
        forged = msgspec.structs.replace(
            foreign("stranger", accepted=accepted), requested_by=frozenset({"other:ingress"})
        )
        more = msgspec.structs.replace(given, live_routes=(*given.live_routes, forged))
        objects = ingress.desired(ingress.resolve(more)).objects
        (found,) = (obj for obj in objects if obj.metadata.name == "ext-authz-gate")
        assert (kube.manifest_of(found)["spec"]["rules"] != policy()) is closes
