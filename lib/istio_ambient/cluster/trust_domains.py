# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The trust domains of the mesh, in which policies name identities."""

from istio_ambient import authorization, kube, resources
from istio_ambient.cluster import istiod


def read(client: kube.Client, live: kube.Live) -> tuple[str, ...]:
    """Return the trust domain of the mesh, then its aliases, in two requests.

    Without an istiod they are those of the policies in the cluster: with others, all connections
    between applications would be refused at once.

    Args:
        client: for reads only.
        live: our objects, policies among them.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    try:
        mesh = istiod.find_mesh_settings(client)
    except istiod.NoIstiodError:
        policies = live.of(resources.AuthorizationPolicy)
        return authorization.trust_domains_of(map(kube.manifest_of, policies))
    return authorization.usable_trust_domains((mesh.trust_domain, *mesh.trust_domain_aliases))
