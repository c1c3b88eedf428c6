# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""AuthorizationPolicies as typed values, read from live manifests of anybody's making.

A rule is read as Istio reads it: each member of a source or an operation is a restriction of one
attribute, and what `when` restricts is the same thing under the attribute's own name. See
https://istio.io/latest/docs/reference/config/security/authorization-policy/ and
https://istio.io/latest/docs/reference/config/security/conditions/.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, cast

from istio_ambient.authorization.evaluator._snapshot import Manifest
from istio_ambient.authorization.evaluator._verdict import PolicyRef

ALLOW, DENY, CUSTOM = "ALLOW", "DENY", "CUSTOM"

PRINCIPAL = "source.principal"
NAMESPACE = "source.namespace"
SERVICE_ACCOUNT = "source.serviceAccount"
TRUST_DOMAIN = "source.trustDomain"
SOURCE_IP = "source.ip"
REMOTE_IP = "remote.ip"
REQUEST_PRINCIPAL = "request.auth.principal"
DESTINATION_IP = "destination.ip"
PORT = "destination.port"
SNI = "connection.sni"
HEADERS = "request.headers"
HOST, METHOD, PATH = "request host", "request method", "request path"
"""Not to be had in `when`, so their names are ours."""

_SOURCE = {
    "principals": PRINCIPAL,
    "requestPrincipals": REQUEST_PRINCIPAL,
    "namespaces": NAMESPACE,
    "serviceAccounts": SERVICE_ACCOUNT,
    "trustDomains": TRUST_DOMAIN,
    "ipBlocks": SOURCE_IP,
    "remoteIpBlocks": REMOTE_IP,
}
_OPERATION = {"hosts": HOST, "ports": PORT, "methods": METHOD, "paths": PATH}
_DRY_RUN = "istio.io/dry-run"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
GATEWAY_API = "gateway.networking.k8s.io"


@dataclasses.dataclass(frozen=True)
class Check:
    """A restriction of one attribute: one of the values, if there are any, and no other."""

    attribute: str
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()


Clause = tuple[Check, ...]
"""All of them must hold; an empty one was written as such (`source: {}`)."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """It matches if one of the sources, one of the operations and every condition does."""

    sources: tuple[Clause, ...] = ()
    """Empty: any."""
    operations: tuple[Clause, ...] = ()
    """Empty: any."""
    conditions: Clause = ()


@dataclasses.dataclass(frozen=True)
class Reference:
    """What `targetRefs` names."""

    group: str
    kind: str
    name: str
    namespace: str = ""


@dataclasses.dataclass(frozen=True)
class Policy:
    """One AuthorizationPolicy."""

    ref: PolicyRef
    action: str
    rules: tuple[Rule, ...]
    targets: tuple[Reference, ...] = ()
    """Empty: it is about workloads, and ztunnel applies it; else waypoints and gateways do."""
    selector: Mapping[str, str] | None = None
    """None: all workloads of its namespace, or of the mesh."""
    authorizer: str = ""
    """The extension provider that a CUSTOM policy asks."""

    def rule_ref(self, index: int) -> PolicyRef:
        """Return what names one rule of it."""
        return dataclasses.replace(self.ref, rule=index)


def read(manifest: Manifest) -> Policy | None:
    """Return the policy; None where it enforces nothing: AUDIT, dry run, an unknown action."""
    metadata, spec = _map(manifest, "metadata"), _map(manifest, "spec")
    annotations = _map(metadata, "annotations")
    action = spec.get("action") or ALLOW
    if action not in (ALLOW, DENY, CUSTOM) or annotations.get(_DRY_RUN) in _TRUE:
        return None
    selector = _map(spec, "selector").get("matchLabels")
    ref = PolicyRef(
        metadata.get("namespace", ""), metadata["name"], action=action, annotations=annotations
    )
    return Policy(
        ref=ref,
        action=action,
        rules=tuple(_rule(rule) for rule in _maps(spec, "rules")),
        targets=tuple(_references(spec)),
        selector=None if spec.get("selector") is None else selector or {},
        authorizer=_map(spec, "provider").get("name", ""),
    )


def _references(spec: Manifest) -> Iterator[Reference]:
    # The single targetRef is deprecated, and applied only where there is no list.
    single = spec.get("targetRef")
    for ref in _maps(spec, "targetRefs") or ([single] if single else []):
        yield Reference(
            group=ref.get("group") or "core",
            kind=ref.get("kind", ""),
            name=ref.get("name", ""),
            namespace=ref.get("namespace") or "",
        )


def _rule(rule: Manifest) -> Rule:
    return Rule(
        sources=tuple(_clause(_map(one, "source"), _SOURCE) for one in _maps(rule, "from")),
        operations=tuple(_clause(_map(one, "operation"), _OPERATION) for one in _maps(rule, "to")),
        conditions=tuple(
            Check(str(one.get("key", "")), _values(one, "values"), _values(one, "notValues"))
            for one in _maps(rule, "when")
        ),
    )


def _clause(members: Manifest, attributes: Mapping[str, str]) -> Clause:
    checks = (
        Check(
            attribute,
            _values(members, member),
            _values(members, f"not{member[0].upper()}{member[1:]}"),
        )
        for member, attribute in attributes.items()
    )
    return tuple(check for check in checks if check.values or check.not_values)


def _values(parent: Manifest, key: str) -> tuple[str, ...]:
    return tuple(map(str, parent.get(key) or ()))


def _map(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    return cast(dict[str, Any], parent.get(key) or {})


def _maps(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return [each for each in cast(list[Any], parent.get(key) or []) if isinstance(each, dict)]
