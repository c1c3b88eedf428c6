# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the objects that a removed application left, of every kind that the API server serves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
from istio_ambient import kube, manifests, resources
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig

SKIPPED = frozenset({"events", "componentstatuses"})


def of(kubeconfig: Path, root_namespace: str) -> list[str]:
    """Return the objects with our label, and those that istiod made in its namespace, sorted."""
    made_by_istiod = {
        (_kind_name(kind), name) for kind, names in manifests.MADE_BY_ISTIOD for name in names
    }
    found: list[str] = []
    for kind, item in _objects(kubeconfig):
        metadata = item["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        labelled = resources.INSTANCE_LABEL in (metadata.get("labels") or {})
        istiods = namespace == root_namespace and (kind, name) in made_by_istiod
        class_of_istio = kind == "GatewayClass" and item["spec"]["controllerName"].startswith(
            manifests.GATEWAY_CONTROLLERS
        )
        if labelled or istiods or class_of_istio:
            found.append(f"{kind} {namespace}/{name}")
    return sorted(found)


def _kind_name(kind: kube.ResourceType) -> str:
    """Return the kind's name."""
    return kube.ref_in(kind, "").kind


def _objects(kubeconfig: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    config = KubeConfig.from_file(kubeconfig).get()
    assert config is not None
    with client_adapter.Client(config, client_adapter.ConnectionParams()) as http:
        for group, version in _group_versions(http):
            prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
            for resource in http.get(prefix).raise_for_status().json()["resources"]:
                listable = "list" in resource["verbs"] and "/" not in resource["name"]
                if listable and resource["name"] not in SKIPPED:
                    listed = http.get(f"{prefix}/{resource['name']}")
                    if listed.status_code == 200:
                        for item in listed.json()["items"]:
                            yield resource["kind"], item


def _group_versions(http: httpx2.Client) -> Iterator[tuple[str, str]]:
    yield "", "v1"
    for group in http.get("/apis").raise_for_status().json()["groups"]:
        yield group["name"], group["preferredVersion"]["version"]
