# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The options of istio-k8s, as `ops.CharmBase.load_config` reads them."""

from typing import Annotated, Literal

import pydantic

from istio_ambient import manifests
from istio_ambient.control_plane._versions import checked_tag


def _secret_id(value: object) -> object:
    """Return the id of a secret that ops has made an object of."""
    return getattr(value, "id", value)


class Config(manifests.Config):
    """All options; those of the base class are what a manifest is rendered with.

    An invalid option holds the whole control plane as it is: see `desired`.
    """

    tag: Annotated[manifests.Tag, pydantic.AfterValidator(checked_tag)] = manifests.VERSION
    hardened_mode: bool = False
    mtls_mode: Literal["permissive", "strict"] = "permissive"
    cni_preflight: Literal["enforce", "warn"] = "enforce"
    ca_secret: Annotated[str, pydantic.BeforeValidator(_secret_id)] = ""
    """Id of the Juju secret with the certificate authority of the site; empty: none."""
    purge_ca: bool = False
    """Whether the removal deletes the key of the mesh's own root certificate."""
