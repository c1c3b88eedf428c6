# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The overlay of `mesh-config` is left out for its own faults only, and while it is new."""

import datetime
from collections.abc import Mapping
from typing import Any, cast
from unittest import mock

import pytest
import yaml
from istio_ambient import kube
from istio_ambient.cluster import mesh_config_trial as trial

from tests.unit.whole_charm import running
from tests.unit.whole_charm.cases import base_control_plane
from tests.unit.whole_charm.fake_cluster import NOW, FakeCluster, Request
from tests.unit.whole_charm.fake_istiod import FAULTS
from tests.unit.whole_charm.scenarios import EMPTY, patched

WORKLOAD: Mapping[str, Any] = {
    "spec": {"selector": {}, "template": {}},
    "status": {"availableReplicas": 1},
}
OVERLAY = "connectTimeout: 7s"
TAKEN = "charmed-istio/taken-mesh-config"


class Site:
    """A control plane, hook by hook; the proxy of a tenant is connected to its istiod."""

    def __init__(self, overlay: str = OVERLAY, fault: str = ""):
        changes = {"config": {"mesh-config": overlay}, "objects": {"Deployment a/way": WORKLOAD}}
        self.scenario = patched(EMPTY, base_control_plane.BASE, changes)
        self.cluster = FakeCluster(running.manifests(self.scenario["objects"]), "1.34")
        self._left = running.NOTHING
        self.fault(fault)
        self.hook()

    def hook(self) -> str:
        """Run a hook; return its status."""
        outcome, self._left = running.run_hook(self.scenario, self.cluster, self._left)
        return str(outcome.sections["status"])

    def _named(self, beginning: str) -> Mapping[str, Any]:
        found = self.cluster.manifests
        return next(found[name] for name in found if name.startswith(beginning))

    def fault(self, fault: str) -> None:
        """Let istiod be as one of `fake_istiod.FAULTS` says."""
        metadata = self._named("EndpointSlice")["metadata"]
        metadata.setdefault("annotations", {})[FAULTS] = fault

    @property
    def config(self) -> Mapping[str, Any]:
        """The ConfigMap with the MeshConfig."""
        model = self.scenario["model"]
        return self._named(f"ConfigMap {model}/istio")

    @property
    def is_used(self) -> bool:
        """Whether the overlay is part of the MeshConfig."""
        return "connectTimeout" in yaml.safe_load(self.config["data"]["mesh"])

    @property
    def taken(self) -> str:
        """What is remembered of an overlay that istiods took."""
        return str(self.config["metadata"].get("annotations", {}).get(TAKEN, ""))

    def pass_time(self, seconds: float) -> None:
        """Let the API server's clock be so long after everything was applied."""
        self.cluster.now = NOW
        written = (NOW - datetime.timedelta(seconds=seconds)).isoformat()
        for manifest in self.cluster.manifests.values():
            for entry in manifest["metadata"].get("managedFields", ()):
                entry["time"] = written

    def change_a_databag(self) -> None:
        """Let an ingress have another external authorizer, which is part of the MeshConfig."""
        relations = cast(dict[str, Any], self.scenario["relations"]).values()
        found = next(each for each in relations if each["endpoint"] == "istio-ingress-config")
        found["app_data"] = {**found["app_data"], "ext_authz_port": "4999"}


def test_an_overlay_that_was_in_use_is_not_blamed_for_what_proxies_refuse_later():
    site = Site()
    assert site.taken
    real = trial.refusals

    def refusals(client: kube.Client, namespace: str) -> frozenset[tuple[str, str]] | None:
        before = real(client, namespace)
        # From now on the proxy of a tenant refuses something of the tenant's own.
        site.fault("bad words of a tenant")
        return before

    site.change_a_databag()
    with mock.patch.object(trial, "refusals", refusals):
        site.hook()
    assert "4999" in site.config["data"]["mesh"]
    assert site.is_used
    site.fault("")
    assert "mesh-config" not in site.hook()
    assert site.is_used


def test_an_overlay_that_was_in_use_is_not_removed_for_one_look_at_an_istiod():
    site = Site()
    site.pass_time(3600)
    site.fault("dropped")
    status = site.hook()
    assert "istiod: runs with its built-in configuration" in status
    assert "mesh-config" not in status
    assert site.is_used
    site.fault("")
    site.hook()
    assert site.is_used


def test_a_new_overlay_is_left_out_when_istiod_does_not_take_it():
    site = Site(fault="dropped")
    assert site.is_used
    assert not site.taken
    site.pass_time(3600)
    assert "mesh-config" in site.hook()
    assert not site.is_used


def test_a_new_overlay_is_left_out_when_proxies_begin_to_refuse_something():
    site = Site("")
    site.scenario["config"] = {"mesh-config": OVERLAY}
    real = trial.run

    def run(*arguments: Any, **named: Any) -> trial.Result:
        site.fault("bad words")
        return real(*arguments, **named)

    with mock.patch.object(trial, "run", run):
        assert "bad words" in site.hook()
    assert not site.is_used
    assert not site.taken


@pytest.mark.parametrize("years", [-100, 100])
def test_the_clock_of_the_charm_does_not_count(years: int):
    site = Site(fault="dropped")
    site.pass_time(5)
    elsewhere = datetime.timedelta(days=365 * years)
    for manifest in site.cluster.manifests.values():
        metadata = manifest["metadata"]
        metadata["creationTimestamp"] = "1900-01-01T00:00:00Z"
        for entry in metadata.get("managedFields", ()):
            time = datetime.datetime.fromisoformat(entry["time"]) + elsewhere
            entry["time"] = time.isoformat()
    site.cluster.now += elsewhere
    site.hook()
    assert site.is_used
    site.cluster.now += datetime.timedelta(seconds=20)
    site.hook()
    assert not site.is_used


def test_what_is_refused_is_not_tried_again_with_the_result_of_the_trial():
    site = Site("")
    site.scenario["config"] = {"mesh-config": OVERLAY, "hardened-mode": True}
    tried: list[str] = []

    def refuses(request: Request) -> int:
        if request.kind == "AuthorizationPolicy":
            tried.append(request.name)
            return 403
        return 0

    site.cluster.refuses = refuses
    site.hook()
    assert site.taken
    assert tried and len(set(tried)) == len(tried)


def test_another_overlay_is_new_again():
    site = Site()
    first = site.taken
    site.scenario["config"] = {"mesh-config": "connectTimeout: 8s"}
    site.hook()
    assert site.taken not in ("", first)
    site.scenario["config"] = {"mesh-config": ""}
    site.hook()
    assert not site.taken


def test_an_overlay_is_not_blamed_and_nothing_is_removed_while_it_is_not_written():
    site = Site("")
    site.scenario["config"] = {"mesh-config": OVERLAY, "hub": "https://registry.example"}
    site.pass_time(3600)
    site.fault("dropped")
    before = site.cluster.manifests.keys()
    site.hook()
    assert site.cluster.manifests.keys() == before
    assert not site.taken
    # A refused write leaves an earlier configuration, which is not the overlay's.
    site.scenario["config"] = {"mesh-config": OVERLAY}
    site.cluster.refuses = lambda request: 403 * (request.name == "istio")
    site.hook()
    site.fault("")
    site.hook()
    assert not site.taken
