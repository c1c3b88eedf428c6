# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Refusals of real proxies, as `list-denials` and `explain log=` tell them from their logs."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from istio_ambient import kube, resources
from lightkube import codecs
from lightkube.resources.core_v1 import Pod

from tests import lab
from tests.lab import apps, bookshop, identity, juju
from tests.lab.conftest import CHARMS, ModelFactory, need_ztunnel

BEACON, GATE, SHOP = "beacon", "gate", "shop"
ADDRESS = "http://203.0.113.10"
INSIDE, OUTSIDE = "192.0.2.10", "198.51.100.7"
ISSUER = "https://issuer.example.com"
KEYS = f"http://identity.{SHOP}.svc.cluster.local:{identity.KEYS_PORT}/keys"
RULE = {"issuer": ISSUER, "jwks_uri": KEYS, "audiences": ["shop"]}
MESHED = ("productpage", "details", "ratings")
LOG_SECONDS = 30
"""Envoy writes its log every ten seconds."""


def policy(name: str, **spec: Any) -> Any:
    """Return an AuthorizationPolicy of somebody else."""
    return codecs.from_dict(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": name, "namespace": SHOP},
            "spec": {"action": "DENY", **spec},
        }
    )


KEEP_OUT = policy(
    "keep-out",
    selector={"matchLabels": {"app.kubernetes.io/name": "productpage"}},
    rules=[{"from": [{"source": {"principals": [f"cluster.local/ns/{SHOP}/sa/ratings"]}}]}],
)
READ_ONLY = policy(
    "read-only",
    targetRefs=[{"group": "", "kind": "Service", "name": "ratings"}],
    rules=[{"to": [{"operation": {"methods": ["DELETE"]}}]}],
)


@dataclasses.dataclass
class Mesh:
    """A shop in hardened mode, with strict mTLS, a beacon and an ingress."""

    cluster: lab.Cluster
    model: juju.Model
    mesh: juju.Model
    issuer: identity.Issuer

    def send(self, source: str | None, target: str, call: str, via: str | None = None) -> None:
        """Send a request from a pod of `source`; None: in plain text from the pod of ratings."""
        method, path = call.split()
        response = self.cluster.request(
            f"{SHOP}/{source}" if source else None,
            f"{SHOP}/{target}:{apps.PORT}",
            method,
            path,
            via=via,
            pod=f"{SHOP}/{source or 'ratings'}-0",
        )
        assert response.status != 200, response

    def visit(self, url: str, status: int | None, source_ip: str = INSIDE, **headers: str) -> None:
        """Send a request from outside, once the answer is the expected one."""

        def seen() -> bool:
            found = self.cluster.request_outside(url, source_ip=source_ip, headers=headers)
            assert found.status == status, found
            return True

        lab.eventually(seen)

    def denials(self, app: str, **params: Any) -> list[dict[str, Any]]:
        """Return what an application lists as denied."""
        return json.loads(
            self.model.run(f"{app}/0", "list-denials", format="json", **params)["json"]
        )


@pytest.fixture(scope="module")
def mesh(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: ModelFactory
) -> Iterator[Mesh]:
    need_ztunnel(cluster)
    model = new_module_model(SHOP, controller=control_plane.controller)
    model.deploy(CHARMS / "istio-beacon-k8s", BEACON)
    model.deploy(
        CHARMS / "istio-ingress-k8s",
        GATE,
        config={"external-traffic-policy-cidrs": "192.0.2.0/24"},
    )
    bookshop.deploy(model, *MESHED, mesh=f"{BEACON}:service-mesh")
    for app in (apps.ACCOUNT, apps.IDENTITY):
        model.deploy(app)
    model.integrate("productpage:backends", "details:api")
    model.integrate("productpage:ingress", f"{GATE}:ingress")
    model.integrate("account:ingress", f"{GATE}:ingress")
    control_plane.config("istio-k8s", hardened_mode=True, mtls_mode="strict")
    control_plane.wait_active()
    model.wait_active()
    client: Any = cluster.client
    client.create(KEEP_OUT)
    client.create(READ_ONLY)
    cluster.wait_synced()
    made = Mesh(cluster, model, control_plane, identity.Issuer(ISSUER))
    listening = cluster.listen(f"{SHOP}/identity", identity.KEYS_PORT)
    with identity.Server(listening, made.issuer.keys):
        refuse(made)
        yield made


def refuse(mesh: Mesh) -> None:
    """Provoke each kind of refusal, once; that of an unknown pair twice."""
    for number in (7, 8):
        mesh.send("ratings", "details", f"GET /details/{number}")
    mesh.send("productpage", "details", "POST /details/0")
    mesh.send("productpage", "details", "GET /admin")
    mesh.send("details", "productpage", "GET /")
    mesh.send("details", "ratings", "DELETE /ratings/1")
    mesh.send("ratings", "productpage", "GET /", via="pod")
    mesh.send("productpage", "ratings", "GET /", via="pod")
    mesh.send(None, "details", "GET /", via="pod")
    pod: Any = mesh.cluster.client.get(Pod, "details-0", namespace=SHOP)
    mesh.visit(f"http://{pod.status.podIP}:{apps.PORT}/", None, INSIDE)
    mesh.visit(f"{ADDRESS}/{SHOP}-productpage", 403, OUTSIDE)
    refuse_tokens(mesh)
    refuse_login(mesh)


def refuse_tokens(mesh: Mesh) -> None:
    """Send no token, and a token that is no longer valid."""
    model, account = mesh.model, f"{ADDRESS}/{SHOP}-account"
    model.config("account", rules=json.dumps([RULE]))
    model.integrate("account:istio-request-auth", f"{GATE}:istio-request-auth")
    model.wait_active()
    mesh.visit(f"{account}/none", 403)
    expired = mesh.issuer.bearer(exp=int(time.time()) - 600)
    mesh.visit(f"{account}/expired", 401, **expired)
    model.remove_relation("account:istio-request-auth", f"{GATE}:istio-request-auth")
    model.wait_active()


def refuse_login(mesh: Mesh) -> None:
    """Send a session that the authorizer refuses."""
    model = mesh.model
    offer = mesh.mesh.offer("istio-k8s:istio-ingress-config")
    model.integrate("identity:forward-auth", f"{GATE}:forward-auth")
    model.integrate(f"{GATE}:istio-ingress-config", offer)
    model.wait_active()
    listening = mesh.cluster.listen(f"{SHOP}/identity", identity.DECISIONS_PORT)
    with identity.Server(listening, identity.decide):
        page = f"{ADDRESS}/{SHOP}-account"
        mesh.visit(page, 302)
        mesh.visit(f"{page}/banned", 403, cookie="session=banned")
    model.remove_relation(f"{GATE}:istio-ingress-config", "istio-k8s")
    model.remove_relation("identity:forward-auth", f"{GATE}:forward-auth")
    model.wait_active()


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of refusal, as the action should tell it."""

    app: str
    source: str
    target: str
    operation: str
    why: str
    by: str
    remedy: str
    count: int = 1


def in_shop(name: str) -> str:
    return f"{SHOP}/{name}"


LACK, PLAIN = "no ALLOW policy matched", "plain text, where mutual TLS is required"
HARDENED = "juju config -m istio-system istio-k8s hardened-mode=false"
KINDS = {
    "a pair that nobody requested": Kind(
        BEACON, "ratings", "details", "GET /details/*", LACK, "waypoint", "ratings", 2
    ),
    "another method": Kind(
        BEACON, "productpage", "details", "POST /details/*", LACK, "waypoint", "only"
    ),
    "another path": Kind(BEACON, "productpage", "details", "GET /admin", LACK, "waypoint", "only"),
    "hardened mode, at the waypoint": Kind(
        BEACON, "details", "productpage", "GET /", LACK, "waypoint", HARDENED
    ),
    "hardened mode, at ztunnel": Kind(
        BEACON, "productpage", "ratings", "", LACK, "ztunnel", HARDENED
    ),
    "a DENY policy, at the waypoint": Kind(
        BEACON,
        "details",
        "ratings",
        "DELETE /ratings/*",
        "a DENY policy matched (shop/read-only rule 0)",
        "waypoint",
        "change shop/read-only",
    ),
    "a DENY policy, at ztunnel": Kind(
        BEACON,
        "ratings",
        "productpage",
        "",
        "a DENY policy matched (shop/keep-out)",
        "ztunnel",
        "change shop/keep-out",
    ),
    "plain text of a workload": Kind(
        BEACON, "ratings", "details", "", PLAIN, "ztunnel", "put ratings on the mesh"
    ),
    "plain text of a client outside": Kind(
        BEACON, INSIDE, "details", "", PLAIN, "ztunnel", "through an ingress gateway"
    ),
    "a network that is not admitted": Kind(
        GATE,
        OUTSIDE,
        "203.0.113.10",
        "GET /shop-productpage",
        LACK,
        "gateway",
        f"juju config gate external-traffic-policy-cidrs=192.0.2.0/24,{OUTSIDE}/32",
    ),
    "no token": Kind(
        GATE,
        INSIDE,
        "203.0.113.10",
        "GET /shop-account/none",
        "a DENY policy matched",
        "gateway",
        "send a token of an issuer",
    ),
    "an expired token": Kind(
        GATE,
        INSIDE,
        "203.0.113.10",
        "GET /shop-account/expired",
        "its token was refused: Jwt is expired",
        "gateway",
        "send a token that is valid",
    ),
    "an authorizer that says no": Kind(
        GATE,
        INSIDE,
        "203.0.113.10",
        "GET /shop-account/banned",
        "the external authorizer refused it",
        "gateway",
        "log in",
    ),
}


@pytest.fixture(scope="module")
def listed(mesh: Mesh) -> dict[str, list[dict[str, Any]]]:
    """What both applications list, once the proxies have written their logs."""

    def complete() -> dict[str, list[dict[str, Any]]]:
        found = {app: mesh.denials(app) for app in (BEACON, GATE)}
        for name, kind in KINDS.items():
            assert [each for each in found[kind.app] if is_of(each, kind)], (name, found)
        return found

    return lab.eventually(complete, timeout=LOG_SECONDS)


def is_of(denial: dict[str, Any], kind: Kind) -> bool:
    """Return whether a group is about the source, target and operation of a kind."""
    operation = f"{denial['method']} {denial['path']}".strip()
    names = {denial["source"], denial["source"].removeprefix(f"{SHOP}/")}
    target = denial["target"].removeprefix(f"{SHOP}/")
    is_same = kind.source in names and target == kind.target and operation == kind.operation
    return is_same and denial["by"].startswith(kind.by)


@pytest.mark.parametrize("name", KINDS)
def test_each_refusal_has_its_pair_its_cause_and_its_remedy(
    listed: dict[str, list[dict[str, Any]]], name: str
):
    kind = KINDS[name]
    (found,) = [each for each in listed[kind.app] if is_of(each, kind)]
    assert found["why"].startswith(kind.why)
    assert found["count"] >= kind.count
    if kind.app == BEACON:
        assert found["count"] == kind.count
    assert [each for each in found["remedies"] if kind.remedy in each], found


def test_the_table_says_first_what_was_recorded(mesh: Mesh, listed: object):
    results = mesh.model.run(f"{BEACON}/0", "list-denials", app="ratings")
    first, *_ = results["table"].split("\n\n")
    lines = [line.split(":")[0].strip() for line in first.splitlines()]
    assert "recorded" in lines[1]
    assert "now" in lines[2]
    assert "in 2 of 2 logs" in results["recorded"]
    everything = mesh.model.run(f"{BEACON}/0", "list-denials")
    assert results["refused"] < everything["refused"]


def test_a_policy_that_went_away_is_told_from_what_was_recorded(mesh: Mesh, listed: object):
    client: Any = mesh.cluster.client
    client.delete(resources.AuthorizationPolicy, "keep-out", namespace=SHOP)
    kind = KINDS["a DENY policy, at ztunnel"]
    try:
        (found,) = [each for each in mesh.denials(BEACON) if is_of(each, kind)]
    finally:
        client.create(KEEP_OUT)
    assert found["why"] == "a DENY policy matched (shop/keep-out)"
    assert "keep-out" not in found["now"]
    assert not [each for each in found["remedies"] if "keep-out" in each]
    (found,) = [each for each in mesh.denials(BEACON) if is_of(each, kind)]
    (changed,) = found["changed"]
    assert changed.startswith("shop/keep-out at ")


def test_a_kubelet_that_does_not_answer_is_named(mesh: Mesh, listed: object):
    with mesh.cluster.without_logs():
        results = mesh.model.run(f"{BEACON}/0", "list-denials")
    assert "in 0 of 2 logs" in results["recorded"]
    assert "not read: read the log of Pod" in results["notes"]
    assert "from counters since the proxies started" in results["counters-are"]
    # Stock Envoy does not count by source and target, as that of Istio does.
    assert f"waypoint {SHOP}/{SHOP}-{BEACON}-waypoint" in results["counters"]


def line_of(mesh: Mesh, pod: str, matches: Callable[[str], bool]) -> str:
    """Return the last line of a real log that matches."""
    client = kube.connect()
    found = kube.read_log(
        client,
        kube.Ref("v1", "Pod", *pod.split("/")),
        "istio-proxy",
        since_seconds=3600,
        tail_lines=5000,
        limit_bytes=1 << 20,
    )
    return [line for line in found.splitlines() if matches(line)][-1]


def waypoint_pod(mesh: Mesh) -> str:
    """Return the waypoint's pod."""
    labels = {"gateway.networking.k8s.io/gateway-name": f"{SHOP}-{BEACON}-waypoint"}
    client: Any = mesh.cluster.client
    (pod,) = client.list(Pod, namespace=SHOP, labels=labels)
    return f"{SHOP}/{pod.metadata.name}"


@pytest.mark.parametrize("why", ["no ALLOW policy matched", "allow policies exist"])
def test_a_line_of_a_real_log_is_explained(mesh: Mesh, listed: object, why: str):
    if why == "allow policies exist":
        (pod,) = ztunnel_pods(mesh)
        line = line_of(mesh, pod, lambda each: why in each and "sa/productpage" in each)
        pair = ("source   shop/productpage (its identity was verified)", "shop/ratings:9080")
    else:
        line = line_of(mesh, waypoint_pod(mesh), lambda each: "POST /details/0" in each)
        pair = ("source   shop/productpage (by its address)", "shop/details:9080")
    results = mesh.model.run(f"{BEACON}/0", "explain", f"log={json.dumps(line)}")
    then, now, *_ = results["explanation"].split("\n\n")
    assert pair[0] in then
    assert pair[1] in then
    assert LACK in then
    assert now.splitlines()[1].startswith("  denied")
    found = json.loads(
        mesh.model.run(f"{BEACON}/0", "explain", f"log={json.dumps(line)}", format="json")["json"]
    )
    assert found["recorded"]["why"] == LACK
    assert found["now"]["remedies"]


def test_a_line_that_is_none_is_refused(mesh: Mesh):
    with pytest.raises(juju.ActionError, match="log: use one line"):
        mesh.model.run(f"{BEACON}/0", "explain", log="GET / 403")


def ztunnel_pods(mesh: Mesh) -> list[str]:
    """Return the pods of ztunnel's DaemonSet."""
    client: Any = mesh.cluster.client
    pods = client.list(Pod, namespace=mesh.mesh.name, labels={"app": "ztunnel"})
    return [f"{mesh.mesh.name}/{pod.metadata.name}" for pod in pods]
