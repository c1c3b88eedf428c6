# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""An authorizer and an issuer of tokens: real HTTP servers at a pod's address."""

import contextlib
import dataclasses
import http.cookies
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from joserfc import jwk, jwt

DECISIONS_PORT = 4180
KEYS_PORT = 8080

Answer = tuple[int, dict[str, str], bytes]


@dataclasses.dataclass(frozen=True)
class ReceivedRequest:
    """One request that a server received."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""


class Server:
    """Answers every request with the result of a function; a context manager."""

    def __init__(self, listening: socket.socket, answer: Callable[[ReceivedRequest], Answer]):
        self.requests: list[ReceivedRequest] = []
        self._connections: list[socket.socket] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer._connections.append(self.connection)

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.rfile.read(int(headers.get("content-length", "0")))
                received = ReceivedRequest(self.command, self.path, headers)
                outer.requests.append(received)
                status, found, body = answer(received)
                self.send_response_only(status)
                for name, value in {**found, "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        address = listening.getsockname()
        self._server = http.server.ThreadingHTTPServer(address, Handler, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.socket.close()
        self._server.socket = listening
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening, and close open connections."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def decide(request: ReceivedRequest) -> Answer:
    """Allow requests with a session, except of `banned`; redirect others to the login."""
    cookies = http.cookies.SimpleCookie(request.headers.get("cookie", ""))
    user = cookies["session"].value if "session" in cookies else ""
    if user == "banned":
        return 403, {"content-type": "text/plain"}, b"not you"
    if not user:
        headers = {"location": "http://login.example.com/", "set-cookie": "state=1"}
        return 302, headers, b""
    return 200, {"x-auth-request-user": user, "x-other": "1", "set-cookie": "seen=1"}, b""


class Issuer:
    """Signs tokens, and answers requests for its keys."""

    def __init__(self, name: str):
        self.name = name
        self._key = jwk.ECKey.generate_key("P-256", {"kid": name}, private=True)

    def keys(self, _: ReceivedRequest) -> Answer:
        """Answer with the public key."""
        body = json.dumps({"keys": [self._key.as_dict(private=False)]}).encode()
        return 200, {"content-type": "application/json"}, body

    def bearer(self, **claims: Any) -> dict[str, str]:
        """Return a request header with a token; `claims` replace those of a valid token."""
        now = int(time.time())
        good = {"iss": self.name, "sub": "alice", "aud": "shop", "iat": now, "exp": now + 3600}
        held = {key: value for key, value in {**good, **claims}.items() if value is not None}
        token = jwt.encode({"alg": "ES256", "kid": self.name}, held, self._key)
        return {"authorization": f"Bearer {token}"}
