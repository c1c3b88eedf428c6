# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The certificate authority of option `ca-secret`: whether there is one, and which one is used."""

import dataclasses
import datetime
from collections.abc import Mapping

import msgspec

from istio_ambient import manifests
from istio_ambient.values.config import problem_of_option
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem

CA_SECRET = "ca-secret"  # noqa: S105 - the name of an option


class SiteCA(msgspec.Struct, frozen=True):
    """The certificate authority of option `ca-secret`."""

    mesh_ca: manifests.MeshCA | None = None
    """The authority to use; None: none is configured, or `problem` says why it is not used."""
    problem: Problem | None = None
    """With an authority: it became invalid after it was applied, and is still used."""

    @property
    def is_usable(self) -> bool:
        """Whether the control plane may be changed: a new authority must be valid."""
        return self.problem is None or self.mesh_ca is not None


def read_site_ca(
    content: Mapping[str, str] | Problem | None,
    source: str,
    now: datetime.datetime,
    applied: manifests.MeshCA | None = None,
) -> SiteCA:
    """Return the authority of a secret.

    An authority that is applied and became invalid since (its certificates expired, its secret is
    no longer readable) is a problem and still used: no part of it is new, and other changes, such
    as a withdrawn permission, must not wait for it.

    Args:
        content: the secret's keys and values; why it cannot be read; None: the option is not set.
        source: id of the secret.
        now: with a time zone; certificates must be valid at this time.
        applied: the authority that istiod has from us.
    """
    if content is None:
        return SiteCA()
    if isinstance(content, Problem):
        is_applied = applied is not None and applied.source == source
        return SiteCA(applied if is_applied else None, content)
    # The library that reads certificates takes long to import, and few meshes have an authority
    # of their site.
    from istio_ambient.control_plane import _mesh_ca

    mesh_ca = None
    try:
        mesh_ca = dataclasses.replace(_mesh_ca.parse_mesh_ca(content), source=source)
        _mesh_ca.check_validity(mesh_ca, now)
    except InvalidValueError as error:
        # istiod may have it from an older version of the charm, which checked less.
        is_applied = mesh_ca == applied or _mesh_ca.is_content_of(applied, content)
        return SiteCA(
            applied if is_applied else None,
            problem_of_option(CA_SECRET, error, Code.INVALID_MESH_CA),
        )
    return SiteCA(mesh_ca)
