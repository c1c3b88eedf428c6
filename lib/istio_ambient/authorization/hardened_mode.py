# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hardened mode: requests between workloads on the mesh are denied until a policy allows them.

Two policies in Istio's root namespace, both ALLOW without rules (allow-nothing). They are not
DENY, since DENY takes precedence over any policy that would allow a request again. See
https://istio.io/latest/docs/concepts/security/#allow-nothing-deny-all-and-allow-all-policy.
"""

from collections.abc import Mapping
from typing import Any

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from istio_ambient import gateways, kube, resources
from istio_ambient.values.names import name_with_hash

BUILT_IN_ROOT = "istio-system"
"""The root namespace of an istiod that has lost its MeshConfig (istio/istio pkg/config/mesh)."""


def objects(model: str, app: str) -> list[kube.Resource]:
    """Return the policies of hardened mode, and copies that hold if istiod loses its MeshConfig.

    istiod then takes `istio-system` for the root namespace. Where the control plane is in another
    namespace, the same policies are in that one too; otherwise such an istiod would open the mesh.
    There they change nothing else: what they deny to the pods of that namespace, the policies of
    the root namespace deny already.
    """
    found = policies(model, app)
    if model == BUILT_IN_ROOT:
        return found
    namespace = Namespace(metadata=ObjectMeta(name=BUILT_IN_ROOT))
    return [*found, namespace, *_policies(BUILT_IN_ROOT, model, app)]


def policies(model: str, app: str) -> list[kube.Resource]:
    """Return the policies of hardened mode, with the names that the public charm gives them.

    ztunnel (L4) enforces a policy without a target in the root namespace at every workload of the
    mesh. Waypoints enforce only policies that target them, here by their GatewayClass.

    Args:
        model: the model of the control plane, which is Istio's root namespace.
        app: the application name of the control plane.
    """
    return _policies(model, model, app)


def is_meshwide(policy: Mapping[str, Any], root_namespace: str) -> bool:
    """Return whether a policy in JSON form allows nothing, in the whole mesh, as these do."""
    spec = kube.section(policy, "spec")
    kinds = {ref.get("kind") for ref in kube.items(spec, "targetRefs")}
    is_untargeted = not spec.get("selector") and kinds <= {"GatewayClass"}
    allows = spec.get("action", "ALLOW") == "ALLOW"
    at_root = policy["metadata"].get("namespace") == root_namespace
    return at_root and is_untargeted and allows and not spec.get("rules")


def _policies(namespace: str, model: str, app: str) -> list[kube.Resource]:
    prefix = f"{app}-{model}-policy-global-allow-nothing"
    target = {
        "group": "gateway.networking.k8s.io",
        "kind": "GatewayClass",
        "name": gateways.WAYPOINT_CLASS,
    }
    return [
        _policy(namespace, f"{prefix}-ztunnel", {}),
        _policy(namespace, f"{prefix}-waypoint", {"targetRefs": [target]}),
    ]


def _policy(namespace: str, name: str, spec: dict[str, object]) -> kube.Resource:
    # An AuthorizationPolicy's name is a DNS subdomain: up to 253 characters.
    metadata = ObjectMeta(name=name_with_hash(name, 253), namespace=namespace)
    return resources.AuthorizationPolicy(metadata=metadata, spec=spec)
