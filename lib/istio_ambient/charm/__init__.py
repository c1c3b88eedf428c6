# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a hook of any of the three charms does: reconcile, status, metrics, secrets.

It knows Juju and the engine. What a charm wants of the cluster is in `control_plane`, `beacon`
and `ingress`.
"""

from istio_ambient.charm._reconciling import ReconcilingCharm

__all__ = ["ReconcilingCharm"]
