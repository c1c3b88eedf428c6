# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What a tenant of the cluster reaches who can create objects in a namespace of its own."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from istio_ambient import kube, resources
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.discovery_v1 import Endpoint, EndpointPort
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from tests import lab
from tests.lab import beacon, bookshop, juju
from tests.lab.conftest import ModelFactory

GATE, CHARM = "gate", "charms/istio-ingress-k8s"
TENANT = "tenant"
ADDRESS = "203.0.113.10"
LOOT = "loot"
"""The tenant's Service without a selector: its endpoints are pods of another namespace."""


class World(NamedTuple):
    cluster: lab.Cluster
    shop: beacon.Shop
    """A model with a beacon, an ingress, productpage behind it, and details, on the mesh."""

    def gets(self, path: str) -> int | None:
        return self.cluster.request_outside(f"http://{ADDRESS}{path}").status

    def config(self, app: str, namespaces: str) -> None:
        self.shop.model.config(app, **{"route-namespaces": namespaces})
        self.shop.model.settle()

    def condition(self, kind: kube.ResourceType, name: str, wanted: str) -> dict[str, str]:
        """Return a condition of an object of the tenant, at its first parent if it has parents."""
        client: Any = self.cluster.client
        found = kube.manifest_of(client.get(kind, name, namespace=TENANT))
        status = kube.section(found, "status")
        parents = kube.items(status, "parents") or [status]
        conditions = (each for parent in parents for each in kube.items(parent, "conditions"))
        return {
            key: value
            for each in conditions
            if each["type"] == wanted
            for key, value in each.items()
        }


@pytest.fixture(scope="module")
def world(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: ModelFactory
) -> Iterator[World]:
    model = new_module_model("shop", controller=control_plane.controller)
    shop = beacon.Shop(cluster, model)
    shop.deploy()
    model.deploy(CHARM, GATE)
    bookshop.deploy(model, "productpage", "details")
    model.integrate("productpage:ingress", f"{GATE}:ingress")
    model.integrate("details:service-mesh", shop.mesh)
    model.wait_active()
    client: Any = cluster.client
    client.create(Namespace(metadata=ObjectMeta(name=TENANT)))
    yield World(cluster, shop)
    client.delete(Namespace, TENANT)


def steal(world: World, name: str, match: dict[str, str]) -> None:
    """Let the tenant attach a route to the gateway, for its own Service."""
    parent = {"name": GATE, "namespace": "shop", "sectionName": "http-80"}
    rule = {"matches": [{"path": match}], "backendRefs": [{"name": LOOT, "port": 80}]}
    metadata = ObjectMeta(name=name, namespace=TENANT)
    spec = {"parentRefs": [parent], "rules": [rule]}
    world.cluster.client.create(resources.HTTPRoute(metadata=metadata, spec=spec))


def lead_to_details(world: World) -> None:
    """Make the tenant's Service, with the addresses of details as its endpoints."""
    client: Any = world.cluster.client
    labels = {"kubernetes.io/service-name": "details"}
    (found, *_) = client.list(EndpointSlice, namespace="shop", labels=labels)
    metadata = ObjectMeta(name=LOOT, namespace=TENANT)
    client.create(
        Service(metadata=metadata, spec=ServiceSpec(ports=[ServicePort(port=80, targetPort=9080)]))
    )
    labels = {"kubernetes.io/service-name": LOOT}
    client.create(
        EndpointSlice(
            metadata=ObjectMeta(name=LOOT, namespace=TENANT, labels=labels),
            addressType="IPv4",
            endpoints=[Endpoint(addresses=each.addresses) for each in found.endpoints],
            ports=[EndpointPort(port=9080, protocol="TCP")],
        )
    )


def test_a_tenant_takes_no_url_and_sends_the_gateway_to_no_application(world: World):
    cluster, shop = world.cluster, world.shop
    lead_to_details(world)
    steal(world, "thief", {"type": "Exact", "value": "/shop-productpage"})
    steal(world, "deputy", {"type": "PathPrefix", "value": "/deputy"})
    steal(world, "freezer", {"type": "RegularExpression", "value": "/a{2000}"})

    def refused() -> bool:
        for name in ("thief", "deputy", "freezer"):
            found = world.condition(resources.HTTPRoute, name, "Accepted")
            assert (found.get("status"), found.get("reason")) == ("False", "NotAllowedByListeners")
        return True

    assert lab.eventually(refused)
    cluster.wait_synced()
    assert world.gets("/deputy") == 404
    assert world.gets("/shop-productpage") == 200
    shop.model.emit(f"{GATE}/0", "update-status")
    assert shop.model.unit_status(f"{GATE}/0").name == "active"
    # Nothing froze: another application's route arrives.
    shop.model.integrate("details:ingress", f"{GATE}:ingress")
    shop.model.wait_active()
    lab.eventually(lambda: world.gets("/shop-details") == 200)
    shop.model.remove_relation("details:ingress", f"{GATE}:ingress")
    shop.model.settle()
    cluster.client.delete(resources.HTTPRoute, "freezer", namespace=TENANT)

    # What held the tenant was the list: named there, its routes are served.
    world.config(GATE, TENANT)
    lab.eventually(lambda: world.gets("/deputy") != 404)
    shop.model.emit(f"{GATE}/0", "update-status")
    status = shop.model.unit_status(f"{GATE}/0")
    foreign = "; 2 routes of another owner, see list-routes: HTTPRoute tenant/deputy"
    assert status.message.endswith(foreign)
    listed = shop.model.run(f"{GATE}/0", "list-routes")
    assert "HTTPRoute tenant/thief" in listed["foreign-routes"]
    world.config(GATE, "")
    lab.eventually(lambda: world.gets("/deputy") == 404)
    assert world.gets("/shop-productpage") == 200


def test_a_tenant_puts_no_service_behind_our_waypoint(world: World):
    client: Any = world.cluster.client
    waypoint = world.shop.waypoint
    labels = {"istio.io/use-waypoint": waypoint, "istio.io/use-waypoint-namespace": "shop"}
    metadata = ObjectMeta(name="guest", namespace=TENANT, labels=labels)
    client.create(Service(metadata=metadata, spec=ServiceSpec(ports=[ServicePort(port=80)])))

    def bound(value: str) -> bool:
        found = world.condition(Service, "guest", "istio.io/WaypointBound")
        assert found.get("status") == value, found
        return True

    assert lab.eventually(lambda: bound("False"))
    found = world.condition(Service, "guest", "istio.io/WaypointBound")
    assert found["reason"] == "AttachmentDenied"
    own: Any = kube.manifest_of(client.get(Service, "details", namespace="shop"))
    conditions = {each["type"]: each["status"] for each in own["status"]["conditions"]}
    assert conditions["istio.io/WaypointBound"] == "True"

    world.config(beacon.APP, TENANT)
    assert lab.eventually(lambda: bound("True"))
    world.config(beacon.APP, "")
    assert lab.eventually(lambda: bound("False"))
