# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Labels that put pods, Services and whole namespaces on the mesh, and how they are removed."""

import json
from collections.abc import Mapping

from lightkube.models import meta_v1
from lightkube.resources import apps_v1, core_v1

from istio_ambient import kube, resources
from istio_ambient.values import decoded
from istio_ambient.values.config import problem_of_option
from istio_ambient.values.names import model_app_name
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem

USE_WAYPOINT = "istio.io/use-waypoint"
USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
MANAGED_BY = "charms.canonical.com/istio.io.waypoint.managed-by"
INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint"
INGRESS_MANAGED_BY = "charmed-istio/ingress-use-waypoint-by"
"""Label of a namespace, with its manager: the label before is ours to remove."""

Labels = dict[str, str | None]


def member_labels(waypoint: str, namespace: str) -> dict[str, str]:
    """Return the labels with which a pod and its Service join the mesh behind a waypoint."""
    return {
        resources.DATAPLANE_MODE: "ambient",
        USE_WAYPOINT: waypoint,
        USE_WAYPOINT_NAMESPACE: namespace,
    }


def manager(model: str, app: str) -> str:
    """Return the value of the `MANAGED_BY` label of a namespace that an application labelled."""
    return model_app_name(model, app, separator=".")


def namespace_labels(
    current: Mapping[str, str], *, wanted: bool, waypoint: str, model: str, app: str
) -> tuple[Labels, list[Problem]]:
    """Return the labels to set on our namespace (None: to remove), or why it is left alone.

    A namespace that an operator or another beacon put on a mesh keeps its labels.

    Args:
        current: the labels that the namespace has.
        wanted: whether the whole model is to be on the mesh.
        waypoint: name of our waypoint.
        model: our model, which is the namespace too.
        app: our application.
    """
    ours = manager(model, app)
    owner = current.get(MANAGED_BY)
    if not wanted:
        return label_removals(current, model, app), []
    labelled = any(key in current for key in (resources.DATAPLANE_MODE, USE_WAYPOINT, MANAGED_BY))
    if labelled and owner != ours:
        message = f"namespace {model} was already put on a mesh by {owner or 'another owner'}"
        remedy = f"remove its mesh labels, or juju config {app} model-on-mesh=false"
        return {}, [
            problem_of_option(
                "model-on-mesh", InvalidValueError(message, remedy), Code.ALREADY_ON_MESH
            )
        ]
    return {resources.DATAPLANE_MODE: "ambient", USE_WAYPOINT: waypoint, MANAGED_BY: ours}, []


def passes_waypoint(service: Mapping[str, str], namespace: Mapping[str, str]) -> bool:
    """Return whether requests of ingress gateways to a Service pass the waypoint that it has.

    The label of the Service takes precedence over that of its namespace
    (`ingressUseWaypointFromLabels`, pilot/pkg/serviceregistry/ambient/services.go).

    Args:
        service: the labels of the Service; without the label, the namespace's decides.
        namespace: the labels of its namespace.
    """
    value = service.get(INGRESS_USE_WAYPOINT, namespace.get(INGRESS_USE_WAYPOINT, ""))
    return decoded.is_true(value)


def ingress_labels(
    current: Mapping[str, str], *, wanted: bool, model: str, app: str
) -> tuple[Labels, list[Problem]]:
    """Return the labels by which gateways' requests pass waypoints, and why they are not set.

    A label of another owner stays. Arguments as for `namespace_labels`.
    """
    ours = manager(model, app)
    if not wanted:
        return ingress_label_removals(current, model, app), []
    if INGRESS_USE_WAYPOINT in current and current.get(INGRESS_MANAGED_BY) != ours:
        if passes_waypoint({}, current):
            return {}, []
        message = f"namespace {model} has {INGRESS_USE_WAYPOINT} of another owner"
        remedy = f"kubectl label namespace {model} {INGRESS_USE_WAYPOINT}-"
        error = InvalidValueError(message, remedy)
        return {}, [problem_of_option("ingress-use-waypoint", error, Code.INGRESS_LABEL_TAKEN)]
    return {INGRESS_USE_WAYPOINT: "true", INGRESS_MANAGED_BY: ours}, []


def ingress_label_removals(current: Mapping[str, str], model: str, app: str) -> Labels:
    """Return the removal of the labels of `ingress_labels`; empty if we set none."""
    if current.get(INGRESS_MANAGED_BY) != manager(model, app):
        return {}
    return {INGRESS_USE_WAYPOINT: None, INGRESS_MANAGED_BY: None}


def label_removals(current: Mapping[str, str], model: str, app: str) -> Labels:
    """Return the removal of the labels that we set on a namespace; empty if we set none."""
    if current.get(MANAGED_BY) != manager(model, app):
        return {}
    return {resources.DATAPLANE_MODE: None, USE_WAYPOINT: None, MANAGED_BY: None}


def namespace_patches(
    namespace: str, labels: Labels, current: Mapping[str, str] | None
) -> tuple[kube.LabelPatch, ...]:
    """Return the patch of a namespace; empty if there are no labels to set or to remove.

    Args:
        namespace: its name.
        labels: to set, or to remove.
        current: the labels that it has; None: unknown.
    """
    if not labels:
        return ()
    return (kube.LabelPatch(core_v1.Namespace, namespace, labels, current=current),)


def labels_config_map_name(app: str) -> str:
    """Return the name of the labels ConfigMap: it has the labels that an application set."""
    return f"juju-service-mesh-{app}-labels"


def labels_config_map(labels: Mapping[str, str], *, model: str, app: str) -> core_v1.ConfigMap:
    """Return the labels ConfigMap, in the form that requirers of `service_mesh` write theirs."""
    return core_v1.ConfigMap(
        metadata=meta_v1.ObjectMeta(name=labels_config_map_name(app), namespace=model),
        data={"labels": json.dumps(dict(labels), sort_keys=True)},
    )


def own_patches(
    labels: Labels, current: Mapping[str, str] | None, *, model: str, app: str
) -> tuple[kube.LabelPatch, ...]:
    """Return the patches that label the charm's own Service and then its pods, which restart.

    Args:
        labels: to set.
        current: the labels that the Service has; None: unknown.
        model: our model, which is the namespace too.
        app: our application, whose name the Service and the StatefulSet have.
    """
    return (
        kube.LabelPatch(core_v1.Service, app, labels, model, current=current),
        kube.LabelPatch(apps_v1.StatefulSet, app, labels, model, pod_template=True),
    )
