# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""istio-k8s' relations on a real API server: the mesh follows them, and their removal."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cosl import LZMABase64
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod

from tests import authorities, lab
from tests.lab import juju

APP, UNIT = "istio-k8s", "istio-k8s/0"
INGRESS, TRACING, JWKS = (
    f"{APP}:istio-ingress-config",
    f"{APP}:workload-tracing",
    f"{APP}:jwks-ca-cert",
)
AUTHORIZER = {
    "ext_authz_service_name": "oauth2-proxy.iam.svc.cluster.local",
    "ext_authz_port": "4180",
    "include_headers_in_check": '["cookie"]',
}
GRPC = {**AUTHORIZER, "ext_authz_protocol": "grpc", "ext_authz_port": "9001"}
NONE = {"ext_authz_service_name": "fake_host", "ext_authz_port": "5432"}
RECEIVERS = json.dumps(
    [
        {"protocol": {"name": "otlp_http", "type": "http"}, "url": "http://tempo.cos.svc:4318"},
        {"protocol": {"name": "otlp_grpc", "type": "grpc"}, "url": "tempo.cos.svc:4317"},
    ]
)
HOSTILE = [
    "",
    "{broken",
    "null",
    "[]",
    '"x"',
    "[" * 100_000,
    "1" * 5000,
    '["\\ud800"]',
    "\x00\u202e",
]


class Mesh:
    """The control plane's configuration in the cluster."""

    def __init__(self, cluster: lab.Cluster, model: juju.Model):
        self._client: Any = cluster.client
        self.model = model

    def config(self) -> dict[str, Any]:
        """Return the applied MeshConfig without the provider that only marks its version."""
        found = self._client.get(ConfigMap, "istio", namespace=self.model.name)
        config = json.loads(found.data["mesh"])
        providers = config.pop("extensionProviders", [])
        (marker,) = [p for p in providers if p["name"].startswith("charmed-istio.applied.")]
        rest = [each for each in providers if each != marker]
        return {**config, **({"extensionProviders": rest} if rest else {})}

    def providers(self) -> dict[str, Any]:
        """Return the extension providers by name."""
        return {p.pop("name"): p for p in self.config().get("extensionProviders", [])}

    def jwks_ca(self) -> str | None:
        """Return the bundle of CAs that istiod's pods mount, if any."""
        namespace = self.model.name
        istiod = self._client.get(Deployment, "istiod", namespace=namespace)
        volumes = {volume.name: volume for volume in istiod.spec.template.spec.volumes}
        if "extracacerts" not in volumes:
            return None
        name = volumes["extracacerts"].configMap.name
        return self._client.get(ConfigMap, name, namespace=namespace).data["extra.pem"]

    def istiod_pods(self) -> set[str]:
        """Return the uids of istiod's pods."""
        pods = self._client.list(Pod, namespace=self.model.name, labels={"app": "istiod"})
        return {pod.metadata.uid for pod in pods}

    def reply(self, remote: str) -> str | None:
        """Return the published provider name of an ingress's authorizer."""
        databag = self.model.databag(INGRESS, remote=remote)
        return databag.get("ext_authz_provider_name")


@pytest.fixture
def mesh(cluster: lab.Cluster, control_plane: juju.Model) -> Iterator[Mesh]:
    """The control plane without relations; a test removes the relations that it adds."""
    found = Mesh(cluster, control_plane)
    before = found.config()
    yield found
    assert found.config() == before
    assert found.jwks_ca() is None
    control_plane.wait_active(APP)


def test_tracing_follows_its_relation(mesh: Mesh):
    model = mesh.model
    model.fake_remote(TRACING, "tempo")
    model.settle()
    assert json.loads(model.databag(TRACING)["receivers"]) == ["otlp_grpc"]
    assert "enableTracing" not in mesh.config()

    model.set_databag("tempo", "workload-tracing", "receivers", RECEIVERS)
    model.settle()
    config = mesh.config()
    assert mesh.providers() == {
        "otel-tracing": {"opentelemetry": {"service": "tempo.cos.svc", "port": 4317}}
    }
    assert config["enableTracing"] is True
    assert config["defaultProviders"]["tracing"] == ["otel-tracing"]
    assert config["defaultConfig"]["tracing"]["sampling"] == 100
    with model.requests(UNIT) as seen:
        model.emit(UNIT, "update-status")
    assert seen.writes == []

    model.remove_relation(TRACING, "tempo")
    model.settle()


def test_every_ingress_has_its_authorizer_and_gets_its_name(mesh: Mesh):
    model = mesh.model
    model.fake_remote(INGRESS, "one", AUTHORIZER)
    model.fake_remote(INGRESS, "two", GRPC)
    model.fake_remote(INGRESS, "none", NONE)
    model.fake_remote(INGRESS, "silent")
    model.settle()
    service = "oauth2-proxy.iam.svc.cluster.local"
    assert mesh.providers() == {
        "ext-authz-one": {
            "envoyExtAuthzHttp": {
                "service": service,
                "port": 4180,
                "includeRequestHeadersInCheck": ["cookie"],
                "includeAdditionalHeadersInCheck": {
                    "x-forwarded-host": "%REQ(:AUTHORITY)%",
                    "x-forwarded-method": "%REQ(:METHOD)%",
                    "x-forwarded-proto": "%REQ(X-FORWARDED-PROTO)%",
                    "x-forwarded-uri": "%REQ(:PATH)%",
                },
            }
        },
        "ext-authz-two": {"envoyExtAuthzGrpc": {"service": service, "port": 9001}},
    }
    assert [mesh.reply(name) for name in ("one", "two", "none", "silent")] == [
        "ext-authz-one",
        "ext-authz-two",
        None,
        None,
    ]

    # The relation is removed with data in its databag: the other providers stay.
    for key, value in NONE.items():
        model.set_databag("one", "istio-ingress-config", key, value)
    model.settle()
    assert set(mesh.providers()) == {"ext-authz-two"}
    assert (mesh.reply("one"), mesh.reply("two")) == (None, "ext-authz-two")

    for name in ("one", "two", "none", "silent"):
        model.remove_relation(INGRESS, name)
    model.settle()


def test_istiod_mounts_the_transferred_cas_and_stays_ready(mesh: Mesh):
    model = mesh.model
    one, two = authorities.pem("one"), authorities.pem("two")
    bundle = {"certificates": json.dumps([two, one]), "version": "1"}
    model.fake_remote(JWKS, "ca", bundle)
    model.settle()
    assert model.databag(JWKS) == {"version": "1"}
    assert mesh.jwks_ca() == "".join(sorted([one, two]))
    model.wait_active(APP)
    with model.requests(UNIT) as seen:
        model.emit(UNIT, "update-status")
    assert seen.writes == []

    # istiod reads CAs when it starts: a changed bundle replaces its pods.
    before = mesh.istiod_pods()
    model.set_databag("ca", "jwks-ca-cert", "certificates", json.dumps([two]))
    model.settle()
    assert mesh.jwks_ca() == two
    assert lab.eventually(lambda: mesh.istiod_pods() and not mesh.istiod_pods() & before, 60)
    model.wait_active(APP)

    model.remove_relation(JWKS, "ca")
    model.settle()


SAYING_NOTHING = frozenset({"", "null", "[]"})
"""Databag values that count as empty instead of invalid."""


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_hostile_databags_change_nothing_else(mesh: Mesh, text: str):
    model = mesh.model
    related = {
        (INGRESS, "good"): (AUTHORIZER, None),
        (INGRESS, "bad"): (dict.fromkeys(AUTHORIZER, text), None),
        (TRACING, "tempo"): ({"receivers": text}, None),
        (JWKS, "ca"): ({"certificates": text}, {"chain": text}),
        (f"{APP}:charm-tracing", "traces"): ({"receivers": text}, None),
        (f"{APP}:metrics-endpoint", "prometheus"): ({"x": text}, None),
        (f"{APP}:grafana-dashboard", "grafana"): ({"x": text}, None),
        (f"{APP}:istio-metadata", "kiali"): ({"x": text}, None),
    }
    for (endpoint, remote), (app_data, unit_data) in related.items():
        model.fake_remote(endpoint, remote, app_data, unit_data, quiet=True)
    for _ in range(2):  # The provider is published once the ConfigMap has it.
        model.emit(UNIT, "update-status")
    assert set(mesh.providers()) == {"ext-authz-good"}
    assert mesh.reply("good") == "ext-authz-good"
    assert mesh.reply("bad") is None
    if text not in SAYING_NOTHING:
        # The status names the first problem and counts the others.
        status = model.unit_status(UNIT)
        assert status.name == "blocked"
        assert status.message.startswith(("tempo:workload-tracing", "bad:istio-ingress-config"))
    for endpoint, remote in related:
        model.remove_relation(endpoint, remote)
    model.settle()
    model.emit(UNIT, "update-status")


def test_databags_of_observers(mesh: Mesh):
    model = mesh.model
    observed = {
        f"{APP}:metrics-endpoint": "prometheus",
        f"{APP}:grafana-dashboard": "grafana",
        f"{APP}:istio-metadata": "kiali",
    }
    for endpoint, remote in observed.items():
        model.fake_remote(endpoint, remote)
    model.settle()

    metrics = model.databag(f"{APP}:metrics-endpoint")
    assert json.loads(metrics["scrape_jobs"]) == [{"static_configs": [{"targets": ["*:15090"]}]}]
    metadata = json.loads(metrics["scrape_metadata"])
    assert (metadata["model"], metadata["unit"]) == (model.name, UNIT)
    rules = [r for g in json.loads(metrics["alert_rules"])["groups"] for r in g["rules"]]
    assert {rule["labels"]["juju_model_uuid"] for rule in rules} == {metadata["model_uuid"]}
    unit = model.databag(f"{APP}:metrics-endpoint", unit=0)
    assert unit["prometheus_scrape_unit_name"] == UNIT
    assert unit["prometheus_scrape_unit_address"] == model.unit(UNIT).address

    dashboards = json.loads(model.databag(f"{APP}:grafana-dashboard")["dashboards"])
    titles = {
        json.loads(LZMABase64.decompress(template["content"]))["title"]
        for template in dashboards["templates"].values()
    }
    assert titles == {"Istio control plane", "Istio nodes"}
    assert model.databag(f"{APP}:istio-metadata") == {"root_namespace": model.name}

    for endpoint, remote in observed.items():
        model.remove_relation(endpoint, remote)
    model.settle()


def test_metrics_proxy_finds_the_pods_and_their_ports(cluster: lab.Cluster, mesh: Mesh):
    """metrics-proxy selects pods by label, and reads their annotations."""
    plan = mesh.model.unit(UNIT).containers["metrics-proxy"].plan
    selector = plan.services["metrics-proxy"].environment["POD_LABEL_SELECTOR"]
    key, value = selector.split("=")
    client: Any = cluster.client
    pods = list(client.list(Pod, namespace=mesh.model.name, labels={key: value}))
    annotation = "prometheus.io/port"
    owners = ("istiod", "istio-cni-node", "ztunnel")
    found = {
        owner: pod.metadata.annotations[annotation]
        for pod in pods
        for owner in owners
        if pod.metadata.name.startswith(f"{owner}-")
    }
    assert found == {"istiod": "15014", "istio-cni-node": "15014", "ztunnel": "15020"}
