# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What becomes of a request from outside: listener, gateway's policies, route, backend: pure."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from istio_ambient.authorization import evaluator
from istio_ambient.ingress.model import workload_name
from istio_ambient.ingress.reports import lookup
from istio_ambient.ingress.routing import DEFAULT_PORTS
from istio_ambient.values.text import printable


@dataclasses.dataclass(frozen=True)
class BackendTrace:
    """One backend of the route, and whether the gateway is let through to it."""

    ref: lookup.BackendRef
    verdict: evaluator.Verdict | None
    """None: there is no such Service, or it has no such port."""
    miss: str = ""


@dataclasses.dataclass(frozen=True)
class IngressTrace:
    """Everything that a request meets, in order."""

    question: lookup.Question
    found: lookup.Found
    gateway: evaluator.Hop | None = None
    """None: the request does not get as far as to a listener."""
    backends: tuple[BackendTrace, ...] = ()

    @property
    def verdict(self) -> str:
        """What comes of it, in a few words."""
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
    question: lookup.Question,
    source_ip: str | None,
    gateway: Mapping[str, Any],
    routes: Iterable[Mapping[str, Any]],
    snapshot: evaluator.Snapshot,
) -> IngressTrace:
    """Return what a request meets.

    Args:
        question: the request.
        source_ip: the client's address as the gateway sees it; None: any.
        gateway: the Gateway, in JSON form.
        routes: HTTPRoutes and GRPCRoutes of the whole cluster, in JSON form.
        snapshot: what decides who may talk to whom.
    """
    found = lookup.look_up(question, gateway, routes)
    if not found.listener:
        return IngressTrace(question, found)
    metadata = gateway["metadata"]
    judge = evaluator.Evaluator(snapshot)
    default = question.port == DEFAULT_PORTS[question.scheme]
    target = evaluator.Destination.service(metadata["namespace"], metadata["name"])
    request = evaluator.Request(
        source=None,
        destination=target,
        port=question.port,
        method=question.method,
        path=question.path + (f"?{question.query}" if question.query else ""),
        host=question.host if default else f"{question.host}:{question.port}",
        headers=question.headers,
        source_ip=source_ip,
    )
    hop = judge.at_gateway((metadata["namespace"], metadata["name"]), request)
    account = f"{metadata['namespace']}/{workload_name(metadata['name'])}"
    backends = tuple(_backend(judge, account, ref, question) for ref in found.backends)
    return IngressTrace(question, found, hop, backends)


def _backend(
    judge: evaluator.Evaluator, account: str, ref: lookup.BackendRef, question: lookup.Question
) -> BackendTrace:
    target = evaluator.Destination.service(ref.namespace, ref.service)
    request = evaluator.Request(account, target, port=ref.port, method=question.method)
    try:
        return BackendTrace(ref, judge.evaluate(request))
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


def text(way: IngressTrace) -> str:
    """Return it for people to read: a line for each thing that the request meets."""
    found = way.found
    lines = [("request", _asked(way.question))]
    if way.gateway is not None:
        host = f", host {found.hostname}" if found.hostname else ""
        lines.append(("listener", f"{found.listener} ({found.protocol}{host})"))
        lines += [("policy", line) for line in _judged(way.gateway)]
        route = f"{found.route} rule {found.rule}: {found.match}"
        lines.append(("route", route if found.route else "none"))
    if found.redirect:
        lines.append(("redirect", found.redirect))
    for each in way.backends:
        lines.append(("backend", _name(each.ref)))
        lines += [("", line) for line in _reached(each)]
    lines.append(("verdict", way.verdict))
    return "\n".join(f"{printable(label):<9} {printable(line)}".rstrip() for label, line in lines)


def _asked(question: lookup.Question) -> str:
    query = f"?{question.query}" if question.query else ""
    port = "" if question.port == DEFAULT_PORTS[question.scheme] else f":{question.port}"
    return f"{question.method} {question.scheme}://{question.host}{port}{question.path}{query}"


def _judged(hop: evaluator.Hop) -> list[str]:
    """Return what a proxy says, and by what."""
    by = f" ({hop.policy})" if hop.policy else ""
    lines = [f"{hop.proxy} {hop.where}: {hop.decision}, {hop.reason}{by}"]
    lines += [f"asks the external authorizer ({ref})" for ref in hop.asks]
    lines += [f"denied if {each.text} ({each.policy})" for each in hop.unless]
    lines += [f"allowed if {each.text} ({each.policy})" for each in hop.only]
    return lines


def _reached(backend: BackendTrace) -> list[str]:
    if backend.verdict is None:
        return [backend.miss]
    lines = [line for hop in backend.verdict.hops for line in _judged(hop)]
    return [*lines, *([backend.verdict.note] if backend.verdict.note else [])]


def data(way: IngressTrace) -> dict[str, Any]:
    """Return it for programs, as what JSON can hold."""
    return {
        "request": _asked(way.question),
        "listener": way.found.listener,
        "route": way.found.route,
        "rule": way.found.rule if way.found.route else None,
        "match": way.found.match,
        "redirect": way.found.redirect,
        "policies": _judged(way.gateway) if way.gateway else [],
        "backends": [
            {**dataclasses.asdict(each.ref), "reached": _is_reached(each), "by": _reached(each)}
            for each in way.backends
        ],
        "verdict": way.verdict,
    }
