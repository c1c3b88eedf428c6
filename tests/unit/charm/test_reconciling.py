# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The order of a hook's writes, and the unit that sends them."""

import datetime
import gc
import json
import weakref
from typing import Any

import httpx2
import ops
import pytest
from istio_ambient import charm, kube, resources
from istio_ambient.kube import Desired
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem
from lightkube.models import apps_v1, core_v1, meta_v1
from lightkube.resources import apps_v1 as apps
from lightkube.resources import core_v1 as core
from ops import testing

from tests.unit.whole_charm import refusals

META: dict[str, Any] = {
    "name": "beacon",
    "containers": {"metrics-proxy": {}},
    "provides": {
        "service-mesh": {"interface": "service_mesh"},
        "metrics-endpoint": {"interface": "prometheus_scrape"},
        "grafana-dashboard": {"interface": "grafana_dashboard"},
    },
    "requires": {"charm-tracing": {"interface": "tracing", "limit": 1}},
}
ACTIONS: dict[str, Any] = {
    "reconcile": {},
    "status-details": {"params": {"format": {"type": "string"}}},
}
PROBLEMS = tuple(
    Problem(
        app="shop",
        endpoint="service-mesh",
        field=f"policies[{n}]",
        message="invalid",
        remedy="",
        code=Code.INVALID_ENTRY,
    )
    for n in (0, 1)
)
STEPS: list[str] = []


class Cluster:
    """Has a namespace and a StatefulSet without labels; accepts patches but of one kind.

    Those of another kind are accepted, and a webhook removes what they set.
    """

    def __init__(self, refuses: str = "", alters: str = "", **_: float):
        self.refuses = refuses
        self.alters = alters

    def get(self, kind: Any, name: str, **_: Any) -> Any:
        """Return either."""
        metadata = meta_v1.ObjectMeta(name=name)
        if kind is core.Namespace:
            return core.Namespace(metadata=metadata)
        pods = core_v1.PodTemplateSpec(metadata=meta_v1.ObjectMeta())
        spec = apps_v1.StatefulSetSpec(selector=meta_v1.LabelSelector(), template=pods)
        return apps.StatefulSet(metadata=metadata, spec=spec)

    def patch(self, kind: Any, name: str, body: Any, **_: Any) -> Any:
        """Record a patch."""
        if kind.__name__ == self.refuses:
            raise httpx2.ConnectError("gone")
        STEPS.append(kind.__name__)
        found = self.get(kind, name)
        if kind.__name__ != self.alters:
            found.metadata.labels = body["metadata"]["labels"]
            if "spec" in body:
                template = body["spec"]["template"]["metadata"]
                found.spec.template.metadata.labels = template["labels"]
        return found


class Labelling(charm.ReconcilingCharm[None]):
    """Labels its namespace, publishes that, and labels its own pods."""

    MANAGED = ()

    def gather(self, client: kube.Client, live: kube.Live) -> None:
        """Read nothing."""

    def desired(self, facts: None) -> Desired:
        """Return labels and nothing else."""
        labels = {"on": "mesh"}
        return Desired(
            labels=(
                kube.LabelPatch(core.Namespace, "shop", labels),
                kube.LabelPatch(apps.StatefulSet, "beacon", labels, "shop", pod_template=True),
            )
        )

    def publish(self, facts: None, live: kube.Live) -> None:
        """Record the call."""
        STEPS.append("publish")

    def cleanup(self, client: kube.Client) -> tuple[()]:
        """Record the call."""
        STEPS.append("cleanup")
        return ()


class Holding(Labelling):
    """Has invalid input only, and writes nothing."""

    def desired(self, facts: None) -> Desired:
        """Return two problems, and hold."""
        return Desired(problems=PROBLEMS, hold=True)


def steps(monkeypatch: pytest.MonkeyPatch, refuses: str = "") -> list[str]:
    STEPS.clear()
    monkeypatch.setattr(kube, "connect", lambda: Cluster(refuses))
    context = testing.Context(Labelling, meta=META)
    container = testing.Container("metrics-proxy")
    found = context.run(
        context.on.update_status(), testing.State(leader=True, containers={container})
    )
    assert isinstance(found.unit_status, ops.WaitingStatus if refuses else ops.ActiveStatus)
    return STEPS


def test_the_databag_is_written_after_the_namespace_is_labelled(
    monkeypatch: pytest.MonkeyPatch,
):
    # Consumers remove their own labels then, and would leave the waypoint in between.
    assert steps(monkeypatch) == ["Namespace", "publish", "StatefulSet"]
    assert steps(monkeypatch, refuses="Namespace") == ["publish", "StatefulSet"]


def test_the_charms_own_pods_are_labelled_last(monkeypatch: pytest.MonkeyPatch):
    assert steps(monkeypatch, refuses="StatefulSet") == ["Namespace", "publish"]


@pytest.mark.parametrize("kind", ["Namespace", "StatefulSet"])
def test_labels_that_a_webhook_takes_away_are_a_fault(monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.setattr(kube, "connect", lambda: Cluster(alters=kind))
    context = testing.Context(Labelling, meta=META)
    state = testing.State(leader=True, containers={testing.Container("metrics-proxy")})
    with context(context.on.update_status(), state) as run:
        status = run.run().unit_status
        assert {each.__name__ for each in run.charm.unlabelled} == {kind}
    assert isinstance(status, ops.BlockedStatus)
    assert status.message.startswith(f"CI-008 exempt it from that webhook; {kind} ")


def failed_change() -> ops.pebble.ChangeError:
    """Return what Pebble answers where a service ends as soon as it has begun."""
    answer: Any = {
        "id": "1",
        "kind": "replan",
        "summary": "Replan",
        "status": "Error",
        "ready": True,
        "err": "cannot perform\nthe following tasks",
        "spawn-time": "2026-01-01T00:00:00Z",
    }
    return ops.pebble.ChangeError("cannot perform\nmore", ops.pebble.Change.from_dict(answer))


@pytest.mark.parametrize(
    "error",
    [failed_change(), ops.pebble.ConnectionError("refused"), ops.pebble.TimeoutError("late")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("waits", [False, True])
def test_nothing_in_the_cluster_waits_for_pebble(
    monkeypatch: pytest.MonkeyPatch, error: ops.pebble.Error, waits: bool
):
    def replan(_: ops.Container) -> None:
        raise error

    monkeypatch.setattr(ops.Container, "replan", replan)
    monkeypatch.setattr(kube, "connect", lambda: Cluster("StatefulSet" if waits else ""))
    STEPS.clear()
    context = testing.Context(Labelling, meta=META)
    container = testing.Container("metrics-proxy", can_connect=True)
    found = context.run(
        context.on.update_status(), testing.State(leader=True, containers={container})
    )
    assert STEPS[:2] == ["Namespace", "publish"]
    assert isinstance(found.unit_status, ops.WaitingStatus)
    if not waits:
        assert found.unit_status.message.startswith("CI-205 metrics-proxy: ")


class Counting(Labelling):
    """Needs the number of units."""

    def gather(self, client: kube.Client, live: kube.Live) -> None:
        """Count them."""
        STEPS.append(str(self.replicas))


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ((), ["3", "Namespace", "publish", "StatefulSet"]),
        (("goal-state",), ["3", "Namespace", "publish", "StatefulSet"]),
        (("goal-state", "relation-list"), ["1"]),
    ],
)
def test_nothing_shrinks_while_juju_does_not_say_how_many_units_there_are(
    monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...], expected: list[str]
):
    monkeypatch.setattr(kube, "connect", Cluster)
    STEPS.clear()
    context = testing.Context(Counting, meta={**META, "peers": {"peers": {"interface": "x"}}})
    state = testing.State(
        leader=True,
        planned_units=3,
        relations={testing.PeerRelation("peers", peers_data={1: {}, 2: {}})},
        containers={testing.Container("metrics-proxy")},
    )
    with refusals.refused(refused, refusals.CUT_OFF):
        found = context.run(context.on.update_status(), state)
    assert expected == STEPS
    assert isinstance(found.unit_status, ops.WaitingStatus if refused else ops.ActiveStatus)


def test_nothing_keeps_the_client_when_the_hook_is_over(monkeypatch: pytest.MonkeyPatch):
    # A process that runs many hooks, as the lab does, would run out of file descriptors.
    clients: list[weakref.ref[Cluster]] = []

    def connect() -> Cluster:
        client = Cluster()
        clients.append(weakref.ref(client))
        return client

    monkeypatch.setattr(kube, "connect", connect)
    context = testing.Context(Labelling, meta=META)
    state = testing.State(leader=True, containers={testing.Container("metrics-proxy")})
    context.run(context.on.update_status(), state)
    gc.collect()
    assert [client() for client in clients] == [None]


class Unanswered(Labelling):
    """Reads something that the API server does not answer."""

    def gather(self, client: kube.Client, live: kube.Live) -> None:
        """Fail."""
        raise kube.RequestError("list Node", "no answer", transient=True)


@pytest.mark.parametrize(
    ("kind", "retries"), [(Unanswered, True), (Labelling, False), (Holding, False)]
)
@pytest.mark.parametrize("leader", [True, False])
def test_a_hook_follows_where_the_api_server_did_not_answer(
    monkeypatch: pytest.MonkeyPatch, kind: type[Labelling], retries: bool, leader: bool
):
    monkeypatch.setattr(kube, "connect", Cluster)
    context = testing.Context(kind, meta=META)
    container = testing.Container("metrics-proxy", can_connect=True)
    state = testing.State(leader=leader, containers={container})
    found = context.run(context.on.update_status(), state)
    plan = found.get_container("metrics-proxy").plan
    assert ("retry-10s" in plan.checks) == retries


def ran(
    monkeypatch: pytest.MonkeyPatch, kind: type[Labelling], *, leader: bool
) -> tuple[dict[str, Any], list[str]]:
    """Run action `reconcile`; return its results and its log."""
    STEPS.clear()
    monkeypatch.setattr(kube, "connect", Cluster)
    context = testing.Context(kind, meta=META, actions=ACTIONS)
    container = testing.Container("metrics-proxy")
    context.run(
        context.on.action("reconcile"), testing.State(leader=leader, containers={container})
    )
    return dict(context.action_results or {}), context.action_logs


def test_the_action_returns_the_plan_and_the_status(monkeypatch: pytest.MonkeyPatch):
    results, logs = ran(monkeypatch, Labelling, leader=True)
    assert results == {"changed": 0, "plan": "no change", "status": "active"}
    assert logs == []


def test_the_action_logs_every_problem_and_the_status_shows_the_first(
    monkeypatch: pytest.MonkeyPatch,
):
    results, logs = ran(monkeypatch, Holding, leader=True)
    text = "blocked: CI-201 shop:service-mesh policies[0]: invalid (+1 more: status-details)"
    assert results["status"] == text
    assert logs == [f"CI-201 {problem}" for problem in PROBLEMS]
    assert STEPS == []


def details(monkeypatch: pytest.MonkeyPatch, kind: type[Labelling], **params: str) -> Any:
    """Run a hook, and then the action in the state that the hook has left."""
    monkeypatch.setattr(kube, "connect", Cluster)
    context = testing.Context(kind, meta=META, actions=ACTIONS)
    state = testing.State(leader=True, containers={testing.Container("metrics-proxy")})
    after = context.run(context.on.update_status(), state)
    end = context.run(context.on.action("status-details", params=params), after)
    assert end.unit_status == after.unit_status, "an action never changes the status"
    return context.action_results


def test_status_details_shows_everything_that_the_last_hook_found(
    monkeypatch: pytest.MonkeyPatch,
):
    found = details(monkeypatch, Holding)
    assert (found["status"], found["problems"].count("CI-201 error, blocked")) == ("blocked", 2)
    assert found["message"].startswith("CI-201 shop:service-mesh policies[0]: invalid")
    assert "  where  shop:service-mesh policies[1]\n  what   invalid\n" in found["problems"]
    assert datetime.datetime.fromisoformat(found["as-of"]).tzinfo
    entries = json.loads(details(monkeypatch, Holding, format="json")["problems"])
    assert [each["where"] for each in entries] == [problem.where for problem in PROBLEMS]
    code = {"code": "CI-201", "severity": "error", "status": "blocked"}
    assert all(code.items() <= each.items() for each in entries)
    assert entries[0]["link"] == "docs/reference/problems.md#ci-201"
    assert {"remedy", "message", "app", "endpoint", "field"} < entries[0].keys()
    assert details(monkeypatch, Labelling)["problems"] == "no problem"


def test_status_details_says_what_is_wrong_with_the_question(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(testing.ActionFailed, match="format: use one of table, json"):
        details(monkeypatch, Labelling, format="yaml")
    context = testing.Context(Labelling, meta=META, actions=ACTIONS)
    state = testing.State(containers={testing.Container("metrics-proxy")})
    with pytest.raises(testing.ActionFailed, match="no hook has run"):
        context.run(context.on.action("status-details"), state)


def test_the_action_of_another_unit_names_the_leader(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(testing.ActionFailed, match="juju run beacon/leader reconcile"):
        ran(monkeypatch, Labelling, leader=False)
    assert STEPS == []


def test_objects_of_the_charms_adopted_scopes_are_adopted():
    class Adopting(Labelling):
        ADOPTED_SCOPES = frozenset({"istio-waypoint"})

    def owned(kind: type[Labelling], scope: str) -> bool:
        context = testing.Context(kind, meta=META)
        container = testing.Container("metrics-proxy")
        state = testing.State(planned_units=0, containers={container})
        with context(context.on.start(), state) as manager:
            identity = manager.charm.identity
            labels = {**identity.labels, resources.SCOPE_LABEL: scope}
            return identity.owns(
                {"metadata": {"labels": labels, "managedFields": [{"manager": "beacon"}]}}
            )

    assert owned(Adopting, "istio-waypoint")
    assert not owned(Adopting, "another")
    assert not owned(Labelling, "istio-waypoint")


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize(("planned", "steps"), [(0, ["cleanup"]), (1, [])])
def test_the_last_unit_deletes_everything_leader_or_not(
    monkeypatch: pytest.MonkeyPatch, leader: bool, planned: int, steps: list[str]
):
    STEPS.clear()
    monkeypatch.setattr(kube, "connect", Cluster)
    context = testing.Context(Labelling, meta=META)
    container = testing.Container("metrics-proxy")
    state = testing.State(leader=leader, planned_units=planned, containers={container})
    context.run(context.on.remove(), state)
    assert steps == STEPS
