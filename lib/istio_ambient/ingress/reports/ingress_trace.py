# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The trace of a request from outside: listener, policies at the gateway, route, backend. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from istio_ambient.authorization import evaluator
from istio_ambient.ingress.model import workload_name
from istio_ambient.ingress.reports import lookup
from istio_ambient.values.text import printable
from istio_ambient.values.urls import DEFAULT_PORTS


class BackendTrace(msgspec.Struct, frozen=True):
    """One backend of the route, and whether the gateway may reach it."""

    ref: lookup.BackendRef
    verdict: evaluator.Verdict | None
    """None: the Service does not exist, or has no such port."""
    miss: str = ""


class IngressTrace(msgspec.Struct, frozen=True):
    """Everything that decides about a request, in order."""

    request: lookup.ClientRequest
    found: lookup.Found
    gateway: evaluator.Hop | None = None
    """None: the request does not get as far as to a listener."""
    backends: tuple[BackendTrace, ...] = ()
    not_weighed: tuple[str, ...] = ()
    """What may decide otherwise and is not known here."""

    @property
    def verdict(self) -> str:
        """The outcome of the request, in a few words."""
        if self.gateway is None:
            return self.found.miss
        if self.gateway.decision is evaluator.Decision.DENIED:
            return f"403: {self.gateway.reason} at the gateway"
        sure = self.gateway.decision is evaluator.Decision.ALLOWED
        outcome = self._behind_the_gateway()
        return outcome if sure else f"if the gateway lets it through: {outcome}"

    def _behind_the_gateway(self) -> str:
        if self.found.miss:
            return self.found.miss
        if self.found.redirect:
            return self.found.redirect
        served = [_name(each.ref) for each in self.backends if _is_reached(each)]
        if not self.backends:
            return "500: the route has no backend"
        if not served:
            return f"no answer: {_obstacle(self.backends)}"
        return f"served by {' or '.join(served)}"


def ingress_trace(
    request: lookup.ClientRequest,
    source_ip: str | None,
    gateway: Mapping[str, Any],
    routes: Iterable[Mapping[str, Any]],
    snapshot: evaluator.Snapshot,
) -> IngressTrace:
    """Return the trace of a request.

    Args:
        request: the request.
        source_ip: the client's address as the gateway sees it; None: any.
        gateway: the Gateway, in JSON form.
        routes: HTTPRoutes and GRPCRoutes of the whole cluster, in JSON form.
        snapshot: the objects of the cluster that policies are evaluated with.
    """
    found = lookup.look_up(request, gateway, routes)
    policies = evaluator.Evaluator(snapshot)
    if not found.listener:
        return IngressTrace(request, found, not_weighed=policies.not_weighed(()))
    metadata = gateway["metadata"]
    default = request.port == DEFAULT_PORTS[request.scheme]
    target = evaluator.Destination.service(metadata["namespace"], metadata["name"])
    at_gateway = evaluator.Request(
        source=None,
        destination=target,
        port=request.port,
        method=request.method,
        path=request.path + (f"?{request.query}" if request.query else ""),
        host=request.host if default else f"{request.host}:{request.port}",
        headers=request.headers,
        source_ip=source_ip,
    )
    hop = policies.at_gateway((metadata["namespace"], metadata["name"]), at_gateway)
    account = f"{metadata['namespace']}/{workload_name(metadata['name'])}"
    backends = tuple(_backend(policies, account, ref, request) for ref in found.backends)
    verdicts = (each.verdict for each in backends if each.verdict)
    hops = [hop, *(each for verdict in verdicts for each in verdict.hops)]
    return IngressTrace(request, found, hop, backends, policies.not_weighed(hops))


def _backend(
    policies: evaluator.Evaluator,
    account: str,
    ref: lookup.BackendRef,
    request: lookup.ClientRequest,
) -> BackendTrace:
    target = evaluator.Destination.service(ref.namespace, ref.service)
    at_backend = evaluator.Request(account, target, port=ref.port, method=request.method)
    try:
        return BackendTrace(ref, policies.evaluate(at_backend))
    except evaluator.UnknownDestinationError as error:
        return BackendTrace(ref, None, str(error))


def _is_reached(backend: BackendTrace) -> bool:
    verdict = backend.verdict
    return verdict is not None and verdict.decision is not evaluator.Decision.DENIED


def _obstacle(backends: Sequence[BackendTrace]) -> str:
    first = backends[0]
    hop = first.verdict.decisive if first.verdict else None
    return f"{hop.reason} at {hop.proxy} {hop.where}" if hop else first.miss


def _name(ref: lookup.BackendRef) -> str:
    return f"Service {ref.namespace}/{ref.service}:{ref.port}"


def text(trace: IngressTrace) -> str:
    """Return the trace as text: lines for listener, policies, route, backends and verdict.

    A paragraph about what is not weighed follows.
    """
    found = trace.found
    lines = [("request", _asked(trace.request))]
    if trace.gateway is not None:
        host = f", host {found.hostname}" if found.hostname else ""
        lines.append(("listener", f"{found.listener} ({found.protocol}{host})"))
        lines += [("policy", line) for line in _decision(trace.gateway)]
        route = f"{found.route} rule {found.rule}: {found.match}"
        lines.append(("route", route if found.route else "none"))
    if found.redirect:
        lines.append(("redirect", found.redirect))
    for each in trace.backends:
        lines.append(("backend", _name(each.ref)))
        lines += [("", line) for line in _reached(each)]
    lines.append(("verdict", trace.verdict))
    shown = [f"{printable(label):<9} {printable(line)}".rstrip() for label, line in lines]
    return "\n".join([*shown, "", printable(f"not weighed: {'; '.join(trace.not_weighed)}")])


def _asked(request: lookup.ClientRequest) -> str:
    query = f"?{request.query}" if request.query else ""
    port = "" if request.port == DEFAULT_PORTS[request.scheme] else f":{request.port}"
    return f"{request.method} {request.scheme}://{request.host}{port}{request.path}{query}"


def _decision(hop: evaluator.Hop) -> list[str]:
    """Return the decision of a proxy and the policies behind it, one a line."""
    by = f" ({hop.policy})" if hop.policy else ""
    lines = [f"{hop.proxy} {hop.where}: {hop.decided}{by}"]
    lines += [f"asks the external authorizer ({ref})" for ref in hop.asks]
    lines += [f"denied if {each.text} ({each.policy})" for each in hop.unless]
    lines += [f"allowed if {each.text} ({each.policy})" for each in hop.only]
    return lines


def _reached(backend: BackendTrace) -> list[str]:
    if backend.verdict is None:
        return [backend.miss]
    lines = [line for hop in backend.verdict.hops for line in _decision(hop)]
    return [*lines, *([backend.verdict.note] if backend.verdict.note else [])]


def data(trace: IngressTrace) -> dict[str, Any]:
    """Return the trace as a value that JSON can hold."""
    return {
        "request": _asked(trace.request),
        "listener": trace.found.listener,
        "route": trace.found.route,
        "rule": trace.found.rule if trace.found.route else None,
        "match": trace.found.match,
        "redirect": trace.found.redirect,
        "policies": _decision(trace.gateway) if trace.gateway else [],
        "backends": [
            {
                **msgspec.structs.asdict(each.ref),
                "reached": _is_reached(each),
                "by": _reached(each),
            }
            for each in trace.backends
        ],
        "verdict": trace.verdict,
        "not-weighed": list(trace.not_weighed),
    }
