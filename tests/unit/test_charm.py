# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""In which order a hook does what others see."""

from typing import Any

import httpx2
import ops
import pytest
from istio_ambient import charm, kube
from istio_ambient.desired import Desired
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
