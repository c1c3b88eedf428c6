# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The listener and the route that serve a request from outside, by live objects. Pure.

Routes of all owners count, since any of them may attach to the gateway. The order is that in which
Envoy gets them from istiod (istio/istio, pilot/pkg/config/kube/gateway,
`sortHTTPRoutes`): the most specific hostname first, then exact paths, prefixes and expressions,
the longer ones first; then methods, the number of headers, the number of query parameters; then
age. See https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule.
"""

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
import re2

from istio_ambient import kube
from istio_ambient.acceptance import GATEWAY_CONTROLLER
from istio_ambient.authorization import evaluator
from istio_ambient.ingress import routing
from istio_ambient.values.urls import DEFAULT_PORTS

# The package has no types.
_re2 = cast(Any, re2)

Manifest = Mapping[str, Any]

_RANKS = {"Exact": 3, "PathPrefix": 2, "RegularExpression": 1}


class UrlError(ValueError):
    """A text is not the URL of a request; the message says why."""


class ClientRequest(msgspec.Struct, frozen=True):
    """A request from outside."""

    scheme: str
    host: str
    """In lower case, without port."""
    port: int
    path: str
    """Without query; begins with a slash."""
    query: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Names in lower case."""

    @classmethod
    def of_url(
        cls, url: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> "ClientRequest":
        """Return the request for a URL.

        Raises:
            UrlError: it is not a URL of http or https with a host.
        """
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UrlError(f"{url!r} is no URL: {error}") from error
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise UrlError(f"{url!r} is no URL: use http://<host>/<path> or https://…")
        return cls(
            scheme=parts.scheme,
            host=parts.hostname.lower(),
            port=port or DEFAULT_PORTS[parts.scheme],
            path=parts.path or "/",
            query=parts.query,
            method=method.upper(),
            headers={name.lower(): value for name, value in (headers or {}).items()},
        )


class BackendRef(msgspec.Struct, frozen=True, order=True):
    """An element of a route's `backendRefs`: a Service and port."""

    namespace: str
    service: str
    port: int
    weight: int = 1


class Found(msgspec.Struct, frozen=True):
    """The listener, route and backends of a request; empty where it does not get that far."""

    listener: str = ""
    protocol: str = ""
    """`HTTP` or `HTTPS`."""
    hostname: str = ""
    """Of the listener; empty: any."""
    route: str = ""
    """`HTTPRoute shop/page`."""
    rule: int = 0
    """Index in its rules."""
    match: str = ""
    """As text: `PathPrefix /x, GET`."""
    redirect: str = ""
    """Status and URL of the redirect."""
    backends: tuple[BackendRef, ...] = ()
    miss: str = ""
    """Why there is no listener or no route."""


class _Candidate(msgspec.Struct, frozen=True):
    route: Manifest
    rule: int
    match: Manifest

    @property
    def path(self) -> tuple[str, str]:
        """Type and value of the path of the match."""
        if self.route["kind"] != "GRPCRoute":
            path = kube.section(self.match, "path")
            return path.get("type", "PathPrefix"), path.get("value", "/")
        method = kube.section(self.match, "method")
        service, name = method.get("service", ""), method.get("method", "")
        if method.get("type") == "RegularExpression":
            return "RegularExpression", f"/{service or '[^/]+'}/{name or '[^/]+'}"
        if service and name:
            return "Exact", f"/{service}/{name}"
        if name:
            return "RegularExpression", f"/[^/]+/{re.escape(name)}"
        return "PathPrefix", f"/{service}/" if service else "/"

    @property
    def method(self) -> str:
        """The HTTP method of the match; empty: any."""
        return "" if self.route["kind"] == "GRPCRoute" else self.match.get("method") or ""

    @property
    def order(self) -> tuple[Any, ...]:
        kind, value = self.path
        metadata = self.route["metadata"]
        return (
            -_RANKS.get(kind, 0),
            -len(value),
            not self.method,
            -len(kube.items(self.match, "headers")),
            -len(kube.items(self.match, "queryParams")),
            str(metadata.get("creationTimestamp") or ""),
            metadata.get("namespace", ""),
            metadata["name"],
            self.rule,
        )


def look_up(request: ClientRequest, gateway: Manifest, routes: Iterable[Manifest]) -> Found:
    """Return the listener, route and backends of a request at a gateway.

    Args:
        request: the request.
        gateway: the Gateway, in JSON form.
        routes: HTTPRoutes and GRPCRoutes of the whole cluster, in JSON form, with `kind`.
    """
    listener, miss = _listener(request, gateway)
    if listener is None:
        return Found(miss=miss)
    hostname = str(listener.get("hostname") or "")
    found = Found(
        listener=listener["name"], protocol=listener.get("protocol", ""), hostname=hostname
    )
    named = _by_hostname(request.host, _attached(routes, gateway, listener), hostname)
    for candidate in sorted(_candidates(named), key=lambda each: each.order):
        if _fits(request, candidate):
            return _taken(found, candidate, request)
    where = f"listener {found.listener}"
    return msgspec.structs.replace(found, miss=f"no route of {where} fits: the answer is 404")


def _listener(request: ClientRequest, gateway: Manifest) -> tuple[Manifest | None, str]:
    listeners = kube.items(kube.section(gateway, "spec"), "listeners")
    at_port = [each for each in listeners if each.get("port") == request.port]
    if not at_port:
        ports = ", ".join(str(each.get("port")) for each in listeners) or "none"
        return None, f"nothing listens on port {request.port}; there is {ports}"
    speaking = [e for e in at_port if str(e.get("protocol", "")).lower() == request.scheme]
    if not speaking:
        return None, f"port {request.port} speaks {at_port[0].get('protocol')}"
    fitting = [e for e in speaking if routing.covers(str(e.get("hostname") or ""), request.host)]
    if not fitting:
        names = ", ".join(sorted(str(each.get("hostname")) for each in speaking))
        return None, f"port {request.port} answers to {names} only: the answer is 404"
    return max(fitting, key=lambda each: _specificity(str(each.get("hostname") or ""))), ""


def _attached(
    routes: Iterable[Manifest], gateway: Manifest, listener: Manifest
) -> Iterator[Manifest]:
    metadata = gateway["metadata"]
    for route in routes:
        where = route["metadata"].get("namespace", "")
        for parent in kube.items(kube.section(route, "spec"), "parentRefs"):
            ours = (
                parent.get("kind", "Gateway") == "Gateway"
                and parent.get("name") == metadata["name"]
                and parent.get("namespace", where) == metadata["namespace"]
                and parent.get("sectionName", listener["name"]) == listener["name"]
                and parent.get("port", listener.get("port")) == listener.get("port")
            )
            if ours and not _is_refused(route, parent):
                yield route
                break


def _is_refused(route: Manifest, parent: Manifest) -> bool:
    """Return whether istiod has refused a route."""
    for status in kube.items(kube.section(route, "status"), "parents"):
        ref = kube.section(status, "parentRef")
        same = all(ref.get(k) == parent.get(k) for k in ("name", "namespace", "sectionName"))
        if same and status.get("controllerName") == GATEWAY_CONTROLLER:
            states = ((e.get("type"), e.get("status")) for e in kube.items(status, "conditions"))
            if ("Accepted", "False") in states:
                return True
    return False


def _by_hostname(host: str, routes: Iterable[Manifest], listener: str) -> list[Manifest]:
    """Return the routes of the most specific hostname that fits; Envoy considers no other."""
    fitting: dict[str, list[Manifest]] = {}
    for route in routes:
        names = cast(list[str], kube.section(route, "spec").get("hostnames") or [""])
        for common in {routing.intersection(name.lower(), listener) for name in names}:
            disjoint = not common and (listener or names != [""])
            if not disjoint and routing.covers(common, host):
                fitting.setdefault(common, []).append(route)
    return fitting[max(fitting, key=_specificity)] if fitting else []


def _specificity(hostname: str) -> tuple[bool, int]:
    return bool(hostname) and not hostname.startswith("*."), len(hostname)


def _candidates(routes: Sequence[Manifest]) -> Iterator[_Candidate]:
    for route in routes:
        for number, rule in enumerate(kube.items(kube.section(route, "spec"), "rules")):
            for match in kube.items(rule, "matches") or [{}]:
                yield _Candidate(route, number, match)


def _fits(request: ClientRequest, candidate: _Candidate) -> bool:
    match = candidate.match
    if candidate.method not in ("", request.method):
        return False
    pairs = urllib.parse.parse_qsl(request.query, keep_blank_values=True)
    parameters = dict(reversed(pairs))  # Of several values of one name, Envoy considers the first.
    return (
        _path_fits(candidate, evaluator.normalized(request.path))
        and all(
            _value_fits(each, request.headers, lower=True) for each in kube.items(match, "headers")
        )
        and all(_value_fits(each, parameters) for each in kube.items(match, "queryParams"))
    )


def _path_fits(candidate: _Candidate, path: str) -> bool:
    kind, value = candidate.path
    if kind == "Exact":
        return path == value
    if kind == "RegularExpression":
        return _matches(value, path)
    if candidate.route["kind"] == "GRPCRoute":
        return path.startswith(value)  # The methods of a service, and not the service itself.
    prefix = value.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")


def _value_fits(wanted: Manifest, sent: Mapping[str, str], *, lower: bool = False) -> bool:
    name = str(wanted.get("name", ""))
    actual = sent.get(name.lower() if lower else name)
    if actual is None:
        return False
    if wanted.get("type") == "RegularExpression":
        return _matches(str(wanted.get("value", "")), actual)
    return actual == wanted.get("value")


def _matches(expression: str, text: str) -> bool:
    # Envoy's own engine, which takes linear time: any owner may have written the route.
    options = _re2.Options()
    options.log_errors = False
    try:
        return _re2.fullmatch(expression, text, options) is not None
    except _re2.error:
        return False


def _taken(found: Found, candidate: _Candidate, request: ClientRequest) -> Found:
    route = candidate.route
    metadata = route["metadata"]
    where = metadata.get("namespace", "")
    rule = kube.items(kube.section(route, "spec"), "rules")[candidate.rule]
    return msgspec.structs.replace(
        found,
        route=f"{route['kind']} {where}/{metadata['name']}",
        rule=candidate.rule,
        match=_words(candidate),
        redirect=_redirect(rule, request),
        backends=tuple(
            BackendRef(
                namespace=ref.get("namespace", where),
                service=ref["name"],
                port=ref.get("port", 0),
                weight=ref.get("weight", 1),
            )
            for ref in kube.items(rule, "backendRefs")
        ),
    )


def _words(candidate: _Candidate) -> str:
    kind, value = candidate.path
    words = [f"{kind} {value}"]
    if candidate.method:
        words.append(candidate.method)
    for group, what in (("headers", "header"), ("queryParams", "query parameter")):
        words += [
            f"{what} {e.get('name')}: {e.get('value')}" for e in kube.items(candidate.match, group)
        ]
    return ", ".join(words)


def _redirect(rule: Manifest, request: ClientRequest) -> str:
    for each in kube.items(rule, "filters"):
        if each.get("type") == "RequestRedirect":
            spec = kube.section(each, "requestRedirect")
            scheme = spec.get("scheme") or request.scheme
            port = spec.get("port") or (
                DEFAULT_PORTS[scheme] if spec.get("scheme") else request.port
            )
            shown = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
            path = _redirected_path(kube.section(spec, "path"), request.path)
            query = f"?{request.query}" if request.query else ""
            host = spec.get("hostname") or request.host
            return f"{spec.get('statusCode', 302)} to {scheme}://{host}{shown}{path}{query}"
    return ""


def _redirected_path(modifier: Manifest, path: str) -> str:
    if modifier.get("type") == "ReplaceFullPath":
        return str(modifier.get("replaceFullPath", ""))
    if modifier.get("type") == "ReplacePrefixMatch":
        return f"{modifier.get('replacePrefixMatch', '')} and what follows"
    return path
