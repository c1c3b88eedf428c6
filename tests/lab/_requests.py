# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Requests as a workload on the mesh, and as a client outside the cluster."""

import contextlib
import dataclasses
import json
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable, Generator
from typing import Any, Literal, Protocol

import h11
import lightkube

from tests.lab import (
    _echo,
    _hbone,
    _kubelet,
    _load_balancer,
    _namespaces,
    _network,
    _objects,
    _pod,
    _ztunnel,
)

Hop = Literal["application", "waypoint", "gateway", "ztunnel", "none"]

_HEADLESS = "None"
_IDENTITY_LIFETIME = 1800.0
_CONNECT_PATIENCE = 2.0


class RequestError(RuntimeError):
    """A request cannot be sent: its Service, pod or certificate does not exist."""


@dataclasses.dataclass(frozen=True)
class Response:
    """The result of a request."""

    status: int | None
    """HTTP status; the CONNECT's where it was refused; None: no answer."""
    body: bytes
    headers: dict[str, str]
    """Names in lower case."""
    hop: Hop
    """What answered: the application, or the proxy that refused; `none`: no connection."""
    error: str = ""
    """The reason for a missing answer."""
    certificate: bytes = b""
    """The server's certificate in DER, for a request over TLS."""

    def json(self) -> Any:
        """Return the body, with app, pod, namespace, method, path, headers and client."""
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True)
class Call:
    """An HTTP request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    timeout: float
    source_ip: str | None = None
    """The source address, one of the node; None: as routed."""
    network: str | None = None
    """The network namespace that it comes from; None: the node's."""
    captured: bool = False
    """Whether the ztunnel of the pod that it comes from sends it on."""


class _Stream(Protocol):
    def send(self, data: bytes) -> None: ...

    def receive(self) -> bytes: ...

    def close(self) -> None: ...


class _Plain:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def receive(self) -> bytes:
        return self._connection.recv(65535)

    def close(self) -> None:
        self._connection.close()


class _Tls:
    """TLS to the server `name`; the handshake happens with the first data sent."""

    def __init__(self, connection: socket.socket, name: str, context: ssl.SSLContext) -> None:
        self._connection = context.wrap_socket(
            connection, server_hostname=name, do_handshake_on_connect=False
        )
        self.certificate = b""

    def send(self, data: bytes) -> None:
        if not self.certificate:
            self._connection.do_handshake()
            self.certificate = self._connection.getpeercert(binary_form=True) or b""
        self._connection.sendall(data)

    def receive(self) -> bytes:
        return self._connection.recv(65535)

    def close(self) -> None:
        self._connection.close()


class _Alone:
    """A tunnel that closes its connection when it is closed."""

    def __init__(self, connection: _hbone.Connection, authority: str) -> None:
        self._connection = connection
        try:
            self._tunnel = connection.tunnel(authority)
        except BaseException:
            connection.close()
            raise
        self.send = self._tunnel.send
        self.receive = self._tunnel.receive

    def close(self) -> None:
        self._connection.close()


def _plain_socket(where: tuple[str, int], call: Call) -> socket.socket:
    origin = (call.source_ip, 0) if call.source_ip else None

    def connected() -> socket.socket:
        if not call.captured:
            return socket.create_connection(where, call.timeout, origin)
        connection = socket.socket()
        connection.settimeout(call.timeout)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, _ztunnel.CAPTURED_MARK)
        connection.connect(where)
        return connection

    return _namespaces.socket_in(call.network, connected) if call.network else connected()


class Requests:
    """Finds the hops of a request, and sends it."""

    def __init__(
        self,
        client: lightkube.Client,
        kubelet: _kubelet.Kubelet,
        load_balancer: _load_balancer.LoadBalancer,
    ) -> None:
        self._client = client
        self._kubelet = kubelet
        self._load_balancer = load_balancer
        self._root = ""
        self._contexts: dict[tuple[str, str], tuple[float, ssl.SSLContext]] = {}
        self._kept: dict[tuple[str, str, str | None], _hbone.Connection] | None = None

    @contextlib.contextmanager
    def keeping_connections(self) -> Generator[None]:
        """Let all requests of a workload to an address share a connection in this context."""
        self._kept = {}
        try:
            yield
        finally:
            for connection in self._kept.values():
                connection.close()
            self._kept = None

    def network_of(self, pod: str) -> str:
        """Return the network namespace of a real pod, `namespace/name`.

        Raises:
            RequestError: There is no such pod.
        """
        namespace, _, name = pod.partition("/")
        found = self._kubelet.real_pods().get((namespace, name))
        if not found:
            raise RequestError(f"no pod {pod} runs")
        return found.namespace

    def request(self, source: str | None, service: str, call: Call, via: str | None) -> Response:
        """See `Cluster.request`."""
        if via not in {None, "pod"}:
            raise ValueError(f'via is None or "pod", not {via!r}')
        name, _, port_text = service.partition(":")
        port = int(port_text)
        found = self._service(name)
        namespace, _, name = name.partition("/")
        host = f"{name}.{namespace}.svc.cluster.local:{port}"
        address = found["spec"]["clusterIP"]
        if address == _HEADLESS:
            # The name resolves to the pods' addresses, and no port is translated.
            if source:
                raise ValueError("what is sent to a headless Service is sent by a pod")
            return self._plain(self._pod(found).address, port, host, call, True)
        if source is None and via is None:
            return self._plain(address, port, host, call, call.captured)
        waypoint = None if via else self._kubelet.waypoint_address(found)
        if waypoint and source:
            authority = f"{address}:{port}"
            return _exchange(
                lambda: self._tunnel(source, waypoint, authority, call),
                host,
                call,
                "waypoint",
                self._kubelet.has_ztunnel,
            )
        return self._to_pod(source, found, port, host, call)

    def request_outside(
        self, url: str, source_ip: str, call: Call, address: str | None, roots: str | None
    ) -> Response:
        """See `Cluster.request_outside`."""
        if source_ip not in _network.OUTSIDE_ADDRESSES:
            raise ValueError(f"source_ip is one of {_network.OUTSIDE_ADDRESSES}")
        parts = urllib.parse.urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        path = parts.path or "/"
        call = dataclasses.replace(call, path=f"{path}?{parts.query}" if parts.query else path)

        def connect() -> _Stream:
            target = address or self._load_balancer.address_of(host) or host
            where = (target, parts.port or (443 if secure else 80))
            connection = _namespaces.socket_in(
                _network.OUTSIDE,
                lambda: socket.create_connection(where, call.timeout, (source_ip, 0)),
            )
            if not secure:
                return _Plain(connection)
            return _Tls(connection, host, ssl.create_default_context(cadata=roots or ""))

        return _exchange(
            connect, parts.netloc, call, "gateway", self._kubelet.has_ztunnel, once=secure
        )

    def listen(self, service: str, port: int) -> socket.socket:
        """See `Cluster.listen`."""
        pod = self._pod(self._service(service))
        return _namespaces.socket_in(
            pod.namespace, lambda: socket.create_server((pod.address, port))
        )

    def _service(self, text: str) -> _objects.Object:
        namespace, _, name = text.partition("/")
        found = self._kubelet.service(namespace, name)
        if not found:
            raise RequestError(f"there is no Service {namespace}/{name}")
        return found

    def _pod(self, service: _objects.Object) -> _pod.RealPod:
        pods = self._kubelet.pods_of(service)
        if not pods:
            name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            raise RequestError(f"no ready pod runs behind Service {name}")
        return pods[0]

    def _to_pod(
        self, source: str | None, service: _objects.Object, port: int, host: str, call: Call
    ) -> Response:
        pod = self._pod(service)
        target = _target_port(service, pod.pod, port)
        if source is None or not pod.ztunnel():
            return self._plain(pod.address, target, host, call, bool(pod.ztunnel()))
        authority = f"{pod.address}:{target}"
        return _exchange(
            lambda: self._tunnel(source, pod.address, authority, call),
            host,
            call,
            "ztunnel",
            True,
        )

    def _plain(
        self, address: str, port: int, host: str, call: Call, ztunnel: bool = False
    ) -> Response:
        return _exchange(
            lambda: _Plain(_plain_socket((address, port), call)),
            host,
            call,
            "ztunnel" if ztunnel else "none",
            ztunnel,
        )

    def _tunnel(self, source: str, address: str, authority: str, call: Call) -> _Stream:
        key = (source, address, call.source_ip or call.network)
        kept = (self._kept or {}).get(key)
        if kept and not kept.closed:
            return kept.tunnel(authority)
        context = self._context(source)
        made = _hbone.Connection(address, context, call.timeout, call.source_ip, call.network)
        if self._kept is None:
            return _Alone(made, authority)
        self._kept[key] = made
        return made.tunnel(authority)

    def _context(self, source: str) -> ssl.SSLContext:
        namespace, _, account = source.partition("/")
        root = self._kubelet.root_certificate(namespace)
        istiod = self._kubelet.istiod_service()
        if not istiod or not root:
            raise RequestError("there is no istiod that could give a certificate")
        if root != self._root:  # The control plane is another one than before.
            self._root, self._contexts = root, {}
        known = self._contexts.get((namespace, account))
        if known and time.monotonic() - known[0] < _IDENTITY_LIFETIME:
            return known[1]
        token = _objects.request_token(self._client, namespace, account, "istio-ca")
        context = _hbone.client_context(
            namespace,
            account,
            token,
            f"{istiod['spec']['clusterIP']}:15012",
            f"istiod.{istiod['metadata']['namespace']}.svc",
            root,
        )
        self._contexts[namespace, account] = (time.monotonic(), context)
        return context


def _target_port(service: _objects.Object, pod: _objects.Object, port: int) -> int:
    for offered in _objects.sequence(service, "spec", "ports"):
        if offered["port"] != port:
            continue
        target = offered.get("targetPort", port)
        if isinstance(target, int) or str(target).isdigit():
            return int(target)
        for container in _objects.sequence(pod, "spec", "containers"):
            for exposed in _objects.sequence(container, "ports"):
                if exposed.get("name") == target:
                    return exposed["containerPort"]
    raise RequestError(f"Service {service['metadata']['name']} has no port {port}")


def _exchange(
    connect: Callable[[], _Stream],
    host: str,
    call: Call,
    proxy: Hop,
    ztunnel: bool,
    once: bool = False,
) -> Response:
    """Connect, send, receive, and return what answered; `once`: a failure is not retried."""
    try:
        stream = connect() if once else _connected(connect)
    except _hbone.RefusedError as refused:
        return Response(refused.status, b"", {}, proxy, str(refused))
    except OSError as error:
        return Response(None, b"", {}, "none", repr(error))
    try:
        status, headers, body = _http(stream, host, call)
    except (OSError, h11.RemoteProtocolError) as error:
        # The connection was accepted and dropped.
        return Response(None, b"", {}, proxy, repr(error))
    finally:
        stream.close()
    certificate = stream.certificate if isinstance(stream, _Tls) else b""
    if _echo.MARK_HEADER in headers:
        return Response(status, body, headers, "application", certificate=certificate)
    if status == 503 and ztunnel and b"upstream connect error" in body:
        # The proxy's upstream failed; ztunnel gives no reason.
        return Response(status, body, headers, "ztunnel")
    return Response(status, body, headers, proxy, certificate=certificate)


def _connected(connect: Callable[[], _Stream]) -> _Stream:
    """Connect; kube-proxy needs a moment until a new Service or endpoint can be reached."""
    deadline = time.monotonic() + _CONNECT_PATIENCE
    while True:
        try:
            return connect()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _http(stream: _Stream, host: str, call: Call) -> tuple[int, dict[str, str], bytes]:
    connection = h11.Connection(h11.CLIENT)
    headers = {"host": host, "connection": "close"}
    if call.body:
        headers["content-length"] = str(len(call.body))
    headers |= {name.lower(): value for name, value in call.headers.items()}
    request = h11.Request(method=call.method, target=call.path, headers=list(headers.items()))
    data = connection.send(request) or b""
    if call.body:
        data += connection.send(h11.Data(data=call.body)) or b""
    data += connection.send(h11.EndOfMessage()) or b""
    stream.send(data)
    status, found, body = 0, dict[str, str](), bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(stream.receive())
        elif isinstance(event, h11.Response):
            status = event.status_code
            found = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return status, found, bytes(body)
