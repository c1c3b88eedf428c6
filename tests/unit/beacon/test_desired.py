# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Everything that a beacon wants, from its facts."""

import json
from typing import Any

import msgspec
from istio_ambient import authorization, beacon, gateways, kube, resources
from istio_ambient.gateways import _membership
from istio_ambient.values import problems
from istio_ambient.values.problem_codes import Code
from lightkube.models import core_v1 as core_v1_models
from lightkube.models import meta_v1
from lightkube.resources import core_v1

POD_LABELS = {"charms.canonical.com/shop.beacon.telemetry": "aggregated"}
CLUSTER = authorization.Cluster(
    services={
        ("shop", "details"): authorization.ServiceFacts(
            "shop", "details", {"app.kubernetes.io/name": "details"}, by_juju=True
        )
    },
    namespace_labels={"shop": {}},
)
REQUEST = authorization.AccessRequest(
    authorization.Requester("details", "service-mesh"),
    "policies[0]",
    authorization.Target.service("shop", "details"),
    authorization.Source("shop", "productpage"),
)
UNMANAGED = beacon.Config(manage_authorization_policies=False)
FACTS = beacon.Facts("shop", "beacon", 2, POD_LABELS, CLUSTER, requests=(REQUEST,))


def facts(**changes: Any) -> beacon.Facts:
    options = {name: changes.pop(name) for name in beacon.Config.model_fields if name in changes}
    return msgspec.structs.replace(FACTS, config=beacon.Config(**options), **changes)


def labelled(**labels: str) -> authorization.Cluster:
    return msgspec.structs.replace(CLUSTER, namespace_labels={"shop": labels})


def by_kind(given: beacon.Facts) -> dict[str, list[dict[str, Any]]]:
    kinds: dict[str, list[dict[str, Any]]] = {}
    for obj in beacon.desired(given).objects:
        manifest = kube.manifest_of(obj)
        kinds.setdefault(manifest["kind"], []).append(manifest)
    return kinds


def on_namespace(given: beacon.Facts) -> dict[str, str | None] | None:
    found = [patch for patch in beacon.desired(given).labels if patch.kind.__name__ == "Namespace"]
    return dict(found[0].labels) if found else None


def test_the_waypoint_is_a_gateway_that_keeps_our_marks_from_its_pods():
    (gateway,) = by_kind(FACTS)["Gateway"]
    assert gateway["metadata"]["name"] == "shop-beacon-waypoint"
    assert gateway["metadata"]["labels"] == {"istio.io/waypoint-for": "service", **POD_LABELS}
    assert gateway["spec"] == {
        "gatewayClassName": "istio-waypoint",
        "infrastructure": {
            "labels": POD_LABELS,
            "annotations": {},
            "parametersRef": {
                "group": "",
                "kind": "ConfigMap",
                "name": "shop-beacon-waypoint-parameters",
            },
        },
        "listeners": [
            {
                "name": "mesh",
                "port": 15008,
                "protocol": "HBONE",
                "allowedRoutes": {"namespaces": {"from": "Same"}},
            }
        ],
    }


def test_the_waypoint_has_as_many_pods_as_the_charm_has_units():
    (scaler,) = by_kind(FACTS)["HorizontalPodAutoscaler"]
    assert scaler["spec"]["minReplicas"] == scaler["spec"]["maxReplicas"] == 2
    assert scaler["spec"]["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "shop-beacon-waypoint",
    }
    (scaler,) = by_kind(facts(replicas=0))["HorizontalPodAutoscaler"]
    assert scaler["spec"]["minReplicas"] == 1


def test_a_long_name_is_cut_with_the_hash_that_operators_know():
    model, app = "m" * 40, "a" * 40
    # sha1("m…m-a…a")[:6]; 46 characters shared by both in proportion to their lengths.
    name = gateways.waypoint_name(model, app)
    assert len(name) <= 63
    assert name.startswith("m" * 23 + "-" + "a" * 23 + "-")
    assert name.endswith("-waypoint")
    assert gateways.waypoint_name("m" * 41, "a" * 40) != gateways.waypoint_name("m" * 40, "a" * 41)
    assert gateways.waypoint_name("shop", "beacon") == "shop-beacon-waypoint"


def test_applications_are_told_how_to_join_unless_the_whole_model_is_on_the_mesh():
    assert FACTS.published_labels == {
        "istio.io/dataplane-mode": "ambient",
        "istio.io/use-waypoint": "shop-beacon-waypoint",
        "istio.io/use-waypoint-namespace": "shop",
    }
    assert facts(model_on_mesh=True).published_labels == {}


def test_the_beacon_is_on_the_mesh_itself_and_its_pods_come_last():
    for given in (FACTS, facts(model_on_mesh=True)):
        service, pods = beacon.desired(given).labels[-2:]
        assert dict(service.labels) == dict(pods.labels) == FACTS.member_labels
        assert (service.name, pods.name, pods.pod_template) == ("beacon", "beacon", True)
        maps = {each["metadata"]["name"]: each for each in by_kind(given)["ConfigMap"]}
        memory = maps["juju-service-mesh-beacon-labels"]
        assert json.loads(memory["data"]["labels"]) == FACTS.member_labels


def test_labels_that_were_read_with_services_and_namespaces_are_not_read_again():
    metadata = meta_v1.ObjectMeta(name="beacon", namespace="shop", labels={"a": "b"})
    spec = core_v1_models.ServiceSpec()
    services = [core_v1.Service(metadata=metadata, spec=spec)]
    metadata = meta_v1.ObjectMeta(name="shop", labels={"c": "d"})
    cluster = authorization.cluster(services, [core_v1.Namespace(metadata=metadata)])
    patches = beacon.desired(facts(model_on_mesh=True, cluster=cluster)).labels
    assert [patch.current for patch in patches] == [{"c": "d"}, {"a": "b"}, None]
    patches = beacon.desired(facts(model_on_mesh=True)).labels
    assert [patch.current for patch in patches] == [{}, None, None]


def test_the_namespace_is_labelled_for_the_whole_model_only():
    assert on_namespace(FACTS) is None
    assert on_namespace(facts(model_on_mesh=True)) == {
        "istio.io/dataplane-mode": "ambient",
        "istio.io/use-waypoint": "shop-beacon-waypoint",
        "charms.canonical.com/istio.io.waypoint.managed-by": "shop.beacon",
    }


def test_what_we_labelled_is_taken_back_and_what_others_labelled_is_not():
    ours = labelled(**{_membership.MANAGED_BY: "shop.beacon", resources.DATAPLANE_MODE: "ambient"})
    theirs = labelled(
        **{_membership.MANAGED_BY: "shop.other", resources.DATAPLANE_MODE: "ambient"}
    )
    assert on_namespace(facts(cluster=ours)) == {
        resources.DATAPLANE_MODE: None,
        gateways.USE_WAYPOINT: None,
        _membership.MANAGED_BY: None,
    }
    assert on_namespace(facts(cluster=theirs)) is None


def test_a_namespace_that_somebody_else_labelled_is_left_alone_and_reported():
    for cluster in (
        labelled(**{resources.DATAPLANE_MODE: "ambient"}),
        labelled(**{resources.DATAPLANE_MODE: "none"}),
        labelled(**{gateways.USE_WAYPOINT: "theirs"}),
        labelled(**{_membership.MANAGED_BY: "shop.other"}),
    ):
        given = facts(cluster=cluster, model_on_mesh=True)
        assert on_namespace(given) is None
        # Without labels of their own, applications would leave the waypoint that protects them.
        assert given.published_labels == FACTS.member_labels
        (problem,) = beacon.desired(given).problems
        assert (problem.endpoint, problem.field) == ("config", "model-on-mesh")


def test_the_model_operator_is_let_through_where_the_whole_model_is_on_the_mesh():
    def operator(given: beacon.Facts) -> list[dict[str, Any]]:
        policies = by_kind(given).get("AuthorizationPolicy", [])
        name = "beacon-shop-policy-all-sources-modeloperator"
        return [policy["spec"] for policy in policies if policy["metadata"]["name"] == name]

    assert operator(facts(model_on_mesh=True)) == [
        {
            "action": "ALLOW",
            "selector": {"matchLabels": {"juju-modeloperator": "modeloperator"}},
            "rules": [{}],
        }
    ]
    assert operator(FACTS) == []
    assert operator(facts(model_on_mesh=True, manage_authorization_policies=False)) == []


def test_every_policy_says_who_wants_it():
    given = facts(model_on_mesh=True, own_requests=(REQUEST,))
    for policy in by_kind(given)["AuthorizationPolicy"]:
        assert json.loads(policy["metadata"]["annotations"][resources.REQUESTED_BY])


def test_what_we_ask_for_ourselves_is_granted_beside_it_and_what_it_waits_for_is_told():
    pods = authorization.Target.app("shop", "beacon")
    scraped = authorization.AccessRequest(
        authorization.Requester("prometheus", "metrics-endpoint"),
        "",
        pods,
        authorization.Source("shop", "prometheus"),
    )
    unknown = problems.Problem(
        "remote-1", "metrics-endpoint", "", "says nothing", "integrate", code=Code.INVALID_ENTRY
    )
    given = facts(own_requests=(scraped,), pending=(unknown,))
    policies = by_kind(given)["AuthorizationPolicy"]
    assert {authorization.target_of(policy) for policy in policies} == {REQUEST.target, pods}
    assert given.outcomes.pending == (unknown,)
    unmanaged = msgspec.structs.replace(given, config=UNMANAGED)
    assert unmanaged.outcomes.pending == ()
    assert "AuthorizationPolicy" not in by_kind(unmanaged)


def test_trust_lets_an_application_ask_for_others_of_the_model():
    stranger = msgspec.structs.replace(
        REQUEST, requester=authorization.Requester("ratings", "service-mesh")
    )
    given = facts(requests=(stranger,), trusted_requesters="ratings")
    assert beacon.desired(given).problems == ()
    assert len(by_kind(given)["AuthorizationPolicy"]) == 1


def test_without_management_there_are_no_policies_and_all_else_stays():
    kinds = by_kind(FACTS)
    assert len(kinds.pop("AuthorizationPolicy")) == 1
    assert by_kind(facts(manage_authorization_policies=False)) == kinds


def test_what_is_refused_is_a_problem_and_no_object():
    stranger = msgspec.structs.replace(
        REQUEST, requester=authorization.Requester("ratings", "service-mesh")
    )
    given = facts(requests=(REQUEST, stranger))
    (problem,) = beacon.desired(given).problems
    assert problem.app == "ratings"
    assert by_kind(given) == by_kind(FACTS)
    assert (
        beacon.desired(facts(requests=(stranger,), manage_authorization_policies=False)).problems
        == ()
    )


def test_while_unmanaged_only_problems_of_options_are_reported():
    theirs = problems.Problem(
        "ratings", "service-mesh", "policies", "not JSON", "send JSON", code=Code.INVALID_ENTRY
    )
    given = facts(problems=(theirs,), waypoint_resources="[]")
    (ours,) = given.config.problems
    assert ours.field == "waypoint-resources"
    assert beacon.desired(given).problems == (ours, theirs)
    unmanaged = facts(
        problems=(theirs,), waypoint_resources="[]", manage_authorization_policies=False
    )
    assert beacon.desired(unmanaged).problems == (ours,)


def test_what_is_pending_is_told_apart():
    later = msgspec.structs.replace(REQUEST, target=authorization.Target.service("shop", "later"))
    given = facts(requests=(later,))
    assert beacon.desired(given).problems == ()
    (pending,) = given.outcomes.pending
    assert "Service shop/later does not exist yet" in str(pending)
    # No event says that it exists now.
    ports = msgspec.structs.replace(later, operations=(authorization.Operation(ports=(81, 80)),))
    assert facts(requests=(ports,)).watched == [("later.shop.svc", 80), ("later.shop.svc", 81)]
    assert facts(requests=(REQUEST,)).watched == []
    assert "AuthorizationPolicy" not in by_kind(given)
