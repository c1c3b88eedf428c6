# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The published consumer library on the other side of `service_mesh` and `cross_model_mesh`."""

import json
import warnings
from typing import Any

import ops
import pytest
from charmlibs.interfaces import service_mesh as published
from istio_ambient import authorization, gateways, kube
from istio_ambient.integrations import access_requests
from istio_ambient.interfaces import cross_model_mesh, service_mesh
from ops import testing

LABELS = gateways.member_labels("shop-beacon-waypoint", "shop")
META: dict[str, Any] = {
    "name": "details",
    "provides": {
        "details": {"interface": "bookshop_details"},
        "metrics": {"interface": "prometheus_scrape"},
        "provide-cmr-mesh": {"interface": "cross_model_mesh"},
    },
    "requires": {
        "service-mesh": {"interface": "service_mesh"},
        "require-cmr-mesh": {"interface": "cross_model_mesh"},
    },
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    POLICIES: list[published.Policy | published.AppPolicy | published.UnitPolicy] = [
        published.AppPolicy(
            relation="details",
            endpoints=[
                published.Endpoint(
                    hosts=["details.shop", "*.example.com"],
                    methods=list(published.Method),
                    paths=["/health", "/details/*", "*/x", "/{*}/y/{**}"],
                    ports=[9080, 65535],
                ),
                published.Endpoint(ports=[9081]),
            ],
        ),
        published.AppPolicy(relation="details", endpoints=[], service="details-api"),
        published.Policy(
            relation="details", endpoints=[published.Endpoint(paths=["/x"])], service="details"
        ),
        published.UnitPolicy(relation="metrics", ports=[9100]),
        published.UnitPolicy(relation="metrics"),
    ]


class Consumer(ops.CharmBase):
    """Requests every kind of access."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.mesh = published.ServiceMeshConsumer(self, policies=POLICIES, auto_join=False)


@pytest.fixture
def context() -> testing.Context[Consumer]:
    return testing.Context(Consumer, meta=META, app_name="details")


def consumer_state(*relations: testing.RelationBase) -> testing.State:
    return testing.State(leader=True, relations=relations, model=testing.Model("shop"))


def test_every_request_of_the_published_consumer_is_read(
    context: testing.Context[Consumer],
):
    mesh_relation = testing.Relation("service-mesh", remote_app_name="beacon")
    state = consumer_state(
        mesh_relation,
        testing.Relation("details", remote_app_name="productpage"),
        testing.Relation("metrics", remote_app_name="prometheus"),
    )
    out = context.run(context.on.relation_created(mesh_relation), state)
    databag = dict(out.get_relation(mesh_relation.id).local_app_data)
    policies, problems = service_mesh.parse_policies(
        databag, app="details", endpoint="service-mesh"
    )
    assert problems == []
    asked = [published.MeshPolicy.model_validate(p) for p in json.loads(databag["policies"])]
    assert len(asked) == len(POLICIES)
    read = [policy.model_dump(mode="json") for policy in policies.entries.values()]
    assert read == [policy.model_dump(mode="json") for policy in asked]
    assert rules_of(databag) == {
        "Service shop/details": ["productpage"],
        "Service shop/details-api": ["productpage"],
        f"pods shop/{authorization.NAME_LABEL}=details": ["prometheus"],
    }


def rules_of(databag: dict[str, str]) -> dict[str, list[str]]:
    """Return the sources that the policies of a databag allow, by target."""
    services = {
        ("shop", name): authorization.ServiceFacts(
            "shop", name, {authorization.NAME_LABEL: "details"}
        )
        for name in ("details", "details-api")
    }
    cluster = authorization.Cluster(services=services)
    requester = authorization.Requester("details", "service-mesh")
    requests, problems = access_requests.of_applications([(requester, databag)], cluster, "shop")
    objections = authorization.objections(requests, cluster, namespace="shop", app="beacon")
    outcomes = authorization.outcomes(requests, objections)
    assert (problems, outcomes.refused, outcomes.pending) == ([], (), ())
    built = authorization.policies(outcomes.granted, model="shop", app="beacon")
    manifests = [kube.manifest_of(policy) for policy in built]
    return {str(authorization.target_of(manifest)): _sources(manifest) for manifest in manifests}


def _sources(policy: dict[str, Any]) -> list[str]:
    principals = (rule["from"][0]["source"]["principals"] for rule in policy["spec"]["rules"])
    return [name.rpartition("/")[2] for names in principals for name in names]


def test_the_published_consumer_reads_what_we_publish(context: testing.Context[Consumer]):
    for labels in (LABELS, {}):
        databag = service_mesh.dump(labels)
        relation = testing.Relation(
            "service-mesh", remote_app_name="beacon", remote_app_data=databag
        )
        with context(context.on.update_status(), consumer_state(relation)) as manager:
            consumer = manager.charm.mesh
            assert consumer.labels() == labels
            assert consumer.mesh_type() is published.MeshType.istio


def test_what_the_published_provider_publishes_is_what_we_publish():
    data = published.ServiceMeshProviderAppData(
        labels=LABELS, mesh_type=published.MeshType.istio
    ).model_dump(mode="json")
    ours = {key: json.loads(text) for key, text in service_mesh.dump(LABELS).items()}
    assert ours == data


def test_the_published_library_publishes_a_cross_model_identity(
    context: testing.Context[Consumer],
):
    relation = testing.Relation("require-cmr-mesh", remote_app_name="beacon")
    out = context.run(context.on.relation_created(relation), consumer_state(relation))
    databag = dict(out.get_relation(relation.id).local_app_data)
    remote, problems = cross_model_mesh.parse(databag, app="remote-1", endpoint="provide-cmr-mesh")
    assert remote is not None
    assert (remote.app_name, remote.juju_model_name, problems) == ("details", "shop", [])
