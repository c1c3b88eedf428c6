# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom: what the policies in a cluster say of Services behind a waypoint.

Only what a waypoint decides by is read here: ALLOW policies that target a Service, and the
allow-nothing policy of hardened mode. See
https://istio.io/latest/docs/reference/config/security/authorization-policy/.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, cast

from istio_ambient.mesh import hardened_mode

PRINCIPAL = "/sa/"

Spec = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, order=True)
class Access:
    """One source that may reach one Service, and what it may do there."""

    source: str
    """Namespace and service account, `shop/productpage`; `*` is everybody."""
    target: str
    """Namespace and name of the Service."""
    operations: str
    """What may be done: `GET /health, /details/* on 9080`; `everything`."""


EVERYBODY = "*"
EVERYTHING = "everything"


def access(
    services: Iterable[tuple[str, str]],
    policies: Iterable[tuple[str, Spec]],
    root_namespace: str,
) -> list[Access]:
    """Return who may reach each Service through its waypoint, sorted.

    A Service that nobody may reach has no entry; one that no policy speaks of is open to
    everybody, except in hardened mode.

    Args:
        services: namespace and name of the Services behind waypoints.
        policies: namespace and spec of every AuthorizationPolicy.
        root_namespace: Istio's root namespace.
    """
    read = list(policies)
    hardened = any(ns == root_namespace and _closes_waypoints(spec) for ns, spec in read)
    found: set[Access] = set()
    for namespace, name in services:
        target = f"{namespace}/{name}"
        own = [spec for ns, spec in read if ns == namespace and _targets(spec, name)]
        if not own and not hardened:
            found.add(Access(EVERYBODY, target, EVERYTHING))
        for spec in own:
            for rule in _maps(spec, "rules"):
                found |= {Access(who, target, _operations(rule)) for who in _sources(rule)}
    return sorted(found)


def _closes_waypoints(spec: Spec) -> bool:
    classes = [ref.get("name") for ref in _maps(spec, "targetRefs") if _kind(ref, "GatewayClass")]
    return hardened_mode.WAYPOINT_CLASS in classes and not spec.get("rules") and _allows(spec)


def _targets(spec: Spec, service: str) -> bool:
    refs = _maps(spec, "targetRefs")
    return _allows(spec) and any(_kind(r, "Service") and r.get("name") == service for r in refs)


def _allows(spec: Spec) -> bool:
    return spec.get("action", "ALLOW") == "ALLOW"


def _kind(ref: Mapping[str, Any], kind: str) -> bool:
    return ref.get("kind") == kind


def _sources(rule: Mapping[str, Any]) -> list[str]:
    principals = [
        principal
        for origin in _maps(rule, "from")
        for principal in origin.get("source", {}).get("principals", ())
    ]
    return [_short(principal) for principal in principals] or [EVERYBODY]


def _short(principal: str) -> str:
    """Return `<namespace>/<service account>` of `<trust domain>/ns/<…>/sa/<…>`."""
    head, _, account = principal.partition(PRINCIPAL)
    return f"{head.rpartition('/')[2]}/{account}" if account else principal


def _operations(rule: Mapping[str, Any]) -> str:
    texts = [_operation(to.get("operation", {})) for to in _maps(rule, "to")]
    return "; ".join(sorted(texts)) or EVERYTHING


def _operation(operation: Mapping[str, list[str]]) -> str:
    parts = [
        ", ".join(operation.get("methods", ())),
        ", ".join(operation.get("paths", ())),
        "on " + ", ".join(operation["ports"]) if operation.get("ports") else "",
        "as " + ", ".join(operation["hosts"]) if operation.get("hosts") else "",
    ]
    return " ".join(part for part in parts if part) or EVERYTHING


def _maps(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], parent.get(key) or [])
