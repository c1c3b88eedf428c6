# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Routes in the cluster that name our Gateway as their parent, of any owner."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from istio_ambient import acceptance, kube, resources
from istio_ambient.ingress.model._gateway import GatewayRef
from istio_ambient.ingress.model._matches import Match, PathType, Protocol
from istio_ambient.values import decoded

_UNAUTHENTICATED = "-unauthenticated"
"""End of the endpoints whose routes need no authentication."""
_ALL_PATHS = Match()


class AttachedRoute(msgspec.Struct, frozen=True):
    """A route that names our Gateway as a parent; one value for each such reference."""

    protocol: Protocol
    namespace: str
    name: str
    listener: str = ""
    """Name of the listener; empty: every listener, or those of `port`."""
    port: int = 0
    """0: any."""
    hostnames: tuple[str, ...] = ()
    """Empty: those of the listener."""
    matches: tuple[Match, ...] = (_ALL_PATHS,)
    """Any of them; never empty. A match that cannot be read, and one that names a gRPC method
    without its service, means all paths here. Query parameters are among the headers."""
    accepted: bool | None = None
    """Whether istiod accepts the reference; None: it has not looked at this version yet."""
    requested_by: frozenset[str] = frozenset()
    """Of our own routes: the requesters, each `<application>:<endpoint>`; empty: not known."""

    @property
    def authenticated(self) -> bool:
        """Whether no requester asks for it without authentication, as far as is known."""
        return not any(by.endswith(_UNAUTHENTICATED) for by in self.requested_by)

    @property
    def ref(self) -> tuple[Protocol, str, str]:
        """Kind, namespace and name, as `Route.ref`."""
        return self.protocol, self.namespace, self.name

    def __str__(self) -> str:
        return f"{self.protocol}Route {self.namespace}/{self.name}"


def attached_routes(
    routes: Iterable[kube.Resource], gateway: GatewayRef
) -> tuple[AttachedRoute, ...]:
    """Return the references of HTTPRoutes and GRPCRoutes to a Gateway, sorted."""
    found = {each for route in routes for each in _attached(route, gateway)}
    return tuple(sorted(found, key=lambda each: (str(each), each.listener, each.port)))


def _attached(route: kube.Resource, gateway: GatewayRef) -> Iterator[AttachedRoute]:
    # Most routes of a cluster are for other Gateways: those are not copied.
    parents = kube.items(route.spec or {}, "parentRefs")
    namespace: str = route.metadata.namespace
    refs = [ref for ref in parents if _is_for(ref, namespace, gateway)]
    if not refs:
        return
    protocol = Protocol.HTTP if isinstance(route, resources.HTTPRoute) else Protocol.GRPC
    manifest = kube.manifest_of(route)
    spec, metadata = manifest["spec"], manifest["metadata"]
    matches = tuple(dict.fromkeys(_matches(spec, protocol))) or (_ALL_PATHS,)
    for ref in refs:
        yield AttachedRoute(
            protocol=protocol,
            namespace=namespace,
            name=metadata["name"],
            listener=ref.get("sectionName") or "",
            port=ref.get("port") or 0,
            hostnames=tuple(spec.get("hostnames") or ()),
            matches=matches,
            accepted=_accepted(manifest, ref, gateway),
            requested_by=_requesters(metadata),
        )


def _requesters(metadata: Mapping[str, Any]) -> frozenset[str]:
    text = resources.mark(kube.section(metadata, "annotations"), resources.REQUESTED_BY)
    names = decoded.elements(decoded.json_value(text))
    return frozenset(name for name in names if isinstance(name, str))


def _is_for(ref: Mapping[str, Any], namespace: str, gateway: GatewayRef) -> bool:
    """Return whether a parent reference of a route in a namespace names the Gateway."""
    return (
        ref.get("kind", "Gateway") == "Gateway"
        and ref.get("name") == gateway.name
        and (ref.get("namespace") or namespace) == gateway.namespace
    )


def _matches(spec: Mapping[str, Any], protocol: Protocol) -> Iterator[Match]:
    read = _http_match if protocol is Protocol.HTTP else _grpc_match
    for rule in kube.items(spec, "rules"):
        for match in kube.items(rule, "matches") or [{}]:
            try:
                yield read(match)
            except (AttributeError, KeyError, TypeError, ValueError):
                # Another version of the Gateway API may have matches of another form.
                yield _ALL_PATHS


def _http_match(match: Mapping[str, Any]) -> Match:
    path = kube.section(match, "path")
    path_type, value = PathType(path.get("type", PathType.PREFIX)), _text(path.get("value", "/"))
    return Match.of_http(path_type, value, _text(match.get("method") or ""), _conditions(match))


def _grpc_match(match: Mapping[str, Any]) -> Match:
    method = kube.section(match, "method")
    if method.get("type", "Exact") != "Exact" or not method.get("service"):
        return Match(headers=_conditions(match))
    service, name = _text(method["service"]), _text(method.get("method") or "")
    return Match.of_grpc(service, name, _conditions(match))


def _conditions(match: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = (*kube.items(match, "headers"), *kube.items(match, "queryParams"))
    return tuple(sorted((_text(each["name"]).lower(), _text(each["value"])) for each in found))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _accepted(manifest: kube.Manifest, ref: Mapping[str, Any], gateway: GatewayRef) -> bool | None:
    namespace = manifest["metadata"]["namespace"]
    section = ref.get("sectionName")
    for status in kube.items(kube.section(manifest, "status"), "parents"):
        parent = kube.section(status, "parentRef")
        if (
            status.get("controllerName") != acceptance.GATEWAY_CONTROLLER
            or not _is_for(parent, namespace, gateway)
            or parent.get("sectionName") != section
        ):
            continue
        for condition in kube.current_conditions(status, manifest):
            if condition.get("type") == "Accepted":
                return condition.get("status") == "True"
    return None
