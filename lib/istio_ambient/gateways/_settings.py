# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The settings of a gateway's pods and of its Service that an operator chooses."""

import dataclasses
from typing import Literal

from istio_ambient.values.pods import PodSettings

ServiceType = Literal["LoadBalancer", "NodePort", "ClusterIP"]
TrafficPolicy = Literal["Cluster", "Local"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Differences from what istiod makes of a Gateway on its own account."""

    pods: PodSettings = dataclasses.field(default_factory=PodSettings)
    service_type: ServiceType = "ClusterIP"
    external_traffic_policy: TrafficPolicy = "Cluster"
    """`Local`: pods see the addresses of clients, and nodes without a pod do not answer.

    It has no effect on a Service of type `ClusterIP`.
    """
