# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Secret that istiod takes the site's own certificate authority from."""

import base64

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret

from ._values import MeshCA

NAME = "cacerts"


def secret(namespace: str, mesh_ca: MeshCA) -> Secret:
    """Return the Secret; its keys are the file names of Istio's documentation."""
    files = {
        "ca-cert.pem": mesh_ca.ca_cert,
        "ca-key.pem": mesh_ca.ca_key,
        "root-cert.pem": mesh_ca.root_cert,
        "cert-chain.pem": mesh_ca.cert_chain,
    }
    return Secret(
        metadata=ObjectMeta(
            name=NAME,
            namespace=namespace,
            labels={
                "app.kubernetes.io/name": "istiod",
                "app.kubernetes.io/part-of": "istio",
            },
        ),
        type="Opaque",
        data={name: base64.b64encode(text.encode()).decode() for name, text in files.items()},
    )
