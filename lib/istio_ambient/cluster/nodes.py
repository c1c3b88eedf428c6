# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read the address of a node that runs certain pods."""

from typing import Any

from lightkube.resources.core_v1 import Node, Pod

from istio_ambient.kube import Client, Manifest, items, list_kind, manifest_of, section

_PREFERRED = ("ExternalIP", "InternalIP")
"""Types of a node's addresses, the type first that clients outside can most likely reach."""


def node_address(client: Client, namespace: str, labels: dict[str, str]) -> str:
    """Return the IP address of a node that runs a ready pod; empty while there is none.

    Of several pods the oldest is used, so that the address changes as seldom as possible.

    Raises:
        httpx2.HTTPError: on any answer but success.
    """
    pods = [manifest_of(pod) for pod in list_kind(client, Pod, labels, namespace) or ()]
    ready = sorted((pod for pod in pods if _is_ready(pod)), key=_age)
    if not ready:
        return ""
    node = manifest_of(client.get(Node, ready[0]["spec"]["nodeName"]))
    found = {
        a["type"]: a["address"] for a in reversed(items(section(node, "status"), "addresses"))
    }
    known = [found[kind] for kind in _PREFERRED if kind in found]
    return known[0] if known else ready[0]["status"].get("hostIP", "")


def _is_ready(pod: Manifest) -> bool:
    conditions = items(section(pod, "status"), "conditions")
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _age(pod: Manifest) -> tuple[Any, str]:
    return pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]
