# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What of live objects decides whose they are."""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from lightkube.resources import core_v1

from istio_ambient import kube
from istio_ambient.authorization import _requests

MODEL_ID = "model.juju.is/id"
"""Label or annotation, depending on Juju's version, of a namespace that is a Juju model."""


def cluster(
    services: Iterable[core_v1.Service], namespaces: Iterable[core_v1.Namespace]
) -> _requests.Cluster:
    """Return the facts that requests are judged by.

    Args:
        services: all Services of the namespaces in question.
        namespaces: ours; all where applications of other models ask for anything.
    """
    owners = [_service(kube.manifest_of(service)) for service in services]
    metadata = [kube.manifest_of(namespace)["metadata"] for namespace in namespaces]
    return _requests.Cluster(
        services={(service.namespace, service.name): service for service in owners},
        model_namespaces=_model_namespaces(metadata),
        namespace_labels={one["name"]: one.get("labels", {}) for one in metadata},
    )


def model_namespaces(namespaces: Iterable[core_v1.Namespace]) -> dict[str, str]:
    """Return the namespace of each Juju model, by the UUID with which Juju marked it.

    A UUID that two namespaces carry, as where one was restored from the other's backup, is left
    out: which of them is the model cannot be told.
    """
    return _model_namespaces(kube.manifest_of(namespace)["metadata"] for namespace in namespaces)


def _model_namespaces(metadata: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    marked: dict[str, set[str]] = collections.defaultdict(set)
    for one in metadata:
        for marks in (one.get("annotations", {}), one.get("labels", {})):
            if MODEL_ID in marks:
                marked[marks[MODEL_ID]].add(one["name"])
    return {uuid: names.pop() for uuid, names in marked.items() if len(names) == 1}


def _service(manifest: Mapping[str, Any]) -> _requests.Service:
    metadata = manifest["metadata"]
    return _requests.Service(
        namespace=metadata["namespace"],
        name=metadata["name"],
        selector=manifest.get("spec", {}).get("selector") or {},
        by_juju=metadata.get("labels", {}).get(_requests.MANAGED_BY_LABEL) == "juju",
    )
