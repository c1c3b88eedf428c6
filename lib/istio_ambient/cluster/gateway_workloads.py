# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read the workload that istiod makes of a Gateway: whether it is ready, and its address."""

import datetime

from istio_ambient import gateways, kube, resources
from istio_ambient.cluster import nodes

STATUS_PORT = 15021
"""Port of waypoints and gateways that serves their readiness, at `/healthz/ready`."""


def readiness(
    client: kube.Client, live: kube.Live, *, what: str, name: str, workload: str
) -> kube.Readiness:
    """Return whether the pods of a Gateway are ready, and else the reason.

    Args:
        client: reads the Deployment, and its pods where it is not ready.
        live: our objects, the Gateway among them.
        what: its name in the unit status.
        name: of the Gateway, in our own namespace.
        workload: name of the Deployment that istiod makes.

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
    """Return the creation time of our oldest object; None: there is none.

    A missing object has been missing since then at most.
    """
    made = [obj.metadata.creationTimestamp for obj in live.objects.values()]
    return min((time for time in made if time is not None), default=None)


def node_address(client: kube.Client, namespace: str, name: str) -> str:
    """Return the address of a node that runs a pod of a Gateway; empty while none does.

    Raises:
        httpx2.HTTPError: on any answer but success.
    """
    return nodes.node_address(client, namespace, {gateways.NAME_LABEL: name})


def status_url(workload: str, namespace: str) -> str:
    """Return the URL that serves the readiness of a pod, at the Service that istiod makes."""
    return f"http://{workload}.{namespace}.svc:{STATUS_PORT}/healthz/ready"
