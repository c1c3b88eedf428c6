# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The option extra-access, by real requests of clients that are no application of the model."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import codecs
from lightkube.models.core_v1 import ServicePort
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Pod, Service, ServiceAccount

from tests import lab
from tests.lab import beacon, bookshop, conftest, juju
from tests.lab.beacon import MESH, UNIT

USERS = "kubeflow-user"
NEAR, FAR = "192.0.2.10", "198.51.100.7"
ENTRIES: list[dict[str, Any]] = [
    {
        "from": {"service-account": f"{USERS}/notebook"},
        "to": "details",
        "ports": [80],
        "methods": ["GET"],
        "paths": ["/details/*"],
    },
    {"from": {"namespace": "ci"}, "to": "details", "ports": [80]},
    {"from": {"outside": ["192.0.2.0/24"]}, "to": "details", "ports": [80]},
]
REFUSED = 0
"""In place of a status: a proxy refuses the connection."""


@dataclasses.dataclass
class Site:
    """A shop with details on the mesh, and clients elsewhere."""

    cluster: lab.Cluster
    shop: beacon.Shop
    mesh: juju.Model

    def allow(self, entries: list[dict[str, Any]] | str) -> None:
        """Set the option; `expect` waits until the proxies follow it."""
        text = entries if isinstance(entries, str) else json.dumps(entries)
        self.shop.config(extra_access=text)

    def status(self, source: str, method: str, path: str, via: str | None = None) -> int:
        """Return the answer to a request of a workload on the mesh."""
        found = self.cluster.request(source, f"{self.shop.name}/details:80", method, path, via=via)
        return (found.status or REFUSED) if found.hop in ("application", "waypoint") else REFUSED

    def outside(self, source_ip: str) -> int:
        """Return the answer to a request in plain text, from an address outside the cluster."""
        client: Any = self.cluster.client
        pod = client.get(Pod, "details-0", namespace=self.shop.name)
        url = f"http://{pod.status.podIP}:{bookshop.PORT}/details/0"
        found = self.cluster.request_outside(url, source_ip=source_ip)
        return (found.status or REFUSED) if found.hop == "application" else REFUSED

    def expect(self, answers: dict[str, int]) -> None:
        """Wait until the proxies answer so."""

        def are_seen() -> bool:
            found = self.answers()
            assert found == answers
            return True

        lab.eventually(are_seen)

    def answers(self) -> dict[str, int]:
        """Return the answers to all requests of the tests."""
        notebook, other, runner = f"{USERS}/notebook", f"{USERS}/other", "ci/runner"
        return {
            "notebook GET": self.status(notebook, "GET", "/details/0"),
            "notebook POST": self.status(notebook, "POST", "/details/0"),
            "notebook GET /admin": self.status(notebook, "GET", "/admin"),
            "notebook at the pod": self.status(notebook, "GET", "/details/0", via="pod"),
            "other GET": self.status(other, "GET", "/details/0"),
            "runner POST": self.status(runner, "POST", "/anything"),
            "runner at the pod": self.status(runner, "GET", "/details/0", via="pod"),
            "near": self.outside(NEAR),
            "far": self.outside(FAR),
        }


CLOSED = {
    "notebook GET": 403,
    "notebook POST": 403,
    "notebook GET /admin": 403,
    "notebook at the pod": REFUSED,
    "other GET": 403,
    "runner POST": 403,
    "runner at the pod": REFUSED,
    "near": REFUSED,
    "far": REFUSED,
}
"""Nobody has access; at the pods of a waypoint, that is so without hardened mode, too."""
OPEN = {each: 200 if code else REFUSED for each, code in CLOSED.items()}
"""No policy is about the Service."""
ALLOWED = {
    **CLOSED,
    "notebook GET": 200,
    "runner POST": 200,
    "runner at the pod": 200,
    "near": 200,
}


@pytest.fixture(scope="module")
def deployed(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: conftest.ModelFactory
) -> Iterator[Site]:
    conftest.need_ztunnel(cluster)
    shop = beacon.Shop(cluster, new_module_model(controller=control_plane.controller))
    shop.deploy()
    bookshop.deploy(shop.model, "details", mesh=MESH)
    shop.model.wait_active()
    client: Any = cluster.client
    for namespace, account in ((USERS, "notebook"), (USERS, "other"), ("ci", "runner")):
        with_name = ObjectMeta(name=namespace)
        if namespace not in {each.metadata.name for each in client.list(Namespace)}:
            client.create(Namespace(metadata=with_name))
        client.create(ServiceAccount(metadata=ObjectMeta(name=account, namespace=namespace)))
    # A Service whose port is another one than that of the pods.
    found: Any = client.get(Service, "details", namespace=shop.name)
    port = ServicePort(port=80, targetPort=bookshop.PORT, name="http")
    found.spec.ports = [*found.spec.ports, port]
    client.replace(found)
    yield Site(cluster, shop, control_plane)
    control_plane.config("istio-k8s", hardened_mode=False)
    for namespace in (USERS, "ci"):
        client.delete(Namespace, namespace)


@pytest.mark.parametrize("hardened", [False, True], ids=["open mesh", "hardened mode"])
def test_each_kind_of_client_reaches_what_its_entry_names_and_nothing_else(
    deployed: Site, hardened: bool
):
    site = deployed
    site.mesh.config("istio-k8s", hardened_mode=hardened)
    site.mesh.settle()
    before = CLOSED if hardened else OPEN
    site.expect(before)
    site.allow(ENTRIES)
    assert site.shop.status.startswith("active: 1 application")
    site.expect(ALLOWED)
    if hardened:
        check_reports(site)
        check_strict_tls(site)
    else:
        check_invalid_entries(site)
    everyone = {"from": {"everyone": True}, "to": "details", "ports": [80]}
    site.allow([{**everyone, "confirm": True}])
    assert "details is open to every client" in site.shop.status
    assert site.shop.status.startswith("active: ")
    site.expect(dict.fromkeys(CLOSED, 200))
    site.allow([])
    assert site.shop.policies() == {}
    site.expect(before)


def check_invalid_entries(site: Site) -> None:
    """Check that what an entry had allowed is taken back, and that what it names stays closed."""
    site.allow([{**ENTRIES[0], "path": "/"}, *ENTRIES[1:]])
    assert site.shop.status.startswith("blocked: config extra-access [0].path: not known")
    site.expect({**ALLOWED, "notebook GET": 403})
    site.allow("[{")
    assert site.shop.status.startswith("blocked: config extra-access: no YAML")
    site.expect(CLOSED)
    site.allow([{"from": {"everyone": True}, "to": "details", "ports": [80]}])
    assert "add confirm: true" in site.shop.status
    site.expect(CLOSED)


def check_strict_tls(site: Site) -> None:
    """Check that strict mutual TLS keeps clients outside out, unless a port is excepted."""
    site.mesh.config("istio-k8s", mtls_mode="strict")
    site.mesh.settle()
    site.expect({**ALLOWED, "near": REFUSED})
    page = (Path(__file__).parents[2] / "docs/how-to/extra-access.md").read_text()
    text = page.partition("<<EOF\n")[2].partition("EOF\n")[0]
    metadata = {"name": "details-outside", "namespace": site.shop.name}
    manifest = codecs.from_dict({**yaml.safe_load(text), "metadata": metadata})
    client: Any = site.cluster.client
    client.create(manifest)
    site.expect(ALLOWED)
    client.delete(type(manifest), "details-outside", namespace=site.shop.name)
    site.mesh.reset("istio-k8s", "mtls-mode")
    site.mesh.settle()


def check_reports(site: Site) -> None:
    """Check that actions name the option as the origin, and judge as the proxies do."""
    origin = "config:extra-access"

    def run(action: str, **params: Any) -> dict[str, Any]:
        return site.shop.model.run(UNIT, action, **params)

    listed = json.loads(run("list-access", format="json")["json"])
    origins = {
        (entry["source"], entry["by"]): entry["origins"][0]["requested-by"]
        for entry in listed
        if entry["target"] == f"{site.shop.name}/details"
    }
    notebook = f"{USERS}/notebook"
    assert origins[notebook, "Service"] == [origin]
    assert origins["ci/*", "Service"] == origins["ci/*", "pods"] == [origin]
    assert origins["outside", "pods"] == [origin]
    request = {"source": notebook, "target": "details", "port": 80, "path": "/details/0"}
    allowed = run("explain", **request, method="GET")
    assert allowed["verdict"] == "allowed"
    assert f"requested by {origin} [0]" in allowed["explanation"]
    denied = run("explain", **request, method="POST")
    assert denied["verdict"] == "denied"
    assert f"config requests GET /details/* on 80 only ({origin} [0])" in denied["explanation"]
    requests = json.loads(run("list-requests", app="config", format="json")["json"])
    assert {(each["field"], each["outcome"]) for each in requests} == {
        (f"[{number}]", "granted") for number in range(len(ENTRIES))
    }
    preview = run("preview", **{"extra-access": ENTRIES[:1]})
    assert "delete: AuthorizationPolicy" in preview["plan"]
    assert re.search(r"loses +ci/\* ", preview["access"])
