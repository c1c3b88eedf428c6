# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The bookshop as facts of its beacon, and as the snapshot of a cluster that follows from them."""

from typing import Any

import msgspec
from istio_ambient import authorization, beacon, kube, resources
from istio_ambient.authorization import evaluator

from tests.unit.authorization.evaluator import samples

APPS = ("details", "productpage", "ratings")
ASKER = authorization.Requester("details", "service-mesh")
GET = authorization.Operation(methods=("GET",), paths=("/details/*",), ports=(80,))
MODEL = {"model.juju.is/id": "5d3f0b1c-0000-4000-8000-6c6162000001"}
"""The label with which Juju marks the namespace of a model."""
NAMESPACES = (
    samples.namespace(**samples.AMBIENT, **samples.WAYPOINT, **MODEL),
    samples.namespace("other", **MODEL),
    samples.namespace("plain"),
)
DETAILS = authorization.Target.service("shop", "details")


def request(source: str = "productpage", field: str = "policies[0]", **changes: Any) -> Any:
    """Return what details asks for: that a source may GET /details/*."""
    asked = authorization.AccessRequest(
        ASKER, field, DETAILS, authorization.Source("shop", source), (GET,)
    )
    return msgspec.structs.replace(asked, **changes)


def facts(*requests: authorization.AccessRequest, **changes: Any) -> beacon.Facts:
    """Return the facts of the beacon of model shop."""
    services = {
        ("shop", app): authorization.ServiceFacts(
            "shop",
            app,
            {authorization.NAME_LABEL: app},
            (authorization.ServicePort(80, 9080),),
            by_juju=True,
        )
        for app in APPS
    }
    cluster = authorization.Cluster(services, namespace_labels={"shop": {}})
    found = beacon.Facts("shop", "beacon", 1, {}, cluster, requests=requests or (request(),))
    options = {name: changes.pop(name) for name in beacon.Config.model_fields if name in changes}
    return msgspec.structs.replace(found, config=beacon.Config(**options), **changes)


def mark_as_written(metadata: dict[str, Any], owner: str) -> None:
    """Make an object look as its owner, `<model>/<application>`, leaves it in the cluster."""
    metadata.setdefault("annotations", {})[resources.OWNER_ANNOTATION] = owner
    metadata.setdefault("labels", {})[resources.INSTANCE_LABEL] = owner.replace("/", "-")
    metadata["managedFields"] = [{"operation": "Apply", "manager": resources.FIELD_MANAGER}]


def snapshot(given: beacon.Facts, *policies: Any, **changes: Any) -> evaluator.Snapshot:
    """Return the cluster in which the beacon's policies are applied, and others beside them."""
    identity = resources.identity("shop", "beacon")
    own = [
        kube.manifest_of(policy)
        for policy in beacon.desired(given).objects
        if kube.ref_of(policy).kind == "AuthorizationPolicy"
    ]
    for policy in own:
        mark_as_written(policy["metadata"], identity.owner)
    members: dict[str, Any] = {
        "namespaces": NAMESPACES,
        "services": tuple(
            samples.service(
                app,
                selector={authorization.NAME_LABEL: app},
                ports=[{"port": 80, "targetPort": 9080}],
            )
            for app in APPS
        ),
        "pods": tuple(samples.pod(f"{app}-0", app, app) for app in APPS),
        **changes,
    }
    return samples.snapshot(*own, *policies, **members)
