# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Kubernetes distribution, as one node of the cluster shows it."""

from typing import cast

from lightkube.resources.core_v1 import Node

from istio_ambient import manifests


def platform_of(node: Node | None) -> manifests.Platform:
    """Return the distribution of a node's cluster; "" (plain Kubernetes) where it is not known."""
    if node is None:
        return ""
    info = node.status.nodeInfo if node.status else None
    labels = node.metadata.labels if node.metadata else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return manifests.platform_of_node(
        cast(dict[str, str], labels or {}),
        info.kubeletVersion if info else "",
        (node.spec.providerID if node.spec else None) or "",
    )
