# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""AuthorizationPolicies as typed values, read from live objects of any owner.

A rule is read as Istio reads it: each member of a source or an operation restricts one attribute,
and a condition of `when` restricts an attribute by its own name. See
https://istio.io/latest/docs/reference/config/security/authorization-policy/ and
https://istio.io/latest/docs/reference/config/security/conditions/.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from istio_ambient import kube
from istio_ambient.authorization.evaluator._snapshot import Manifest
from istio_ambient.authorization.evaluator._verdict import PolicyRef
from istio_ambient.values import decoded

ALLOW, DENY, CUSTOM = "ALLOW", "DENY", "CUSTOM"
PEER_AUTHENTICATION = "PeerAuthentication"

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
"""`when` does not have these, so their names are our own."""

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
GATEWAY_API = "gateway.networking.k8s.io"


@dataclasses.dataclass(frozen=True)
class Check:
    """A restriction of one attribute: one of `values`, if not empty, and none of `not_values`."""

    attribute: str
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()

    def keeping(self, is_valid: Callable[[str, str], bool]) -> "Check":
        """Return the check with those values only that are valid for its attribute."""
        return Check(
            self.attribute,
            tuple(value for value in self.values if is_valid(self.attribute, value)),
            tuple(value for value in self.not_values if is_valid(self.attribute, value)),
        )


Clause = tuple[Check, ...]
"""Checks that must all hold; an empty clause is one that the policy has (`source: {}`)."""


def restricting(checks: Iterable[Check]) -> Clause:
    """Return the checks that restrict their attribute."""
    return tuple(check for check in checks if check.values or check.not_values)


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule matches if one of its sources, one of its operations and every condition matches."""

    sources: tuple[Clause, ...] = ()
    """Empty: any."""
    operations: tuple[Clause, ...] = ()
    """Empty: any."""
    conditions: Clause = ()


@dataclasses.dataclass(frozen=True)
class Reference:
    """One element of `targetRefs`."""

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
    """Empty: the policy applies to workloads, and ztunnel enforces it; else waypoints and gateways
    do."""
    selector: Mapping[str, str] | None = None
    """None: all workloads of the namespace, or of the mesh in the root namespace."""
    authorizer: str = ""
    """The extension provider of a CUSTOM policy."""
    is_dry_run: bool = False
    """Said of CUSTOM policies only: others that are a dry run have no effect."""

    def rule_ref(self, index: int) -> PolicyRef:
        """Return the reference to one rule, by its index."""
        return dataclasses.replace(self.ref, rule=index)


def read(manifest: Manifest) -> Policy | None:
    """Return the policy of an object in JSON form.

    None where no proxy enforces it: action AUDIT or an unknown one, or a dry run that is not
    CUSTOM.
    """
    metadata, spec = kube.section(manifest, "metadata"), kube.section(manifest, "spec")
    action = spec.get("action") or ALLOW
    is_dry_run = decoded.is_true(kube.section(metadata, "annotations").get(_DRY_RUN))
    if action not in (ALLOW, DENY, CUSTOM) or (is_dry_run and action != CUSTOM):
        return None
    selector = kube.section(spec, "selector").get("matchLabels")
    ref = PolicyRef(
        metadata.get("namespace", ""), metadata["name"], action=action, metadata=metadata
    )
    return Policy(
        ref=ref,
        action=action,
        rules=tuple(_rule(rule) for rule in _maps(spec, "rules")),
        targets=references(spec),
        # istiod attaches `matchLabels: {}` to every pod, and `selector: {}` to none.
        selector=None if spec.get("selector") is None or selector == {} else selector or {},
        authorizer=kube.section(spec, "provider").get("name", ""),
        is_dry_run=is_dry_run,
    )


def references(spec: Manifest) -> tuple[Reference, ...]:
    """Return the elements of `targetRefs`; the deprecated `targetRef` counts without them."""
    return tuple(_references(spec))


def _references(spec: Manifest) -> Iterator[Reference]:
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
        sources=tuple(
            _clause(kube.section(each, "source"), _SOURCE) for each in _maps(rule, "from")
        ),
        operations=tuple(
            _clause(kube.section(each, "operation"), _OPERATION) for each in _maps(rule, "to")
        ),
        conditions=tuple(
            Check(str(each.get("key", "")), _values(each, "values"), _values(each, "notValues"))
            for each in _maps(rule, "when")
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
    return restricting(checks)


def _values(parent: Manifest, key: str) -> tuple[str, ...]:
    return tuple(map(str, parent.get(key) or ()))


def _maps(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return [each for each in cast(list[Any], parent.get(key) or []) if isinstance(each, dict)]
