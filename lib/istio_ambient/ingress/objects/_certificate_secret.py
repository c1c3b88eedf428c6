# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Secret with the gateway's certificate, which `listener_certificate` checks."""

import base64

from lightkube.models import meta_v1
from lightkube.resources.core_v1 import Secret

from istio_ambient import kube
from istio_ambient.ingress import routing
from istio_ambient.ingress.model import GatewayRef, Tls

CHAIN, KEY = "tls.crt", "tls.key"
"""Keys of the Secret."""


def secret(tls: Tls, gateway: GatewayRef) -> list[kube.Resource]:
    """Return the Secret that the HTTPS listeners name; none while there is no certificate."""
    certificate = tls.certificate
    if not tls.wanted or certificate is None:
        return []
    texts = {CHAIN: certificate.chain, KEY: certificate.key}
    name = routing.secret_name(gateway.name)
    return [
        Secret(
            metadata=meta_v1.ObjectMeta(name=name, namespace=gateway.namespace),
            type="kubernetes.io/tls",
            data={key: base64.b64encode(text.encode()).decode() for key, text in texts.items()},
        )
    ]
