# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Why a request is allowed or denied, which requests are behind it, and the remedies."""

import dataclasses
import json
from typing import Any

import pytest
from istio_ambient import authorization, beacon
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import _evaluate
from istio_ambient.explain import applications, explanation, remedies

from tests.unit.authorization.evaluator import samples
from tests.unit.explain import bookshop

MEMBERS = frozenset(bookshop.APPS)
REQUEST: dict[str, Any] = {"port": 80, "method": "GET", "path": "/details/0"}


def explained(
    facts: beacon.Facts,
    *policies: Any,
    source: str = "productpage",
    target: str = "details",
    request: Any = None,
    members: frozenset[str] = MEMBERS,
    control_plane: str = "mesh/istio-k8s",
    changes: Any = None,
) -> explanation.Explanation:
    snapshot = bookshop.snapshot(facts, *policies, **(changes or {}))
    evaluation = evaluator.Evaluator(snapshot)
    sender = applications.source(evaluation.topology, source, "shop")
    fields: dict[str, Any] = {**REQUEST, **(request or {})}
    receiver = applications.destination(evaluation.topology, target, "shop")
    receiver = applications.at_port(evaluation.topology, receiver, fields["port"])
    wanted = evaluator.Request(sender.identity, receiver.address, **fields)
    case = remedies.Case(
        facts, members, control_plane, "mesh", sender, receiver, evaluation.evaluate(wanted)
    )
    return explanation.Explanation(case, wanted, snapshot)


def test_an_allowed_request_is_traced_to_the_field_that_requests_it():
    others = bookshop.request("ratings", "policies[1]")
    more = bookshop.request(
        field="policies[2]", operations=(authorization.Operation(paths=("/x",)),)
    )
    found = explained(bookshop.facts(bookshop.request(), others, more))
    assert found.decision is evaluator.Decision.ALLOWED
    text = explanation.text(found)
    assert text.startswith(
        "shop/productpage → Service shop/details, port 80, GET /details/0: allowed"
    )
    assert (
        "\n    requested by details:service-mesh policies[0]\n    written by shop/beacon" in text
    )
    assert "To allow it" not in text


def test_tracing_reads_the_cluster_once_for_all_requests(
    monkeypatch: pytest.MonkeyPatch,
):
    asked = [bookshop.request(field=f"policies[{number}]") for number in range(300)]
    pods = tuple(samples.pod(f"details-{number}", "details", "details") for number in range(100))
    web = samples.pod("web-0", "productpage", "productpage")
    found = explained(bookshop.facts(*asked), changes={"pods": (*pods, web)})
    sizes: list[int] = []

    class Counted(evaluator.Topology):
        def __init__(self, snapshot: evaluator.Snapshot):
            sizes.append(len(snapshot.pods))
            super().__init__(snapshot)

    monkeypatch.setattr(_evaluate, "Topology", Counted)
    assert "and 292 more" in explanation.text(found)
    assert len([size for size in sizes if size > 3]) == 1
    assert len(sizes) > 300


def test_a_port_of_the_pods_alone_is_explained_at_the_pods():
    target = authorization.Target.app("shop", "details")
    scraped = bookshop.request(
        target=target, operations=(authorization.Operation(ports=(15090,)),)
    )
    asked = {"port": 15090, "method": None, "path": None}
    found = explained(bookshop.facts(scraped), request=asked)
    said = explanation.text(found)
    assert "allowed\n\nService shop/details has no port 15090: this is about" in said
    assert f"requested by {bookshop.ASKER} policies[0]" in said
    assert explanation.data(found)["note"] == found.case.destination.note
    denied = explanation.text(explained(bookshop.facts(scraped), source="ratings", request=asked))
    assert "ratings" in denied and "denied, no ALLOW policy matches" in denied


def test_a_policy_of_another_beacon_is_traced_by_its_annotation():
    allow = samples.policy(
        "theirs",
        annotations={
            "charmed-istio.io/owner": "shop/another",
            authorization.REQUESTED_BY: json.dumps({"shop/ratings": ["reviews:service-mesh"]}),
        },
        targetRefs=samples.TO_DETAILS,
        rules=[{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/ratings"]}}]}],
    )
    text = explanation.text(explained(bookshop.facts(), allow, source="ratings"))
    assert "\n    requested by reviews:service-mesh\n    written by shop/another" in text
    for broken in ("[", "[]", '{"shop/ratings": 1}', '{"shop/ratings": [1]}'):
        allow["metadata"]["annotations"][authorization.REQUESTED_BY] = broken
        text = explanation.text(explained(bookshop.facts(), allow, source="ratings"))
        assert "rule 0\n    written by shop/another\n" in text


CLOSED = samples.policy("closed", targetRefs=samples.TO_DETAILS)
UNREAD = dataclasses.replace(bookshop.request(field="policies"), source=None)
THEIRS = dataclasses.replace(
    bookshop.request("ratings"), requester=authorization.Requester("ratings", "service-mesh")
)
LATER = bookshop.request("ratings", target=authorization.Target.service("shop", "later"))


@pytest.mark.parametrize(
    ("facts", "case", "said"),
    [
        (
            bookshop.facts(),
            {},
            [
                "no application requests it: details has to request access for ratings over "
                "service-mesh; its charm does so for the applications that it serves: "
                "juju integrate ratings details"
            ],
        ),
        (
            bookshop.facts(),
            {"members": frozenset[str]()},
            [
                "integrate details with the beacon, to request access to itself: "
                "juju integrate details beacon:service-mesh",
                "no application requests it",
            ],
        ),
        (
            bookshop.facts(bookshop.request("ratings")),
            {"request": {"method": "POST"}},
            ["details requests GET /details/* on 80 only"],
        ),
        (
            bookshop.facts(bookshop.request(), THEIRS),
            {},
            [
                "ratings:service-mesh policies[0] requests it, refused: "
                "asks for Service shop/details, which is not its own; ask for a Service"
            ],
        ),
        (
            bookshop.facts(bookshop.request(), UNREAD),
            {},
            [
                "requests of details cannot be read, so it is closed: "
                "juju run beacon/leader list-requests app=details"
            ],
        ),
        (
            bookshop.facts(manage_authorization_policies=False),
            {"policies": [CLOSED]},
            [
                "turn access requests into policies: "
                "juju config beacon manage-authorization-policies=true",
                "no application requests it",
            ],
        ),
        (
            bookshop.facts(manage_authorization_policies=False),
            {"policies": samples.hardened()},
            [
                "turn access requests",
                "no application requests it",
                "or allow all requests that no other policy applies to, in the whole mesh: "
                "juju config -m mesh istio-k8s hardened-mode=false",
            ],
        ),
        (
            bookshop.facts(bookshop.request("ratings")),
            {
                "policies": [
                    samples.policy("no", action="DENY", targetRefs=samples.TO_DETAILS, rules=[{}])
                ]
            },
            [
                "a DENY policy takes precedence over ALLOW: change shop/no rule 0, "
                "which none of these charms wrote"
            ],
        ),
        (
            bookshop.facts(bookshop.request("ratings")),
            {"policies": samples.hardened(), "changes": {"auto_allow": False}},
            [
                "allow waypoints to reach the pods of their Services: "
                "juju config -m mesh istio-k8s auto-allow-waypoint-policy=true",
                "or allow shop/way",
            ],
        ),
    ],
    ids=[
        "not requested",
        "not integrated",
        "not enough",
        "refused",
        "unread",
        "unmanaged",
        "hardened",
        "denied",
        "waypoint",
    ],
)
def test_remedies_of_a_denied_request(facts: beacon.Facts, case: Any, said: list[str]):
    policies = case.pop("policies", [])
    found = explained(facts, *policies, source="ratings", **case)
    assert found.decision is evaluator.Decision.DENIED
    listed = remedies.remedies(found.case)
    assert len(listed) == len(said)
    for remedy, beginning in zip(listed, said, strict=True):
        assert remedy.startswith(beginning)
    assert explanation.text(found).endswith("\n".join(f"- {remedy}" for remedy in listed))


def test_a_source_outside_of_the_mesh_has_to_join_it_first():
    pods = [samples.pod(f"{app}-0", app, app) for app in ("details", "ratings")]
    pods[1]["metadata"]["annotations"] = {}
    found = explained(
        bookshop.facts(bookshop.request("ratings")),
        *samples.hardened(),
        source="ratings",
        changes={"pods": tuple(pods)},
    )
    assert found.decision is evaluator.Decision.DENIED
    assert remedies.remedies(found.case)[0] == (
        "put ratings on the mesh, so that it has an identity: "
        "juju integrate ratings beacon:service-mesh"
    )


def test_between_models_the_remedy_names_the_beacon_and_the_integration():
    pods = (
        samples.pod("details-0", "details", "details"),
        samples.pod("web-0", "web", "web", "other", samples.AMBIENT),
    )
    ways = {"pods": pods}
    incoming = explained(bookshop.facts(), source="other/web", changes=ways)
    (remedy,) = remedies.remedies(incoming.case)
    assert remedy.endswith(
        "juju offer details:<endpoint>, and in model other juju integrate web shop.details"
    )
    closed = samples.policy("closed", "other")
    outgoing = explained(
        bookshop.facts(), closed, source="details", target="other/web", changes=ways
    )
    assert outgoing.decision is evaluator.Decision.DENIED
    (remedy,) = remedies.remedies(outgoing.case)
    assert remedy.startswith("run explain on the beacon of model other, which decides there")


def test_a_conditional_verdict_has_its_conditions():
    found = explained(bookshop.facts(), request={"method": None, "path": None, "port": None})
    assert found.decision is evaluator.Decision.CONDITIONAL
    text = explanation.text(found)
    assert "any request: conditional" in text
    assert "\n  only GET /details/*" in text


def test_the_json_form_has_the_same():
    data = json.loads(json.dumps(explanation.data(explained(bookshop.facts()))))
    assert data["verdict"] == "allowed"
    waypoint, ztunnel = data["hops"]
    assert waypoint["policy"]["requested-by"] == ["details:service-mesh policies[0]"]
    assert waypoint["policy"]["made-by"] == "shop/beacon"
    assert ztunnel["policy"]["istiods-own"]
    policy = waypoint["policy"]
    assert waypoint["policies"] == [f"{policy['namespace']}/{policy['name']}"]
    assert data["remedies"] == []
