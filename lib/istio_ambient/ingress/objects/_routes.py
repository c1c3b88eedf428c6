# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Routes as HTTPRoute and GRPCRoute objects.

See https://gateway-api.sigs.k8s.io/reference/spec/.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lightkube.models import meta_v1

from istio_ambient import kube, resources
from istio_ambient.ingress.model import GatewayRef
from istio_ambient.ingress.routing import BackendService, Match, Protocol, Route

KINDS = {Protocol.HTTP: resources.HTTPRoute, Protocol.GRPC: resources.GRPCRoute}


def routes(routes: Iterable[Route], gateway: GatewayRef) -> list[kube.Resource]:
    """Return the HTTPRoutes and GRPCRoutes, each once."""
    by_ref: dict[tuple[Protocol, str, str], list[Route]] = {}
    for route in routes:
        by_ref.setdefault(route.ref, []).append(route)
    return [_route(same, gateway) for _, same in sorted(by_ref.items())]


def _route(same: Sequence[Route], gateway: GatewayRef) -> kube.Resource:
    """Return the object of equal routes."""
    route = same[0]
    rule: dict[str, Any] = {"matches": [_match(match, route.protocol) for match in route.matches]}
    filters = list(_filters(route))
    if filters:
        rule["filters"] = filters
    if route.references:
        rule["backendRefs"] = [_backend(backend) for backend in route.references]
    parent = {
        "name": gateway.name,
        "namespace": gateway.namespace,
        "sectionName": route.listener.name,
    }
    spec: dict[str, Any] = {"parentRefs": [parent], "rules": [rule]}
    if route.hostnames:
        spec["hostnames"] = list(route.hostnames)
    requesters = sorted({str(each.requester) for each in same})
    metadata = meta_v1.ObjectMeta(
        name=route.name,
        namespace=route.namespace,
        annotations={resources.REQUESTED_BY: json.dumps(requesters)},
    )
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


def _filters(route: Route) -> Iterable[Mapping[str, Any]]:
    # The interface names the members as the Gateway API does.
    if route.rewrite is not None:
        spec = route.rewrite.model_dump(mode="json", by_alias=True, exclude_none=True)
        yield {"type": "URLRewrite", "urlRewrite": spec}
    if route.redirect is not None:
        spec = route.redirect.model_dump(mode="json", by_alias=True, exclude_none=True)
        yield {"type": "RequestRedirect", "requestRedirect": spec}


def _backend(backend: BackendService) -> Mapping[str, Any]:
    ref: dict[str, Any] = {"name": backend.service, "port": backend.port}
    if backend.weight is not None:
        ref["weight"] = backend.weight
    return ref
