# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The Pebble checks of what is waited for: of an address, and those that fail after some time."""

import urllib.request
from collections.abc import Sequence
from typing import Any

import ops
import pytest
from istio_ambient.charm import observability
from ops import testing

A, B, C = (("a.shop.svc", 80), ("b.shop.svc", 80), ("c.shop.svc", 80))


class Watching(ops.CharmBase):
    """Watches the addresses of the class in each hook."""

    addresses: Sequence[tuple[str, int]] = ()
    awaited: Sequence[str] = ()

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        framework.observe(self.on.update_status, self._on_update_status)

    def _on_update_status(self, _: ops.EventBase) -> None:
        container = self.unit.get_container(observability.CONTAINER)
        layer = observability.metrics_proxy_layer(
            {"a": "b"}, {"gateway": observability.http_check("http://gate")}
        )
        observability.run_metrics_proxy(container, layer)
        observability.watch(container, self.addresses)
        observability.retry(container, self.awaited)


def watched(
    state: testing.State, *addresses: tuple[str, int], awaited: Sequence[str] = ()
) -> testing.State:
    context = testing.Context(Watching, meta={"name": "x", "containers": {"metrics-proxy": {}}})
    Watching.addresses, Watching.awaited = addresses, awaited
    return context.run(context.on.update_status(), state)


def checks(state: testing.State) -> dict[str, tuple[str | None, str]]:
    """Return host and startup of each check by its name."""
    found = state.get_container("metrics-proxy").plan.checks
    return {
        name: (each.tcp.get("host"), each.startup.value)
        for name, each in found.items()
        if each.tcp
    }


def test_what_is_watched_keeps_its_check_and_idle_checks_are_used_again():
    container = testing.Container("metrics-proxy", can_connect=True)
    state = watched(testing.State(containers={container}), A, B)
    assert checks(state) == {
        "watch-0": ("a.shop.svc", "enabled"),
        "watch-1": ("b.shop.svc", "enabled"),
    }
    # The check of B goes on: another name would start it anew, and with it a hook.
    state = watched(state, B)
    assert checks(state) == {
        "watch-0": ("a.shop.svc", "disabled"),
        "watch-1": ("b.shop.svc", "enabled"),
    }
    state = watched(state, B, C)
    assert checks(state) == {
        "watch-0": ("c.shop.svc", "enabled"),
        "watch-1": ("b.shop.svc", "enabled"),
    }
    plan = state.get_container("metrics-proxy").plan
    assert plan.checks["gateway"].startup is ops.pebble.CheckStartup.ENABLED
    assert plan.services.keys() == {"metrics-proxy"}


def running(state: testing.State) -> set[str]:
    """Return the checks that Pebble runs, but the gateway's."""
    infos = state.get_container("metrics-proxy").check_infos
    inactive = ops.pebble.CheckStatus.INACTIVE
    return {each.name for each in infos if each.status is not inactive} - {"gateway"}


def test_a_check_that_is_not_needed_is_stopped():
    container = testing.Container("metrics-proxy", can_connect=True)
    state = watched(testing.State(containers={container}), A, B)
    assert running(state) == {"watch-0", "watch-1"}
    state = watched(state, B)
    assert running(state) == {"watch-1"}
    assert running(watched(state, B, C)) == {"watch-0", "watch-1"}


RETRIES = {"retry-10s": 1, "retry-40s": 4, "retry-160s": 16}


def retries(state: testing.State) -> dict[str, ops.pebble.Check]:
    found = state.get_container("metrics-proxy").plan.checks
    return {name: each for name, each in found.items() if name.startswith("retry-")}


def test_hooks_follow_as_long_as_something_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    container = testing.Container("metrics-proxy", can_connect=True)
    state = watched(testing.State(containers={container}))
    assert retries(state) == {}
    state = watched(state, awaited=["istiod", "ztunnel"])
    first = retries(state)
    assert {name: each.threshold for name, each in first.items()} == RETRIES
    assert {(each.period, each.startup.value) for each in first.values()} == {("10s", "enabled")}
    assert running(state) == set(RETRIES)
    # Nothing starts anew while the wait is the same, in whichever order it is named.
    replans: list[ops.Container] = []
    with monkeypatch.context() as patched:
        patched.setattr(ops.Container, "replan", replans.append)
        assert (watched(state, awaited=["ztunnel", "istiod"]), replans) == (state, [])
    state = watched(state, awaited=["ztunnel"])
    # Pebble starts a check anew whose definition has changed.
    assert all(each != first[name] for name, each in retries(state).items())
    state = watched(state)
    assert running(state) == set()
    assert {each.startup.value for each in retries(state).values()} == {"disabled"}
    assert running(watched(state, awaited=["ztunnel"])) == set(RETRIES)


def test_a_retry_never_succeeds():
    container = testing.Container("metrics-proxy", can_connect=True)
    state = watched(testing.State(containers={container}), awaited=["istiod"])
    for check in retries(state).values():
        asked: Any = check.http
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(asked["url"])  # noqa: S310  (its scheme is ours)


def test_a_hook_that_changes_nothing_replans_nothing(monkeypatch: pytest.MonkeyPatch):
    container = testing.Container("metrics-proxy", can_connect=True)
    state = watched(testing.State(containers={container}), A, B)
    state = watched(state, B)
    replans: list[ops.Container] = []
    monkeypatch.setattr(ops.Container, "replan", replans.append)
    assert (watched(state, B), replans) == (state, [])


def test_without_pebble_nothing_is_watched():
    container = testing.Container("metrics-proxy", can_connect=False)
    state = watched(testing.State(containers={container}), A, awaited=["istiod"])
    assert state.get_container("metrics-proxy").layers == {}
