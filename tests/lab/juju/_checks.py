# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Simulates Pebble's checks: probes those of a charm's layers, from within the lab."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

from ops import pebble, testing

from tests.lab.juju import _events
from tests.lab.juju._entities import Unit

TIMEOUT = 3.0
"""Seconds that one probe may take; Pebble's default."""


def run(unit: Unit) -> Iterator[_events.Hook]:
    """Probe every check of a unit once; yield a hook for each that failed or recovered.

    As with Pebble, a check whose definition has changed starts anew.
    """
    names = [(name, check) for name, each in unit.containers.items() for check in each.plan.checks]
    for container, name in sorted(names):
        # Read anew: a hook of another check may have changed this one.
        found = {info.name: info for info in unit.containers[container].check_infos}
        info = found.get(name)
        if info is None or info.status is pebble.CheckStatus.INACTIVE:
            continue
        check = unit.containers[container].plan.checks[name]
        begins = unit.checks.get((container, name)) != check
        unit.checks[container, name] = check
        was_up = begins or info.status is pebble.CheckStatus.UP
        failures = 0 if _probe(check) else 1 + (0 if begins else info.failures)
        up = failures < info.threshold if was_up else not failures
        _set(unit, container, info, up=up, failures=failures)
        if up != was_up:
            kind = "pebble-check-recovered" if up else "pebble-check-failed"
            yield _events.Hook(kind, container=container, check=name)


def _set(unit: Unit, container: str, info: testing.CheckInfo, *, up: bool, failures: int) -> None:
    changed = testing.CheckInfo(
        info.name,
        level=info.level,
        startup=info.startup,
        status=pebble.CheckStatus.UP if up else pebble.CheckStatus.DOWN,
        successes=0 if failures else 1,
        failures=failures,
        threshold=info.threshold,
    )
    before = unit.containers[container]
    unit.containers[container] = testing.Container(
        before.name,
        can_connect=before.can_connect,
        layers=before.layers,
        service_statuses=before.service_statuses,
        mounts=before.mounts,
        execs=before.execs,
        notices=before.notices,
        check_infos={other for other in before.check_infos if other.name != info.name} | {changed},
    )


def _probe(check: pebble.Check) -> bool:
    if check.tcp is not None:
        address = (check.tcp.get("host") or "localhost", check.tcp.get("port") or 0)
        try:
            with socket.create_connection(address, TIMEOUT):
                return True
        except OSError:
            return False
    if check.http is not None:
        url = check.http.get("url", "")
        headers = check.http.get("headers") or {}
        if not url.startswith(("http://", "https://")):
            return False
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  (checked above)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                return 200 <= response.status < 300
        except (OSError, urllib.error.URLError, http.client.HTTPException):
            return False
    # The inside of a workload container is not simulated.
    return True
