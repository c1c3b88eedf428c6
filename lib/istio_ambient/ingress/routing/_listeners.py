# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The listeners of the gateway: ports and protocols.

Without TLS, listener `http-N` serves the routes for port N. With TLS every listener is HTTPS but
`http-80`, which redirects to HTTPS: listener `https-443` serves the routes for port 80.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

from istio_ambient import gateways
from istio_ambient.ingress.model import GatewayRef, IngressRequest, Tls
from istio_ambient.ingress.routing._addresses import HTTP_PORT, HTTPS_PORT
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

MAX_LISTENERS = 64
"""Of one Gateway (`maxItems` of `spec.listeners`)."""
MAX_OWN_LISTENERS = 16
"""Ports of one application beside the default ones."""
RESERVED = range(15000, 15100)
"""Ports that Istio itself uses in the gateway's pods (https://istio.io/latest/docs/ops/deployment/
application-requirements/#ports-used-by-istio)."""


class Listener(msgspec.Struct, frozen=True, order=True):
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


class Listeners(msgspec.Struct, frozen=True):
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


def port_of(name: str) -> int:
    """Return the port of the routes that a listener serves, by its name; 0: no such name."""
    scheme, _, port = name.rpartition("-")
    if not port.isdecimal():
        return 0
    return HTTP_PORT if (scheme, port) == ("https", str(HTTPS_PORT)) else int(port)


def listeners(
    requests: Iterable[IngressRequest],
    tls: Tls,
    hostname: str = "",
    served: Collection[tuple[str, int]] = (),
) -> Listeners:
    """Return the listeners for the ports that requests name.

    A port that Istio uses is refused, and so is one for which the gateway or the application has
    no room. Ports at which an application is served stay; then earlier relations take precedence.
    While TLS is wanted and there is no certificate, the Gateway has one listener, since it
    requires one, and no route attaches to it.

    Args:
        requests: those whose model is the requester's own.
        tls: whether the gateway serves HTTPS.
        hostname: of all listeners; empty: any.
        served: requesters and the ports at which they are served.
    """
    empty = Listeners(tls=tls.wanted)
    default = {REDIRECTING, empty.default}
    opened = set(default)
    ports_by_app: dict[str, set[int]] = {}
    problems: list[Problem] = []
    for request, port in _in_order(requests, served):
        listener = empty.serving(port)
        own = ports_by_app.setdefault(request.requester.app, set())
        refusal = None if listener in default else _refusal(port, own, listener in opened, opened)
        if refusal is not None:
            problems.append(request.requester.problem(Code.PORT_REFUSED, "listeners", *refusal))
            continue
        own.add(port)
        opened.add(listener)
    return Listeners(
        hostname=hostname,
        tls=tls.wanted,
        opened=frozenset(opened),
        in_gateway=(REDIRECTING,)
        if tls.pending
        else (*sorted(default), *sorted(opened - default)),
        problems=tuple(problems),
    )


def _in_order(
    requests: Iterable[IngressRequest], served: Collection[tuple[str, int]]
) -> list[tuple[IngressRequest, int]]:
    """Return the ports of the requests: first those at which the requester is served."""
    wanted = ((request, port) for request in requests for port in request.ports)
    return sorted(
        wanted,
        key=lambda each: (
            (str(each[0].requester), each[1]) not in served,
            each[0].relation_id,
            each[1],
        ),
    )


def _refusal(
    port: int, own: Collection[int], is_open: bool, opened: Collection[Listener]
) -> tuple[str, str] | None:
    """Return why a port cannot be opened for an application, and the remedy; None where it can.

    Args:
        port: the port.
        own: ports of the application until now, without the default ones.
        is_open: whether another application has opened it.
        opened: listeners until now.
    """
    if port in RESERVED:
        return f"Istio itself uses port {port} in the gateway: refused", "use another port"
    if port not in own and len(own) >= MAX_OWN_LISTENERS:
        return f"port {port} is one too many: refused", f"use at most {MAX_OWN_LISTENERS} ports"
    if not is_open and len(opened) >= MAX_LISTENERS:
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
