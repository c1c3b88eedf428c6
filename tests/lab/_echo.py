# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The application of the lab's pods: an HTTP server that answers with what it was asked.

One thread serves all pods; each listens in its own network namespace.
"""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from tests.lab import _namespaces

MARK_HEADER = "x-lab-application"
"""Header of every answer, by which it is told from one of a proxy."""


class EchoServers:
    """Runs the applications of all pods."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: dict[str, list[asyncio.Server]] = {}
        threading.Thread(target=self._loop.run_forever, name="echo", daemon=True).start()

    def start(
        self, namespace: str, address: str, ports: Sequence[int], identity: Mapping[str, str]
    ) -> None:
        """Listen for a pod.

        Args:
            namespace: Its network namespace.
            address: Its address.
            ports: Its container ports.
            identity: Goes into every answer (app, pod, namespace).
        """
        sockets = [
            _namespaces.socket_in(namespace, lambda port=port: _listen(address, port))
            for port in ports
        ]
        self._run(self._serve(namespace, sockets, dict(identity)))

    def stop(self, namespace: str) -> None:
        """Stop listening for a pod."""
        self._run(self._close(namespace))

    def close(self) -> None:
        """Stop everything."""
        for namespace in list(self._servers):
            self.stop(namespace)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _serve(
        self, namespace: str, sockets: list[socket.socket], identity: dict[str, str]
    ) -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                while await _answer(reader, writer, identity):
                    pass
            writer.close()

        self._servers[namespace] = [
            await asyncio.start_server(handle, sock=listening) for listening in sockets
        ]

    async def _close(self, namespace: str) -> None:
        for server in self._servers.pop(namespace, []):
            server.close()


def _listen(address: str, port: int) -> socket.socket:
    return socket.create_server((address, port), backlog=128)


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, identity: dict[str, str]
) -> bool:
    """Answer one request; returns whether the connection is kept."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, version = head[0].split(" ")
    pairs = (line.split(":", 1) for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    await _skip_body(reader, headers)
    client = writer.get_extra_info("peername")[0]
    answer = {**identity, "method": method, "path": path, "headers": headers, "client": client}
    body = json.dumps(answer).encode()
    keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
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
