# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How a charm's workloads are found by Prometheus: the telemetry label and metrics-proxy."""

import ops

from istio_ambient import kube

CONTAINER = "metrics-proxy"
METRICS_PORT = 15090
TELEMETRY_VALUE = "aggregated"


def telemetry_label(model: str, app: str) -> dict[str, str]:
    """Return the label of the pods whose metrics the charm's metrics-proxy serves."""
    key = kube.model_app_name(
        model, app, separator=".", prefix="charms.canonical.com/", suffix=".telemetry"
    )
    return {key: TELEMETRY_VALUE}


def metrics_proxy_layer(
    selector: dict[str, str], checks: dict[str, ops.pebble.CheckDict] | None = None
) -> ops.pebble.LayerDict:
    """Return the Pebble layer that runs metrics-proxy for pods with these labels.

    Args:
        selector: labels of the pods to collect metrics from.
        checks: Pebble checks of what can be watched from this container's network.
    """
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    service: ops.pebble.ServiceDict = {
        "override": "replace",
        "summary": "Serves the metrics of the workloads on one port",
        "command": "metrics-proxy",
        "startup": "enabled",
        "environment": {"POD_LABEL_SELECTOR": labels},
    }
    return {"summary": CONTAINER, "services": {CONTAINER: service}, "checks": checks or {}}


def run_metrics_proxy(container: ops.Container, layer: ops.pebble.LayerDict) -> None:
    """Bring the container's plan to the layer; does nothing while Pebble is not there."""
    if not container.can_connect():
        return
    current = container.get_plan().to_dict()
    wanted = {"services": layer.get("services", {}), "checks": layer.get("checks", {})}
    if all(current.get(key, {}) == value for key, value in wanted.items()):
        return
    container.add_layer(CONTAINER, layer, combine=True)
    container.replan()
