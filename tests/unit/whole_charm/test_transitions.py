# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Access is never wider than before and after a hook, whichever of its writes is the last.

Random changes of what applications ask for, on the real charms with a fake API server. After every
write, the evaluator says what is allowed then. Hooks are killed after a random write, and writes
are refused at random; the next hooks go on.
"""

import dataclasses
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import pytest
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import Decision

from tests.unit.whole_charm import running
from tests.unit.whole_charm.cases import base_beacon, base_ingress
from tests.unit.whole_charm.fake_cluster import FakeCluster, Manifest, Request
from tests.unit.whole_charm.scenarios import EMPTY, Scenario, merged, patched

TRANSITIONS = 200
Access = frozenset[tuple[str, ...]]


class Killed(BaseException):
    """The charm's process is killed."""


@dataclasses.dataclass(frozen=True)
class Suite:
    """How states of one charm are made, and what they allow."""

    state: Callable[[random.Random], Mapping[str, Any]]
    """Return a random patch of the charm's base scenario."""
    base: Scenario
    access: Callable[[Mapping[str, Manifest]], Access]
    """Return what is allowed with the objects of a cluster."""
    intended: Callable[[Mapping[str, Manifest]], Access]
    """Return what may be allowed while they change: that, and what only another route's precedence
    keeps from being served."""


@dataclasses.dataclass
class World:
    """One cluster, and what was allowed in it after each write."""

    suite: Suite
    cluster: FakeCluster
    seen: list[tuple[str, Access]] = dataclasses.field(default_factory=list[tuple[str, Access]])
    left: Any = dataclasses.field(default_factory=lambda: running.NOTHING)

    def copy(self) -> "World":
        """Return a world with the same objects, which has seen nothing."""
        cluster = FakeCluster(self.cluster.manifests.values(), self.cluster.version)
        return World(self.suite, cluster, left=self.left)

    def hook(self, state: Mapping[str, Any]) -> None:
        """Run one hook in a state."""
        scenario = patched(EMPTY, self.suite.base, state)
        _, self.left = running.run_hook(scenario, self.cluster, self.left)

    def settle(self, state: Mapping[str, Any]) -> Access:
        """Run hooks until one writes nothing; return what is allowed."""
        for _ in range(6):
            written = len(self.cluster.requests)
            self.hook(state)
            if len(self.cluster.requests) == written:
                return self.intended()
        raise AssertionError("hooks go on writing")

    def allowed(self) -> Access:
        return self.suite.access(self.cluster.manifests)

    def intended(self) -> Access:
        return self.suite.intended(self.cluster.manifests)

    def watch(self, *, kill_after: int = 0) -> None:
        """Record what is allowed after each write; kill the charm after that many of them."""
        count = 0

        def written() -> None:
            nonlocal count
            count += 1
            last = self.cluster.requests[-1]
            self.seen.append((f"{last.verb} {last.kind} {last.name}", self.allowed()))
            if count == kill_after:
                self.cluster.refuses = dead
                raise Killed

        def dead(_: Request) -> int:
            raise Killed

        self.cluster.written = written


def world(suite: Suite, state: Mapping[str, Any]) -> World:
    objects = cast(Mapping[str, Any], merged(suite.base["objects"], state.get("objects", {})))
    made = World(suite, FakeCluster(running.manifests(objects), "1.34"))
    made.settle({key: value for key, value in state.items() if key != "objects"})
    return made


def never_wider(found: World, before: Access, after: Access) -> None:
    for write, allowed in found.seen:
        wider = allowed - before - after
        assert not wider, (write, sorted(wider)[:3])


def _killed(found: World, new: Mapping[str, Any], chosen: random.Random, plain: World) -> None:
    """Kill a hook after one of its writes."""
    found.watch(kill_after=chosen.randint(1, max(1, len(plain.seen))))
    try:
        found.settle(new)
    except Killed:
        found.cluster.refuses = lambda _: 0
        found.watch()


def _refused(found: World, new: Mapping[str, Any], chosen: random.Random, plain: World) -> None:
    """Refuse every write of some objects, for two hooks."""
    names = sorted({write.split()[-1] for write, _ in plain.seen})
    bad = {name for name in names if chosen.random() < 0.3}
    found.cluster.refuses = lambda request: 403 * (request.name in bad)
    found.watch()
    for _ in range(2):
        found.hook(new)
    found.cluster.refuses = lambda _: 0


@pytest.mark.slow
@pytest.mark.parametrize("charm", ["beacon", "ingress"])
@pytest.mark.parametrize("part", range(4))
def test_access_is_never_wider_than_before_and_after(charm: str, part: int):
    suite = SUITES[charm]
    moved = 0
    for seed in range(part, TRANSITIONS, 4):
        chosen = random.Random(seed)  # noqa: S311
        old, new = suite.state(chosen), suite.state(chosen)
        plain = world(suite, old)
        other = plain.copy()
        before = plain.intended()
        plain.watch()
        after = plain.settle(new)
        never_wider(plain, before, after)
        moved += before != after
        interfere = _killed if seed // 4 % 2 else _refused
        interfere(other, new, chosen, plain)
        assert other.settle(new) == after
        never_wider(other, before, after)
    assert moved > TRANSITIONS // 8  # most changes change access


NAME = "app.kubernetes.io/name"
AMBIENT = "istio.io/dataplane-mode"


def pod(app: str) -> dict[str, Any]:
    labels = {NAME: app, AMBIENT: "ambient"}
    metadata = {"labels": labels, "annotations": {"ambient.istio.io/redirection": "enabled"}}
    return {"metadata": metadata, "spec": {"serviceAccountName": app}}


def of_kind(objects: Mapping[str, Manifest], kind: str) -> tuple[Manifest, ...]:
    return tuple(each for each in objects.values() if each["kind"] == kind)


def snapshot(objects: Mapping[str, Manifest], **members: Any) -> evaluator.Evaluator:
    return evaluator.Evaluator(
        evaluator.Snapshot(
            root_namespace="istio-system",
            auto_allow=True,
            namespaces=of_kind(objects, "Namespace"),
            services=of_kind(objects, "Service"),
            pods=of_kind(objects, "Pod"),
            policies=of_kind(objects, "AuthorizationPolicy"),
            **members,
        )
    )


def hardened(chosen: random.Random) -> Mapping[str, Any]:
    """Return the objects of hardened mode, or none."""
    if chosen.random() < 0.5:
        return {}
    waypoints = {"group": "gateway.networking.k8s.io", "kind": "GatewayClass", "name": WAYPOINTS}
    return {
        "AuthorizationPolicy istio-system/allow-nothing-ztunnel": {"spec": {}},
        "AuthorizationPolicy istio-system/allow-nothing-waypoint": {
            "spec": {"targetRefs": [waypoints]}
        },
    }


WAYPOINTS = "istio-waypoint"
TARGETS, SOURCES = ("details", "reviews"), ("productpage", "ratings", "details")
METHODS, PORTS = ("GET", "POST"), (80, 9080)


def beacon_state(chosen: random.Random) -> Mapping[str, Any]:
    def entry(target: str) -> Mapping[str, Any]:
        unit = chosen.random() < 0.4
        ports = chosen.sample(PORTS, chosen.randint(0, 2))
        methods = [] if unit else chosen.sample(METHODS, chosen.randint(0, 2))
        endpoint = {key: value for key, value in (("ports", ports), ("methods", methods)) if value}
        return {
            "source_namespace": "shop",
            "source_app_name": chosen.choice(SOURCES),
            "target_namespace": "shop",
            "target_app_name": target,
            "target_type": "unit" if unit else "app",
            "endpoints": [endpoint] if endpoint else [],
        }

    relations = {
        app: {
            "endpoint": "service-mesh",
            "app": app,
            "app_data": {"policies": [entry(app) for _ in range(chosen.randint(0, 4))]},
        }
        for app in TARGETS
    }
    managed = chosen.random() < 0.9
    return {"relations": relations, "config": {"manage-authorization-policies": managed}}


def beacon_access(objects: Mapping[str, Manifest]) -> Access:
    metadata = {"name": base_beacon.WAYPOINT, "namespace": "shop"}
    gateway = {
        "metadata": {**metadata, "labels": {"istio.io/waypoint-for": "service"}},
        "spec": {"gatewayClassName": WAYPOINTS},
        "status": {"addresses": [{"value": "10.96.0.9"}]},
    }
    asked = snapshot(objects, gateways=(gateway,))
    return frozenset(
        (source, target, kind, str(port), method)
        for source in SOURCES
        for target in TARGETS
        for kind, destination in (
            ("service", evaluator.Destination.service("shop", target)),
            ("pod", evaluator.Destination.pod("shop", f"{target}-0")),
        )
        for port in ((80,) if kind == "service" else PORTS)
        for method in METHODS
        if asked.evaluate(
            evaluator.Request(f"shop/{source}", destination, port=port, method=method, path="/")
        ).decision
        is Decision.ALLOWED
    )


def beacon_base() -> Scenario:
    labels = {"labels": {"istio.io/use-waypoint": base_beacon.WAYPOINT}}
    services = {
        f"Service shop/{app}": merged(base_beacon.service(app), {"metadata": labels})
        for app in TARGETS
    }
    pods = {f"Pod shop/{app}-0": pod(app) for app in {*TARGETS, *SOURCES}}
    objects = {"Namespace shop": {}, **services, **pods}
    kept = {k: v for k, v in base_beacon.BASE["objects"].items() if "beacon" in k}
    return {"charm": "istio-beacon-k8s", "app": "beacon", "objects": {**objects, **kept}}


PATHS = ("/", "/a", "/a/b", "/c")
PROBES = (*PATHS, "/c/x")
LISTENERS = (80, 8080)
CLIENTS = ("10.1.1.1", "192.0.2.1", "203.0.113.9")
NETWORKS = ("0.0.0.0/0", "10.0.0.0/8", "192.0.2.0/24", "10.0.0.0/8,192.0.2.0/24")
APPS = ("ann", "bob", "cat")


def ingress_state(chosen: random.Random) -> Mapping[str, Any]:
    def route(number: int, app: str) -> Mapping[str, Any]:
        kind = chosen.choice(("PathPrefix", "PathPrefix", "Exact"))
        return {
            "name": f"r{number}",
            "listener": {"port": chosen.choice(LISTENERS), "protocol": "HTTP"},
            "matches": [{"path": {"type": kind, "value": chosen.choice(PATHS)}}],
            "backends": [{"service": app, "port": 80}],
        }

    def asked(app: str, *, more: bool) -> Mapping[str, Any]:
        routes = [route(n, app) for n in range(chosen.randint(0, 2) if more else 0)]
        return {"config": {"model": "shop", "listeners": [], "http_routes": routes}}

    relations: dict[str, Any] = {}
    for app in APPS:
        is_open = chosen.random() < 0.5
        for endpoint in (ROUTE, f"{ROUTE}-unauthenticated"):
            more = is_open is endpoint.endswith("unauthenticated")
            content = asked(app, more=more)
            relations[f"{app} {endpoint}"] = {
                "endpoint": endpoint,
                "app": app,
                "app_data": content,
            }
    tokens = {**base_ingress.TOKENS["relations"]["tokens"], "app": "ann"}
    if chosen.random() < 0.7:
        relations |= base_ingress.LOGIN["relations"]
    if chosen.random() < 0.3:
        relations["tokens"] = tokens
    networks = chosen.choice(NETWORKS)
    return {"relations": relations, "config": {"external-traffic-policy-cidrs": networks}}


ROUTE = "istio-ingress-route"


def ingress_access(objects: Mapping[str, Manifest]) -> Access:
    return _through(objects, _served(objects)) | _direct(objects)


def ingress_intended(objects: Mapping[str, Manifest]) -> Access:
    """Return what is allowed, and what routes ask for that need no authentication."""
    guards = {
        name
        for name, found in objects.items()
        if found["kind"] == "AuthorizationPolicy"
        and found["spec"].get("action") in ("CUSTOM", "DENY")
    }
    alone = {
        name: found
        for name, found in objects.items()
        if found["kind"] == "HTTPRoute"
        and (not guards or "unauthenticated" in json.dumps(found["metadata"]["annotations"]))
    }
    unguarded = {name: found for name, found in objects.items() if name not in guards}
    each = (served for name, route in alone.items() for served in _served({name: route}))
    return ingress_access(objects) | _through(unguarded, each)


def _through(objects: Mapping[str, Manifest], routes: Iterable[tuple[int, str, str]]) -> Access:
    """Return what passes the gateway without login and token."""
    asked = snapshot(objects)
    served = routes if "Gateway shop/gate" in objects else ()
    found: set[tuple[str, ...]] = set()
    for listener, path, app in served:
        reached = asked.evaluate(
            evaluator.Request("shop/gate-istio", evaluator.Destination.pod("shop", f"{app}-0"), 80)
        )
        for client in CLIENTS:
            request = evaluator.Request(
                None,
                evaluator.Destination.service("shop", app),
                port=listener,
                method="GET",
                path=path,
                headers={},
                source_ip=client,
            )
            passes = asked.at_gateway(("shop", "gate"), request).decision is Decision.ALLOWED
            if passes and reached.decision is Decision.ALLOWED:
                found.add((client, str(listener), path, app))
    return frozenset(found)


def _direct(objects: Mapping[str, Manifest]) -> Access:
    """Return which applications a client on the mesh reaches that no relation is about."""
    asked = snapshot(objects)
    found: set[tuple[str, ...]] = set()
    for app in APPS:
        direct = evaluator.Request("shop/other", evaluator.Destination.pod("shop", f"{app}-0"), 80)
        if asked.evaluate(direct).decision is Decision.ALLOWED:
            found.add(("direct", app))
    return frozenset(found)


def _served(objects: Mapping[str, Manifest]) -> Iterator[tuple[int, str, str]]:
    """Yield listener, path and application of what the routes in the cluster serve."""
    for listener in LISTENERS:
        for path in PROBES:
            ranked = [(rank, app) for rank, app in _matching(objects, f"http-{listener}", path)]
            best = max((rank for rank, _ in ranked), default=None)
            yield from {(listener, path, app) for rank, app in ranked if rank == best}


def _matching(
    objects: Mapping[str, Manifest], listener: str, path: str
) -> Iterable[tuple[tuple[bool, int], str]]:
    for found in of_kind(objects, "HTTPRoute"):
        spec = found["spec"]
        for match in spec["rules"][0]["matches"]:
            value, exact = match["path"]["value"], match["path"]["type"] == "Exact"
            below = path.startswith(f"{value.rstrip('/')}/")
            if spec["parentRefs"][0]["sectionName"] == listener and (
                path == value or (below and not exact)
            ):
                yield (exact, len(value)), spec["rules"][0]["backendRefs"][0]["name"]


def ingress_base() -> Scenario:
    services = {f"Service shop/{app}": base_ingress.service(app, 80) for app in APPS}
    pods = {f"Pod shop/{app}-0": pod(app) for app in (*APPS, "other")}
    kept = {k: v for k, v in base_ingress.BASE["objects"].items() if "gate" in k}
    objects = {"Namespace shop": {}, **services, **pods, **kept}
    return {"charm": "istio-ingress-k8s", "app": "gate", "objects": objects}


def in_either_mode(
    state: Callable[[random.Random], Mapping[str, Any]],
) -> Callable[[random.Random], Mapping[str, Any]]:
    return lambda chosen: {**state(chosen), "objects": hardened(chosen)}


SUITES = {
    "beacon": Suite(in_either_mode(beacon_state), beacon_base(), beacon_access, beacon_access),
    "ingress": Suite(
        in_either_mode(ingress_state), ingress_base(), ingress_access, ingress_intended
    ),
}
