# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Routes as the objects that Istio reads: HTTPRoute, GRPCRoute, DestinationRule.

See https://gateway-api.sigs.k8s.io/reference/spec/ and
https://istio.io/latest/docs/reference/config/networking/destination-rule/.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lightkube.models import meta_v1

from istio_ambient import kube, resources
from istio_ambient.ingress.model import Facts, Match, PathModifier, Protocol, Redirect, Rewrite
from istio_ambient.ingress.routing import Backend, Route

KINDS = {Protocol.HTTP: resources.HTTPRoute, Protocol.GRPC: resources.GRPCRoute}


def routes(routes: Iterable[Route], facts: Facts) -> list[kube.Resource]:
    """Return the HTTPRoutes and GRPCRoutes, each once."""
    by_ref = {route.ref: route for route in routes}
    return [_route(route, facts) for _, route in sorted(by_ref.items())]


def _route(route: Route, facts: Facts) -> kube.Resource:
    rule: dict[str, Any] = {"matches": [_match(match, route.protocol) for match in route.matches]}
    filters = [*_rewrite(route.rewrite), *_redirect(route.redirect)]
    if filters:
        rule["filters"] = filters
    if route.backends:
        rule["backendRefs"] = [_backend(backend) for backend in route.backends]
    parent = {"name": facts.app, "namespace": facts.model, "sectionName": route.listener.name}
    spec: dict[str, Any] = {"parentRefs": [parent], "rules": [rule]}
    if route.hostnames:
        spec["hostnames"] = list(route.hostnames)
    metadata = meta_v1.ObjectMeta(name=route.name, namespace=route.namespace)
    return KINDS[route.protocol](metadata=metadata, spec=spec)


def _match(match: Match, protocol: Protocol) -> Mapping[str, Any]:
    result: dict[str, Any] = {}
    if protocol is Protocol.HTTP:
        result["path"] = {"type": match.path_type.value, "value": match.path}
        if match.method:
            result["method"] = match.method
    elif match.grpc is not None:
        service, method = match.grpc
        result["method"] = {"service": service, **({"method": method} if method else {})}
    if match.headers:
        result["headers"] = [{"name": name, "value": value} for name, value in match.headers]
    return result


def _backend(backend: Backend) -> Mapping[str, Any]:
    ref: dict[str, Any] = {"name": backend.service, "port": backend.port}
    if backend.weight is not None:
        ref["weight"] = backend.weight
    return ref


def _rewrite(rewrite: Rewrite | None) -> Iterable[Mapping[str, Any]]:
    if rewrite is not None:
        spec: dict[str, Any] = {"hostname": rewrite.hostname, "path": _path(rewrite.path)}
        yield {"type": "URLRewrite", "urlRewrite": {k: v for k, v in spec.items() if v}}


def _redirect(redirect: Redirect | None) -> Iterable[Mapping[str, Any]]:
    if redirect is not None:
        spec: dict[str, Any] = {
            "scheme": redirect.scheme,
            "hostname": redirect.hostname,
            "port": redirect.port,
            "path": _path(redirect.path),
            "statusCode": redirect.status,
        }
        yield {"type": "RequestRedirect", "requestRedirect": {k: v for k, v in spec.items() if v}}


def _path(modifier: PathModifier | None) -> Mapping[str, str] | None:
    if modifier is None:
        return None
    if modifier.whole:
        return {"type": "ReplaceFullPath", "replaceFullPath": modifier.value}
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": modifier.value}
