# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Ports of Services: the pods' ports behind them, and whether a waypoint reads HTTP there."""

from collections.abc import Mapping
from typing import Any

from istio_ambient import kube
from istio_ambient.authorization.evaluator import _snapshot
from istio_ambient.authorization.evaluator._snapshot import Manifest

_HTTP = frozenset({"http", "http2", "http_proxy", "grpc", "grpc-web", "kubernetes.io/h2c"})
_HTTP_APP_PROTOCOLS = frozenset({"kubernetes.io/h2c", "kubernetes.io/ws"})
_NOT_HTTP = frozenset({"tcp", "https", "tls", "mongo", "redis", "mysql", "kubernetes.io/wss"})
_NOT_SNIFFED = frozenset({25, 53, 3306, 27017})


def service_port(service: Manifest, port: int | None) -> dict[str, Any] | None:
    """Return a port of a Service; None where the Service has none, or several and none is given.

    Args:
        service: in JSON form.
        port: its number; None: the only port of the Service.

    Raises:
        LookupError: the Service has other ports, and not this one.
    """
    offered = [
        each
        for each in kube.items(_snapshot.spec(service), "ports")
        if each.get("protocol") != "UDP"
    ]
    if port is None:
        return offered[0] if len(offered) == 1 else None
    for each in offered:
        if each.get("port") == port:
            return each
    if not offered:
        return None
    raise LookupError(f"Service {'/'.join(_snapshot.key(service))} has no port {port}")


def offers(service: Manifest, port: int | None) -> bool:
    """Return whether a Service has a port; true where none is given."""
    try:
        service_port(service, port)
    except LookupError:
        return False
    return True


def target_port(port: Mapping[str, Any], pod: Manifest) -> int | None:
    """Return the pod's port behind a Service's; None: no port of the pod has that name."""
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, int) or str(target).isdigit():
        return int(str(target))
    for container in kube.items(_snapshot.spec(pod), "containers"):
        for exposed in kube.items(container, "ports"):
            if exposed.get("name") == target:
                return exposed.get("containerPort")
    return None


def takes_http(port: Mapping[str, Any] | None) -> bool:
    """Return whether a waypoint reads HTTP on a port, by the port's name or protocol detection.

    See https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/.
    """
    if port is None:
        return True
    protocol = port.get("appProtocol")
    if protocol in _HTTP_APP_PROTOCOLS:
        return True
    called = str(protocol or port.get("name") or "").lower()
    if called.startswith("grpc-web"):
        return True
    kind = called if called in _NOT_HTTP else called.partition("-")[0]
    if kind in _HTTP:
        return True
    return kind not in _NOT_HTTP and port.get("port") not in _NOT_SNIFFED
