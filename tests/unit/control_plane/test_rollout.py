# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""An upgrade from any live objects: which components are held."""

import copy
import itertools
from typing import Any, cast

import msgspec
import pytest
from istio_ambient import control_plane, kube, manifests, preflight, resources
from istio_ambient.authorization import hardened_mode
from istio_ambient.kube import _objects
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import ConfigMap

from tests.unit.control_plane.test_desired import facts

pytestmark = pytest.mark.usefixtures("without_definitions", "rendered_once")

OLDER = "1.30.0"
IDENTITY = resources.identity("mesh", "istio")
ORDER = ("istiod", "istio-cni-node", "ztunnel", "istio-sidecar-injector")


@pytest.fixture
def without_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are large, and take no part in the order of components."""
    monkeypatch.setattr(manifests, "crds", list[kube.Resource])
    monkeypatch.setattr(manifests, "gateway_api_admission", list[kube.Resource])


@pytest.fixture
def rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hook renders the same values, which takes most of a hook's time."""
    monkeypatch.setattr(manifests, "render", _rendered)


def _rendered(values: manifests.ControlPlane) -> list[kube.Resource]:
    key = values.model_dump_json()
    if key not in _RENDERED:
        _RENDERED[key] = _RENDER(values)
    return copy.deepcopy(_RENDERED[key])


_RENDER = manifests.render
_RENDERED: dict[str, list[kube.Resource]] = {}


def rendered(tag: str) -> dict[kube.Ref, kube.Resource]:
    values = manifests.ControlPlane(namespace="mesh", config=manifests.Config(tag=tag))
    return {kube.ref_of(obj): obj for obj in manifests.render(values)}


NEW, OLD = rendered(manifests.VERSION), rendered(OLDER)
KINDS: tuple[kube.ResourceType, ...] = tuple(
    {_objects.type_of(obj) for obj in NEW.values()} | {ConfigMap}
)


class World:
    """A cluster in any state of an upgrade."""

    def __init__(self) -> None:
        empty = kube.Live(IDENTITY, KINDS)
        self._applied: dict[str, dict[kube.Ref, kube.Manifest]] = {}
        for tag, objects in ((OLDER, OLD), (manifests.VERSION, NEW)):
            changes = kube.plan(objects.values(), empty).changes
            self._applied[tag] = {c.ref: c.manifest or {} for c in changes}
        self.objects: dict[kube.Ref, kube.Resource] = {}
        self.broken = set[str]()

    def apply(self, ref: kube.Ref, tag: str) -> None:
        obj = cast(Any, type(NEW[ref])).from_dict(self._applied[tag][ref])
        obj.metadata.generation = 2
        self.objects[ref] = obj
        self.settle(ref)

    def settle(self, ref: kube.Ref) -> None:
        """Let the pods of a workload come up, or not."""
        obj, fails = self.objects[ref], ref.name in self.broken
        if isinstance(obj, Deployment):
            # What is available of a rollout that fails is the pod of the version before.
            pods: dict[str, Any] = {"updatedReplicas": 1, "availableReplicas": 1}
            pods["replicas"] = 2 if fails else 1
        elif isinstance(obj, DaemonSet):
            pods = {"desiredNumberScheduled": 2, "currentNumberScheduled": 2}
            pods |= {"updatedNumberScheduled": 1 if fails else 2, "numberMisscheduled": 0}
            pods |= {"numberAvailable": 1 if fails else 2, "numberReady": 1 if fails else 2}
        else:
            return
        status = {**pods, "observedGeneration": 2}
        manifest = {**kube.manifest_of(obj), "status": status}
        self.objects[ref] = cast(Any, type(obj)).from_dict(manifest)

    def hook(self) -> list[str]:
        """Run one hook; return the names of what was changed of the four."""
        live = kube.Live(IDENTITY, KINDS, dict(self.objects))
        around = preflight.Surroundings()
        wanted = control_plane.desired(msgspec.structs.replace(facts(), around=around, live=live))
        objects = [obj for obj in wanted.objects if kube.ref_of(obj) in NEW]
        plan = kube.plan(objects, live, held=wanted.held)
        changed: list[str] = []
        for change in plan.of(kube.Verb.CREATE, kube.Verb.UPDATE, kube.Verb.REPLACE):
            self.apply(change.ref, manifests.VERSION)
            if change.ref.name in ORDER and change.ref.kind != "ServiceAccount":
                changed.append(change.ref.name)
        return sorted({name for name in changed if self._is_main(name)}, key=ORDER.index)

    def _is_main(self, name: str) -> bool:
        return self.tag(name) == manifests.VERSION

    def tag(self, name: str) -> str:
        for ref, obj in self.objects.items():
            main = ref.kind in ("Deployment", "DaemonSet") or name == ORDER[-1]
            if ref.name == name and main and ref.kind != "HorizontalPodAutoscaler":
                text = str(kube.manifest_of(obj))
                return OLDER if f"{OLDER}" in text else manifests.VERSION
        raise LookupError(name)

    def tags(self) -> list[str]:
        return [self.tag(name) for name in ORDER]


def upgrading(*already: str) -> World:
    """A mesh of the older release, with these components of the new one."""
    world = World()
    for ref in NEW:
        component = ref.name in already
        world.apply(ref, manifests.VERSION if component or ref not in OLD else OLDER)
    return world


def test_a_first_installation_is_applied_at_once():
    world = World()
    world.hook()
    assert world.tags() == [manifests.VERSION] * 4
    assert world.hook() == []


def test_an_upgrade_goes_component_by_component_each_on_an_event_of_its_own():
    world = upgrading()
    seen = [world.tags().count(manifests.VERSION)]
    for _ in range(4):
        world.hook()
        seen.append(world.tags().count(manifests.VERSION))
        assert world.tags() == sorted(world.tags(), reverse=True), "out of order"
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_component_that_does_not_come_up_stops_the_upgrade(broken: int):
    world = upgrading()
    world.broken.add(ORDER[broken])
    for _ in range(broken + 2):
        world.hook()
    assert world.tags() == [
        *[manifests.VERSION] * (broken + 1),
        *[OLDER] * (len(ORDER) - broken - 1),
    ]
    world.broken.clear()
    for ref in list(world.objects):
        world.settle(ref)
    for _ in range(4):
        world.hook()
    assert world.tags() == [manifests.VERSION] * 4


@pytest.mark.parametrize(
    "already", [c for n in (1, 2, 3) for c in itertools.combinations(ORDER, n)], ids=str
)
def test_it_goes_on_from_every_state_that_a_killed_hook_may_leave(already: tuple[str, ...]):
    world = upgrading(*already)
    for _ in range(4):
        world.hook()
    assert world.tags() == [manifests.VERSION] * 4


def test_what_drifted_is_repaired_and_what_is_gone_is_created_during_an_upgrade():
    world = upgrading("istiod")
    world.broken.add("istiod")
    for ref in list(world.objects):
        world.settle(ref)
    # The new version of istio-cni is applied already; somebody edited it since.
    (cni,) = (ref for ref in NEW if (ref.kind, ref.name) == ("DaemonSet", "istio-cni-node"))
    (gone,) = (ref for ref in NEW if (ref.kind, ref.name) == ("ServiceAccount", "ztunnel"))
    world.apply(cni, manifests.VERSION)
    world.objects[cni].spec.template.spec.priorityClassName = "edited"
    del world.objects[gone]
    world.hook()
    assert world.objects[cni].spec.template.spec.priorityClassName == "system-node-critical"
    assert gone in world.objects
    assert world.tag("ztunnel") == OLDER


def test_a_component_that_nothing_is_left_of_is_not_held():
    world = upgrading("istiod")
    world.broken.add("istiod")
    for ref in list(world.objects):
        world.settle(ref)
    (cni,) = (ref for ref in NEW if (ref.kind, ref.name) == ("DaemonSet", "istio-cni-node"))
    world.objects[cni].status.numberAvailable = 0
    world.hook()
    assert world.tag("istio-cni-node") == manifests.VERSION
    assert world.tag("ztunnel") == OLDER


def test_policies_are_never_held():
    """A policy that is no longer desired is deleted during an upgrade too."""
    world = upgrading("istiod")
    world.broken.add("istiod")
    for ref in list(world.objects):
        world.settle(ref)
    policy = hardened_mode.policies("mesh", "istio")[0]
    objects = {**world.objects, kube.ref_of(policy): policy}
    live = kube.Live(IDENTITY, (*KINDS, _objects.type_of(policy)), objects)
    wanted = control_plane.desired(msgspec.structs.replace(facts(), live=live))
    assert wanted.held
    assert kube.ref_of(policy) not in wanted.held


def test_ztunnel_is_replaced_one_node_at_a_time():
    (ztunnel,) = (
        obj for ref, obj in NEW.items() if isinstance(obj, DaemonSet) and ref.name == "ztunnel"
    )
    strategy: Any = ztunnel.spec.updateStrategy
    assert strategy.type == "RollingUpdate"
    assert (strategy.rollingUpdate.maxSurge, strategy.rollingUpdate.maxUnavailable) == (1, 0)


def test_replicas_that_an_autoscaler_set_survive_a_takeover():
    (ref,) = (ref for ref in OLD if ref.kind == "Deployment")
    manifest = {**kube.manifest_of(OLD[ref])}
    manifest["spec"]["replicas"] = 3
    labels = {**IDENTITY.labels, resources.SCOPE_LABEL: "control-plane"}
    manifest["metadata"]["labels"] |= labels
    entry: dict[str, Any] = {"manager": "istio", "operation": "Apply", "fieldsV1": {"f:spec": {}}}
    manifest["metadata"]["managedFields"] = [entry]
    live = kube.Live(IDENTITY, KINDS, {ref: cast(Any, Deployment).from_dict(manifest)})
    (change,) = kube.plan([NEW[ref]], live).changes
    assert change.verb is kube.Verb.REPLACE
    assert change.manifest is not None
    assert change.manifest["spec"]["replicas"] == 3
    assert isinstance(live.objects[ref].metadata, ObjectMeta)
