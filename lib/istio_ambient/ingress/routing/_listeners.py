# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The listeners of the gateway: ports and protocols.

Without TLS, listener `http-N` serves the routes for port N. With TLS every listener is HTTPS but
`http-80`, which redirects to HTTPS: listener `https-443` serves the routes for port 80.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from istio_ambient import gateways
from istio_ambient.ingress.model import GatewayRef, IngressRequest, Tls
from istio_ambient.ingress.routing._addresses import HTTP_PORT, HTTPS_PORT
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problems import Problem

MAX_LISTENERS = 64
"""Of one Gateway (`maxItems` of `spec.listeners`)."""
RESERVED = range(15000, 15100)
"""Ports that Istio itself uses in the gateway's pods (https://istio.io/latest/docs/ops/deployment/
application-requirements/#ports-used-by-istio)."""


@dataclass(frozen=True, order=True)
class Listener:
    """One port of the gateway."""

    port: int
    protocol: Literal["HTTP", "HTTPS"] = "HTTP"

    @property
    def scheme(self) -> str:
        """The scheme of URLs at the listener."""
        return self.protocol.lower()

    @property
    def name(self) -> str:
        """The name in the Gateway, to which routes attach by `sectionName`."""
        return f"{self.scheme}-{self.port}"


REDIRECTING = Listener(HTTP_PORT)
"""With TLS, the listener of the redirects to HTTPS."""


@dataclass(frozen=True)
class Listeners:
    """The listeners that requesters may use, and those that the Gateway has."""

    hostname: str = ""
    """The only hostname that they take requests for; empty: any."""
    tls: bool = False
    """The gateway serves HTTPS, or will once it has a certificate."""
    opened: frozenset[Listener] = frozenset()
    """Listeners that routes may attach to."""
    in_gateway: tuple[Listener, ...] = ()
    """The default ones first, the others by port."""
    problems: tuple[Problem, ...] = ()
    """Ports that are refused."""

    @property
    def default(self) -> Listener:
        """The listener of the routes for port 80."""
        return self.serving(HTTP_PORT)

    def serving(self, port: int) -> Listener:
        """Return the listener that serves the routes for a port."""
        if not self.tls:
            return Listener(port)
        return Listener(HTTPS_PORT if port == HTTP_PORT else port, "HTTPS")


def listeners(requests: Iterable[IngressRequest], tls: Tls, hostname: str = "") -> Listeners:
    """Return the listeners for the ports that requests name.

    A port that Istio uses is refused, and so is one for which the gateway has no room; requests
    of earlier relations take precedence. While TLS is wanted and there is no certificate, the
    Gateway has one listener, since it requires one, and no route attaches to it.

    Args:
        requests: those whose model is the requester's own.
        tls: whether the gateway serves HTTPS.
        hostname: of all listeners; empty: any.
    """
    empty = Listeners(tls=tls.wanted)
    default = {REDIRECTING, empty.default}
    opened = set(default)
    problems: list[Problem] = []
    for request in sorted(requests, key=lambda each: each.relation_id):
        for port in sorted(request.ports):
            listener = empty.serving(port)
            if listener in opened:
                continue
            refusal = _refusal(port, len(opened))
            if refusal is None:
                opened.add(listener)
            else:
                problems.append(request.requester.problem("listeners", *refusal))
    return Listeners(
        hostname=hostname,
        tls=tls.wanted,
        opened=frozenset(opened),
        in_gateway=(REDIRECTING,)
        if tls.pending
        else (*sorted(default), *sorted(opened - default)),
        problems=tuple(problems),
    )


def _refusal(port: int, opened: int) -> tuple[str, str] | None:
    """Return why a port cannot be opened, and the remedy; None where it can."""
    if port in RESERVED:
        return f"Istio itself uses port {port} in the gateway: refused", "use another port"
    if opened >= MAX_LISTENERS:
        return "the gateway has no room for another listener", "remove a listener"
    return None


def secret_name(app: str) -> str:
    """Return the name of the Secret with `tls.crt` and `tls.key`, in the Gateway's namespace."""
    return name_with_hash(f"{app}-tls-certificate", 253)


def listener_spec(
    listener: Listener, hostname: str, gateway: GatewayRef, namespaces: Iterable[str]
) -> Mapping[str, Any]:
    """Return the listener as an element of a Gateway's `spec.listeners`.

    Args:
        listener: port and protocol.
        hostname: the only hostname that it takes requests for; empty: any.
        gateway: the Gateway.
        namespaces: other namespaces whose routes it takes.
    """
    spec: dict[str, Any] = {
        "name": listener.name,
        "port": listener.port,
        "protocol": listener.protocol,
        "allowedRoutes": gateways.allowed_routes(gateway.namespace, namespaces),
    }
    if hostname:
        spec["hostname"] = hostname
    if listener.protocol == "HTTPS":
        certificate = {"kind": "Secret", "name": secret_name(gateway.name)}
        spec["tls"] = {"mode": "Terminate", "certificateRefs": [certificate]}
    return spec
