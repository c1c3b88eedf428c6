# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istio-k8s wants of the cluster, from everything that it knows: pure.

`parse_options` reads the configuration, `desired` builds; `manifests` renders, and hardened mode
is in `mesh`. Before that the preflight judges what is in the cluster, and during an upgrade the
rollout decides which component may go on.
"""

from istio_ambient.control_plane._desired import desired, tolerates
from istio_ambient.control_plane._facts import Facts
from istio_ambient.control_plane._integrations import (
    AUTHORITIES,
    INGRESS,
    TRACING,
    Integrations,
    Remote,
    provider_replies,
    read_integrations,
)
from istio_ambient.control_plane._options import AUTO, CA_SECRET, Options, parse_options
from istio_ambient.control_plane._platform import platform_of
from istio_ambient.control_plane._surroundings import Surroundings
from istio_ambient.control_plane._workloads import WORKLOADS

__all__ = [
    "AUTHORITIES",
    "AUTO",
    "CA_SECRET",
    "INGRESS",
    "TRACING",
    "WORKLOADS",
    "Facts",
    "Integrations",
    "Options",
    "Remote",
    "Surroundings",
    "desired",
    "parse_options",
    "platform_of",
    "provider_replies",
    "read_integrations",
    "tolerates",
]
