# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The part that a hook of all three charms shares: reconcile, status, metrics, traces, secrets.

It knows Juju and the engine, and no Istio. The desired objects of a charm are built in
`control_plane`, `beacon` and `ingress`.
"""

from istio_ambient.charm._main import main
from istio_ambient.charm._reconciling import NO_OPTIONS, ReconcilingCharm

__all__ = ["NO_OPTIONS", "ReconcilingCharm", "main"]
