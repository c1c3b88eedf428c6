# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `istio_metadata` interface, provider side: where Istio's mesh-wide objects live.

The provider's application databag holds `root_namespace`, a plain string; the requirer's is empty.
"""


def dump(root_namespace: str) -> dict[str, str]:
    """Return the provider's application databag."""
    return {"root_namespace": root_namespace}
