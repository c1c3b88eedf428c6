# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From live objects to the facts that decide about access requests."""

import collections
from collections.abc import Iterable

from lightkube.models import core_v1
from lightkube.resources.core_v1 import Namespace

from istio_ambient import kube
from istio_ambient.authorization._requests import Cluster, ServiceFacts, ServicePort
from istio_ambient.values.labels import MANAGED_BY_LABEL

MODEL_ID = "model.juju.is/id"
"""Label or annotation, depending on Juju's version, of a namespace that is a Juju model."""


CONTROLLER_MODEL = "controller"
"""The one model whose namespace has another name: `controller-<name of the controller>`."""


def is_namespace_of(namespace: str, model: str) -> bool:
    """Return whether a namespace that is a Juju model can be the model of this name."""
    is_controller = model == CONTROLLER_MODEL and namespace.startswith(f"{model}-")
    return namespace == model or is_controller


def cluster(services: Iterable[kube.Resource], namespaces: Iterable[Namespace]) -> Cluster:
    """Return the facts that decide about access requests.

    Args:
        services: all Services of our namespace; of all, where applications of other models ask.
        namespaces: ours; all, where applications of other models ask.
    """
    listed = list(namespaces)
    metadata = (kube.manifest_of(namespace)["metadata"] for namespace in listed)
    return Cluster(
        services=services_of(services),
        model_namespaces=model_namespaces(listed),
        namespace_labels={each["name"]: each.get("labels", {}) for each in metadata},
    )


def model_namespaces(namespaces: Iterable[Namespace]) -> dict[str, str]:
    """Return the namespace of each Juju model, by the UUID with which Juju marked it.

    A UUID that two namespaces have, as where one was restored from the other's backup, is left
    out: nothing shows which of them is the model.
    """
    marked: dict[str, set[str]] = collections.defaultdict(set)
    for each in (kube.manifest_of(namespace)["metadata"] for namespace in namespaces):
        for marks in (each.get("annotations", {}), each.get("labels", {})):
            if MODEL_ID in marks:
                marked[marks[MODEL_ID]].add(each["name"])
    return {uuid: names.pop() for uuid, names in marked.items() if len(names) == 1}


def services_of(objects: Iterable[kube.Resource]) -> dict[tuple[str, str], ServiceFacts]:
    """Return the facts about Services by (namespace, name)."""
    found = [_service(obj) for obj in objects]
    return {(service.namespace, service.name): service for service in found}


def _service(obj: kube.Resource) -> ServiceFacts:
    # The API server always returns both.
    metadata, spec = obj.metadata, obj.spec
    labels: dict[str, str] = dict(metadata.labels or {})
    return ServiceFacts(
        namespace=metadata.namespace or "",
        name=metadata.name or "",
        selector=dict(spec.selector or {}),
        ports=tuple(_port(port) for port in spec.ports or () if port.protocol in (None, "TCP")),
        labels=labels,
        by_juju=labels.get(MANAGED_BY_LABEL) == "juju",
        external_name=spec.type == "ExternalName",
        headless=spec.clusterIP == "None",
        type=spec.type or "ClusterIP",
        address=_address(obj.status),
        node_ports={port.port: port.nodePort for port in spec.ports or () if port.nodePort},
        created=metadata.creationTimestamp,
        written=kube.written_at(obj),
    )


def _port(port: core_v1.ServicePort) -> ServicePort:
    target = port.targetPort if port.targetPort is not None else port.port
    return ServicePort(port.port, target, port.name or "")


def _address(status: core_v1.ServiceStatus | None) -> str:
    balancer = status.loadBalancer if status else None
    addresses = (entry.ip or entry.hostname for entry in (balancer and balancer.ingress) or ())
    return next(filter(None, addresses), "")
