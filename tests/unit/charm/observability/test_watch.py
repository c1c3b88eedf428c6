# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The Pebble checks of what is waited for: one for each address, as long as it is needed."""

from collections.abc import Sequence

import ops
import pytest
from istio_ambient.charm import observability
from ops import testing

A, B, C = (("a.shop.svc", 80), ("b.shop.svc", 80), ("c.shop.svc", 80))


class Watching(ops.CharmBase):
    """Watches the addresses of the class in each hook."""

    addresses: Sequence[tuple[str, int]] = ()

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


def watched(state: testing.State, *addresses: tuple[str, int]) -> testing.State:
    context = testing.Context(Watching, meta={"name": "x", "containers": {"metrics-proxy": {}}})
    Watching.addresses = addresses
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


def test_a_hook_that_changes_nothing_replans_nothing(monkeypatch: pytest.MonkeyPatch):
    container = testing.Container("metrics-proxy", can_connect=True)
    state = watched(testing.State(containers={container}), A, B)
    state = watched(state, B)
    replans: list[ops.Container] = []
    monkeypatch.setattr(ops.Container, "replan", replans.append)
    assert (watched(state, B), replans) == (state, [])


def test_without_pebble_nothing_is_watched():
    container = testing.Container("metrics-proxy", can_connect=False)
    state = watched(testing.State(containers={container}), A)
    assert state.get_container("metrics-proxy").layers == {}
