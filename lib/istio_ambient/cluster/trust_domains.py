# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The trust domains of the mesh, in which policies name identities."""

from istio_ambient import authorization, kube, resources
from istio_ambient.cluster import istiod


def of(found: istiod.Istiod | istiod.NoIstiodError, live: kube.Live) -> tuple[str, ...]:
    """Return the trust domain of the mesh, then its aliases.

    Without an istiod they are those of the policies in the cluster: with others, all connections
    between applications would be refused at once.

    Args:
        found: the istiod of the cluster.
        live: our objects, policies among them.
    """
    if isinstance(found, istiod.NoIstiodError):
        policies = live.of(resources.AuthorizationPolicy)
        return authorization.trust_domains_of(map(kube.manifest_of, policies))
    mesh = found.mesh
    return authorization.usable_trust_domains((mesh.trust_domain, *mesh.trust_domain_aliases))
