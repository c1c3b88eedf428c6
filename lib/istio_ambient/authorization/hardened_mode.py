# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hardened mode: nobody may talk to anybody on the mesh, until a policy allows it.

Two policies in Istio's root namespace, both ALLOW without rules (allow-nothing) and never DENY:
what is not allowed can be allowed by another policy, what is denied cannot. See
https://istio.io/latest/docs/concepts/security/#allow-nothing-deny-all-and-allow-all-policy.
"""

from lightkube.models.meta_v1 import ObjectMeta

from istio_ambient import kube, resources
from istio_ambient.values.names import name_with_hash

WAYPOINT_CLASS = "istio-waypoint"


def policies(model: str, app: str) -> list[kube.Resource]:
    """Return the policies of hardened mode, named as operators know them.

    A policy without a target in the root namespace acts at ztunnel (L4) on every workload of the
    mesh; waypoints apply only policies that target them, here by their GatewayClass.

    Args:
        model: the model of the control plane, which is Istio's root namespace.
        app: the application name of the control plane.
    """
    prefix = f"{app}-{model}-policy-global-allow-nothing"
    target = {
        "group": "gateway.networking.k8s.io",
        "kind": "GatewayClass",
        "name": WAYPOINT_CLASS,
    }
    return [
        _policy(model, f"{prefix}-ztunnel", {}),
        _policy(model, f"{prefix}-waypoint", {"targetRefs": [target]}),
    ]


def _policy(namespace: str, name: str, spec: dict[str, object]) -> kube.Resource:
    # An AuthorizationPolicy's name is a DNS subdomain: up to 253 characters.
    metadata = ObjectMeta(name=name_with_hash(name, 253), namespace=namespace)
    return resources.AuthorizationPolicy(metadata=metadata, spec=spec)
