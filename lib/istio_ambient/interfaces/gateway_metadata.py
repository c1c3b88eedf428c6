# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `gateway_metadata` interface, provider side: which objects the gateway is made of.

The provider's application databag holds `metadata`, a JSON object of names, for charms that attach
custom resources of their own to the gateway. The requirer's databag is empty.
"""

import json

KEYS = ("metadata",)
"""Of the provider's application databag."""


def dump(
    *, namespace: str, gateway_name: str, deployment_name: str, service_account: str
) -> dict[str, str]:
    """Return the provider's application databag."""
    metadata = {
        "namespace": namespace,
        "gateway_name": gateway_name,
        "deployment_name": deployment_name,
        "service_account": service_account,
    }
    return {"metadata": json.dumps(metadata)}
