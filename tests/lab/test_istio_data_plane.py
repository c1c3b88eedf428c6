# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-k8s under traffic: mutual TLS at a real ztunnel, and the metrics that alerts query."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml
from istio_ambient import authorization, kube, resources
from istio_ambient.charm import _alert_rules
from lightkube import codecs
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, Pod, ServiceAccount

from tests import lab
from tests.lab import _metrics, conftest, juju

APP, UNIT = "istio-k8s", "istio-k8s/0"
SHOP = "plain-shop"
APPLICATION = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {SHOP}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: details, namespace: {SHOP}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: details, namespace: {SHOP}}}
spec:
  selector: {{matchLabels: {{app.kubernetes.io/name: details}}}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: details, istio.io/dataplane-mode: ambient}}
      annotations: {{{lab.APP_ANNOTATION}: "true"}}
    spec:
      serviceAccountName: details
      containers: [{{name: details, image: details, ports: [{{containerPort: 9080}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: details, namespace: {SHOP}}}
spec:
  selector: {{app.kubernetes.io/name: details}}
  ports: [{{port: 9080}}]
"""
SOURCE = conftest.CHARMS / APP / "src"


@pytest.fixture(scope="module")
def details(cluster: lab.Cluster, control_plane: juju.Model) -> Iterator[str]:
    """A Service whose pod is on the mesh, with a ztunnel, without a waypoint and policies."""
    conftest.need_ztunnel(cluster)
    client: Any = cluster.client
    objects = codecs.load_all_yaml(APPLICATION)  # pyright: ignore[reportUnknownMemberType]
    for obj in objects:
        client.create(obj)
    cluster.wait_ready(Deployment, "details", SHOP)
    yield f"{SHOP}/details:9080"
    kube.delete(client, Namespace, SHOP)


def plain(cluster: lab.Cluster, service: str) -> str:
    """Return what answered a request in plain text, from a client that is not on the mesh."""
    response = cluster.request(None, service, via="pod", timeout=2)
    return response.hop if response.status == 200 else f"refused by {response.hop}"


def hbone(cluster: lab.Cluster, service: str, account: str = "details") -> str:
    """Return what answered a request over mutual TLS, from a workload on the mesh."""
    response = cluster.request(f"{SHOP}/{account}", service, via="pod")
    return response.hop if response.status == 200 else f"refused by {response.hop}"


def test_strict_mode_refuses_plain_text_and_nothing_else(
    cluster: lab.Cluster, control_plane: juju.Model, details: str
):
    assert lab.eventually(lambda: plain(cluster, details) == "application")
    assert hbone(cluster, details) == "application"

    control_plane.config(APP, mtls_mode="strict")
    control_plane.settle()
    assert lab.eventually(lambda: plain(cluster, details) == "refused by ztunnel")
    assert hbone(cluster, details) == "application"
    # The same holds for the Service's address.
    assert cluster.request(None, details, timeout=2).status is None

    control_plane.config(APP, mtls_mode="permissive")
    control_plane.settle()
    assert lab.eventually(lambda: plain(cluster, details) == "application")
    assert hbone(cluster, details) == "application"


def test_ztunnel_knows_identities_by_the_trust_domain_of_the_mesh_alone(
    cluster: lab.Cluster, control_plane: juju.Model, details: str
):
    target = authorization.Target.workload(SHOP, {authorization.NAME_LABEL: "details"})
    # The client keeps certificates: each account has one of the time when it is used first.
    accounts = ("details", "later")
    rule = authorization.AllowRule(tuple(authorization.Source(SHOP, each) for each in accounts))
    policy = authorization.allow("itself", target, (rule,))
    client = cast(kube.Client, cluster.client)
    cluster.client.create(policy)
    metadata = ObjectMeta(name="later", namespace=SHOP)
    cluster.client.create(ServiceAccount(metadata=metadata))

    def later() -> str:
        return hbone(cluster, details, "later")

    try:
        assert lab.eventually(lambda: plain(cluster, details) == "refused by ztunnel")
        assert hbone(cluster, details) == "application"

        # istiod starts again, and signs in the new one. It translates no policy for ztunnel.
        control_plane.config(APP, trust_domain="mesh.example")
        control_plane.wait_active(timeout=300)
        assert lab.eventually(lambda: later() == "refused by ztunnel", timeout=90)

        kube.delete(client, resources.AuthorizationPolicy, "itself", SHOP)
        domains = ("mesh.example", "cluster.local")
        (translated,) = authorization.in_trust_domains([policy], domains)
        cluster.client.create(translated)
        assert lab.eventually(lambda: later() == "application")
        # With a certificate of the former one there is no connection, whatever policies name.
        assert hbone(cluster, details) == "refused by none"
        assert plain(cluster, details) == "refused by ztunnel"
    finally:
        kube.delete(client, resources.AuthorizationPolicy, "itself", SHOP)
        control_plane.reset(APP, "trust-domain")
        control_plane.wait_active(timeout=300)


ISTIOD = ("pilot_", "citadel_", "galley_")
ISTIO_CNI = ("istio_cni_", "nodeagent_", "ztunnel_connected")
ZTUNNEL = ("istio_tcp_", "istio_xds_", "workload_manager_")
ONCE_IT_HAPPENS = {
    "citadel_server_authentication_failure_count",
    "citadel_server_csr_parsing_err_count",
    "citadel_server_csr_sign_err_count",
    "citadel_server_success_cert_issuance_count",
    "galley_validation_failed",
    "pilot_total_xds_internal_errors",
    "pilot_total_xds_rejects",
    "pilot_xds_write_timeout",
}
"""Counters that istiod serves once it has counted: failures, and certificates since it started."""
OWN_CA = {"citadel_server_cert_chain_expiry_timestamp"}
"""Served where the mesh has a CA of the site's own: see `test_istio_options`."""
REFUSED = {"istio_tcp_connections_failed_total"}
"""Served after the first refusal: see `test_istioctl`."""


def expressions() -> Iterator[str]:
    """Yield every query of the alert rules and the dashboards."""
    for path in (SOURCE / "prometheus_alert_rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule["expr"] for rule in group["rules"])
    for path in (SOURCE / "grafana_dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))


def metrics_of(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression names."""
    text = re.sub(r'"[^"]*"', "", expression)
    text = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    keywords = {"and", "bool", "by", "offset", "on", "or", "unless", "without"}
    found = set(re.findall(r"(?<![\w:])([a-zA-Z_:][\w:]*)(?!\w|\s*\()", text))
    return found - keywords


def served(text: str) -> set[str]:
    """Return the names of the samples in the text format of Prometheus."""
    return {match[1] for match in re.finditer(r"^(\w+)[{ ]", text, re.M)}


def test_the_metrics_of_a_query_are_found():
    query = (
        f'sum by (le) (rate(a_bucket{{x="b_c",{_alert_rules.PLACEHOLDER}}}[5m] offset 15m)) > 1'
    )
    assert metrics_of(f"histogram_quantile(0.9, {query}) or (d unless e) < bool 1") == {
        "a_bucket",
        "d",
        "e",
    }
    assert metrics_of('label_replace(f{x="}"}, "g", "h", "", "")') == {"f"}


def test_metrics_of_alerts_and_dashboards_are_served(
    cluster: lab.Cluster, control_plane: juju.Model, details: str
):
    used = {name for expression in expressions() for name in metrics_of(expression)}
    # Prometheus' own.
    used -= {"up"}
    by_source = {
        prefixes: {name for name in used if name.startswith(prefixes)}
        for prefixes in (ISTIOD, ISTIO_CNI, ZTUNNEL)
    }
    assert used == set().union(*by_source.values())
    assert all(by_source.values())

    istiod = served(cluster.metrics(control_plane.name, "istiod-"))
    assert by_source[ISTIOD] - istiod <= ONCE_IT_HAPPENS | OWN_CA
    assert by_source[ISTIOD] <= _metrics.defined_by_istiod() | istiod

    assert by_source[ISTIO_CNI] <= _metrics.defined_by_istio_cni()

    assert hbone(cluster, details) == "application"
    assert lab.eventually(lambda: plain(cluster, details) == "application")
    for_a_node = served(cluster.node_ztunnel_metrics(control_plane.name))
    # A restart of istiod ends connections, which is counted too.
    client: Any = cluster.client
    for pod in client.list(Pod, namespace=control_plane.name, labels={"app": "istiod"}):
        client.delete(Pod, pod.metadata.name, namespace=control_plane.name)

    def all_served() -> bool:
        for_a_pod = served(cluster.metrics(SHOP, "details-", port=15020))
        missing = by_source[ZTUNNEL] - for_a_pod - for_a_node - REFUSED
        assert not missing, missing
        return True

    assert lab.eventually(all_served, timeout=60)
