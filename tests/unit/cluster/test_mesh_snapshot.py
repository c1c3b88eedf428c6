# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What is read of the cluster and of the mesh config, and what may be unreadable."""

from typing import Any

import pytest
from istio_ambient import kube, resources
from istio_ambient.cluster import istiod, mesh_snapshot
from lightkube.resources.core_v1 import Node


@pytest.mark.parametrize("count", [1, 50])
def test_kinds_that_need_not_be_readable_are_named(monkeypatch: pytest.MonkeyPatch, count: int):
    asked: list[Any] = []

    def list_kind(_: Any, kind: Any) -> list[Any]:
        asked.append(kind)
        if kind in (resources.PeerAuthentication, Node):
            raise kube.RequestError("list", "forbidden", 403)
        return [kind.from_dict({"metadata": {"name": f"x{n}"}}) for n in range(count)]

    monkeypatch.setattr(kube, "list_kind", list_kind)
    client: Any = object()
    found = mesh_snapshot.read(client, "mesh", auto_allow=False)
    assert found.unread == ("PeerAuthentications",)
    assert (len(found.request_authentications), found.peer_authentications) == (count, ())
    # Without nodes, whose address it is follows from pods.
    assert found.nodes == ()
    assert len(asked) == 8


def test_nodes_are_read_where_they_may_be(monkeypatch: pytest.MonkeyPatch):
    def list_kind(_: Any, kind: Any) -> list[Any]:
        return [kind.from_dict({"metadata": {"name": "x"}})]

    monkeypatch.setattr(kube, "list_kind", list_kind)
    client: Any = object()
    found = mesh_snapshot.read(client, "mesh", auto_allow=False)
    assert [each["metadata"]["name"] for each in found.nodes] == ["x"]


def test_what_of_the_mesh_config_decides():
    assert istiod.mesh_settings({}).path_normalization == "BASE"
    found = istiod.mesh_settings(
        {
            "trustDomain": "new.example",
            "trustDomainAliases": ["old.example", 3],
            "pathNormalization": {"normalization": "MERGE_SLASHES"},
            "extensionProviders": [
                {"name": "login", "envoyExtAuthzHttp": {}},
                {"name": "grpc", "envoyExtAuthzGrpc": {}},
                {"name": "tracing", "opentelemetry": {}},
                "unreadable",
            ],
        }
    )
    assert found.path_normalization == "MERGE_SLASHES"
    assert (found.trust_domain, found.trust_domain_aliases) == ("new.example", ("old.example",))
    assert (found.authorizers, found.http_authorizers) == ({"login", "grpc"}, {"login"})
