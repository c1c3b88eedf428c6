# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The address of the node that runs a pod."""

from typing import Any

import pytest
from istio_ambient.cluster import gateway_workloads
from lightkube.resources.core_v1 import Node, Pod


def load(kind: Any, **content: Any) -> Any:
    return kind.from_dict(content)


class Cluster:
    """A client that lists these pods, reads one node, and keeps its name."""

    def __init__(self, *pods: Pod, found: Node | None = None):
        self.pods, self.found, self.read = pods, found, ""

    def list(self, *_: Any, **__: Any) -> Any:
        return self.pods

    def get(self, _: Any, name: str, **__: Any) -> Any:
        self.read = name
        return self.found


def on_node(name: str, node: str, created: str, ready: str = "True") -> Pod:
    return load(
        Pod,
        metadata={"name": name, "creationTimestamp": f"2026-01-0{created}T00:00:00Z"},
        spec={"nodeName": node, "containers": []},
        status={
            "hostIP": "10.0.0.9",
            "conditions": [{"type": "Ready", "status": ready}],
        },
    )


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([("InternalIP", "10.0.0.1"), ("ExternalIP", "192.0.2.1")], "192.0.2.1"),
        ([("Hostname", "node-1"), ("InternalIP", "10.0.0.1")], "10.0.0.1"),
        ([("InternalIP", "10.0.0.1"), ("InternalIP", "2001:db8::1")], "10.0.0.1"),
        ([("Hostname", "node-1")], "10.0.0.9"),
    ],
)
def test_the_address_is_that_of_the_node_with_the_oldest_ready_pod(
    addresses: list[tuple[str, str]], expected: str
):
    node = load(
        Node,
        metadata={"name": "older"},
        status={"addresses": [{"type": kind, "address": a} for kind, a in addresses]},
    )
    pods = (
        on_node("a", "newer", "3"),
        on_node("b", "older", "2"),
        on_node("c", "oldest", "1", ready="False"),
    )
    client: Any = Cluster(*pods, found=node)
    assert gateway_workloads.node_address(client, "n", "gateway") == expected
    assert client.read == "older"


def test_there_is_no_address_without_a_ready_pod():
    client: Any = Cluster(on_node("a", "node", "1", ready="False"))
    assert gateway_workloads.node_address(client, "n", "gateway") == ""
