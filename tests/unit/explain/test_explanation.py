# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Why a request passes or is refused, who asked for it, and what would let it pass."""

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
    judge = evaluator.Evaluator(snapshot)
    asks = applications.source(judge.topology, source, "shop")
    fields: dict[str, Any] = {**REQUEST, **(request or {})}
    asked = applications.destination(judge.topology, target, "shop")
    asked = applications.at_port(judge.topology, asked, fields["port"])
    wanted = evaluator.Request(asks.identity, asked.target, **fields)
    case = remedies.Case(
        facts, members, control_plane, "mesh", asks, asked, judge.evaluate(wanted)
    )
    return explanation.Explanation(case, wanted, snapshot)


def test_what_is_allowed_is_led_back_to_the_field_that_asked_for_it():
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
    assert "\n    asked for by details:service-mesh policies[0]\n    made by shop/beacon" in text
    assert "What would let it pass" not in text


def test_leading_back_reads_the_cluster_once_however_many_ask(monkeypatch: pytest.MonkeyPatch):
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
    assert len([size for size in sizes if size > 2]) == 1
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
    assert f"asked for by {bookshop.ASKER} policies[0]" in said
    assert explanation.data(found)["note"] == found.case.destination.note
    denied = explanation.text(explained(bookshop.facts(scraped), source="ratings", request=asked))
    assert "ratings" in denied and "denied, no ALLOW policy matches" in denied


def test_of_a_policy_that_another_beacon_made_its_annotation_tells():
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
    assert "\n    asked for by reviews:service-mesh\n    made by shop/another" in text
    for broken in ("[", "[]", '{"shop/ratings": 1}', '{"shop/ratings": [1]}'):
        allow["metadata"]["annotations"][authorization.REQUESTED_BY] = broken
        text = explanation.text(explained(bookshop.facts(), allow, source="ratings"))
        assert "rule 0\n    made by shop/another\n" in text


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
                "nobody asked for it: details has to request access for ratings over "
                "service-mesh; its charm does so for those that it serves: "
                "juju integrate ratings details"
            ],
        ),
        (
            bookshop.facts(),
            {"members": frozenset[str]()},
            [
                "let details ask for access to itself: juju integrate details beacon:service-mesh",
                "nobody asked",
            ],
        ),
        (
            bookshop.facts(bookshop.request("ratings")),
            {"request": {"method": "POST"}},
            ["details asked for no more than GET /details/* on 80"],
        ),
        (
            bookshop.facts(bookshop.request(), THEIRS),
            {},
            [
                "ratings:service-mesh policies[0] asked for it, refused: "
                "asks for Service shop/details, which is not its own; ask for a Service"
            ],
        ),
        (
            bookshop.facts(bookshop.request(), UNREAD),
            {},
            [
                "what details asks for cannot be read, so it is closed: "
                "juju run beacon/leader list-requests app=details"
            ],
        ),
        (
            bookshop.facts(manage_authorization_policies=False),
            {"policies": [CLOSED]},
            [
                "let what is asked for become policies: "
                "juju config beacon manage-authorization-policies=true",
                "nobody asked",
            ],
        ),
        (
            bookshop.facts(manage_authorization_policies=False),
            {"policies": samples.hardened()},
            [
                "let what",
                "nobody asked",
                "or open the whole mesh to everybody whom no policy "
                "speaks of: juju config -m mesh istio-k8s hardened-mode=false",
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
                "a DENY policy wins over all that allows: change shop/no rule 0, "
                "which none of these charms made"
            ],
        ),
        (
            bookshop.facts(bookshop.request("ratings")),
            {"policies": samples.hardened(), "changes": {"auto_allow": False}},
            [
                "let waypoints through to the pods behind them: "
                "juju config -m mesh istio-k8s auto-allow-waypoint-policy=true",
                "or allow shop/way",
            ],
        ),
    ],
    ids=[
        "not asked",
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
def test_what_would_let_a_request_pass(facts: beacon.Facts, case: Any, said: list[str]):
    policies = case.pop("policies", [])
    found = explained(facts, *policies, source="ratings", **case)
    assert found.decision is evaluator.Decision.DENIED
    told = remedies.remedies(found.case)
    assert len(told) == len(said)
    for remedy, beginning in zip(told, said, strict=True):
        assert remedy.startswith(beginning)
    assert explanation.text(found).endswith("\n".join(f"- {remedy}" for remedy in told))


def test_a_source_outside_of_the_mesh_has_to_join_it_first():
    pods = [samples.pod(f"{app}-0", app, app) for app in ("details", "ratings")]
    pods[1]["metadata"]["labels"]["istio.io/dataplane-mode"] = "none"
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


def test_between_models_who_decides_and_how_to_integrate_is_told():
    pods = (
        samples.pod("details-0", "details", "details"),
        samples.pod("web-0", "web", "web", "other", samples.AMBIENT),
    )
    ways = {"pods": pods}
    asks = explained(bookshop.facts(), source="other/web", changes=ways)
    (remedy,) = remedies.remedies(asks.case)
    assert remedy.endswith(
        "juju offer details:<endpoint>, and in model other juju integrate web shop.details"
    )
    closed = samples.policy("closed", "other")
    asked = explained(bookshop.facts(), closed, source="details", target="other/web", changes=ways)
    assert asked.decision is evaluator.Decision.DENIED
    (remedy,) = remedies.remedies(asked.case)
    assert remedy.startswith("ask the beacon of model other, which decides there")


def test_what_depends_on_the_request_says_on_what():
    found = explained(bookshop.facts(), request={"method": None, "path": None, "port": None})
    assert found.decision is evaluator.Decision.CONDITIONAL
    text = explanation.text(found)
    assert "any request: conditional" in text
    assert "\n  only GET /details/*" in text


def test_programs_get_the_same():
    data = json.loads(json.dumps(explanation.data(explained(bookshop.facts()))))
    assert data["verdict"] == "allowed"
    waypoint, ztunnel = data["hops"]
    assert waypoint["policy"]["requested-by"] == ["details:service-mesh policies[0]"]
    assert waypoint["policy"]["made-by"] == "shop/beacon"
    assert ztunnel["policy"]["istiods-own"]
    assert data["remedies"] == []
