# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Secret from which istiod takes the certificate authority of the site."""

import base64
from collections.abc import Mapping
from typing import cast

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret

from istio_ambient import resources
from istio_ambient.values.labels import NAME_LABEL, PART_OF_LABEL

from ._values import MeshCA

CACERTS = "cacerts"
SOURCE = "charmed-istio/ca-secret"
"""Annotation: id of the Juju secret that the content is from."""

_FILES: Mapping[str, str] = {
    "ca-cert.pem": "ca_cert",
    "ca-key.pem": "ca_key",
    "root-cert.pem": "root_cert",
    "cert-chain.pem": "cert_chain",
}
"""File name in Istio's documentation → field of MeshCA."""
_CRL = "ca-crl.pem"


def secret(namespace: str, mesh_ca: MeshCA) -> Secret:
    """Return the Secret; its keys are the file names of Istio's documentation."""
    texts = {name: cast(str, getattr(mesh_ca, field)) for name, field in _FILES.items()}
    if mesh_ca.crl:
        texts[_CRL] = mesh_ca.crl
    return Secret(
        metadata=ObjectMeta(
            name=CACERTS,
            namespace=namespace,
            labels={NAME_LABEL: "istiod", PART_OF_LABEL: "istio"},
            annotations={SOURCE: mesh_ca.source} if mesh_ca.source else None,
        ),
        type="Opaque",
        data={name: base64.b64encode(text.encode()).decode() for name, text in texts.items()},
    )


def mesh_ca_of(live: Secret) -> MeshCA | None:
    """Return the authority in a Secret from `secret`; None where the keys have been changed."""
    metadata = live.metadata or ObjectMeta()
    data = cast(Mapping[str, str], live.data or {})  # pyright: ignore[reportUnknownMemberType]
    annotations = cast(Mapping[str, str], metadata.annotations or {})  # pyright: ignore[reportUnknownMemberType]
    try:
        texts = {
            field: base64.b64decode(data[name], validate=True).decode()
            for name, field in _FILES.items()
        }
        crl = base64.b64decode(data.get(_CRL, ""), validate=True).decode()
    except (KeyError, ValueError):
        return None
    return MeshCA(**texts, crl=crl, source=resources.mark(annotations, SOURCE) or "")
