# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The option extra-access: what entries allow at both proxies, and what an invalid one does."""

import dataclasses
import itertools
import json
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from istio_ambient import authorization, beacon, kube, resources
from istio_ambient.authorization import evaluator
from istio_ambient.values.problem_codes import Code

from tests.unit.authorization.evaluator import samples

NAME = authorization.NAME_LABEL
PORTS = (authorization.ServicePort(80, 9080), authorization.ServicePort(81, "admin"))
SERVICES = {
    ("shop", name): authorization.ServiceFacts("shop", name, {NAME: "details"}, PORTS)
    for name in ("details", "details-api")
} | {
    ("shop", "details-endpoints"): authorization.ServiceFacts(
        "shop", "details-endpoints", {NAME: "details"}, headless=True
    )
}
CLUSTER = authorization.Cluster(SERVICES, namespace_labels={"shop": {}})
GIVEN: dict[str, Any] = {"from": {"namespace": "ci"}, "to": "details", "ports": [80]}
DETAILS = evaluator.Destination.service("shop", "details")
PODS = evaluator.Destination.workload("shop", "details")
SERVED = authorization.Target.app("shop", "details")


def facts(option: object, established: Any = (), **changes: Any) -> beacon.Facts:
    text = option if isinstance(option, str) else json.dumps(option)
    config = beacon.Config.model_validate({"extra_access": text})
    found = beacon.Facts("shop", "beacon", 1, {}, CLUSTER, config=config)
    return msgspec.structs.replace(found, established_extra=frozenset(established), **changes)


def entry(**members: Any) -> dict[str, Any]:
    found = {**GIVEN, **members}
    return {key: value for key, value in found.items() if value is not None}


def policies(given: beacon.Facts) -> list[Any]:
    kinds = map(kube.manifest_of, beacon.desired(given).objects)
    return [each for each in kinds if each["kind"] == "AuthorizationPolicy"]


CLIENTS = {"ci": "ci/runner", "notebook": "kf/notebook", "web": "shop/web", "outside": None}
NEAR, FAR = "192.0.2.1", "198.51.100.1"


def reached(option: object) -> set[tuple[str, ...]]:
    """Return the requests that pass in hardened mode: at the waypoint, and at the pods alone."""
    allowing = (*policies(facts(option)), *samples.hardened())
    services = (samples.service(ports=[{"port": 80, "targetPort": 9080}]),)
    waypoint = samples.snapshot(*allowing, services=services, pods=())
    pods = samples.snapshot(*allowing, services=services, auto_allow=False)
    found: set[tuple[str, ...]] = set()
    for (name, source), address, method in itertools.product(
        CLIENTS.items(), (NEAR, FAR), ("GET", "POST")
    ):
        asked = evaluator.Request(source, DETAILS, 80, method, "/x", source_ip=address)
        if source is not None and _passes(waypoint, asked):
            found.add(("waypoint", name, address, method))
        if _passes(pods, dataclasses.replace(asked, destination=PODS, port=9080)):
            found.add(("pods", name, address, method))
    return found


def _passes(snapshot: evaluator.Snapshot, request: evaluator.Request) -> bool:
    decision = evaluator.evaluate(snapshot, request).decision
    assert decision is not evaluator.Decision.CONDITIONAL
    return decision is evaluator.Decision.ALLOWED


def of(*names: str, **members: Any) -> set[tuple[str, ...]]:
    """Return the requests of clients, at both proxies unless a member says otherwise."""
    return {
        (where, name, address, method)
        for where in members.get("where", ("waypoint", "pods"))
        for name in names
        for address in members.get("addresses", (NEAR, FAR))
        for method in members.get("methods", ("GET", "POST"))
        if (where, name) != ("waypoint", "outside")
    }


@pytest.mark.parametrize(
    ("clients", "members", "passes"),
    [
        ({"namespace": "ci"}, {}, of("ci")),
        ({"service-account": "kf/notebook"}, {}, of("notebook")),
        ({"service-account": "kf/other"}, {}, of()),
        ({"application": "web"}, {}, of("web")),
        ({"application": "kf/notebook"}, {}, of("notebook")),
        ({"outside": ["192.0.2.0/24"]}, {}, of("outside", addresses=[NEAR])),
        ({"outside": True}, {"confirm": True}, of("outside")),
        ({"outside": ["0.0.0.0/0"]}, {"confirm": True}, of("outside")),
        ({"everyone": True}, {"confirm": True}, of(*CLIENTS)),
        (
            {"namespace": "ci"},
            {"methods": ["GET"]},
            of("ci", methods=["GET"], where=["waypoint"]),
        ),
        ({"namespace": "ci"}, {"paths": ["/x"]}, of("ci", where=["waypoint"])),
        ({"namespace": "ci"}, {"paths": ["/y"]}, of()),
        ({"namespace": "ci"}, {"ports": None}, of("ci")),
        ({"namespace": "ci"}, {"ports": [9080]}, of("ci", where=["pods"])),
    ],
)
def test_an_entry_lets_exactly_its_clients_do_exactly_what_it_names(
    clients: Any, members: Any, passes: set[tuple[str, ...]]
):
    assert reached([]) == set()
    assert reached([entry(**{"from": clients}, **members)]) == passes


@pytest.mark.parametrize(
    ("members", "place", "said"),
    [
        ({"from": None}, "[0].from", "field required"),
        ({"from": "everyone"}, "[0].from", "no mapping"),
        ({"from": {}}, "[0].from", "not exactly one kind"),
        ({"from": {"namespace": "a", "everyone": True}}, "[0].from", "not exactly one kind"),
        ({"from": {"namespace": "a", "outside": None}}, "[0].from.outside", "has no value"),
        ({"from": {"user": "x"}}, "[0].from.user", "not known"),
        ({"from": {"namespace": "*"}}, "[0].from.namespace", "not a"),
        ({"from": {"service-account": "notebook"}}, "[0].from.service-account", "no service"),
        ({"from": {"service-account": "a/*"}}, "[0].from.service-account", "no service"),
        ({"from": {"application": "A"}}, "[0].from.application", "no application"),
        ({"from": {"everyone": True}}, "[0]", "to every client"),
        ({"from": {"everyone": False}, "confirm": True}, "[0].from.everyone", "True"),
        ({"from": {"everyone": True}, "confirm": "yes"}, "[0].confirm", "boolean"),
        ({"from": {"outside": True}}, "[0]", "to every client"),
        ({"from": {"outside": ["0.0.0.0/1", "128.0.0.0/1"]}}, "[0]", "to every client"),
        ({"from": {"outside": ["10.0.0.0/8", "::/0"]}}, "[0]", "to every client"),
        ({"from": {"outside": []}}, "[0].from.outside", "no list of networks"),
        ({"from": {"outside": ["10.0.0.1/8"]}}, "[0].from.outside", "no network"),
        ({"from": {"outside": ["10.0.0.0/255.0.0.0"]}}, "[0].from.outside", "no network"),
        ({"from": {"outside": ["10.0.0.0/8"]}, "paths": ["/x"]}, "[0]", "bypass"),
        ({"to": "shop/details"}, "[0].to", "no application"),
        ({"ports": []}, "[0].ports", "an empty list"),
        ({"ports": [0]}, "[0].ports[0]", "not a port"),
        ({"ports": [80, "81"]}, "[0].ports[1]", "not an integer"),
        ({"methods": ["get"]}, "[0].methods[0]", "'get'"),
        ({"paths": ["x"]}, "[0].paths[0]", "does not begin"),
        ({"hosts": ["x"]}, "[0].hosts", "not known"),
    ],
)
def test_an_invalid_entry_has_a_problem_with_its_place_and_closes_what_it_names(
    members: Any, place: str, said: str
):
    text = f"- {json.dumps({**GIVEN, **members})}\n- {json.dumps(entry(to='ratings'))}"
    if members == {"from": None}:
        text = text.replace('"from": null, ', "")
    given = facts(text)
    problem = given.config.problems[0]
    assert (problem.where, problem.code) == (
        f"config extra-access {place}",
        Code.INVALID_EXTRA_ACCESS,
    )
    assert said in problem.message
    assert problem.remedy
    assert given.config.invalid == frozenset()
    assert [number for number, _ in given.config.extra_access.entries] == [1]
    assert all("rules" not in each["spec"] for each in policies(given))
    closes = members.get("from", {}) != {"namespace": "a", "outside": None} and "to" not in members
    assert len(policies(given)) == (3 if closes else 0)


@pytest.mark.parametrize("text", ["[", "x: 1", "- &a {}\n- *a", '"x"', "- [" * 40, "\0"])
def test_an_option_that_cannot_be_read_closes_what_it_had_opened_and_nothing_else(text: str):
    other = authorization.Target.app("shop", "ratings")
    given = facts(text, established=[SERVED])
    (problem,) = given.config.problems
    assert problem.code is Code.INVALID_EXTRA_ACCESS
    (closed,) = policies(given)
    assert authorization.target_of(closed) == SERVED != other
    assert "rules" not in closed["spec"]
    assert policies(facts(text)) == []


@pytest.mark.parametrize("member", ["to", "ports", "methods", "paths", "confirm", "from"])
def test_a_number_too_long_to_be_written_opens_nothing_either(member: str):
    text = f"- {{from: {{namespace: ci}}, to: details, {member}: [0x{'f' * 5000}]}}"
    if member in ("from", "to"):
        text = text.replace("from: {namespace: ci}, to: details, ", "")
    given = facts(text, established=[SERVED])
    assert given.config.problems
    assert all("rules" not in each["spec"] for each in policies(given))
    assert authorization.target_of(policies(given)[0]) is not None


def test_a_value_that_only_an_unforeseen_error_refuses_opens_nothing_either():
    given = facts(5, established=[SERVED])
    assert given.config.problems
    (closed,) = policies(given)
    assert "rules" not in closed["spec"]


def test_what_the_option_has_a_part_in_is_known_from_the_policies():
    given = facts([entry()])
    applied = authorization.requesters_of(policies(given))
    assert beacon.established(applied) == applied.keys()
    own = authorization.Requester("details", "service-mesh")
    target, source = SERVED, authorization.Source("shop", "web")
    request = authorization.AccessRequest(own, "policies[0]", target, source)
    others = authorization.policies([request], model="shop", app="beacon")
    found = authorization.requesters_of(map(kube.manifest_of, others))
    assert beacon.established(found) == frozenset()


def test_an_entry_is_pending_until_its_application_and_its_port_exist():
    absent = facts([entry(to="ratings"), entry(ports=[82], methods=["GET"]), entry(ports=[81])])
    assert policies(facts([entry(to="ratings"), entry(ports=[82], methods=["GET"])])) == []
    assert [(each.where, each.message) for each in absent.outcomes.pending] == [
        ("config extra-access [0]", "Service shop/ratings does not exist yet"),
        ("config extra-access [1]", "no Service of details has port 82"),
    ]
    assert absent.watched == [("details.shop.svc", 82), ("ratings.shop.svc", 80)]
    outside = facts([entry(**{"from": {"outside": ["192.0.2.0/24"]}, "ports": [81]})])
    (named,) = outside.outcomes.pending
    assert named.message == "the port of the pods of details behind 81 is known by name only"


def test_requests_are_those_of_the_option_with_their_place():
    ratings = authorization.Target.service("shop", "ratings")
    option = [entry(to="ratings"), entry(to="Details")]
    given = facts(option, established=[ratings, SERVED])
    closed = authorization.AccessRequest(
        beacon.EXTRA_REQUESTER, "", SERVED, None, established=True
    )
    assert set(given.extra.requests) == {
        closed,
        msgspec.structs.replace(closed, field="[0]", target=ratings),
        msgspec.structs.replace(closed, target=ratings),
    }
    one, *_ = facts([entry()]).extra.requests
    assert (one.requester, one.field) == (beacon.EXTRA_REQUESTER, "[0]")


def test_a_target_that_is_gone_for_a_while_stays_closed():
    service = authorization.Target.service("shop", "ratings")
    given = facts([entry(to="ratings")], established=[service, SERVED])
    (closed,) = policies(given)
    assert authorization.target_of(closed) == service
    assert "rules" not in closed["spec"]


def test_one_policy_has_the_rules_of_entries_and_of_applications():
    own = authorization.Requester("details", "service-mesh")
    target = authorization.Target.service("shop", "details")
    asked = authorization.AccessRequest(
        own, "policies[0]", target, authorization.Source("shop", "web")
    )
    given = facts([entry(), entry(**{"from": {"service-account": "kf/x"}})], requests=(asked,))
    (found,) = (each for each in policies(given) if authorization.target_of(each) == target)
    assert len(found["spec"]["rules"]) == 2
    assert json.loads(found["metadata"]["annotations"][resources.REQUESTED_BY]) == {
        "ci/*": ["config:extra-access"],
        "kf/x": ["config:extra-access"],
        "shop/web": ["details:service-mesh"],
    }


_NAMES = st.sampled_from(["ci", "kf/notebook", "web", "*", "", True, None, ["192.0.2.0/24"], []])
_CLIENTS = st.dictionaries(
    st.sampled_from(
        ["namespace", "service-account", "application", "outside", "everyone", "other"]
    ),
    _NAMES,
    max_size=2,
)
_ENTRIES = st.fixed_dictionaries(
    {"from": _CLIENTS | st.none(), "to": st.sampled_from(["details", "absent", "", 3])},
    optional={
        "ports": st.lists(st.sampled_from([80, 81, 9080, 0, "80"]), max_size=2),
        "methods": st.lists(st.sampled_from(["GET", "x"]), max_size=2),
        "paths": st.lists(st.sampled_from(["/x", "x"]), max_size=2),
        "confirm": st.sampled_from([True, False, "yes"]),
        "hosts": st.just(["x"]),
    },
)


@pytest.mark.slow
@hypothesis.given(st.lists(_ENTRIES, max_size=3))
def test_no_entry_lets_in_more_than_the_valid_ones_do_alone(entries: list[Any]):
    found = facts(entries).config.extra_access
    valid = [entries[number] for number, _ in found.entries]
    assert len(found.entries) + len(found.unread) == len(entries)
    assert reached(entries) <= reached(valid)
    assert len(facts(entries).config.problems) >= len(found.unread)


@pytest.mark.slow
@hypothesis.given(
    st.text(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    ).map(json.dumps)
)
def test_no_text_makes_the_option_raise_or_opens_anything(text: str):
    given = facts(text)
    assert given.config.extra_access.entries == ()
    assert policies(given) == []
