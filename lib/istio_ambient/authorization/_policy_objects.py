# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""AuthorizationPolicy as typed values, and as the objects that Istio reads."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from lightkube.models import meta_v1

from istio_ambient import kube, resources
from istio_ambient.authorization._requests import Operation, Source, Target, TargetKind

MAX_RULES = 512
"""Rules in one policy: `maxItems` of Istio's CRD."""


@dataclasses.dataclass(frozen=True, order=True)
class Rule:
    """Lets any of the sources do any of the operations."""

    sources: tuple[Source, ...] = ()
    """Empty: anybody, without any identity too."""
    operations: tuple[Operation, ...] = ()
    """Empty: everything."""

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as it stands in a policy."""
        rule: dict[str, Any] = {}
        if self.sources:
            principals = [source.principal for source in self.sources]
            rule["from"] = [{"source": {"principals": principals}}]
        if self.operations:
            rule["to"] = [{"operation": _operation(operation)} for operation in self.operations]
        return rule


def _operation(operation: Operation) -> dict[str, list[str]]:
    """Return an operation with what is not empty in it: to Istio, empty is any.

    Raises:
        ValueError: nothing is in it, so that it would match every request.
    """
    members = {
        "hosts": list(operation.hosts),
        "methods": list(operation.methods),
        "paths": list(operation.paths),
        "ports": [str(port) for port in operation.ports],
    }
    result = {key: values for key, values in members.items() if values}
    if not result:
        raise ValueError("an operation that restricts nothing")
    return result


def allow(
    name: str,
    target: Target,
    rules: tuple[Rule, ...],
    annotations: Mapping[str, str] | None = None,
) -> resources.Namespaced:
    """Return an ALLOW policy for one target; without rules it allows nothing.

    See https://istio.io/latest/docs/reference/config/security/authorization-policy/.
    """
    spec: dict[str, Any] = {"action": "ALLOW"}
    if target.kind is TargetKind.SERVICE:
        spec["targetRefs"] = [{"group": "", "kind": "Service", "name": target.name}]
    else:
        spec["selector"] = {"matchLabels": dict(target.labels)}
    if rules:
        spec["rules"] = [rule.to_dict() for rule in rules]
    metadata = meta_v1.ObjectMeta(
        name=name, namespace=target.namespace, annotations=dict(annotations or {}) or None
    )
    return resources.AuthorizationPolicy(metadata=metadata, spec=spec)


def target_of(policy: kube.Manifest) -> Target | None:
    """Return what a policy that `allow` made is about; None where it is none of these."""
    namespace = policy["metadata"]["namespace"]
    spec: dict[str, dict[str, Any]] = policy.get("spec", {})
    refs: list[dict[str, str]] = policy.get("spec", {}).get("targetRefs", [])
    labels: dict[str, str] = spec.get("selector", {}).get("matchLabels", {})
    if refs:
        return Target.service(namespace, refs[0]["name"])
    return Target.workload(namespace, labels) if labels else None
