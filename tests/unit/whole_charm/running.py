# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Runs the charms of this repository, `charms/*/src/charm.py`, in a scenario."""

import contextlib
import dataclasses
import functools
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import ops
import yaml
from istio_ambient import ingress, kube
from istio_ambient.cluster import acceptance, signing_keys
from ops import testing

from tests.unit.whole_charm import authority, http_cluster, speedups
from tests.unit.whole_charm.fake_cluster import FakeCluster, Manifest
from tests.unit.whole_charm.fake_istiod import FakeIstiod
from tests.unit.whole_charm.http_cluster import HttpCluster
from tests.unit.whole_charm.outcomes import Outcome
from tests.unit.whole_charm.scenarios import EMPTY, Scenario, merged, patched

CHARMS = Path(__file__).parents[3] / "charms"
CONTAINER = "metrics-proxy"
LOADER = importlib.machinery.SourceFileLoader
"""Loads the charms' modules; `tests.wires` sets one of its own."""

API_VERSIONS: Mapping[str, str] = {
    "AuthorizationPolicy": "security.istio.io/v1",
    "PeerAuthentication": "security.istio.io/v1",
    "CiliumClusterwideNetworkPolicy": "cilium.io/v2",
    "ConfigMap": "v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "FelixConfiguration": "crd.projectcalico.org/v1",
    "GRPCRoute": "gateway.networking.k8s.io/v1",
    "Gateway": "gateway.networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "Namespace": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Network": "operator.openshift.io/v1",
    "Node": "v1",
    "Pod": "v1",
    "RequestAuthentication": "security.istio.io/v1",
    "Secret": "v1",
    "SecurityGroupPolicy": "vpcresources.k8s.aws/v1beta1",
    "Service": "v1",
    "StatefulSet": "apps/v1",
    "ValidatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
}
"""Of the kinds that scenarios hold."""


@dataclasses.dataclass(frozen=True)
class Left:
    """What a hook leaves for the next one."""

    objects: Mapping[str, Manifest] = dataclasses.field(default_factory=dict[str, Manifest])
    relations: Mapping[str, testing.RelationBase] = dataclasses.field(
        default_factory=dict[str, testing.RelationBase]
    )
    secrets: tuple[testing.Secret, ...] = ()
    """Those that the charm made."""
    stored: frozenset[testing.StoredState] = frozenset()


NOTHING = Left()
ADDRESSES = {
    "egress-subnets": "10.244.0.9/32",
    "ingress-address": "10.244.0.9",
    "private-address": "10.244.0.9",
}
"""What Juju writes into the databag of a unit when it joins a relation."""


def run(scenario: Mapping[str, Any]) -> Outcome:
    """Run the event of a scenario, after the earlier one if there is one.

    Raises:
        scenario.errors.UncaughtCharmError: the charm fails.
    """
    return _run_all(patched(EMPTY, scenario))[0]


def run_with_left(scenario: Mapping[str, Any], before: Left = NOTHING) -> tuple[Outcome, Left]:
    """Run the event of a scenario after the hook that left something, and return what it leaves.

    Raises:
        scenario.errors.UncaughtCharmError: the charm fails.
    """
    return _run(dict(scenario), before)


def forget_folders() -> None:
    """Use new folders for what charms keep on disk, after a fork."""
    _context.cache_clear()


def _run_all(scenario: Scenario) -> tuple[Outcome, Left]:
    earlier = scenario.pop("earlier", None)
    if earlier is None:
        return _run(scenario, NOTHING)
    before = patched(scenario, {"meanwhile": {}}, earlier)
    return _run(scenario, _left_by(json.dumps(before)))


@functools.cache
def _left_by(scenario: str) -> Left:
    return _run_all(json.loads(scenario))[1]


def _run(scenario: Scenario, before: Left) -> tuple[Outcome, Left]:
    objects = merged({**scenario["objects"], **before.objects}, scenario["meanwhile"])
    cluster = FakeCluster(manifests(objects), scenario["kubernetes"], scenario["missing"])
    return run_hook(scenario, cluster, before)


def run_hook(
    scenario: Scenario,
    cluster: FakeCluster,
    before: Left = NOTHING,
    http: HttpCluster | None = None,
) -> tuple[Outcome, Left]:
    """Run the event of a scenario in a cluster, whatever the scenario says of objects.

    Args:
        scenario: with an event.
        cluster: which the charm talks to.
        before: what the last hook left.
        http: the cluster behind its REST API, for the engine's real client.
    """
    context = _context(scenario["charm"], scenario["app"])
    facts: list[object] = []
    logged = len(context.juju_log)
    with (
        speedups.active(),
        _connected(cluster) if http is None else http_cluster.connected(http),
        _accepting(cluster),
        _serving(scenario["servers"]),
        _recording(charm_type(scenario["charm"]), facts),
    ):
        out, results = _emit(context, scenario["event"], _state(scenario, before))
    # By id, which is the order that the scenario has them in.
    found = sorted(out.relations, key=lambda relation: relation.id)
    relations = dict(zip(scenario["relations"], found, strict=True))
    log = context.juju_log[logged:]
    found_problems = _problems(out)
    outcome = Outcome(
        {
            **_sections(cluster),
            **{f"app databag {name}": dict(r.local_app_data) for name, r in relations.items()},
            **{f"unit databag {name}": _written(r) for name, r in relations.items()},
            "status": f"{out.unit_status.name}: {_whole(out.unit_status.message, found_problems)}",
            "codes": [each["code"] for each in found_problems],
            "plan": out.get_container(CONTAINER).plan.to_dict(),
            "version": out.workload_version,
            "action": results,
            "log": [line.message for line in log],
        },
        facts[-1] if facts else None,
        out.unit_status.message,
        found_problems[0]["remedy"] if found_problems else "",
        tuple(line.message for line in log if line.level in ("WARNING", "ERROR")),
    )
    secrets = tuple(secret for secret in out.secrets if secret.owner)
    return outcome, Left(cluster.manifests, relations, secrets, frozenset(out.stored_states))


def _written(relation: testing.RelationBase) -> dict[str, str]:
    """Return what the charm wrote into the unit's databag."""
    content = relation.local_unit_data.items()
    return {key: value for key, value in content if key not in ADDRESSES}


def _problems(out: testing.State) -> list[dict[str, str]]:
    """Return what the status of a hook is made of, as action `status-details` would."""
    kept = [each.content["last"] for each in out.stored_states if "last" in each.content]
    return json.loads(kept[0])["problems"] if kept and kept[0] else []


def _whole(message: str, found: list[dict[str, str]]) -> str:
    """Return the first problem of a status whole: `place: what is wrong; remedy`."""
    if not found:
        return message
    what = ": ".join(filter(None, (found[0]["where"], found[0]["message"])))
    return "; ".join(filter(None, (what, found[0]["remedy"])))


def _sections(cluster: FakeCluster) -> Mapping[str, Any]:
    """Return the sections of the outcome that are about the cluster."""
    found = cluster.manifests
    return {
        **found,
        **_access(found.values()),
        "certificate": authority.certificate_in(found.values()),
        "reads": cluster.reads,
        "requests": [f"{each.verb} {each.kind} {each.name}" for each in cluster.requests],
    }


def _access(objects: Iterable[Manifest]) -> dict[str, Manifest]:
    """Return the authorization policies by their target, since their names hold a hash."""
    policies = (m for m in objects if m["kind"] == "AuthorizationPolicy")
    return {f"access to {target}": p for p in policies if (target := _target(p))}


def _target(policy: Manifest) -> str:
    namespace, spec = policy["metadata"]["namespace"], policy.get("spec", {})
    if "targetRefs" in spec:
        ref = spec["targetRefs"][0]
        return f"{ref['kind']} {namespace}/{ref['name']}"
    labels: Mapping[str, str] = spec.get("selector", {}).get("matchLabels", {})
    pods = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return f"pods {namespace}/{pods}" if pods else ""


@functools.cache
def charmcraft(name: str) -> dict[str, Any]:
    """Return what is in `charms/<name>/charmcraft.yaml`."""
    return yaml.safe_load((CHARMS / name / "charmcraft.yaml").read_text())


@functools.cache
def charm_type(name: str) -> type[ops.CharmBase]:
    """Return the class in `charms/<name>/src/charm.py`."""
    path = CHARMS / name / "src" / "charm.py"
    module_name = f"charm_of_{name.replace('-', '_')}"
    loader = LOADER(module_name, str(path))
    spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # Where the names in its annotations are looked up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    classes = [each for each in vars(module).values() if isinstance(each, type)]
    (found,) = [c for c in classes if c.__module__ == spec.name and issubclass(c, ops.CharmBase)]
    return found


@functools.cache
def _context(charm: str, app: str) -> testing.Context[ops.CharmBase]:
    return testing.Context(charm_type(charm), meta=charmcraft(charm), app_name=app)


@contextlib.contextmanager
def _connected(cluster: FakeCluster) -> Generator[None]:
    """Let charms talk to this cluster."""
    major, minor = map(int, cluster.version.split("."))

    def connect(**_: float) -> FakeCluster:
        return cluster

    def version(_: object) -> tuple[int, int]:
        return major, minor

    def token(_: object, account: str, namespace: str, audience: str) -> kube.Token:
        cluster.reads.append(f"token {account} in {namespace}")
        return kube.Token(f"{account} of {namespace} for {audience}", cluster.now)

    with (
        mock.patch.object(kube, "connect", connect),
        mock.patch.object(kube, "server_version", version),
        mock.patch.object(kube, "request_token", token),
    ):
        yield


@contextlib.contextmanager
def _accepting(cluster: FakeCluster) -> Generator[None]:
    """Let istiod take what is in this cluster."""
    istiod = FakeIstiod(cluster)
    with (
        mock.patch.object(acceptance, "get", istiod.get),
        mock.patch.object(acceptance, "FIRST_PAUSE", 0.0),
        mock.patch.object(acceptance, "PAUSE", 0.0),
        mock.patch.object(acceptance, "WAIT", istiod.patience),
    ):
        yield


@contextlib.contextmanager
def _serving(servers: Mapping[str, Mapping[str, Any]]) -> Generator[None]:
    """Let these be the servers of keys; any other is not there."""

    def fetch(
        sources: Iterable[ingress.KeySource], _: signing_keys.ClusterFacts
    ) -> dict[ingress.KeySource, ingress.SigningKeys]:
        absent = {"fault": "has a name without an address", "transient": True}
        found = {each: servers.get(each.jwks_uri or each.issuer, absent) for each in sources}
        return {each: ingress.SigningKeys(**members) for each, members in found.items()}

    with mock.patch.object(signing_keys, "fetch", fetch):
        yield


@contextlib.contextmanager
def _recording(charm: Any, facts: list[object]) -> Generator[None]:
    """Record the facts that a charm gathers, in a hook and for an action, and renews."""

    def recorded(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(self: Any, *arguments: Any) -> Any:
            facts.append(original(self, *arguments))
            return facts[-1]

        return read

    with (
        mock.patch.object(charm, "gather", recorded(charm.gather)),
        mock.patch.object(charm, "in_force", recorded(charm.in_force)),
    ):
        yield


def _emit(
    context: testing.Context[ops.CharmBase], event: Any, state: testing.State
) -> tuple[testing.State, Mapping[str, Any]]:
    """Return the state after an event, and the results of an action."""
    if isinstance(event, str):
        hook = getattr(context.on, event.replace("-", "_"))()
        return context.run(hook, state), {}
    if "relation" in event:
        relation = state.get_relation(event["relation"])
        hook = getattr(context.on, event["hook"].replace("-", "_"))(relation)
        return context.run(hook, state), {}
    action = context.on.action(event["action"], params=event.get("params", {}))
    out = context.run(action, state)
    return out, dict(context.action_results or {})


def manifests(objects: Mapping[str, Any]) -> Iterator[Manifest]:
    """Yield the objects of a scenario in JSON form."""
    for key, content in objects.items():
        kind, _, path = key.partition(" ")
        namespace, _, name = path.rpartition("/")
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        base = {"apiVersion": API_VERSIONS.get(kind), "kind": kind, "metadata": metadata}
        yield merged(base, content)


def _state(scenario: Scenario, before: Left) -> testing.State:
    relations = [
        _relation(number, scenario["relations"][name], before.relations.get(name))
        for number, name in enumerate(scenario["relations"], start=1)
    ]
    granted = [testing.Secret(content, id=key) for key, content in scenario["secrets"].items()]
    return testing.State(
        leader=scenario["leader"],
        planned_units=scenario["units"],
        config=scenario["config"],
        relations=relations,
        containers={testing.Container(CONTAINER, can_connect=True)},
        model=testing.Model(scenario["model"], uuid=scenario["uuid"]),
        secrets=[*granted, *before.secrets],
        stored_states=before.stored,
    )


def _relation(
    number: int, remote: Mapping[str, Any], before: testing.RelationBase | None
) -> testing.Relation:
    ours = dict(before.local_app_data) if before else {}
    theirs = {**remote.get("app_data", {}), **authority.answers(ours, remote)}
    return testing.Relation(
        remote["endpoint"],
        id=number,
        remote_app_name=remote["app"],
        remote_app_data=_databag(theirs),
        remote_units_data={0: _databag(remote.get("unit_data", {}))},
        remote_model_uuid=remote.get("model_uuid"),
        local_app_data=ours,
        local_unit_data=dict(before.local_unit_data) if before else dict(ADDRESSES),
    )


def _databag(content: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in content.items()
    }
