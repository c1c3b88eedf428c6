# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The policy by which an operator allows one request, where no charm can."""

import hashlib
import json
import re
import shlex
from typing import Any

from istio_ambient import authorization
from istio_ambient.authorization import evaluator
from istio_ambient.explain.applications import NamedDestination, NamedSource

_HASH_LENGTH = 8
_METHOD = re.compile(r"[A-Z]{1,30}")
_HOST = re.compile(r"[\w.-]{1,253}(?::\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](?::\d{1,5})?", re.ASCII)
_PATH = re.compile(r"(?=/)(?:/(?!\.{1,2}(?:/|$))[\w.~!$&'()+,;=:@-]+)*/?", re.ASCII)
"""No pattern (`*`, `{`), and the same once it is normalized: no `//`, `/../`, backslash, `%`."""


def command(
    source: NamedSource,
    destination: NamedDestination,
    request: evaluator.Request,
    hop: evaluator.Hop,
    *,
    trust_domain: str,
) -> str:
    """Return a command that allows a request at the proxy that denies it; empty: there is none.

    There is none for a method, path or host that a policy would read as a pattern, or that Envoy
    compares in another form than it came in: clients choose them.

    Names and values of a request are data: the policy is JSON, in one quoted word.

    Args:
        source: of the request.
        destination: of the request.
        request: what was evaluated.
        hop: where it is denied.
        trust_domain: of the mesh: ztunnel knows identities by no other.
    """
    address, port = destination.address, hop.port
    at_waypoint = hop.proxy is evaluator.Proxy.WAYPOINT
    target = _target(destination, at_waypoint=at_waypoint)
    if not target or (at_waypoint and not is_exact(request)):
        return ""
    spec: dict[str, Any] = {"action": "ALLOW", **target}
    operation = _operation(request) if at_waypoint else {}
    if port is not None:
        operation["ports"] = [str(port)]
    sender = hop.source or source.identity
    namespace, _, account = sender.partition("/")
    principal = authorization.Source(namespace, account).principal_in(trust_domain)
    rule: dict[str, Any] = {"from": [{"source": {"principals": [principal]}}]}
    if operation:
        rule["to"] = [{"operation": operation}]
    spec["rules"] = [rule]
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:_HASH_LENGTH]
    manifest = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {
            "name": f"allow-{account}-{digest}",
            "namespace": address.namespace,
        },
        "spec": spec,
    }
    text = json.dumps(manifest, separators=(",", ":"))
    return f"printf %s {shlex.quote(text)} | kubectl apply -f -"


def _target(destination: NamedDestination, *, at_waypoint: bool) -> dict[str, Any]:
    """Return what binds a policy to the proxy that denies; empty: nothing can."""
    address = destination.address
    if at_waypoint and address.kind is evaluator.DestinationKind.SERVICE:
        return {"targetRefs": [{"group": "", "kind": "Service", "name": address.name}]}
    if not at_waypoint and destination.application:
        labels = {authorization.NAME_LABEL: destination.application}
        return {"selector": {"matchLabels": labels}}
    return {}


def _operation(request: evaluator.Request) -> dict[str, list[str]]:
    """Return what of a request only a waypoint can compare."""
    operation = {
        "methods": request.method,
        "paths": _without_query(request.path) if request.path else "",
        "hosts": request.host,
    }
    return {key: [value] for key, value in operation.items() if value}


def is_exact(request: evaluator.Request) -> bool:
    """Return whether a policy can name what a request asks for, and match nothing else."""
    members = (
        (_METHOD, request.method),
        (_PATH, _without_query(request.path or "")),
        (_HOST, request.host),
    )
    is_pathless = request.path is not None and not _without_query(request.path)
    return not is_pathless and all(
        not member or pattern.fullmatch(member) for pattern, member in members
    )


def _without_query(path: str) -> str:
    return path.partition("?")[0]
