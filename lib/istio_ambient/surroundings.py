# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read what is in the cluster beside the control plane: a few requests, whatever its size."""

from collections.abc import Iterator
from typing import Any

from lightkube.resources.admissionregistration_v1 import (
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
)
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap
from lightkube.resources.discovery_v1 import EndpointSlice

from istio_ambient import control_plane, kube, manifests

ISTIO_LABELS: dict[str, Any] = {"app": ["istiod", "sidecar-injector"]}
"""Every installer labels Istio's Deployment and webhooks so."""


def read(client: kube.Client, live: kube.Live) -> control_plane.Surroundings:
    """Return the facts that the preflight judges.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    return control_plane.Surroundings(
        kubernetes=kube.server_version(client),
        cilium=_cilium(client),
        other_istios=tuple(_other_istios(client, live)),
        crds=_others_crds(client, live),
    )


def _cilium(client: kube.Client) -> dict[str, str] | None:
    where = {"metadata.name": "cilium-config"}
    found = kube.list_kind(client, ConfigMap, namespace="kube-system", fields=where)
    return (found[0].data or {}) if found else None


def _other_istios(client: kube.Client, live: kube.Live) -> Iterator[str]:
    """Yield what belongs to an Istio that is not ours and is at work."""
    namespaces = {live.identity.model}
    for deployment in kube.list_kind(client, Deployment, ISTIO_LABELS) or ():
        ref = kube.ref_of(deployment)
        if ref not in live.objects and not deployment.metadata.deletionTimestamp:
            namespaces.add(ref.namespace)
            yield str(ref)
    for kind in (ValidatingWebhookConfiguration, MutatingWebhookConfiguration):
        for configuration in kube.list_kind(client, kind, ISTIO_LABELS) or ():
            if _is_at_work(client, kube.manifest_of(configuration), namespaces):
                yield str(kube.ref_of(configuration))


def _is_at_work(client: kube.Client, webhooks: kube.Manifest, known: set[str]) -> bool:
    """Tell whether somebody answers a webhook whose Istio is not known yet.

    Webhooks outlive their Istio: those that nobody stands behind are left over.
    """
    for webhook in webhooks.get("webhooks", ()):
        service = webhook["clientConfig"].get("service")
        if service is None:
            return True
        if service["namespace"] not in known and _is_answered(client, **service):
            return True
    return False


def _is_answered(client: kube.Client, namespace: str, name: str, **_: object) -> bool:
    labels = {"kubernetes.io/service-name": name}
    slices = kube.list_kind(client, EndpointSlice, labels, namespace=namespace)
    return any(endpoints.endpoints for endpoints in slices or ())


def _others_crds(client: kube.Client, live: kube.Live) -> dict[str, kube.Manifest]:
    wanted = {kube.ref_of(crd): CustomResourceDefinition for crd in manifests.crds()}
    missing = {ref: kind for ref, kind in wanted.items() if ref not in live.objects}
    taken = kube.read_taken(client, missing)
    return {ref.name: kube.manifest_of(crd) for ref, crd in taken.items()}
