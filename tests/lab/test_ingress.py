# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-ingress-k8s on a real control plane: requests from outside through the real Envoy."""

import json
from collections.abc import Iterator
from typing import Any

import lightkube
import ops
import pytest
from istio_ambient import kube, resources
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service, ServiceAccount
from lightkube.types import PatchType

from tests import lab
from tests.lab import apps, juju
from tests.lab.conftest import ModelFactory

APP, UNIT, CHARM = "gate", "gate/0", "charms/istio-ingress-k8s"
INSIDE, OUTSIDE = "192.0.2.10", "198.51.100.7"
ADDRESS = "203.0.113.10"
PAGE = f"http://{ADDRESS}/shop-productpage"
KINDS = 9
"""Kinds that the charm manages."""
READS_BESIDE = 9
"""Reads that a hook may make beside one LIST a kind."""
ROUTE = "productpage-httproute-http-80-gate"
L4 = "productpage-gate-shop-l4"
EXTERNAL = "gate-shop-external-traffic"
CIDRS = "external-traffic-policy-cidrs"


@pytest.fixture(scope="module")
def shop(control_plane: juju.Model, new_module_model: ModelFactory) -> Iterator[juju.Model]:
    """A model with a gateway, which routes to productpage."""
    model = new_module_model("shop", controller=control_plane.controller)
    model.deploy(CHARM, APP)
    model.deploy(apps.STOREFRONT, "productpage")
    model.integrate("productpage:ingress", f"{APP}:ingress")
    model.wait_active()
    yield model


def admin(cluster: lab.Cluster) -> Any:
    """Return the administrator's client; lightkube's annotations are incomplete."""
    return cluster.client


def settled(model: juju.Model, **config: str) -> ops.StatusBase:
    """Set options of the gateway's charm; return the status that follows."""
    model.config(APP, **config)
    model.settle()
    return model.unit_status(UNIT)


def get(
    cluster: lab.Cluster, url: str = PAGE, source: str = INSIDE, host: str = ""
) -> lab.Response:
    headers = {"host": host} if host else None
    return cluster.request_outside(url, source_ip=source, headers=headers)


def answers(cluster: lab.Cluster, status: int, **request: str) -> bool:
    """Return whether the gateway answers with this status in time."""

    def seen() -> bool:
        response = get(cluster, **request)
        assert response.status == status, response
        return True

    return lab.eventually(seen)


def spec_of(cluster: lab.Cluster, kind: kube.ResourceType, name: str) -> dict[str, Any]:
    return admin(cluster).get(kind, name, namespace="shop").get("spec", {})


def exists(cluster: lab.Cluster, kind: Any, name: str, namespace: str = "shop") -> bool:
    try:
        admin(cluster).get(kind, name, namespace=namespace)
    except lightkube.ApiError as error:
        assert error.status.code == 404
        return False
    return True


def url(shop: juju.Model, remote: str = "productpage") -> str | None:
    databag = shop.databag(f"{APP}:ingress", remote=remote)
    return json.loads(databag["ingress"])["url"] if "ingress" in databag else None


def request_of(name: str, port: int = 9080, model: str = "shop") -> dict[str, str]:
    return {"model": json.dumps(model), "name": json.dumps(name), "port": json.dumps(port)}


def service(name: str, namespace: str = "shop", app: str | None = None) -> Service:
    """Return a Service as Juju makes it for an application."""
    return Service(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            labels={
                "app.kubernetes.io/name": app or name,
                "app.kubernetes.io/managed-by": "juju",
            },
        ),
        spec=ServiceSpec(
            selector={"app.kubernetes.io/name": app or name},
            ports=[ServicePort(port=9080, name="http")],
        ),
    )


def test_a_request_from_outside_reaches_the_application(cluster: lab.Cluster, shop: juju.Model):
    assert url(shop) == PAGE
    answers(cluster, 200)
    response = get(cluster, f"{PAGE}/x?y=z")
    assert response.hop == "application"
    assert (response.json()["app"], response.json()["path"]) == (
        "productpage",
        "/shop-productpage/x?y=z",
    )
    assert get(cluster, f"http://{ADDRESS}/").status == 404
    assert get(cluster, f"{PAGE}x").status == 404


def test_strip_prefix(cluster: lab.Cluster, shop: juju.Model):
    shop.config("productpage", strip_prefix=True)
    shop.settle()

    def stripped() -> bool:
        response = get(cluster, f"{PAGE}/x")
        return response.status == 200 and response.json()["path"] == "/x"

    assert lab.eventually(stripped)
    shop.reset("productpage", "strip_prefix")
    shop.settle()


def test_only_the_configured_networks_are_allowed(cluster: lab.Cluster, shop: juju.Model):
    answers(cluster, 200, source=OUTSIDE)
    assert settled(shop, **{CIDRS: "192.0.2.0/24,2001:db8::/32"}).name == "active"
    answers(cluster, 403, source=OUTSIDE)
    assert get(cluster).status == 200

    status = settled(shop, **{CIDRS: "192.0.2.0/24,198.51.100.0/33"})
    assert status.name == "blocked"
    assert f"config {CIDRS}" in status.message
    assert "'198.51.100.0/33'" in status.message
    cluster.wait_synced()
    assert (get(cluster).status, get(cluster, source=OUTSIDE).status) == (200, 403)

    assert settled(shop, **{CIDRS: ""}).name == "active"
    answers(cluster, 403)
    shop.reset(APP, CIDRS)
    shop.settle()
    answers(cluster, 200, source=OUTSIDE)


def test_with_invalid_networks_a_widened_policy_is_closed(cluster: lab.Cluster, shop: juju.Model):
    settled(shop, **{CIDRS: "192.0.2.0/24"})
    settled(shop, **{CIDRS: "nonsense"})
    opened: dict[str, Any] = {"spec": {"rules": [{}]}}
    policy = resources.AuthorizationPolicy
    admin(cluster).patch(policy, EXTERNAL, opened, namespace="shop", patch_type=PatchType.MERGE)
    shop.emit(UNIT, "update-status")
    assert "rules" not in spec_of(cluster, policy, EXTERNAL)
    shop.reset(APP, CIDRS)
    shop.settle()
    answers(cluster, 200, source=OUTSIDE)


def test_edited_and_deleted_objects_are_repaired(cluster: lab.Cluster, shop: juju.Model):
    client = admin(cluster)
    desired = spec_of(cluster, resources.HTTPRoute, ROUTE)
    elsewhere = {"matches": [{"path": {"type": "PathPrefix", "value": "/elsewhere"}}]}
    edit = {"spec": {"rules": [{**desired["rules"][0], **elsewhere}]}}
    client.patch(resources.HTTPRoute, ROUTE, edit, namespace="shop", patch_type=PatchType.MERGE)
    client.delete(resources.AuthorizationPolicy, L4, namespace="shop")
    opened: dict[str, Any] = {"spec": {"rules": [{}]}}
    client.patch(
        resources.AuthorizationPolicy,
        EXTERNAL,
        opened,
        namespace="shop",
        patch_type=PatchType.MERGE,
    )
    shop.emit(UNIT, "update-status")
    assert spec_of(cluster, resources.HTTPRoute, ROUTE) == desired
    rules = spec_of(cluster, resources.AuthorizationPolicy, L4)["rules"]
    assert rules[0]["to"] == [{"operation": {"ports": ["9080"]}}]
    assert spec_of(cluster, resources.AuthorizationPolicy, EXTERNAL)["rules"] != [{}]


def test_a_changed_listener_leaves_the_pod_template_alone(cluster: lab.Cluster, shop: juju.Model):
    def workload() -> Any:
        return admin(cluster).get(Deployment, "gate-istio", namespace="shop")

    before = workload()
    labels = before.spec.template.metadata.labels
    assert "charms.canonical.com/shop.gate.telemetry" in labels
    assert resources.INSTANCE_LABEL not in labels
    assert settled(shop, external_hostname="apps.example.com").name == "active"
    listener = spec_of(cluster, resources.Gateway, APP)["listeners"][0]
    assert listener["hostname"] == "apps.example.com"
    assert url(shop) == "http://apps.example.com/shop-productpage"
    answers(cluster, 200, host="apps.example.com")
    answers(cluster, 404)
    after = workload()
    # Each change of a workload's spec increments its generation.
    assert after.metadata.generation == before.metadata.generation
    assert after.spec.template == before.spec.template

    status = settled(shop, external_hostname="apps_example.com", listener_hostname="*.")
    assert status.name == "blocked"
    assert "config external_hostname" in status.message
    shop.reset(APP, "external_hostname", "listener-hostname")
    shop.settle()
    answers(cluster, 200)
    assert url(shop) == PAGE


def test_units_become_replicas_and_only_the_leader_writes(cluster: lab.Cluster, shop: juju.Model):
    def replicas() -> int:
        return admin(cluster).get(Deployment, "gate-istio", namespace="shop").spec.replicas

    with shop.requests(f"{APP}/1", f"{APP}/2") as others:
        shop.add_unit(APP, 2)
        shop.settle()
    assert others.writes == []
    assert lab.eventually(lambda: replicas() == 3, timeout=60)
    shop.remove_unit(APP, 2)
    shop.settle()
    assert lab.eventually(lambda: replicas() == 1, timeout=60)
    shop.wait_active()
    answers(cluster, 200)


def hostile() -> list[tuple[dict[str, str], str, str]]:
    """Return databags with the field and the remedy that the status must name."""
    good = request_of("victim")
    return [
        ({**good, "port": "{"}, "port", "send valid JSON"),
        ({**good, "port": '"80"'}, "port", "use an integer"),
        ({**good, "allow": "true"}, "allow", "leave it out"),
        (request_of("productpage"), "name", "app.kubernetes.io/name: victim"),
        (request_of("kube-dns", model="kube-system"), "model", "ask for a Service of model shop"),
        ({**good, "name": json.dumps("../x")}, "name", "a-z, 0-9"),
    ]


@pytest.mark.parametrize(("databag", "field", "remedy"), hostile())
def test_invalid_data_is_reported_and_other_routes_stay(
    cluster: lab.Cluster, shop: juju.Model, databag: dict[str, str], field: str, remedy: str
):
    shop.fake_remote(f"{APP}:ingress", "victim", databag)
    with shop.requests(UNIT) as seen:
        shop.settle()
    status = shop.unit_status(UNIT)
    assert status.name == "blocked"
    assert f"victim:ingress {field}" in status.message
    assert remedy in status.message
    assert seen.writes == []
    assert url(shop, remote="victim") is None
    assert get(cluster).status == 200
    shop.remove_relation(f"{APP}:ingress", "victim")
    shop.settle()
    assert shop.unit_status(UNIT).name == "active"


def test_a_route_is_made_before_its_service(cluster: lab.Cluster, shop: juju.Model):
    shop.fake_remote(f"{APP}:ingress", "later", request_of("later"))
    shop.settle()
    assert shop.unit_status(UNIT).name == "active"
    assert url(shop, remote="later") == f"http://{ADDRESS}/shop-later"
    assert exists(cluster, resources.HTTPRoute, "later-httproute-http-80-gate")
    admin(cluster).create(service("later"))
    shop.emit(UNIT, "update-status")
    assert shop.unit_status(UNIT).name == "active"
    shop.set_databag("later", "ingress", "port", None)
    shop.settle()
    assert url(shop, remote="later") is None
    assert not exists(cluster, resources.HTTPRoute, "later-httproute-http-80-gate")
    shop.remove_relation(f"{APP}:ingress", "later")
    shop.settle()
    admin(cluster).delete(Service, "later", namespace="shop")


def test_two_applications_that_request_one_path(
    cluster: lab.Cluster,
    shop: juju.Model,
    control_plane: juju.Model,
    new_model: ModelFactory,
):
    # Application y of model shop-x has the same path as application x-y of model shop.
    other = new_model("shop-x", controller=control_plane.controller, uuid_mark="label")
    admin(cluster).create(service("y", "shop-x"))
    admin(cluster).create(service("x-y"))
    shop.fake_remote(
        f"{APP}:ingress", "remote-y", request_of("y", model="shop-x"), model_uuid=other.uuid
    )
    shop.settle()
    assert url(shop, "remote-y") == f"http://{ADDRESS}/shop-x-y"
    assert exists(cluster, resources.HTTPRoute, "y-httproute-http-80-gate", "shop-x")

    shop.fake_remote(f"{APP}:ingress", "x-y", request_of("x-y"))
    shop.settle()
    status = shop.unit_status(UNIT)
    assert status.name == "blocked"
    assert "remote-y:ingress" in status.message
    assert "x-y:ingress" in status.message
    # Who is served stays served.
    served = f"http://{ADDRESS}/shop-x-y"
    assert (url(shop, "remote-y"), url(shop, "x-y"), url(shop)) == (served, None, PAGE)
    assert exists(cluster, resources.HTTPRoute, "y-httproute-http-80-gate", "shop-x")

    shop.remove_relation(f"{APP}:ingress", "remote-y")
    shop.settle()
    assert shop.unit_status(UNIT).name == "active"
    assert url(shop, "x-y") == f"http://{ADDRESS}/shop-x-y"
    shop.remove_relation(f"{APP}:ingress", "x-y")
    shop.settle()
    admin(cluster).delete(Service, "x-y", namespace="shop")


def test_a_model_other_than_the_requesters_is_refused(cluster: lab.Cluster, shop: juju.Model):
    stranger = "11111111-0000-4000-8000-000000000000"
    shop.fake_remote(f"{APP}:ingress", "remote-z", request_of("productpage"), model_uuid=stranger)
    shop.settle()
    status = shop.unit_status(UNIT)
    assert (status.name, "remote-z:ingress model" in status.message) == ("blocked", True)
    assert (url(shop, "remote-z"), url(shop)) == (None, PAGE)
    shop.remove_relation(f"{APP}:ingress", "remote-z")
    shop.settle()


def test_an_object_of_another_owner_is_reported_and_left_alone(
    cluster: lab.Cluster, shop: juju.Model
):
    name = "taken-gate-shop-l4"
    theirs = resources.AuthorizationPolicy(
        metadata=ObjectMeta(name=name, namespace="shop"), spec={"action": "DENY", "rules": [{}]}
    )
    theirs["spec"]["selector"] = {"matchLabels": {"app": "absent"}}
    admin(cluster).create(theirs)
    admin(cluster).create(service("taken"))
    shop.fake_remote(f"{APP}:ingress", "taken", request_of("taken"))
    shop.settle()
    status = shop.unit_status(UNIT)
    assert (status.name, name in status.message) == ("blocked", True)
    shop.remove_relation(f"{APP}:ingress", "taken")
    shop.settle()
    assert spec_of(cluster, resources.AuthorizationPolicy, name)["action"] == "DENY"
    admin(cluster).delete(resources.AuthorizationPolicy, name, namespace="shop")
    admin(cluster).delete(Service, "taken", namespace="shop")


def test_without_an_address_the_charm_waits_and_withdraws_the_url(
    cluster: lab.Cluster, shop: juju.Model
):
    cluster.set_load_balancer(None)

    def is_withdrawn() -> bool:
        shop.emit(UNIT, "update-status")
        return "no address from the load balancer" in shop.unit_status(UNIT).message

    assert lab.eventually(is_withdrawn)
    assert shop.unit_status(UNIT).name in ("waiting", "blocked")
    assert url(shop) is None
    cluster.set_load_balancer("lb.example.com")

    def published() -> bool:
        shop.emit(UNIT, "update-status")
        return url(shop) == "http://lb.example.com/shop-productpage"

    assert lab.eventually(published)
    listener = spec_of(cluster, resources.Gateway, APP)["listeners"][0]
    assert listener["hostname"] == "lb.example.com"
    cluster.set_load_balancer(ADDRESS)
    shop.wait_active()
    assert lab.eventually(lambda: (shop.emit(UNIT, "update-status"), url(shop) == PAGE)[1])


def test_the_route_of_a_removed_requester_is_deleted(cluster: lab.Cluster, shop: juju.Model):
    shop.remove_relation("productpage:ingress", f"{APP}:ingress")
    shop.settle()
    assert not exists(cluster, resources.HTTPRoute, ROUTE)
    assert not exists(cluster, resources.AuthorizationPolicy, L4)
    answers(cluster, 404)
    shop.integrate("productpage:ingress", f"{APP}:ingress")
    shop.settle()
    answers(cluster, 200)


def test_a_route_is_served_once_its_application_opens_the_port(
    cluster: lab.Cluster, shop: juju.Model
):
    """Juju runs no hook of the gateway then; a Pebble check does."""
    client, merge = admin(cluster), PatchType.MERGE
    on_mesh = {"metadata": {"labels": {"istio.io/dataplane-mode": "ambient"}}}
    client.patch(Pod, "productpage-0", on_mesh, namespace="shop", patch_type=merge)
    # As in hardened mode: the pods accept nothing but what a policy allows.
    nothing = resources.AuthorizationPolicy(
        metadata=ObjectMeta(name="nothing", namespace="shop"),
        spec={"selector": {"matchLabels": {"app.kubernetes.io/name": "productpage"}}},
    )
    client.create(nothing)
    shop.remove_relation("productpage:ingress", f"{APP}:ingress")
    shop.settle()

    def open_port(*ports: dict[str, Any]) -> None:
        changed = {"spec": {"ports": ports}}
        client.patch(Service, "productpage", changed, namespace="shop", patch_type=merge)

    open_port({"name": "placeholder", "port": 65535})
    shop.integrate("productpage:ingress", f"{APP}:ingress")
    shop.settle()
    answers(cluster, 500)
    assert not exists(cluster, resources.AuthorizationPolicy, L4)

    def hooks() -> list[str]:
        return [hook for hook in shop.run_checks() if "watch-" in hook]

    # It fails as soon as Pebble tries, long before the port is there.
    check = f"{UNIT}: metrics-proxy-pebble-check"
    assert hooks() == [f"{check}-failed (watch-0)"]
    assert hooks() == []

    open_port({"name": "9080-tcp", "port": 9080})
    assert lab.eventually(lambda: get(cluster).status in (403, 503))
    assert lab.eventually(lambda: hooks() == [f"{check}-recovered (watch-0)"])
    answers(cluster, 200)
    assert hooks() == []
    client.delete(resources.AuthorizationPolicy, "nothing", namespace="shop")
    off_mesh = {"metadata": {"labels": {"istio.io/dataplane-mode": None}}}
    client.patch(Pod, "productpage-0", off_mesh, namespace="shop", patch_type=merge)


def test_gateway_metadata_names_existing_objects(cluster: lab.Cluster, shop: juju.Model):
    shop.fake_remote(f"{APP}:gateway-metadata", "attacher")
    shop.settle()
    metadata = json.loads(shop.databag(f"{APP}:gateway-metadata")["metadata"])
    assert metadata["namespace"] == "shop"
    assert exists(cluster, resources.Gateway, metadata["gateway_name"])
    assert exists(cluster, Deployment, metadata["deployment_name"])
    assert exists(cluster, ServiceAccount, metadata["service_account"])


def test_the_action_reconciles_at_once(cluster: lab.Cluster, shop: juju.Model):
    admin(cluster).delete(resources.HTTPRoute, ROUTE, namespace="shop")
    assert ROUTE in shop.run(UNIT, "reconcile")["plan"]
    assert shop.run(UNIT, "reconcile")["plan"] == "no change"


def test_the_number_of_calls_does_not_depend_on_the_number_of_consumers(
    cluster: lab.Cluster, shop: juju.Model
):
    with shop.requests(UNIT) as one:
        shop.emit(UNIT, "update-status")
    assert one.writes == []
    assert 0 < len(one) <= KINDS + READS_BESIDE

    names = [f"consumer-{number}" for number in range(99)]
    for name in names:
        admin(cluster).create(service(name))
        shop.fake_remote(f"{APP}:ingress", name, request_of(name), quiet=True)
    with shop.requests(UNIT) as first:
        shop.emit(UNIT, "update-status")
    # One route and one policy for each, and once the places of all of them, at the Gateway.
    assert len(first.writes) == 2 * len(names) + 1
    assert all(url(shop, name) for name in names)
    with shop.requests(UNIT) as hundred:
        shop.emit(UNIT, "update-status")
    assert hundred.writes == []
    assert hundred.by_kind() == one.by_kind()


def test_removal_leaves_nothing(cluster: lab.Cluster, shop: juju.Model):
    shop.remove(APP)
    shop.settle()
    labels = {resources.INSTANCE_LABEL: "shop-gate"}
    for kind in (resources.Gateway, resources.HTTPRoute, resources.AuthorizationPolicy):
        assert list(admin(cluster).list(kind, namespace="*", labels=labels)) == []
    for kind in (Deployment, Service, ServiceAccount):
        assert lab.eventually(lambda kind=kind: not exists(cluster, kind, "gate-istio"))
