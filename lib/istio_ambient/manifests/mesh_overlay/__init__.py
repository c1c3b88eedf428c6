# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The check of the option `mesh-config`: the operator's overlay on MeshConfig.

Only a hook with such an overlay imports this package: its rules take longer to load than anything
else of the control plane.
"""

from ._check import parse_mesh_config, without_effect

__all__ = ["parse_mesh_config", "without_effect"]
