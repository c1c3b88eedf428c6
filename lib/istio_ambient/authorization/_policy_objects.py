# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""ALLOW policies that the charms write: as typed values, and as AuthorizationPolicy objects."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from lightkube.models import meta_v1

from istio_ambient import kube, resources
from istio_ambient.authorization._requests import Operation, Source, SourceKind, Target, TargetKind

MAX_RULES = 512
"""Rules in one policy: `maxItems` of Istio's CRD."""


class AllowRule(msgspec.Struct, frozen=True, order=True, dict=True):
    """Allows any of the sources to do any of the operations."""

    sources: tuple[Source, ...] = ()
    """Empty: any client, one without an identity too."""
    operations: tuple[Operation, ...] = ()
    """Empty: any operation."""

    @functools.cached_property
    def content(self) -> Mapping[str, Any]:
        """The element of `spec.rules`."""
        rule: dict[str, Any] = {}
        if self.sources and not any(each.kind is SourceKind.EVERYONE for each in self.sources):
            rule["from"] = [{"source": members} for members in _members(self.sources)]
        if self.operations:
            rule["to"] = [{"operation": _operation(operation)} for operation in self.operations]
        return rule


def _members(sources: Sequence[Source]) -> Iterator[dict[str, list[str]]]:
    """Yield the members of `source` elements that any of the sources has."""
    principals = [each.principal for each in sources if each.kind is SourceKind.IDENTITY]
    if principals:
        yield {"principals": principals}
    namespaces = [each.namespace for each in sources if each.kind is SourceKind.NAMESPACE]
    if namespaces:
        yield {"namespaces": namespaces}
    for each in sources:
        if each.kind is SourceKind.OUTSIDE:
            # `*` is any identity: a workload of the mesh at one of the addresses has one, and
            # would pass by the waypoint here (`StringMatch::Presence`, ztunnel's src/rbac.rs).
            blocks = {"ipBlocks": list(each.networks)} if each.networks else {}
            yield {**blocks, "notPrincipals": ["*"]}


def _operation(operation: Operation) -> dict[str, list[str]]:
    """Return an operation with its members that are not empty: to Istio, an empty one is any.

    Raises:
        ValueError: all members are empty, so that the operation would match every request.
    """
    members = {
        "hosts": operation.hosts,
        "ports": operation.ports,
        "methods": operation.methods,
        "paths": operation.paths,
    }
    result = {key: [str(value) for value in values] for key, values in members.items() if values}
    if not result:
        raise ValueError("an operation that restricts nothing")
    return result


def allow(
    name: str,
    target: Target,
    rules: tuple[AllowRule, ...],
    annotations: Mapping[str, str] | None = None,
) -> resources.Namespaced:
    """Return an ALLOW policy for one target; without rules it allows nothing.

    See https://istio.io/latest/docs/reference/config/security/authorization-policy/.

    Args:
        name: of the object; its namespace is the target's.
        target: a Service becomes `targetRefs`, labels become `selector`.
        rules: at most `MAX_RULES`.
        annotations: of the object.
    """
    spec: dict[str, Any] = {"action": "ALLOW"}
    if target.kind is TargetKind.SERVICE:
        spec["targetRefs"] = [{"group": "", "kind": "Service", "name": target.name}]
    else:
        spec["selector"] = {"matchLabels": dict(target.labels)}
    if rules:
        spec["rules"] = [rule.content for rule in rules]
    metadata = meta_v1.ObjectMeta(
        name=name, namespace=target.namespace, annotations=dict(annotations or {}) or None
    )
    return resources.AuthorizationPolicy(metadata=metadata, spec=spec)


def target_of(policy: kube.Manifest) -> Target | None:
    """Return the target of a policy that `allow` made; None for a policy without any."""
    namespace = policy["metadata"]["namespace"]
    spec: dict[str, dict[str, Any]] = policy.get("spec", {})
    refs: list[dict[str, str]] = policy.get("spec", {}).get("targetRefs", [])
    labels: dict[str, str] = spec.get("selector", {}).get("matchLabels", {})
    if refs:
        return Target.service(namespace, refs[0]["name"])
    return Target.workload(namespace, labels) if labels else None
