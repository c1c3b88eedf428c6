# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Waits for the control plane: istiod's pushes, rollouts, Gateways."""

import http.client
import json
import re
import time
from typing import Any

import lightkube
from lightkube.resources import apps_v1

from tests.lab import _kubelet, _namespaces, _objects, _workloads

_QUIET = 0.4
"""Seconds without a push after which istiod is idle: it debounces for 0.1 s."""
_COUNTERS = re.compile(
    r"^(pilot_inbound_updates|pilot_xds_pushes|pilot_k8s_reg_events)\b.*$", re.M
)
_DEBUG_PORT = 8080
_METRICS_PORT = 15014


def wait(kubelet: _kubelet.Kubelet, timeout: float) -> None:
    """Wait until every istiod is idle and every proxy has acknowledged its configuration.

    Raises:
        TimeoutError: This takes longer than `timeout`; the message names what lags behind.
    """
    deadline = time.monotonic() + timeout
    quiet_since, before = time.monotonic(), ""
    while True:
        now, behind = _look(kubelet)
        if now != before or behind:
            quiet_since, before = time.monotonic(), now
        elif time.monotonic() - quiet_since >= _QUIET:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in sync: {behind or 'istiod keeps pushing'}")
        time.sleep(0.1)


def rolled_out(workload: _objects.Object) -> bool:
    """Return whether all pods of a Deployment, StatefulSet or DaemonSet match its spec."""
    status = _objects.mapping(workload, "status")
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return False
    counts: list[int]
    if "desiredNumberScheduled" in status:
        desired = status["desiredNumberScheduled"]
        counts = [status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)]
    else:
        desired = workload["spec"].get("replicas", 1)
        names = ("replicas", "updatedReplicas", "readyReplicas")
        counts = [status.get(name, 0) for name in names]
    return all(count == desired for count in counts)


def programmed(client: lightkube.Client, name: str, namespace: str) -> bool:
    """Return whether a Gateway's current spec is programmed and its Deployment rolled out."""
    api: Any = client
    kind = _objects.custom("gateway.networking.k8s.io", "v1", "Gateway", "gateways")
    gateway = api.get(kind, name, namespace=namespace).to_dict()
    generation = gateway["metadata"].get("generation", 0)
    if not any(
        condition["type"] == "Programmed"
        and condition["status"] == "True"
        and condition.get("observedGeneration", 0) >= generation
        for condition in _objects.sequence(gateway, "status", "conditions")
    ):
        return False
    found: list[_objects.Object] = [
        deployment.to_dict()
        for deployment in api.list(
            apps_v1.Deployment, namespace=namespace, labels={_workloads.GATEWAY_LABEL: name}
        )
    ]
    return bool(found) and all(rolled_out(deployment) for deployment in found)


def _look(kubelet: _kubelet.Kubelet) -> tuple[str, list[str]]:
    """Return istiod's counters, and the proxies that lag behind."""
    counted: list[str] = []
    behind: list[str] = []
    istiods = [
        (key, real)
        for key, real in kubelet.real_pods().items()
        if _workloads.choose(real.pod) is _workloads.istiod
    ]
    if not istiods:
        behind.append("there is no istiod")
    for (_, name), real in istiods:
        try:
            metrics = _namespaces.get(real.namespace, _METRICS_PORT, "/metrics")
            # Debug information is for local clients only.
            answer = _namespaces.get(real.namespace, _DEBUG_PORT, "/debug/syncz")
            proxies: list[_objects.Object] = json.loads(answer) or []
        except (OSError, http.client.HTTPException, ValueError) as error:
            behind.append(f"{name}: {error}")
            continue
        counted += [name, *(match[0] for match in _COUNTERS.finditer(metrics))]
        for proxy in proxies:
            behind += _unacknowledged(proxy)
    return "\n".join(counted), behind


def _unacknowledged(proxy: dict[str, Any]) -> list[str]:
    name = proxy.get("proxy", "?")
    found = [
        f"{name}: {kind.removesuffix('_sent')}"
        for kind, nonce in proxy.items()
        if kind.endswith("_sent") and nonce != proxy.get(f"{kind.removesuffix('_sent')}_acked")
    ]
    for kind, status in _objects.mapping(proxy, "resources").items():
        if status.get("sent", "") != status.get("acked", ""):
            found.append(f"{name}: {kind}")
    return found
