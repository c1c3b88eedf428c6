# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What is written and not in force is reported: istiods and proxies that refuse it, by kinds."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from istio_ambient import resources
from istio_ambient.manifests import _render
from lightkube import generic_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod, Service

from tests import lab
from tests.lab import admission, beacon, conftest, juju

MESH, BEACON, INGRESS = "istio-k8s/0", "istio-beacon-k8s/0", "istio-ingress-k8s/0"
GATE = "istio-ingress-k8s"
SEEDS = range(1, 1 + int(os.environ.get("LAB_SEEDS", "1")))
"""For the figure in docs/reference/figures.md: 3."""
REPORT_SECONDS = 60
HEALTHY_HOOKS = int(os.environ.get("LAB_HEALTHY_HOOKS", "30"))
"""For the figure in docs/reference/figures.md: 1000."""
NETWORKS = "0.0.0.0/0"

EnvoyFilter: Any = generic_resource.create_namespaced_resource(  # pyright: ignore[reportUnknownMemberType]
    "networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"
)


class Site:
    """A control plane in hardened mode, and a shop with waypoint and gateway."""

    def __init__(self, cluster: lab.Cluster, mesh: juju.Model, shop: beacon.Shop):
        self.cluster = cluster
        self.mesh = mesh
        self.shop = shop
        self.client: Any = cluster.client

    def status(self, unit: str) -> str:
        """Run a hook in which nothing has changed; return the status after it."""
        model = self.mesh if unit == MESH else self.shop.model
        model.emit(unit, "update-status")
        found = model.unit_status(unit)
        return f"{found.name}: {found.message}"

    def wait_reported(self, unit: str, *texts: str) -> str:
        """Return the status of a unit once it has the texts; in time, and not active before."""
        end = time.monotonic() + REPORT_SECONDS
        while True:
            status = self.status(unit)
            if not status.startswith("active") and any(text in status for text in texts):
                return status
            assert time.monotonic() < end, f"not reported: {status}"
            time.sleep(1)

    def wait_healthy(self) -> None:
        """Wait until all units are active again."""
        self.mesh.wait_active()
        self.shop.model.wait_active()
        self.cluster.wait_synced()

    @contextlib.contextmanager
    def having(self, obj: Any) -> Generator[None]:
        """Create an object of another owner for the time of the context."""
        self.client.create(obj)
        try:
            yield
        finally:
            self.client.delete(type(obj), obj.metadata.name, namespace=obj.metadata.namespace)

    @contextlib.contextmanager
    def another_consumer(self, app: str) -> Generator[None]:
        """Have one more application that asks for access."""
        self.shop.service(app)
        databag = {"policies": json.dumps([self.shop.entry(app)])}
        self.shop.model.fake_remote(self.shop.mesh, app, databag, quiet=True)
        try:
            yield
        finally:
            self.shop.model.remove_relation(self.shop.mesh, app)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Generator[None]:
        """Stop the processes of the first real pod whose name begins so."""
        pods = self.cluster._kubelet.real_pods()  # pyright: ignore[reportPrivateUsage]
        (pod,) = [each for (_, key), each in pods.items() if key.startswith(name)][:1]
        command = ["ip", "netns", "pids", pod.namespace]
        pids = [int(pid) for pid in subprocess.check_output(command).split()]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def site(cluster: lab.Cluster, new_module_model: conftest.ModelFactory) -> Iterator[Site]:
    """The site, all of whose units are active."""
    mesh = new_module_model("mesh")
    mesh.deploy(conftest.CHARMS / "istio-k8s", config={"hardened-mode": True})
    mesh.wait_active()
    model = new_module_model(controller=mesh.controller)
    shop = beacon.Shop(cluster, model)
    model.deploy(beacon.CHARM)
    options: dict[str, Any] = {"external-traffic-policy-cidrs": NETWORKS}
    model.deploy(conftest.CHARMS / GATE, config=options)
    shop.consumer("details")
    labels = {
        "istio.io/use-waypoint": shop.waypoint,
        "istio.io/use-waypoint-namespace": shop.name,
    }
    shop.edit(Service, "details", metadata={"labels": labels})
    model.wait_active()
    cluster.wait_synced()
    yield Site(cluster, mesh, shop)
    shop.clear()


Breaking = Callable[[Site, random.Random], contextlib.AbstractContextManager[None]]


def _name(rng: random.Random) -> str:
    return f"other-{rng.randrange(10**6)}"


def _gateway_ref(site: Site, name: str = "") -> dict[str, str]:
    return {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": name or GATE,
    }


def _route(site: Site, rng: random.Random, parent: dict[str, str]) -> Any:
    expression = f"/{'abc'[rng.randrange(3)] * rng.randrange(1, 9)}("
    rule = {
        "matches": [{"path": {"type": "RegularExpression", "value": expression}}],
        "backendRefs": [{"name": "details", "port": 80}],
    }
    metadata = ObjectMeta(name=_name(rng), namespace=site.shop.name)
    return resources.HTTPRoute(metadata=metadata, spec={"parentRefs": [parent], "rules": [rule]})


def gateway_route(site: Site, rng: random.Random) -> contextlib.AbstractContextManager[None]:
    """A regular expression that Envoy does not compile, at the gateway."""
    return site.having(_route(site, rng, {"name": GATE}))


def waypoint_route(site: Site, rng: random.Random) -> contextlib.AbstractContextManager[None]:
    """The same at the waypoint, which has its routes in its listeners."""
    parent = {"group": "", "kind": "Service", "name": "details"}
    return site.having(_route(site, rng, parent))


def _tokens(site: Site, rng: random.Random, gateway: str) -> Any:
    rule = {"issuer": f"https://issuer-{rng.randrange(99)}.example", "jwks": '{"keys":[]}'}
    spec = {"targetRefs": [_gateway_ref(site, gateway)], "jwtRules": [rule]}
    metadata = ObjectMeta(name=_name(rng), namespace=site.shop.name)
    return resources.RequestAuthentication(metadata=metadata, spec=spec)


def gateway_keys(site: Site, rng: random.Random) -> contextlib.AbstractContextManager[None]:
    """Keys of which none is a key, at the gateway."""
    return site.having(_tokens(site, rng, GATE))


def waypoint_keys(site: Site, rng: random.Random) -> contextlib.AbstractContextManager[None]:
    """The same at the waypoint."""
    return site.having(_tokens(site, rng, site.shop.waypoint))


def gateway_cluster(site: Site, rng: random.Random) -> contextlib.AbstractContextManager[None]:
    """A cluster that Envoy refuses."""
    value = {"name": _name(rng), "connect_timeout": f"-{rng.randrange(1, 9)}s", "type": "STATIC"}
    patch = {"operation": "ADD", "value": value}
    spec = {
        "configPatches": [{"applyTo": "CLUSTER", "match": {"context": "GATEWAY"}, "patch": patch}]
    }
    return site.having(
        EnvoyFilter(metadata=ObjectMeta(name=_name(rng), namespace=site.shop.name), spec=spec)
    )


def _mesh_config(field: str, *values: Any) -> Breaking:
    @contextlib.contextmanager
    def breaking(site: Site, rng: random.Random) -> Generator[None]:
        """Write a MeshConfig with a value that the charm takes for good."""
        original, value = _render.mesh_config, rng.choice(values)

        def spoiled(control_plane: Any) -> dict[str, Any]:
            config = original(control_plane)
            return {**config, field: value} if control_plane.config.mesh_config else config

        _render.mesh_config = spoiled
        try:
            site.mesh.config("istio-k8s", mesh_config="accessLogEncoding: TEXT")
            site.mesh.settle()
            yield
        finally:
            _render.mesh_config = original
            site.mesh.config("istio-k8s", mesh_config="")
            site.mesh.settle()

    return breaking


@contextlib.contextmanager
def restarted(site: Site, rng: random.Random) -> Generator[None]:
    """Istiod restarts on a MeshConfig that it cannot read, and runs on its defaults."""
    with _mesh_config("connectTimeout", "abc", "1h1")(site, rng):
        for pod in site.client.list(Pod, namespace="mesh", labels={"app": "istiod"}):
            site.client.delete(Pod, pod.metadata.name, namespace="mesh")
        lab.eventually(lambda: _serves(site), timeout=30)
        yield


def _serves(site: Site) -> bool:
    pods = site.client.list(Pod, namespace="mesh", labels={"app": "istiod"})
    ready = [c.status for p in pods for c in p.status.conditions or () if c.type == "Ready"]
    return ready == ["True"]


@contextlib.contextmanager
def silent(site: Site, rng: random.Random) -> Generator[None]:
    """The waypoint's pod does nothing any more, and there is a policy that it should take."""
    with site.frozen(site.shop.waypoint), site.another_consumer(_name(rng)):
        yield


@contextlib.contextmanager
def reopened(site: Site, rng: random.Random) -> Generator[None]:
    """A webhook of somebody else lets everybody in, whatever a policy says."""
    rules: list[Any] = rng.choice([[{}], [{"from": [{"source": {"namespaces": ["*"]}}]}]])
    patch = [{"op": "add", "path": "/spec/rules", "value": rules}]
    with (
        admission.mutating(site.client, site.shop.name, "authorizationpolicies", patch),
        site.another_consumer(_name(rng)),
    ):
        yield


@contextlib.contextmanager
def unreachable(site: Site, rng: random.Random) -> Generator[None]:
    """No packet reaches istiod's debug interface."""
    table = f"test{rng.randrange(10**6)}"
    verdict = rng.choice(("drop", "reject"))
    rules = f"add table inet {table}\nadd chain inet {table} out {{ type filter hook output"
    rules += f" priority 0; }}\nadd rule inet {table} out tcp dport 15014 {verdict}\n"
    subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


@contextlib.contextmanager
def stuck(site: Site, rng: random.Random) -> Generator[None]:
    """A policy that is to go has a finalizer of a stranger."""
    (name,) = [
        policy["metadata"]["name"]
        for policy in site.client.list(resources.AuthorizationPolicy, namespace=site.shop.name)
        if "details" in policy["metadata"]["name"]
    ]
    finalizer = {"metadata": {"finalizers": [f"example.com/{_name(rng)}"]}}
    site.shop.edit(resources.AuthorizationPolicy, name, **finalizer)
    site.shop.config(manage_authorization_policies=False)
    try:
        yield
    finally:
        site.shop.edit(resources.AuthorizationPolicy, name, metadata={"finalizers": None})
        site.shop.config(manage_authorization_policies=True)


def _conditions(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Breaking:
    @contextlib.contextmanager
    def breaking(site: Site, rng: random.Random) -> Generator[None]:
        """Replace istiod's conditions of the policy for details."""
        policies = site.client.list(resources.AuthorizationPolicy, namespace=site.shop.name)
        (policy,) = [each for each in policies if "details" in each["metadata"]["name"]]
        before = policy["status"]["conditions"]

        def write(conditions: list[dict[str, Any]]) -> None:
            url = f"/apis/security.istio.io/v1/namespaces/{site.shop.name}/authorizationpolicies/"
            http = site.client._client._client
            http.patch(
                f"{url}{policy['metadata']['name']}/status",
                content=json.dumps({"status": {"conditions": conditions}}),
                headers={"Content-Type": "application/merge-patch+json"},
            ).raise_for_status()

        write(change([dict(each) for each in before]))
        try:
            yield
        finally:
            write(before)

    return breaking


WAYS: dict[str, tuple[Breaking, str, tuple[str, ...]]] = {
    "routes at the gateway": (gateway_route, INGRESS, ("gateway: refuses routes: missing )",)),
    "routes at the waypoint": (waypoint_route, BEACON, ("waypoint: refuses listeners: missing",)),
    "keys at the gateway": (gateway_keys, INGRESS, ("gateway: refuses listeners: Provider",)),
    "keys at the waypoint": (waypoint_keys, BEACON, ("waypoint: refuses listeners: Provider",)),
    "a cluster at the gateway": (gateway_cluster, INGRESS, ("gateway: refuses clusters",)),
    "a MeshConfig that istiod cannot read": (
        _mesh_config("connectTimeout", "abc", "1h1", {}),
        MESH,
        ("istiod refuses it",),
    ),
    "a MeshConfig that istiod refuses": (
        _mesh_config("connectTimeout", "0s", "-1s"),
        MESH,
        ("istiod refuses it",),
    ),
    "ports that istiod refuses": (
        _mesh_config("proxyListenPort", 0, -1, 99999),
        MESH,
        ("istiod refuses it",),
    ),
    "fields of another type": (
        _mesh_config("defaultConfig", "text", [1], 7),
        MESH,
        ("istiod refuses it",),
    ),
    "a log format that proxies refuse": (
        _mesh_config("accessLogFormat", "%NOPE%", "%REQ(%", "%X%"),
        MESH,
        ("a proxy refuses it", "it does not use"),
    ),
    "istiod on its defaults, at the control plane": (
        restarted,
        MESH,
        ("runs with its built-in", "istiod refuses it"),
    ),
    "istiod on its defaults, at the waypoint": (restarted, BEACON, ("runs with its built-in",)),
    "istiod on its defaults, at the gateway": (restarted, INGRESS, ("runs with its built-in",)),
    "istiod out of reach, at the control plane": (unreachable, MESH, ("does not answer",)),
    "istiod out of reach, at the waypoint": (unreachable, BEACON, ("does not answer",)),
    "istiod out of reach, at the gateway": (unreachable, INGRESS, ("does not answer",)),
    "a waypoint that does not answer": (
        silent,
        BEACON,
        ("has not acknowledged", "0 of 1 pods ready"),
    ),
    "policies that a webhook opens": (reopened, BEACON, ("a webhook changes what is written",)),
    "a policy in deletion": (stuck, BEACON, ("its deletion waits for example.com/",)),
    "a policy that istiod has not looked at": (
        _conditions(lambda _: []),
        BEACON,
        ("has not looked at it",),
    ),
    "a policy that changed since": (
        _conditions(lambda found: [{**each, "observedGeneration": "0"} for each in found]),
        BEACON,
        ("has not looked at it",),
    ),
    "a policy that istiod refuses": (
        _conditions(lambda found: [{**e, "status": "False", "reason": "Invalid"} for e in found]),
        BEACON,
        ("istiod does not accept it",),
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_in_force_is_reported(site: Site, way: str, seed: int):
    breaking, unit, texts = WAYS[way]
    with breaking(site, random.Random(f"{way} {seed}")):  # noqa: S311 - repeatable
        site.wait_reported(unit, *texts)
    site.wait_healthy()


def test_a_refused_mesh_config_is_left_out_and_hardened_mode_holds(site: Site):
    hardened = [
        f"istio-k8s-mesh-policy-global-allow-nothing-{each}" for each in ("waypoint", "ztunnel")
    ]
    with restarted(site, random.Random(0)):  # noqa: S311 - repeatable
        copies = site.client.list(resources.AuthorizationPolicy, namespace="istio-system")
        assert sorted(each["metadata"]["name"] for each in copies) == hardened
        site.wait_reported(MESH, "istiod refuses it")
        # Without what was refused, istiod uses the rest.
        site.shop.model.wait_active()
        again = site.status(MESH)
        assert again.startswith("blocked: config mesh-config: istiod refuses it")
        with site.mesh.requests(MESH) as requests:
            site.status(MESH)
        assert requests.writes == []
    site.wait_healthy()


def test_a_webhook_is_not_fought(site: Site):
    with reopened(site, random.Random(0)):  # noqa: S311 - repeatable
        site.wait_reported(BEACON, "a webhook changes what is written")
        with site.shop.model.requests(BEACON) as requests:
            assert "a webhook changes what is written" in site.status(BEACON)
        assert [each for each in requests.writes if "dryRun=All" not in each.path] == []
    site.wait_healthy()


def test_healthy_hooks_raise_no_alarm(site: Site):
    site.wait_healthy()
    statuses: list[str] = []
    for number in range(HEALTHY_HOOKS):
        if number % 10 == 0:
            site.shop.config(manage_authorization_policies=number % 20 != 0)
            statuses.append(f"{site.shop.model.unit_status(BEACON)}")
        statuses.append(site.status((MESH, BEACON, INGRESS)[number % 3]))
    site.shop.config(manage_authorization_policies=True)
    assert [each for each in statuses if "ctive" not in each] == []


def test_policies_are_listed_with_their_proxies(site: Site):
    site.wait_healthy()
    results = site.shop.model.run(BEACON, "list-policies", format="json")
    by_target = {each["target"]: each for each in json.loads(results["json"])}
    details = by_target["Service details"]
    assert (details["accepted"], details["held_by"]) == ("yes", "waypoint 1/1")
    assert details["since"]
    gateway = site.shop.model.run(INGRESS, "list-policies")["table"]
    assert "router 1/1" in gateway
    with waypoint_keys(site, random.Random(0)):  # noqa: S311 - repeatable
        site.wait_reported(BEACON, "refuses listeners")
        results = site.shop.model.run(BEACON, "list-policies")["table"]
        assert "waypoint 0/1" in results
    site.wait_healthy()
