# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The bookshop as facts of its beacon, and as the snapshot of a cluster that follows from them."""

import dataclasses
from typing import Any

from istio_ambient import kube, mesh
from istio_ambient.mesh import evaluator

from tests.unit.mesh.evaluator import samples

APPS = ("details", "productpage", "ratings")
ASKER = mesh.Asker("details", "service-mesh")
GET = mesh.Operation(methods=("GET",), paths=("/details/*",), ports=(80,))
NAMESPACES = (
    samples.namespace(**samples.AMBIENT, **samples.WAYPOINT),
    samples.namespace("other"),
)
DETAILS = mesh.Target.service("shop", "details")


def request(source: str = "productpage", field: str = "policies[0]", **changes: Any) -> Any:
    """Return what details asks for: that a source may GET /details/*."""
    asked = mesh.Request(ASKER, field, DETAILS, mesh.Source("shop", source), (GET,))
    return dataclasses.replace(asked, **changes)


def facts(*requests: mesh.Request, **changes: Any) -> mesh.Facts:
    """Return the facts of the beacon of model shop."""
    services = {
        ("shop", app): mesh.Service("shop", app, {mesh.NAME_LABEL: app}, by_juju=True)
        for app in APPS
    }
    cluster = mesh.Cluster(services, namespace_labels={"shop": {}})
    found = mesh.Facts("shop", "beacon", 1, {}, cluster, requests=requests or (request(),))
    return dataclasses.replace(found, **changes)


def snapshot(given: mesh.Facts, *policies: Any, **changes: Any) -> evaluator.Snapshot:
    """Return the cluster in which the beacon's policies are applied, and others beside them."""
    identity = kube.Identity("shop", "beacon")
    own = [
        kube.manifest_of(policy)
        for policy in mesh.beacon(given).objects
        if kube.ref_of(policy).kind == "AuthorizationPolicy"
    ]
    for policy in own:
        policy["metadata"]["annotations"][kube.OWNER_ANNOTATION] = identity.owner
    return samples.snapshot(
        *own,
        *policies,
        **{
            "namespaces": NAMESPACES,
            "services": tuple(
                samples.service(
                    app, selector={mesh.NAME_LABEL: app}, ports=[{"port": 80, "targetPort": 9080}]
                )
                for app in APPS
            ),
            "pods": tuple(samples.pod(f"{app}-0", app, app) for app in APPS),
            **changes,
        },
    )
