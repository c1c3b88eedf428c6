# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What of the mesh config decides about requests."""

import msgspec

from istio_ambient.authorization._requests import TRUST_DOMAIN


class MeshSettings(msgspec.Struct, frozen=True):
    """What of the mesh config decides about requests."""

    trust_domain: str = TRUST_DOMAIN
    trust_domain_aliases: tuple[str, ...] = ()
    path_normalization: str = "BASE"
    """`NONE`, `BASE`, `MERGE_SLASHES` or `DECODE_AND_MERGE_SLASHES`."""
    authorizers: frozenset[str] | None = None
    """Names of the extension providers; None: not known. Requests that a CUSTOM policy sends to a
    provider that is not among them are denied."""
    http_authorizers: frozenset[str] = frozenset()
    """Those that are asked about HTTP only; on other ports their policies are left out."""
