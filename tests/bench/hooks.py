# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""CPU and hook tools of a hook in which nothing has changed, without a cluster.

The API server's answers are those of the hook before, so that the CPU is the charm's own: that of
ops, of the HTTP client, and of all that is computed. Import and start are not in it.
"""

import contextlib
import dataclasses
import gc
import sys
import time
from collections.abc import Callable, Generator
from typing import Any, cast
from unittest import mock

import httpx2
from istio_ambient import charm
from scenario import mocking

from tests.unit.whole_charm import http_cluster, refusals, running
from tests.unit.whole_charm.cases import base_beacon, base_ingress
from tests.unit.whole_charm.fake_cluster import FakeCluster
from tests.unit.whole_charm.scenarios import EMPTY, Scenario, patched

TOOLS = (*refusals.METHODS.values(), "relation_ids")


@dataclasses.dataclass(frozen=True)
class Figures:
    """Of one hook in which nothing has changed."""

    relations: int
    seconds: float
    """CPU seconds of the hook without those of hook tools, the least of some runs."""
    calls: int
    """Functions that the charm calls, of Python and of C: the same on every machine."""
    requests: int
    """To the API server."""
    tools: int
    """Hook tools, each of which is a process under Juju: lines of the log too."""
    lines: int
    """Those of them that are lines of the log."""


def of_beacon(targets: int, policies: int, runs: int = 1) -> Figures:
    """Return the figures of a beacon with a relation for each target.

    Args:
        targets: applications that ask for access to themselves.
        policies: sources that each of them names.
        runs: of which the fastest counts.
    """
    scenario = patched(EMPTY, base_beacon.BASE, *(_asking(n, policies) for n in range(targets)))
    return _measured(scenario, runs)


def of_ingress(applications: int, runs: int = 1) -> Figures:
    """Return the figures of an ingress gateway with a relation for each application."""
    scenario = patched(EMPTY, base_ingress.BASE, *(_exposed(n) for n in range(applications)))
    return _measured(scenario, runs)


def _asking(number: int, policies: int) -> dict[str, Any]:
    app = f"app-{number}"
    entries = [
        {
            "source_namespace": "clients",
            "source_app_name": f"client-{client}",
            "target_namespace": "shop",
            "target_app_name": app,
        }
        for client in range(policies)
    ]
    relation = {"endpoint": "service-mesh", "app": app, "app_data": {"policies": entries}}
    return {"relations": {app: relation}, "objects": {f"Service shop/{app}": _service(app)}}


def _exposed(number: int) -> dict[str, Any]:
    app = f"app-{number}"
    sent = {"model": '"shop"', "name": f'"{app}"', "port": "80"}
    relation = {"endpoint": "ingress", "app": app, "app_data": sent}
    return {"relations": {app: relation}, "objects": {f"Service shop/{app}": _service(app)}}


def _service(app: str) -> dict[str, Any]:
    return base_beacon.service(app)


class _Repeating(http_cluster.HttpCluster):
    """Answers a read as it was answered before."""

    def __init__(self, cluster: FakeCluster):
        super().__init__(cluster)
        self._answers: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.asked = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        self.asked += 1
        key = request.method, str(request.url)
        if key not in self._answers:
            answer = super().handle_request(request)
            if request.method != "GET":
                return answer
            self._answers[key] = answer.status_code, answer.read()
        code, content = self._answers[key]
        return httpx2.Response(code, content=content, headers={"Content-Type": "application/json"})

    def forget(self) -> None:
        """Ask the cluster again, as after a write."""
        self._answers.clear()
        self.calls.clear()


def _measured(scenario: Scenario, runs: int) -> Figures:
    objects = running.manifests(scenario["objects"])
    cluster = FakeCluster(objects, scenario["kubernetes"], scenario["missing"])
    http, left = _Repeating(cluster), running.NOTHING
    with mock.patch.object(http_cluster, "MOST_CALLS", 10**9):
        for _ in range(2):
            http.forget()
            _, left = running.run_hook(scenario, cluster, left, http)
        found: list[Figures] = []
        with _observed(calls) as work:
            _, left = running.run_hook(scenario, cluster, left, http)
        for _ in range(runs):
            http.calls.clear()
            http.asked = 0
            with _observed(_seconds) as seconds, _counted() as tools:
                _, left = running.run_hook(scenario, cluster, left, http)
            assert not any(call.is_write for call in http.calls), "something has changed"
            own = seconds[0] - sum(took for _, took in tools)
            found.append(
                Figures(
                    relations=len(scenario["relations"]),
                    seconds=own,
                    requests=http.asked,
                    tools=len(tools),
                    lines=sum(name == "juju_log" for name, _ in tools),
                    calls=int(work[0]),
                )
            )
    return min(found, key=lambda figures: figures.seconds)


def calls(function: Callable[[], object]) -> int:
    """Return how many functions are called."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def _seconds(function: Callable[[], object]) -> float:
    """Return the CPU seconds that a function takes."""
    # What surrounds the charm here is no garbage of a hook.
    gc.collect()
    gc.freeze()
    started = time.process_time()
    try:
        function()
        return time.process_time() - started
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _observed(measure: Callable[[Callable[[], object]], float]) -> Generator[list[float]]:
    """Measure what the charm does with an event, and nothing of the scenario."""
    found: list[float] = []
    charms = cast(Any, charm.ReconcilingCharm)
    reconcile = charms.reconcile

    def measured(self: Any) -> None:
        found.append(measure(lambda: reconcile(self)))

    with mock.patch.object(charms, "reconcile", measured):
        yield found


@contextlib.contextmanager
def _counted() -> Generator[list[tuple[str, float]]]:
    """Collect each hook tool that runs, and its CPU seconds, which under Juju are another's."""
    run: list[tuple[str, float]] = []

    def counting(name: str) -> Any:
        real = getattr(mocking._MockModelBackend, name)  # pyright: ignore[reportPrivateUsage]

        def counted(self: Any, *arguments: Any, **named: Any) -> Any:
            if "DEBUG" in arguments:
                # A process of Juju's logs nothing of this level (`charm.main`).
                return None
            started = time.process_time()
            try:
                return real(self, *arguments, **named)
            finally:
                run.append((name, time.process_time() - started))

        return counted

    # ops asks `is-leader` once in 30 seconds.
    names = set(TOOLS) - {"is_leader"}
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(
                mock.patch.object(mocking._MockModelBackend, name, counting(name))  # pyright: ignore[reportPrivateUsage]
            )
        yield run
