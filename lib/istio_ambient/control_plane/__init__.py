# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istio-k8s wants of the cluster, from everything that it knows: pure.

`parse_options` reads the configuration and `desired` builds; `manifests` renders, and hardened
mode is in `mesh`.
"""

from istio_ambient.control_plane._desired import desired
from istio_ambient.control_plane._facts import Facts
from istio_ambient.control_plane._integrations import (
    Integrations,
    Remote,
    provider_replies,
    read_integrations,
)
from istio_ambient.control_plane._options import AUTO, CA_SECRET, Options, parse_options
from istio_ambient.control_plane._platform import platform_of
from istio_ambient.control_plane._workloads import WORKLOADS

__all__ = [
    "AUTO",
    "CA_SECRET",
    "WORKLOADS",
    "Facts",
    "Integrations",
    "Options",
    "Remote",
    "desired",
    "parse_options",
    "platform_of",
    "provider_replies",
    "read_integrations",
]
