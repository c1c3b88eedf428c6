# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hooks and actions of the charms, with each request that they send, to be run with faults."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from ops import testing
from scenario import errors

from tests.unit.whole_charm import running
from tests.unit.whole_charm.cases import actions, base_beacon, base_control_plane, base_ingress
from tests.unit.whole_charm.fake_cluster import APPLIED, FakeCluster, Manifest
from tests.unit.whole_charm.http_cluster import Call, HttpCluster, Stopped
from tests.unit.whole_charm.scenarios import EMPTY, Patch, Scenario, merged, patched

Objects = Mapping[str, Manifest]
REMOVAL: Patch = {"event": "remove", "units": 0}
READY_WORKLOAD: Mapping[str, Any] = {
    "status": {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "availableReplicas": 1,
        "desiredNumberScheduled": 1,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
        "currentNumberScheduled": 1,
        "numberMisscheduled": 0,
        "numberReady": 1,
    }
}


@dataclasses.dataclass(frozen=True)
class State:
    """A cluster, and what hooks have left for the next one in Juju."""

    objects: Objects
    left: Any = dataclasses.field(default_factory=lambda: running.NOTHING)

    @property
    def databags(self) -> Mapping[str, Any]:
        """What the charm has written into each relation."""
        return {
            name: (dict(each.local_app_data), dict(each.local_unit_data))
            for name, each in self.left.relations.items()
        }

    @property
    def contents(self) -> Objects:
        """The objects, without the record of who wrote them."""
        return {name: _without_record(each) for name, each in self.objects.items()}

    def digest(self) -> bytes:
        """Return text that two states have in common only where they are equal."""
        return msgspec.json.encode([self.contents, self.databags], order="deterministic")


def _without_record(manifest: Manifest) -> Manifest:
    metadata = {key: each for key, each in manifest["metadata"].items() if key != "managedFields"}
    return {**manifest, "metadata": metadata}


@dataclasses.dataclass(frozen=True)
class Ending:
    """What one hook or action ended in."""

    state: State
    calls: tuple[Call, ...]
    seconds: float
    """How long it waited and paused, in all."""
    status: str = ""
    """As `<status>: <message>`, whole."""
    message: str = ""
    """As it is shown."""
    warnings: tuple[str, ...] = ()
    """In the log."""
    failure: str = ""
    """Why an action failed."""
    crash: str = ""
    """The exception that left the charm."""

    @property
    def told(self) -> str:
        """What the operator is told: by the status, the action, and warnings in the log."""
        return "\n".join((self.status, self.failure, *self.warnings))


@dataclasses.dataclass(frozen=True)
class Recording:
    """One hook or action, the state that it begins in, and how it ends without faults."""

    charm: str
    name: str
    scenario: Scenario
    before: State
    ending: Ending

    def again(self, transport: Callable[[HttpCluster], HttpCluster]) -> Ending:
        """Run it again.

        Args:
            transport: returns what stands before the cluster.
        """
        return _run(self.scenario, self.before, transport)

    def resumed(self, state: State) -> Ending:
        """Run it again from another state."""
        return _run(self.scenario, state)

    def next(self, state: State) -> Ending:
        """Run the hook after it."""
        return _run(patched(self.scenario, {"event": "update-status"}), state)

    def __str__(self) -> str:
        return f"{self.charm} {self.name}"


def _run(
    scenario: Scenario,
    before: State,
    transport: Callable[[HttpCluster], HttpCluster] = lambda cluster: cluster,
) -> Ending:
    cluster = FakeCluster(before.objects.values(), scenario["kubernetes"])
    http = transport(HttpCluster(cluster))
    start = http.clock.now

    def ending(left: Any, **members: Any) -> Ending:
        seconds = http.clock.now - start
        return Ending(State(cluster.manifests, left), tuple(http.calls), seconds, **members)

    try:
        outcome, left = running.run_hook(scenario, cluster, before.left, http)
    except errors.UncaughtCharmError as error:
        return ending(before.left, crash=repr(error.__cause__ or error))
    except Stopped as error:
        # Juju keeps nothing of what a hook that failed has written.
        return ending(before.left, crash=str(error))
    except testing.ActionFailed as error:
        return ending(before.left, failure=error.message)
    return ending(
        left,
        status=outcome.at("status"),
        message=outcome.message,
        warnings=outcome.warnings,
    )


@dataclasses.dataclass(frozen=True)
class _Charm:
    """What is recorded of one charm."""

    base: Scenario
    change: Patch
    """What is different in the hook `change`."""
    meanwhile: Mapping[str, Any]
    """What controllers and others did before it: a patch of the objects."""
    actions: Mapping[str, Mapping[str, Any]]
    """Parameters by the action's name."""


def _other_manager(objects: Objects) -> Objects:
    """Return objects into each of which somebody else wrote."""
    entry: Manifest = {
        "manager": "kubectl",
        "operation": "Update",
        "time": APPLIED,
        "fieldsV1": {"f:spec": {}},
    }

    def touched(manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        fields = [*metadata.get("managedFields", ()), entry]
        return {**manifest, "metadata": {**metadata, "managedFields": fields}}

    kinds = ("AuthorizationPolicy", "HTTPRoute", "ConfigMap")
    return {
        name: touched(each) if each["kind"] in kinds else each for name, each in objects.items()
    }


@functools.cache
def recordings(charm: str) -> tuple[Recording, ...]:
    """Return what is recorded of a charm: hooks, the removal, and its actions."""
    of = CHARMS[charm]
    scenario = patched(EMPTY, of.base)
    made = {_key(each): each for each in running.manifests(scenario["objects"])}
    first = _recorded("first hook", scenario, State(made))
    settled = _settled(scenario, first.ending.state, of.meanwhile)
    foreign = State(_other_manager(settled.objects), settled.left)
    change = _recorded("changing hook", patched(scenario, of.change), foreign)
    removal = _recorded("removal", patched(scenario, REMOVAL), settled)
    run = (
        _recorded(f"action {name}", patched(scenario, _event(name, params)), settled)
        for name, params in of.actions.items()
    )
    return (first, change, removal, *run)


@functools.cache
def settled(charm: str) -> Recording:
    """Return a hook in which nothing changes."""
    removal = next(each for each in recordings(charm) if each.name == "removal")
    scenario = patched(removal.scenario, {"event": "update-status", "units": 1})
    return _recorded("settled hook", scenario, removal.before)


def _recorded(name: str, scenario: Scenario, before: State) -> Recording:
    return Recording(scenario["charm"], name, scenario, before, _run(scenario, before))


def _settled(scenario: Scenario, state: State, meanwhile: Mapping[str, Any]) -> State:
    """Return the state in which a hook changes nothing any more."""
    added = {name: each for name, each in meanwhile.items() if name not in state.objects}
    objects = {
        name: merged(each, meanwhile.get(name, {})) for name, each in state.objects.items()
    } | {_key(each): each for each in running.manifests(added)}
    state = State(objects, state.left)
    for _ in range(4):
        after = _run(scenario, state).state
        if after.digest() == state.digest():
            return state
        state = after
    raise AssertionError("hooks go on writing")


def _event(name: str, params: Mapping[str, Any]) -> Patch:
    return {"event": {"action": name, "params": params}}


def _key(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    where = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"{manifest['kind']} {where}{metadata['name']}"


ISTIOD = {"Deployment mesh/istiod": actions.istiod()}
"""With an environment, which actions read."""
CHARMS: Mapping[str, _Charm] = {
    "istio-k8s": _Charm(
        base=base_control_plane.BASE,
        change={"config": {"hardened-mode": True}, "relations": {"collector": None}},
        meanwhile={
            "Deployment istio-system/istiod": READY_WORKLOAD,
            "DaemonSet istio-system/istio-cni-node": READY_WORKLOAD,
            "DaemonSet istio-system/ztunnel": READY_WORKLOAD,
            # What istiod makes for itself.
            "ConfigMap istio-system/istio-leader": {},
            "GatewayClass of-an-operator": {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "spec": {"controllerName": "istio.io/gateway-controller"},
            },
            "GatewayClass istio-waypoint": {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "spec": {"controllerName": "istio.io/mesh-controller"},
            },
        },
        actions={
            "reconcile": {},
            "preview-hardened-mode": {},
            "purge-crds": {"confirm": True},
        },
    ),
    "istio-beacon-k8s": _Charm(
        base=patched(
            base_beacon.BASE,
            {
                "objects": {
                    **ISTIOD,
                    "Pod shop/details-0": actions.pod("details"),
                    "Pod shop/productpage-0": actions.pod("productpage"),
                }
            },
        ),
        change=merged(
            base_beacon.narrowed(methods=["POST"]),
            {"relations": {"stock": None}, "config": {"model-on-mesh": True}},
        ),
        meanwhile={},
        actions={
            "reconcile": {},
            "explain": {"source": "productpage", "target": "details"},
            "list-access": {},
            "list-policies": {},
            "list-requests": {},
            "preview": {"hardened-mode": True},
        },
    ),
    "istio-ingress-k8s": _Charm(
        base=patched(
            base_ingress.BASE,
            base_ingress.LOGIN,
            base_ingress.TOKENS,
            {
                "objects": {
                    **ISTIOD,
                    "ConfigMap mesh/istio": {
                        "data": {"mesh": "extensionProviders: [{name: ext-authz-gate}]"}
                    },
                }
            },
        ),
        change={
            "config": {"external-traffic-policy-cidrs": "10.0.0.0/8"},
            "relations": {
                "stock": None,
                "tempo": {"app_data": {"config": {"http_routes": [base_ingress.API]}}},
            },
        },
        meanwhile={},
        actions={
            "reconcile": {},
            "list-policies": {},
            "list-routes": {},
            "get-proxied-endpoints": {},
            "check": {"url": "http://203.0.113.10/shop-productpage"},
        },
    ),
}
