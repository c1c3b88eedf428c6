# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What charms run in their containers: the bookshop's requests, which the lab sends.

The lab has no container images. Of `Container.exec` it knows one program, that of
`examples/bookshop`: the request is sent from the unit's pod, over the pod's ztunnel. Where there
is no ztunnel, the lab sends it with the identity of the pod, as a ztunnel would.
"""

import concurrent.futures
import contextlib
import json
import urllib.parse
from collections.abc import Generator
from typing import Any
from unittest import mock

from ops import testing
from scenario import mocking

from tests import lab
from tests.lab.juju import _kubernetes
from tests.lab.juju._entities import Unit


@contextlib.contextmanager
def sending(cluster: _kubernetes.Cluster, model: str, unit: Unit) -> Generator[None]:
    """Let `Container.exec` in hooks of a unit send requests."""

    def run(_: Any, command: list[str]) -> testing.Exec | None:
        if len(command) != 5 or not command[1].endswith("/bookshop.py"):
            return None
        method, url = command[3:]
        # In a thread of its own: the lab may sleep, charms may not.
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as executor:
            answer = executor.submit(_send, cluster, model, unit, method, url).result()
        return testing.Exec(command, stdout=json.dumps(answer))

    with mock.patch.object(mocking._MockPebbleClient, "_find_exec_handler", run):
        yield


def _send(
    cluster: _kubernetes.Cluster, model: str, unit: Unit, method: str, url: str
) -> dict[str, Any]:
    """Send a request as the program does, and return the answer in its format."""
    parts = urllib.parse.urlsplit(url)
    name, _, rest = (parts.hostname or "").partition(".")
    service = f"{rest.partition('.')[0] or model}/{name}:{parts.port or 80}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    captured = cluster.has_ztunnel
    sender = f"{model}/{unit.app.name}" if unit.on_mesh and not captured else None
    pod = f"{model}/{unit.pod_name}" if captured else None
    try:
        response = cluster.request(sender, service, method, path, pod=pod, captured=captured)
    except lab.RequestError as error:
        return {"status": None, "error": str(error)}
    if response.status is None or (response.hop == "ztunnel" and not response.body):
        # ztunnel ends the connection of a request that it refuses.
        return {"status": None, "error": response.error or "Connection reset by peer"}
    text = response.body.decode(errors="replace")
    try:
        return {"status": response.status, "body": json.loads(text)}
    except ValueError:
        return {"status": response.status, "body": text}
