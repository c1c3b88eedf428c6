# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From live objects to the facts that decide about access requests."""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from lightkube.resources import core_v1

from istio_ambient import kube
from istio_ambient.authorization import _requests
from istio_ambient.values.labels import MANAGED_BY_LABEL

MODEL_ID = "model.juju.is/id"
"""Label or annotation, depending on Juju's version, of a namespace that is a Juju model."""


def cluster(
    services: Iterable[core_v1.Service], namespaces: Iterable[core_v1.Namespace]
) -> _requests.Cluster:
    """Return the facts that decide about access requests.

    Args:
        services: all Services of our namespace; of all, where applications of other models ask.
        namespaces: ours; all, where applications of other models ask.
    """
    facts = [_service(kube.manifest_of(service)) for service in services]
    metadata = [kube.manifest_of(namespace)["metadata"] for namespace in namespaces]
    return _requests.Cluster(
        services={(service.namespace, service.name): service for service in facts},
        model_namespaces=_model_namespaces(metadata),
        namespace_labels={each["name"]: each.get("labels", {}) for each in metadata},
    )


def model_namespaces(namespaces: Iterable[core_v1.Namespace]) -> dict[str, str]:
    """Return the namespace of each Juju model, by the UUID with which Juju marked it.

    A UUID that two namespaces have, as where one was restored from the other's backup, is left
    out: nothing shows which of them is the model.
    """
    return _model_namespaces(kube.manifest_of(namespace)["metadata"] for namespace in namespaces)


def _model_namespaces(metadata: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    marked: dict[str, set[str]] = collections.defaultdict(set)
    for each in metadata:
        for marks in (each.get("annotations", {}), each.get("labels", {})):
            if MODEL_ID in marks:
                marked[marks[MODEL_ID]].add(each["name"])
    return {uuid: names.pop() for uuid, names in marked.items() if len(names) == 1}


def _service(manifest: Mapping[str, Any]) -> _requests.ServiceFacts:
    metadata = manifest["metadata"]
    return _requests.ServiceFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        selector=manifest.get("spec", {}).get("selector") or {},
        by_juju=metadata.get("labels", {}).get(MANAGED_BY_LABEL) == "juju",
    )
