# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Ports of Services: the pods' ports behind them, and whether a waypoint reads HTTP there."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from istio_ambient import kube
from istio_ambient.authorization.evaluator import _snapshot
from istio_ambient.authorization.evaluator._snapshot import Manifest

Port = Mapping[str, Any]
"""An element of a Service's `ports`."""


class Protocol(enum.StrEnum):
    """What a waypoint takes the traffic of a port for."""

    HTTP = "HTTP"
    """Also where it looks into the traffic for the protocol."""
    TCP = "TCP"
    UDP = "UDP"
    """A port that is named so, whatever its `protocol` is: no waypoint serves it."""


_HTTP = frozenset({"http", "http2", "http_proxy", "grpc"})
_NOT_HTTP = frozenset({"tcp", "https", "tls", "mongo", "redis", "mysql"})
_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.TCP,
}
_NOT_SNIFFED = frozenset({25, 53, 3306, 27017})


def service_ports(service: Manifest, port: int | None) -> list[Port]:
    """Return the port of a Service with a number, or all where none is given; UDP is left out.

    Raises:
        LookupError: the Service has other ports, and not this one.
    """
    known = offered(service)
    if port is None or not known:
        return known or ([{"port": port}] if port is not None else [])
    found = [each for each in known if each.get("port") == port]
    if not found:
        raise LookupError(f"Service {'/'.join(_snapshot.key(service))} has no port {port}")
    return found[:1]


def by_protocol(ports: Sequence[Port]) -> dict[Protocol, tuple[int, ...] | None]:
    """Return the numbers of ports by protocol; without ports, any number with HTTP."""
    if not ports:
        return {Protocol.HTTP: None}
    found: dict[Protocol, tuple[int, ...] | None] = {}
    for port in ports:
        kind = protocol(port)
        found[kind] = (*(found.get(kind) or ()), int(port["port"]))
    return dict(sorted(found.items()))


def target_ports(ports: Sequence[Port], pod: Manifest) -> tuple[int, ...] | None:
    """Return the pod's ports behind ports of a Service; None: unknown."""
    found = [target_port(port, pod) for port in ports]
    known = tuple(dict.fromkeys(each for each in found if each is not None))
    return known if found and None not in found else None


def offered(service: Manifest) -> list[Port]:
    """Return the ports of a Service that carry connections."""
    ports = kube.items(_snapshot.spec(service), "ports")
    return [each for each in ports if each.get("protocol") != "UDP"]


def numbers(service: Manifest) -> list[int]:
    """Return the numbers of these ports, sorted."""
    return sorted({port for each in offered(service) if isinstance(port := each.get("port"), int)})


def offers(service: Manifest, port: int | None) -> bool:
    """Return whether a Service has a port; true where none is given."""
    try:
        service_ports(service, port)
    except LookupError:
        return False
    return True


def exposed(pod: Manifest) -> Iterator[Port]:
    """Yield the ports that the containers of a pod declare."""
    for container in kube.items(_snapshot.spec(pod), "containers"):
        yield from kube.items(container, "ports")


def target_port(port: Port, pod: Manifest) -> int | None:
    """Return the pod's port behind a Service's; None: no port of the pod has that name."""
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, int) or str(target).isdigit():
        return int(str(target))
    named = (each.get("containerPort") for each in exposed(pod) if each.get("name") == target)
    return next(named, None)


def protocol(port: Port) -> Protocol:
    """Return the protocol of a port, by its `appProtocol` or name, else by detection.

    See https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/ and
    istio.io/istio, pkg/config/kube/conversion.go.
    """
    declared = port.get("appProtocol")
    if declared in _APP_PROTOCOLS:
        return _APP_PROTOCOLS[declared]
    called = str(declared if declared is not None else port.get("name") or "").lower()
    if called.startswith("grpc-web"):
        return Protocol.HTTP
    kind = called.partition("-")[0]
    if kind == "udp":
        return Protocol.UDP
    if kind in _HTTP:
        return Protocol.HTTP
    is_tcp = kind in _NOT_HTTP or port.get("port") in _NOT_SNIFFED
    return Protocol.TCP if is_tcp else Protocol.HTTP
