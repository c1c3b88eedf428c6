# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""In which order a hook does what others see, and on which unit."""

from typing import Any

import httpx2
import ops
import pytest
from istio_ambient import charm, kube
from istio_ambient.kube import Desired
from istio_ambient.values.problems import Problem
from lightkube.models import apps_v1, core_v1, meta_v1
from lightkube.resources import apps_v1 as apps
from lightkube.resources import core_v1 as core
from ops import testing

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
ACTIONS: dict[str, Any] = {"reconcile": {}}
PROBLEMS = tuple(Problem("shop", "service-mesh", f"policies[{n}]", "bad", "") for n in (0, 1))
STEPS: list[str] = []


class Cluster:
    """Has a namespace and a StatefulSet without labels, and takes patches of them, or none."""

    def __init__(self, refuses: str = ""):
        self.refuses = refuses

    def get(self, kind: Any, name: str, **_: Any) -> Any:
        """Return either."""
        metadata = meta_v1.ObjectMeta(name=name)
        if kind is core.Namespace:
            return core.Namespace(metadata=metadata)
        pods = core_v1.PodTemplateSpec(metadata=meta_v1.ObjectMeta())
        spec = apps_v1.StatefulSetSpec(selector=meta_v1.LabelSelector(), template=pods)
        return apps.StatefulSet(metadata=metadata, spec=spec)

    def patch(self, kind: Any, name: str, body: Any, **_: Any) -> Any:
        """Take note of a patch."""
        if kind.__name__ == self.refuses:
            raise httpx2.ConnectError("gone")
        STEPS.append(kind.__name__)


class Labelling(charm.ReconcilingCharm[None]):
    """Labels its namespace, tells so, and labels its own pods."""

    MANAGED = ()

    def gather(self, client: kube.Client, live: kube.Live) -> None:
        """Need no facts."""

    def desired(self, facts: None) -> Desired:
        """Want labels and nothing else."""
        labels = {"on": "mesh"}
        return Desired(
            labels=(
                kube.LabelPatch(core.Namespace, "shop", labels),
                kube.LabelPatch(apps.StatefulSet, "beacon", labels, "shop", pod_template=True),
            )
        )

    def publish(self, facts: None, live: kube.Live) -> None:
        """Take note."""
        STEPS.append("publish")

    def cleanup(self, client: kube.Client) -> None:
        """Take note."""
        STEPS.append("cleanup")


class Holding(Labelling):
    """Was told so much nonsense that it changes nothing."""

    def desired(self, facts: None) -> Desired:
        """Want nothing, for two reasons."""
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


def test_who_is_told_that_the_namespace_does_it_is_told_once_it_does(
    monkeypatch: pytest.MonkeyPatch,
):
    # Consumers take off their own labels then: else they would leave the waypoint meanwhile.
    assert steps(monkeypatch) == ["Namespace", "publish", "StatefulSet"]
    assert steps(monkeypatch, refuses="Namespace") == []


def test_the_charms_own_pods_come_last_and_hold_up_nothing(monkeypatch: pytest.MonkeyPatch):
    assert steps(monkeypatch, refuses="StatefulSet") == ["Namespace", "publish"]


def ran(
    monkeypatch: pytest.MonkeyPatch, kind: type[Labelling], *, leader: bool
) -> tuple[dict[str, Any], list[str]]:
    """Run action `reconcile`; return its results and what it logged."""
    STEPS.clear()
    monkeypatch.setattr(kube, "connect", Cluster)
    context = testing.Context(kind, meta=META, actions=ACTIONS)
    container = testing.Container("metrics-proxy")
    context.run(
        context.on.action("reconcile"), testing.State(leader=leader, containers={container})
    )
    return dict(context.action_results or {}), context.action_logs


def test_the_action_tells_what_changed_and_what_became_of_it(monkeypatch: pytest.MonkeyPatch):
    results, logs = ran(monkeypatch, Labelling, leader=True)
    assert results == {"changed": 0, "plan": "no change", "status": "active"}
    assert logs == []


def test_the_action_tells_every_problem_and_the_status_the_first(monkeypatch: pytest.MonkeyPatch):
    results, logs = ran(monkeypatch, Holding, leader=True)
    assert results["status"] == f"blocked: {PROBLEMS[0]} (+1 more)"
    assert logs == [str(problem) for problem in PROBLEMS]
    assert STEPS == []


def test_a_unit_that_may_not_write_says_who_may(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(testing.ActionFailed, match="juju run beacon/leader reconcile"):
        ran(monkeypatch, Labelling, leader=False)
    assert STEPS == []


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize(("left", "steps"), [(0, ["cleanup"]), (1, [])])
def test_whichever_unit_goes_last_takes_everything_away(
    monkeypatch: pytest.MonkeyPatch, leader: bool, left: int, steps: list[str]
):
    STEPS.clear()
    monkeypatch.setattr(kube, "connect", Cluster)
    context = testing.Context(Labelling, meta=META)
    container = testing.Container("metrics-proxy")
    state = testing.State(leader=leader, planned_units=left, containers={container})
    context.run(context.on.remove(), state)
    assert steps == STEPS
