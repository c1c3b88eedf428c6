# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The desired state of istio-k8s: options, facts, preflight, rollout, and the objects from these.

The objects of Istio themselves are in `manifests`, the policies of hardened mode in
`authorization`. Nothing here reads Juju or the API server.
"""

from istio_ambient.control_plane._config import Config
from istio_ambient.control_plane._desired import definition_problems, desired, tolerates
from istio_ambient.control_plane._facts import Facts
from istio_ambient.control_plane._integrations import (
    AUTHORITIES,
    INGRESS,
    TRACING,
    Remote,
    provider_replies,
    read_integrations,
)
from istio_ambient.control_plane._overlay import (
    CONFIG_MAP,
    RefusedOverlay,
    is_applied,
    overlay_digest,
    refused_overlay,
    taken_overlay,
)
from istio_ambient.control_plane._rollout import WORKLOADS
from istio_ambient.control_plane._site_ca import CA_SECRET, SiteCA, read_site_ca

__all__ = [
    "AUTHORITIES",
    "CA_SECRET",
    "CONFIG_MAP",
    "INGRESS",
    "TRACING",
    "WORKLOADS",
    "Config",
    "Facts",
    "RefusedOverlay",
    "Remote",
    "SiteCA",
    "definition_problems",
    "desired",
    "is_applied",
    "overlay_digest",
    "provider_replies",
    "read_integrations",
    "read_site_ca",
    "refused_overlay",
    "taken_overlay",
    "tolerates",
]
