# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read what decides about the requests of ingress gateways: one request for any number."""

from istio_ambient import beacon, kube, resources
from istio_ambient.authorization import hardened_mode
from istio_ambient.cluster import istiod


def read(
    client: kube.Client,
    model: str,
    live: kube.Live,
    settings: istiod.Istiod | istiod.NoIstiodError,
) -> beacon.IngressFacts:
    """Return what ingress gateways may reach in a model, and the settings of the mesh.

    Without one istiod, the settings are those that our policies were made with.

    Args:
        client: may list AuthorizationPolicies in all namespaces.
        model: the model, which is its namespace too.
        live: our objects, policies among them.
        settings: the istiod of the cluster.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    listed = kube.list_kind(client, resources.AuthorizationPolicy) or ()
    policies = [kube.manifest_of(each) for each in listed]
    found = beacon.exposures(policies, model)
    if isinstance(settings, istiod.NoIstiodError):
        ours = live.manifests(resources.AuthorizationPolicy)
        return beacon.IngressFacts(found, *beacon.settings_in_force(ours))
    hardened = any(
        hardened_mode.is_meshwide(each, settings.root_namespace)
        and kube.items(kube.section(each, "spec"), "targetRefs")
        for each in policies
    )
    return beacon.IngressFacts(found, hardened, settings.auto_allow)
