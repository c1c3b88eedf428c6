# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the lab's tests: the cluster, and models that clean up after themselves."""

import itertools
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from istio_ambient import kube, resources
from lightkube.resources.core_v1 import Namespace

from tests import lab
from tests.lab import juju

_numbers = itertools.count(1)


class ModelFactory:
    """Creates models; those that still exist at the end are destroyed."""

    def __init__(self, cluster: lab.Cluster, prefix: str):
        self._cluster = cluster
        self._prefix = prefix
        self.models: list[juju.Model] = []

    def __call__(
        self,
        name: str | None = None,
        controller: juju.Controller | None = None,
        uuid_mark: juju.Marks = "annotation",
    ) -> juju.Model:
        """Add a model, by default with a unique name."""
        name = name or f"{self._prefix}-{next(_numbers)}"
        model = juju.Model(self._cluster, name, controller, uuid_mark)
        self.models.append(model)
        return model

    def report(self) -> str:
        """Return status and juju-log of all models: for the report of a failed test."""
        return "\n".join(model.report() for model in self.models)

    def close(self) -> None:
        """Destroy the models, the last first."""
        for model in reversed(self.models):
            if not model.destroyed:
                model.destroy(force=True)
        self.models.clear()


CHARMS = Path(__file__).resolve().parents[2] / "charms"
FACTORIES = pytest.StashKey[list[ModelFactory]]()


@pytest.fixture(scope="session")
def cluster() -> Iterator[lab.Cluster]:
    """The lab's cluster: only inside ``python -m tests.lab.run``."""
    if not lab.inside():
        reason = "not inside the lab: run `python -m tests.lab.run -- pytest tests/lab`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with lab.Cluster() as running:
        yield running


def need_ztunnel(cluster: lab.Cluster) -> None:
    """Skip a test that decides nothing without a ztunnel; where one is required, fail it."""
    if cluster.has_ztunnel:
        return
    reason = "not run without a ztunnel"
    if os.environ.get("LAB_REQUIRE_ZTUNNEL"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def new_model(cluster: lab.Cluster, request: pytest.FixtureRequest) -> Iterator[ModelFactory]:
    """Creates models for one test."""
    with _factory(cluster, request, "m") as factory:
        yield factory


@pytest.fixture(scope="module")
def new_module_model(
    cluster: lab.Cluster, request: pytest.FixtureRequest
) -> Iterator[ModelFactory]:
    """Creates models for all tests of a module."""
    with _factory(cluster, request, "mm") as factory:
        yield factory


@pytest.fixture
def model(new_model: ModelFactory) -> juju.Model:
    """An empty model for one test."""
    return new_model()


@pytest.fixture(scope="module")
def control_plane(new_module_model: ModelFactory) -> juju.Model:
    """A model with istio-k8s, active; a cluster has at most one."""
    model = new_module_model("istio-system")
    model.deploy(CHARMS / "istio-k8s")
    model.wait_active()
    return model


@contextmanager
def _factory(
    cluster: lab.Cluster, request: pytest.FixtureRequest, prefix: str
) -> Generator[ModelFactory]:
    factory = ModelFactory(cluster, prefix)
    stash = request.config.stash
    stash.setdefault(FACTORIES, []).append(factory)
    try:
        yield factory
    finally:
        stash[FACTORIES].remove(factory)
        factory.close()
        _delete_namespaces_of_charms(cluster.client)


def _delete_namespaces_of_charms(client: Any) -> None:
    """Delete the namespace that hardened mode leaves behind: other modules have a model there."""

    def left() -> list[str]:
        found = [kube.manifest_of(each)["metadata"] for each in client.list(Namespace)]
        return [m["name"] for m in found if resources.OWNER_ANNOTATION in m.get("annotations", {})]

    for name in left():
        client.delete(Namespace, name)
    lab.eventually(lambda: not left())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add status and logs of the models to the report of a failed test."""
    report = yield
    if report.when in ("setup", "call") and report.failed:
        for factory in item.config.stash.setdefault(FACTORIES, []):
            report.sections.append(("models", factory.report()))
    return report
