# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read what the preflight has to know of a cluster: a few requests for a cluster of any size."""

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
from istio_ambient.charm import owners

ISTIO_LABELS: dict[str, Any] = {"app": ["istiod", "sidecar-injector"]}
"""Labels of Istio's Deployment and webhooks, whichever installer made them."""

_Service = tuple[str, str]
"""Namespace and name."""
_ELSEWHERE: _Service = ("", "")
"""Stands for the server behind a webhook's URL, which the API server knows nothing about."""
_SERVICE_LABEL = "kubernetes.io/service-name"


def read(client: kube.Client, live: kube.Live) -> control_plane.Surroundings:
    """Return the surroundings of the control plane, for the preflight.

    Args:
        client: for reads only.
        live: our objects; what is among them is no surrounding.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    crds = _others_crds(client, live)
    return control_plane.Surroundings(
        kubernetes=kube.server_version(client),
        cilium=_cilium(client),
        other_istios=tuple(_other_istios(client, live)),
        crds={crd.metadata.name: kube.manifest_of(crd) for crd in crds},
        abandoned=owners.abandoned(client, live.identity, crds),
    )


def _cilium(client: kube.Client) -> dict[str, str] | None:
    where = {"metadata.name": "cilium-config"}
    found = kube.list_kind(client, ConfigMap, namespace="kube-system", fields=where)
    return (found[0].data or {}) if found else None


def _other_istios(client: kube.Client, live: kube.Live) -> Iterator[str]:
    """Yield the objects, as text, that show that another Istio works in the cluster."""
    namespaces = {live.identity.namespace}
    for deployment in kube.list_kind(client, Deployment, ISTIO_LABELS) or ():
        ref = kube.ref_of(deployment)
        if ref not in live.objects and not deployment.metadata.deletionTimestamp:
            namespaces.add(ref.namespace)
            yield str(ref)
    configurations = {
        str(kube.ref_of(found)): _servers(kube.manifest_of(found), namespaces)
        for kind in (ValidatingWebhookConfiguration, MutatingWebhookConfiguration)
        for found in kube.list_kind(client, kind, ISTIO_LABELS) or ()
    }
    # Webhooks outlive their Istio: those whose Service has no endpoints are left over.
    served = _served(client, set[_Service]().union(*configurations.values()))
    yield from (name for name, services in configurations.items() if services & served)


def _servers(webhooks: kube.Manifest, known: set[str]) -> set[_Service]:
    """Return the Services of a webhook configuration outside of the known namespaces."""
    services = [webhook["clientConfig"].get("service") for webhook in webhooks.get("webhooks", ())]
    found = {(s["namespace"], s["name"]) if s else _ELSEWHERE for s in services}
    return {service for service in found if service[0] not in known}


def _served(client: kube.Client, services: set[_Service]) -> set[_Service]:
    """Return those of the Services that have endpoints, in one request for all."""
    names = {name for _, name in services - {_ELSEWHERE}}
    if not names:
        return services & {_ELSEWHERE}
    labels: dict[str, Any] = {_SERVICE_LABEL: sorted(names)}
    return {_ELSEWHERE} | {
        (found.metadata.namespace, found.metadata.labels[_SERVICE_LABEL])
        for found in kube.list_kind(client, EndpointSlice, labels) or ()
        if found.endpoints
    }


def _others_crds(client: kube.Client, live: kube.Live) -> list[kube.Resource]:
    refs = {kube.ref_of(crd): CustomResourceDefinition for crd in manifests.crds()}
    missing = {ref: kind for ref, kind in refs.items() if ref not in live.objects}
    taken = kube.read_taken(client, missing)
    for error in taken.unread.values():
        raise error
    return list(taken.objects.values())
