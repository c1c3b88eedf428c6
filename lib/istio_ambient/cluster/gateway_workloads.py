# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read the workload that istiod makes of a Gateway: whether it is ready, and its address."""

from collections.abc import Sequence
from typing import Any

import msgspec
from lightkube.resources.core_v1 import Node, Pod

from istio_ambient import gateways, kube, resources
from istio_ambient.values.problem_codes import Code

STATUS_PORT = 15021
"""Port of waypoints and gateways that serves their readiness, at `/healthz/ready`."""
_PREFERRED = ("ExternalIP", "InternalIP")
"""Types of a node's addresses, the type first that clients outside can most likely reach."""


def readiness(
    client: kube.Client,
    live: kube.Live,
    *,
    what: str,
    name: str,
    workload: str,
    required: Sequence[str] = ("Accepted",),
) -> kube.Readiness:
    """Return whether the pods of a Gateway are ready and istiod runs it, and else the reason.

    Args:
        client: reads the Deployment, and its pods where it is not ready.
        live: our objects, the Gateway among them.
        what: its name in the unit status.
        name: of the Gateway, in our own namespace.
        workload: name of the Deployment that istiod makes.
        required: conditions of the Gateway that istiod must not deny.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    namespace = live.identity.namespace
    gateway = live.get(resources.Gateway, name, namespace)
    if gateway is None:
        code, reason = _absence(live)
        return kube.Readiness(what, False, code, reason, live.since)
    manifest = kube.manifest_of(gateway)
    reason = gateways.unmade_reason(manifest)
    made = gateway.metadata.creationTimestamp
    unmade = kube.Readiness(what, False, Code.WORKLOAD_NOT_READY, reason, made)
    found = kube.deployment_readiness(client, namespace, workload, what, unmade)
    refusal, since = gateways.refusal(manifest, *required)
    if found.ready and refusal:
        return msgspec.structs.replace(found, ready=False, reason=refusal, since=since)
    return found


_NEEDED = {
    resources.Gateway: "Gateway",
    # Without it a gateway would allow every client.
    resources.AuthorizationPolicy: "AuthorizationPolicy",
}


def _absence(live: kube.Live) -> tuple[Code, str]:
    for kind, name in _NEEDED.items():
        if kind in live.missing:
            reason = f"the cluster does not serve {name} yet: is istio-k8s deployed?"
            return Code.KIND_NOT_SERVED, reason
    return Code.WORKLOAD_NOT_READY, "there is no Gateway yet"


def node_address(client: kube.Client, namespace: str, name: str) -> str:
    """Return the IP address of a node that runs a ready pod of a Gateway; empty while none does.

    Of several pods the oldest is used, so that the address changes as seldom as possible. A pod
    is there for some time after its node.

    Raises:
        kube.RequestError: on any answer but success.
    """
    labels = {gateways.NAME_LABEL: name}
    pods = map(kube.manifest_of, kube.list_kind(client, Pod, labels, namespace) or ())
    for pod in sorted((pod for pod in pods if _is_ready(pod)), key=_age):
        try:
            node = kube.manifest_of(kube.read(client, Node, pod["spec"]["nodeName"]))
        except kube.RequestError as error:
            if not error.is_absence:
                raise
            continue
        addresses = kube.items(kube.section(node, "status"), "addresses")
        found = {each["type"]: each["address"] for each in reversed(addresses)}
        known = [found[kind] for kind in _PREFERRED if kind in found]
        return known[0] if known else pod["status"].get("hostIP", "")
    return ""


def _is_ready(pod: kube.Manifest) -> bool:
    conditions = kube.items(kube.section(pod, "status"), "conditions")
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _age(pod: kube.Manifest) -> tuple[Any, str]:
    return pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]


def status_url(workload: str, namespace: str) -> str:
    """Return the URL that serves the readiness of a pod, at the Service that istiod makes."""
    return f"http://{workload}.{namespace}.svc:{STATUS_PORT}/healthz/ready"
