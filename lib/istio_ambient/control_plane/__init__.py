# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istio-k8s wants of the cluster, from everything that it knows: pure.

`parse_options` reads the configuration and `desired` builds; `manifests` renders, and hardened
mode is in `mesh`.
"""

from istio_ambient.control_plane._desired import desired
from istio_ambient.control_plane._facts import Facts
from istio_ambient.control_plane._options import Options, parse_options
from istio_ambient.control_plane._workloads import WORKLOADS

__all__ = ["WORKLOADS", "Facts", "Options", "desired", "parse_options"]
