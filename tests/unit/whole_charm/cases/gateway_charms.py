# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the scenarios of istio-beacon-k8s and istio-ingress-k8s share: each runs a gateway."""

from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.scenarios import Option

STORE, COS = "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"
"""UUIDs of other models."""

SCRAPERS: Mapping[str, Any] = {
    "prometheus": {"endpoint": "metrics-endpoint", "app": "prometheus"},
    "far prometheus": {
        "endpoint": "metrics-endpoint",
        "app": "remote-prometheus",
        "model_uuid": COS,
    },
    "far names": {
        "endpoint": "provide-cmr-mesh",
        "app": "remote-prometheus",
        "model_uuid": COS,
        "app_data": {"cmr_data": {"app_name": "collector", "juju_model_name": "cos"}},
    },
}
"""Relations with a Prometheus of the same model, and with one of another model."""


def proxy_pods(component: str, spec: str) -> dict[str, Option]:
    """Return the three options of the pods of a waypoint or gateway.

    Args:
        component: with which the names of the options begin.
        spec: place of the pods' spec in the outcome.
    """
    return {
        f"{component}-resources": Option(
            "{requests: {cpu: 321m}}",
            {f"{spec}.containers[istio-proxy].resources.requests.cpu": "321m"},
        ),
        f"{component}-tolerations": Option(
            "- {key: dedicated, operator: Exists}",
            {f"{spec}.tolerations": [{"key": "dedicated", "operator": "Exists"}]},
        ),
        f"{component}-node-selector": Option("disk: ssd", {f"{spec}.nodeSelector.disk": "ssd"}),
    }
