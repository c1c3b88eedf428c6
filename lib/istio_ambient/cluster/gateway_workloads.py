# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read what istiod made of a Gateway of ours: whether it works, and where it is reached."""

import datetime

from istio_ambient import gateways, kube, resources
from istio_ambient.cluster import nodes

STATUS_PORT = 15021
"""Where waypoints and gateways say whether they are ready, at `/healthz/ready`."""


def readiness(
    client: kube.Client, live: kube.Live, *, what: str, name: str, workload: str
) -> kube.Readiness:
    """Return whether the pods of a Gateway work, and else what they or istiod wait for.

    Args:
        client: reads the Deployment, and its pods where it is not ready.
        live: our objects, the Gateway among them.
        what: how the status calls it.
        name: of the Gateway, in our own namespace.
        workload: of the Deployment that istiod makes.

    Raises:
        httpx2.HTTPError: on any answer but success or 404.
    """
    namespace = live.identity.namespace
    gateway = live.get(resources.Gateway, name, namespace)
    if gateway is None:
        return kube.Readiness(what, False, _absent_reason(live), since(live))
    reason = gateways.unmade_reason(kube.manifest_of(gateway))
    unmade = kube.Readiness(what, False, reason, gateway.metadata.creationTimestamp)
    return kube.deployment_readiness(client, namespace, workload, what, unmade)


def _absent_reason(live: kube.Live) -> str:
    if resources.Gateway in live.missing:
        return "the cluster does not serve Gateway yet: is istio-k8s deployed?"
    return "there is no Gateway yet"


def since(live: kube.Live) -> datetime.datetime | None:
    """Return since when there has been anything of ours: what is missing is missed no longer."""
    made = [obj.metadata.creationTimestamp for obj in live.objects.values()]
    return min((time for time in made if time is not None), default=None)


def node_address(client: kube.Client, namespace: str, name: str) -> str:
    """Return the address of a node that runs a pod of a Gateway; empty while none does.

    Raises:
        httpx2.HTTPError: on any answer but success.
    """
    return nodes.node_address(client, namespace, {gateways.NAME_LABEL: name})


def status_url(workload: str, namespace: str) -> str:
    """Return the URL at which the Service that istiod makes says whether a pod is ready."""
    return f"http://{workload}.{namespace}.svc:{STATUS_PORT}/healthz/ready"
