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

_Service = tuple[str, str]
"""Namespace and name."""
_ELSEWHERE: _Service = ("", "")
"""What a URL of a webhook leads to: somebody's, as far as can be told from here."""
_SERVICE_LABEL = "kubernetes.io/service-name"


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
    configurations = {
        str(kube.ref_of(found)): _behind(kube.manifest_of(found), namespaces)
        for kind in (ValidatingWebhookConfiguration, MutatingWebhookConfiguration)
        for found in kube.list_kind(client, kind, ISTIO_LABELS) or ()
    }
    # Webhooks outlive their Istio: those that nobody stands behind are left over.
    answered = _answered(client, set[_Service]().union(*configurations.values()))
    yield from (name for name, services in configurations.items() if services & answered)


def _behind(webhooks: kube.Manifest, known: set[str]) -> set[_Service]:
    """Return the Services of a webhook configuration whose Istio is not known yet."""
    services = [webhook["clientConfig"].get("service") for webhook in webhooks.get("webhooks", ())]
    found = {(s["namespace"], s["name"]) if s else _ELSEWHERE for s in services}
    return {service for service in found if service[0] not in known}


def _answered(client: kube.Client, services: set[_Service]) -> set[_Service]:
    """Return those of the Services that have endpoints: one request, however many there are."""
    names = {name for _, name in services - {_ELSEWHERE}}
    if not names:
        return services & {_ELSEWHERE}
    labels: dict[str, Any] = {_SERVICE_LABEL: sorted(names)}
    return {_ELSEWHERE} | {
        (found.metadata.namespace, found.metadata.labels[_SERVICE_LABEL])
        for found in kube.list_kind(client, EndpointSlice, labels) or ()
        if found.endpoints
    }


def _others_crds(client: kube.Client, live: kube.Live) -> dict[str, kube.Manifest]:
    wanted = {kube.ref_of(crd): CustomResourceDefinition for crd in manifests.crds()}
    missing = {ref: kind for ref, kind in wanted.items() if ref not in live.objects}
    taken = kube.read_taken(client, missing)
    return {ref.name: kube.manifest_of(crd) for ref, crd in taken.items()}
