# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Waypoint and ingress gateway in production: the objects that istiod makes for their options."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightkube
import ops
import pytest
import yaml
from istio_ambient import gateways, kube, manifests, resources
from istio_ambient.gateways import _parameters
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Pod, Service
from lightkube.resources.policy_v1 import PodDisruptionBudget

from tests import lab
from tests.lab import apps, beacon, conftest, juju

MODEL, GATE = "front", "gate"
WORKLOAD = f"{GATE}-istio"
WAYPOINT = f"{MODEL}-{beacon.APP}-waypoint"
INSIDE, OUTSIDE = "192.0.2.10", "198.51.100.7"
NODE = "172.18.0.2"


@dataclass(frozen=True)
class Kind:
    """One of the two charms, and the objects that istiod makes for it."""

    app: str
    gateway: str
    workload: str
    option: str
    charm: str


BOTH = [
    pytest.param(Kind(GATE, GATE, WORKLOAD, "gateway", "istio-ingress-k8s"), id="gateway"),
    pytest.param(Kind(beacon.APP, WAYPOINT, WAYPOINT, "waypoint", beacon.APP), id="waypoint"),
]


@pytest.fixture(scope="module")
def front(
    control_plane: juju.Model, new_module_model: conftest.ModelFactory
) -> Iterator[juju.Model]:
    """A model with both, and a route of the gateway to productpage."""
    model = new_module_model(MODEL, controller=control_plane.controller)
    model.deploy(beacon.CHARM)
    model.deploy(conftest.CHARMS / "istio-ingress-k8s", GATE)
    model.deploy(apps.STOREFRONT, "productpage")
    model.integrate("productpage:ingress", f"{GATE}:ingress")
    model.wait_active()
    yield model


class View:
    """The administrator's view of the model's namespace."""

    def __init__(self, cluster: lab.Cluster):
        self.cluster = cluster
        self.client: Any = cluster.client

    def spec(self, kind: Any, name: str) -> dict[str, Any]:
        return kube.manifest_of(self.client.get(kind, name, namespace=MODEL))["spec"]

    def template(self, workload: str) -> dict[str, Any]:
        return self.spec(Deployment, workload)["template"]

    def pods(self, gateway: str) -> list[str]:
        labels = {gateways.NAME_LABEL: gateway}
        pods = self.client.list(Pod, namespace=MODEL, labels=labels)
        return [pod.metadata.name for pod in pods if not pod.metadata.deletionTimestamp]

    def evict(self, pod: str) -> int:
        """Return the code that the API server answers an eviction with, as for a drained node."""
        eviction = Pod.Eviction(metadata=ObjectMeta(name=pod, namespace=MODEL))
        try:
            self.client.create(eviction, pod, namespace=MODEL)
        except lightkube.ApiError as error:
            return error.status.code or 0
        return 201


@pytest.fixture
def view(cluster: lab.Cluster) -> View:
    return View(cluster)


def settled(model: juju.Model, app: str, **config: Any) -> ops.StatusBase:
    model.config(app, **config)
    model.settle()
    return model.unit_status(f"{app}/0")


def url(front: juju.Model) -> str:
    databag = front.databag(f"{GATE}:ingress")
    return json.loads(databag["ingress"])["url"] if "ingress" in databag else ""


def published(front: juju.Model, expected: str) -> bool:
    """Return whether the application gets a URL with this prefix after an event."""

    def has_url() -> bool:
        front.emit(f"{GATE}/0", "update-status")
        assert url(front).startswith(expected), url(front)
        return True

    return lab.eventually(has_url, timeout=60)


def test_without_a_control_plane_the_charm_reports_that_and_recovers_automatically(
    cluster: lab.Cluster, new_model: conftest.ModelFactory, request: pytest.FixtureRequest
):
    """The first test of the module, before istio-k8s is deployed."""
    client: Any = cluster.client
    definition: Any
    (definition,) = (
        crd
        for crd in manifests.crds()
        if crd.spec.names.kind == "Gateway" and crd.spec.group == "gateway.networking.k8s.io"
    )
    kube.delete(client, CustomResourceDefinition, definition.metadata.name)
    controller = juju.Controller()
    shop = beacon.Shop(cluster, new_model(controller=controller))
    shop.deploy()
    assert shop.status.startswith("waiting: the cluster: it does not serve"), shop.status
    assert "deploy istio-k8s" in shop.status
    # Pebble probes all the time: the check failed long before there is a waypoint.
    assert [ran for ran in shop.model.run_checks() if ran.startswith(f"{beacon.APP}/")]

    client.create(definition)

    def unmade() -> bool:
        shop.refresh()
        # Gateways are served now; what would guard the waypoint may not be.
        assert "yet" in shop.status and "istio-k8s" in shop.status, shop.status
        return True

    assert lab.eventually(unmade)
    assert shop.status.startswith("waiting: ")
    assert settled(shop.model, beacon.APP, ready_timeout=0).name == "blocked"
    shop.model.reset(beacon.APP, "ready-timeout")
    shop.model.settle()
    # The definition of the control plane is created by istio-k8s.
    kube.delete(client, CustomResourceDefinition, definition.metadata.name)
    request.getfixturevalue("control_plane")
    shop.refresh()
    assert shop.status.startswith("waiting: ")

    def recovered() -> bool:
        shop.model.run_checks()
        shop.model.settle()
        assert shop.status.startswith("active")
        return True

    # Without update-status: a Pebble check triggers the recovery.
    assert lab.eventually(recovered, timeout=120)


@pytest.mark.parametrize("kind", BOTH)
def test_istiod_makes_pods_with_anti_affinity_and_a_disruption_budget(
    front: juju.Model, view: View, kind: Kind
):
    spec = view.template(kind.workload)["spec"]
    (apart,) = spec["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    selector = apart["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert set(view.pods(kind.gateway)) == {
        pod.metadata.name for pod in view.client.list(Pod, namespace=MODEL, labels=selector)
    }
    (spread,) = spec["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    budget = view.spec(PodDisruptionBudget, kind.workload)
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["selector"]["matchLabels"] == selector
    # istiod makes no second autoscaler beside ours.
    scalers = list(view.client.list(HorizontalPodAutoscaler, namespace=MODEL))
    targets = [scaler.spec.scaleTargetRef.name for scaler in scalers]
    assert sorted(targets) == sorted([WORKLOAD, WAYPOINT])


@pytest.mark.parametrize("kind", BOTH)
def test_a_change_of_resources_replaces_the_pods(front: juju.Model, view: View, kind: Kind):
    before, pods = view.template(kind.workload), view.pods(kind.gateway)
    option = f"{kind.option}_resources"
    status = settled(front, kind.app, **{option: "{limits: {memory: 3Gi}}"})
    assert status.name in ("active", "waiting")

    def replaced() -> bool:
        found = view.template(kind.workload)["spec"]["containers"][0]["resources"]
        assert found["limits"] == {"cpu": "2", "memory": "3Gi"}
        assert found["requests"] == {"cpu": "100m", "memory": "128Mi"}
        assert not set(pods) & set(view.pods(kind.gateway))
        return True

    assert lab.eventually(replaced, timeout=90)
    front.wait_active(kind.app)
    front.reset(kind.app, option)
    front.settle()
    assert lab.eventually(lambda: view.template(kind.workload) == before, timeout=60)
    front.wait_active(kind.app)


@pytest.mark.parametrize("kind", BOTH)
def test_an_invalid_option_is_reported_and_the_last_valid_state_stays(
    front: juju.Model, view: View, kind: Kind
):
    settled(front, kind.app, **{f"{kind.option}_node_selector": "kubernetes.io/os: linux"})
    front.wait_active(kind.app)
    parameters = _parameters.parameters_name(kind.gateway)
    before = view.client.get(ConfigMap, parameters, namespace=MODEL).data
    with front.requests(f"{kind.app}/0") as seen:
        status = settled(front, kind.app, **{f"{kind.option}_resources": "{limits: {cpu: many}}"})
    assert status.name == "blocked"
    assert f"config {kind.option}-resources limits.cpu: 'many'" in status.message
    assert seen.writes == []
    assert view.client.get(ConfigMap, parameters, namespace=MODEL).data == before
    assert "kubernetes.io/os" in before["deployment"]
    front.reset(kind.app, f"{kind.option}_resources", f"{kind.option}_node_selector")
    front.wait_active(kind.app)


@pytest.mark.parametrize("kind", BOTH)
def test_a_full_node_is_reported_as_the_cause(
    cluster: lab.Cluster, front: juju.Model, view: View, kind: Kind
):
    def is_reported() -> bool:
        front.emit(f"{kind.app}/0", "update-status")
        status = front.unit_status(f"{kind.app}/0")
        assert (status.name, "Unschedulable" in status.message) == ("waiting", True), status
        return True

    with cluster.unschedulable():
        settled(front, kind.app, **{f"{kind.option}_resources": "{requests: {cpu: 150m}}"})
        assert lab.eventually(is_reported, timeout=60)
        # After ready-timeout an operator has to act.
        assert settled(front, kind.app, ready_timeout=0).name == "blocked"
    front.reset(kind.app, f"{kind.option}_resources", "ready-timeout")
    front.wait_active(kind.app)


def test_a_single_pod_can_be_evicted_and_of_three_pods_one_at_a_time(
    front: juju.Model, view: View
):
    def allowed(number: int, pods: int) -> bool:
        budget = view.client.get(PodDisruptionBudget, WORKLOAD, namespace=MODEL)
        assert (budget.status.disruptionsAllowed, budget.status.currentHealthy) == (number, pods)
        return True

    assert lab.eventually(lambda: allowed(1, 1), timeout=60)
    (only,) = view.pods(GATE)
    assert view.evict(only) == 201
    front.add_unit(GATE, 2)
    front.settle()
    assert lab.eventually(lambda: allowed(1, 3), timeout=90)
    with view.cluster.unschedulable():  # No pod replaces the first one meanwhile.
        first, second, _ = view.pods(GATE)
        assert view.evict(first) == 201
        assert view.evict(second) == 429
    front.remove_unit(GATE, 2)
    front.wait_active()


def test_a_gateway_behind_nodes(cluster: lab.Cluster, front: juju.Model, view: View):
    settled(front, GATE, gateway_service_type="NodePort")
    assert published(front, f"http://{NODE}:3")
    ports = {port["port"]: port["nodePort"] for port in view.spec(Service, WORKLOAD)["ports"]}
    assert url(front) == f"http://{NODE}:{ports[80]}/{MODEL}-productpage"

    def answered() -> bool:
        return cluster.request_outside(url(front), source_ip=INSIDE).status == 200

    assert lab.eventually(answered)
    # The operator names the load balancer in front of the nodes.
    settled(front, GATE, external_hostname="apps.example.com")
    assert published(front, "http://apps.example.com/")
    front.reset(GATE, "external_hostname")
    front.wait_active(GATE)


def test_a_gateway_for_the_cluster_only(cluster: lab.Cluster, front: juju.Model, view: View):
    settled(front, GATE, gateway_service_type="ClusterIP")
    assert published(front, f"http://{WORKLOAD}.{MODEL}.svc.cluster.local/")
    spec = view.spec(Service, WORKLOAD)
    assert spec["type"] == "ClusterIP"
    assert not any("nodePort" in port for port in spec["ports"])
    host = f"{WORKLOAD}.{MODEL}.svc.cluster.local"

    def answered() -> bool:
        found = cluster.request_outside(url(front), source_ip=INSIDE, address=spec["clusterIP"])
        return found.status == 200 and host in url(front)

    assert lab.eventually(answered)
    status = settled(front, GATE, external_traffic_policy="Local")
    assert status.name == "blocked"
    assert "config external-traffic-policy: 'Local'" in status.message
    front.reset(GATE, "gateway_service_type", "external_traffic_policy")
    front.settle()
    assert published(front, "http://203.0.113.")
    front.wait_active(GATE)


def test_networks_are_compared_with_client_addresses_with_local_traffic_policy_only(
    cluster: lab.Cluster, front: juju.Model, view: View
):
    def status(source: str) -> int | None:
        return cluster.request_outside(url(front), source_ip=source).status

    settled(front, GATE, external_traffic_policy_cidrs="192.0.2.0/24")
    with cluster.masquerading():
        # Behind source NAT all clients have the address of the node.
        assert lab.eventually(lambda: (status(INSIDE), status(OUTSIDE)) == (403, 403))
        settled(front, GATE, external_traffic_policy="Local")
        assert lab.eventually(
            lambda: view.spec(Service, WORKLOAD)["externalTrafficPolicy"] == "Local"
        )
        assert lab.eventually(lambda: (status(INSIDE), status(OUTSIDE)) == (200, 403))
    front.reset(GATE, "external_traffic_policy", "external_traffic_policy_cidrs")
    front.settle()
    assert lab.eventually(
        lambda: view.spec(Service, WORKLOAD)["externalTrafficPolicy"] == "Cluster"
    )
    front.wait_active(GATE)


@pytest.mark.parametrize("kind", BOTH)
def test_scrapers_get_the_targets_and_are_allowed(front: juju.Model, view: View, kind: Kind):
    front.fake_remote(f"{kind.app}:metrics-endpoint", "prometheus")
    front.fake_remote(f"{kind.app}:grafana-dashboard", "grafana")
    front.settle()
    databag = front.databag(f"{kind.app}:metrics-endpoint", remote="prometheus")
    assert json.loads(databag["scrape_jobs"]) == [{"static_configs": [{"targets": ["*:15090"]}]}]
    assert json.loads(databag["alert_rules"])["groups"]
    shown = front.databag(f"{kind.app}:grafana-dashboard", remote="grafana")
    files = (conftest.CHARMS / kind.charm / "src" / "grafana_dashboards").glob("*.json")
    names = {f"file:{file.stem}" for file in files}
    assert json.loads(shown["dashboards"])["templates"].keys() == names
    found = [
        policy["spec"]["rules"]
        for policy in view.client.list(resources.AuthorizationPolicy, namespace=MODEL)
        if policy["spec"].get("selector", {}).get("matchLabels")
        == {"app.kubernetes.io/name": kind.app}
    ]
    principal = f"cluster.local/ns/{MODEL}/sa/prometheus"
    assert found == [
        [
            {
                "from": [{"source": {"principals": [principal]}}],
                "to": [{"operation": {"ports": ["15090"]}}],
            }
        ]
    ]
    front.remove_relation(f"{kind.app}:metrics-endpoint", "prometheus")
    front.remove_relation(f"{kind.app}:grafana-dashboard", "grafana")
    front.settle()


@pytest.mark.parametrize("kind", BOTH)
def test_the_proxies_serve_the_metrics_that_alerts_query(
    cluster: lab.Cluster, front: juju.Model, kind: Kind
):
    """Except those of TLS, and Istio's own of requests, whose extension the lab's Envoy lacks."""
    rules = (conftest.CHARMS / kind.charm / "src" / "prometheus_alert_rules").glob("*.yaml")
    groups = [group for path in rules for group in yaml.safe_load(path.read_text())["groups"]]
    exprs = [rule["expr"] for group in groups for rule in group["rules"]]
    queried = {name for expr in exprs for name in re.findall(r"\b(\w+)\{", expr)} - {"up"}
    assert queried >= {"envoy_server_live", "istio_agent_cert_expiry_seconds"}
    text = cluster.metrics(MODEL, kind.workload)
    missing = {name for name in queried if f"\n{name}{{" not in text}
    # Envoy serves a counter of policy decisions after the first decision.
    unserved = "istio_request|envoy_http_rbac"
    assert all(re.match(unserved, name) for name in missing), missing
