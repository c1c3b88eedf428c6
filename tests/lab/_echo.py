# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The application of the lab's pods: a server that answers with the request it received.

One thread serves all pods; each listens in its own network namespace. A port speaks one protocol:
`http` (HTTP/1.1), `https` (the same over TLS, with a certificate that no client trusts), `h2c`
(HTTP/2 with prior knowledge, without TLS) or `grpc`.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Coroutine, Mapping
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from tests import authorities
from tests.lab import _echo_grpc, _namespaces

MARK_HEADER = "x-lab-application"
"""Header of every answer of the application; answers of a proxy lack it."""

CLOSE_HEADER = "x-lab-close"
"""Header of a request after which the connection closes, so that no proxy keeps it open."""


class EchoServers:
    """Runs the applications of all pods."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: dict[str, list[asyncio.Server]] = {}
        self._grpc: dict[str, list[_echo_grpc.GrpcEcho]] = {}
        threading.Thread(target=self._loop.run_forever, name="echo", daemon=True).start()

    def start(
        self, namespace: str, address: str, ports: Mapping[int, str], identity: Mapping[str, str]
    ) -> None:
        """Listen at the ports of a pod.

        Args:
            namespace: The pod's network namespace.
            address: The pod's address.
            ports: The container ports, each with its protocol.
            identity: Contained in every answer (app, pod, namespace).
        """
        self._grpc[namespace] = [
            _echo_grpc.GrpcEcho(namespace, address, port, identity)
            for port, speaks in ports.items()
            if speaks == "grpc"
        ]
        sockets = [
            (_namespaces.socket_in(namespace, lambda port=port: _listen(address, port)), speaks)
            for port, speaks in ports.items()
            if speaks != "grpc"
        ]
        self._run(self._serve(namespace, sockets, dict(identity)))

    def stop(self, namespace: str) -> None:
        """Stop listening for a pod."""
        for server in self._grpc.pop(namespace, []):
            server.stop()
        self._run(self._close(namespace))

    def close(self) -> None:
        """Stop all servers."""
        for namespace in list(self._servers):
            self.stop(namespace)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _serve(
        self, namespace: str, sockets: list[tuple[socket.socket, str]], identity: dict[str, str]
    ) -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                while await _answer(reader, writer, identity):
                    pass
            writer.close()

        async def handle_http2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
                await _answer_http2(reader, writer, identity)
            writer.close()

        self._servers[namespace] = [
            await asyncio.start_server(
                handle_http2 if speaks == "h2c" else handle,
                sock=listening,
                ssl=_unknown_certificate() if speaks == "https" else None,
            )
            for listening, speaks in sockets
        ]

    async def _close(self, namespace: str) -> None:
        for server in self._servers.pop(namespace, []):
            server.close()


def _listen(address: str, port: int) -> socket.socket:
    return socket.create_server((address, port), backlog=128)


def _unknown_certificate() -> ssl.SSLContext:
    """Return the TLS context of a server whose certificate no client trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    unknown = authorities.Authority.make("an application of the lab")
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(unknown.pem + unknown.key_pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def _answer_http2(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, identity: dict[str, str]
) -> None:
    """Answer the requests of a connection with HTTP/2 prior knowledge."""
    config = h2.config.H2Configuration(client_side=False)
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    requests: dict[int, dict[str, str]] = {}
    writer.write(connection.data_to_send())
    while data := await reader.read(65535):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                pairs = ((name.decode(), value.decode()) for name, value in event.headers)
                requests[event.stream_id] = dict(pairs)
            elif isinstance(event, h2.events.StreamEnded):
                headers = requests.pop(event.stream_id)
                method, path = headers[":method"], headers[":path"]
                answer = {**identity, "method": method, "path": path, "headers": headers}
                head = [
                    (":status", "200"),
                    ("content-type", "application/json"),
                    (MARK_HEADER, identity.get("app", "")),
                ]
                connection.send_headers(event.stream_id, head)
                body = json.dumps({**answer, "version": "HTTP/2"}).encode()
                connection.send_data(event.stream_id, body, end_stream=True)
        writer.write(connection.data_to_send())
        await writer.drain()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, identity: dict[str, str]
) -> bool:
    """Answer one request; return whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, version = head[0].split(" ")
    pairs = (line.split(":", 1) for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    await _skip_body(reader, headers)
    client = writer.get_extra_info("peername")[0]
    answer = {**identity, "method": method, "path": path, "headers": headers, "client": client}
    answer |= {"version": version, "tls": writer.get_extra_info("ssl_object") is not None}
    body = json.dumps(answer).encode()
    keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    keep = keep and CLOSE_HEADER not in headers
    lines = [
        "HTTP/1.1 200 OK",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"{MARK_HEADER}: {identity.get('app', '')}",
        f"connection: {'keep-alive' if keep else 'close'}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body))
    await writer.drain()
    return keep


async def _skip_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> None:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")
    else:
        await reader.readexactly(int(headers.get("content-length", "0")))
