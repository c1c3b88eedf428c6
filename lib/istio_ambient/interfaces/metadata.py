# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `istio_metadata` and `gateway_metadata` interfaces, provider side: names of our objects.

The requirer's databags are empty. The provider's application databag of `istio_metadata` holds
`root_namespace`, a plain string: the namespace of Istio's mesh-wide objects. That of
`gateway_metadata` holds `metadata`, a JSON object of names, for charms that attach custom
resources of their own to the gateway.
"""

import json

GATEWAY_KEYS = ("metadata",)
"""The keys of the provider's application databag of `gateway_metadata`."""


def dump_istio(root_namespace: str) -> dict[str, str]:
    """Return the provider's application databag of `istio_metadata`."""
    return {"root_namespace": root_namespace}


def dump_gateway(
    *, namespace: str, gateway_name: str, deployment_name: str, service_account: str
) -> dict[str, str]:
    """Return the provider's application databag of `gateway_metadata`.

    The names are those of the Gateway and of the objects that istiod makes for it.
    """
    metadata = {
        "namespace": namespace,
        "gateway_name": gateway_name,
        "deployment_name": deployment_name,
        "service_account": service_account,
    }
    return {"metadata": json.dumps(metadata)}
