# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The ports that the gateway listens on, and what it speaks there.

Without TLS a route for port N is served by listener `http-N`. With TLS every listener is HTTPS,
but `http-80`, which redirects: a route for port 80 is served by `https-443`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from istio_ambient.ingress.model import Facts
from istio_ambient.values.names import name_with_hash

HTTP_PORT, HTTPS_PORT = 80, 443
DEFAULT_PORTS = {"http": HTTP_PORT, "https": HTTPS_PORT}
"""Of URLs, by scheme."""
MAX_LISTENERS = 64
"""Of one Gateway."""
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
        """What URLs at it begin with."""
        return self.protocol.lower()

    @property
    def name(self) -> str:
        """What routes name it by."""
        return f"{self.scheme}-{self.port}"


REDIRECTING = Listener(HTTP_PORT)
"""With TLS it serves nothing but redirects to HTTPS."""


def serving(port: int, facts: Facts) -> Listener:
    """Return the listener that serves the routes for a port."""
    if not facts.tls.wanted:
        return Listener(port)
    return Listener(HTTPS_PORT if port == HTTP_PORT else port, "HTTPS")


def listeners(wanted: Iterable[Listener], facts: Facts) -> tuple[Listener, ...]:
    """Return the gateway's listeners: the usual ones, then those that are wanted, by port.

    While TLS is wanted and there is no certificate, there is but one, for no route: a Gateway
    needs one to be valid.
    """
    if facts.tls.pending:
        return (REDIRECTING,)
    usual = {Listener(HTTP_PORT), serving(HTTP_PORT, facts)}
    return (*sorted(usual), *sorted(set(wanted) - usual))


def refusal(port: int) -> tuple[str, str] | None:
    """Return why a port cannot be had, and the remedy; None where it can."""
    if port in RESERVED:
        return f"Istio itself uses port {port} in the gateway: refused", "use another port"
    return None


def secret_name(app: str) -> str:
    """Return the name of the Secret with `tls.crt` and `tls.key`, in the Gateway's namespace."""
    return name_with_hash(f"{app}-tls-certificate", 253)


def listener_spec(listener: Listener, hostname: str, app: str) -> Mapping[str, Any]:
    """Return the listener as it stands in a Gateway.

    Args:
        listener: which.
        hostname: the only one that it takes; empty: any.
        app: our application's name, which is the Gateway's.
    """
    spec: dict[str, Any] = {
        "name": listener.name,
        "port": listener.port,
        "protocol": listener.protocol,
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    if hostname:
        spec["hostname"] = hostname
    if listener.protocol == "HTTPS":
        certificate = {"kind": "Secret", "name": secret_name(app)}
        spec["tls"] = {"mode": "Terminate", "certificateRefs": [certificate]}
    return spec
