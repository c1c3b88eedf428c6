#!/usr/bin/env python3
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The bookshop's program, on the standard library alone: it serves, or sends one request.

``bookshop.py serve`` answers HTTP requests in the role of the environment variable ``ROLE``.
``bookshop.py request METHOD URL`` prints the answer to a request as JSON.

The charm copies this file into the workload's container.
"""

import http.client
import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

PORT = 9080
TIMEOUT = 5.0
"""Seconds that a request to another application may take."""
MAX_BODY = 64 * 1024
"""Bytes of an answer that are read."""

BOOKS: dict[str, dict[str, dict[str, Any]]] = {
    "details": {
        "0": {"title": "The Comedy of Errors", "author": "William Shakespeare", "pages": 200},
        "1": {"title": "Much Ado About Nothing", "author": "William Shakespeare", "pages": 180},
    },
    "reviews": {
        "0": {"text": "An extremely entertaining play."},
        "1": {"text": "Absolutely fun, and less than a day to read."},
    },
    "ratings": {"0": {"stars": 5}, "1": {"stars": 4}},
}
"""The books, by role and id."""
CALLS = {"productpage": ("details", "reviews"), "reviews": ("ratings",)}
"""The roles that each role calls."""


class Server(ThreadingHTTPServer):
    """Answers in one role, and calls the other applications.

    Args:
        address: host and port to listen at.
        app: name of the application, which is in every answer.
        role: what it serves.
        backends: URLs of the applications that it calls, by their role.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], app: str, role: str, backends: dict[str, str]):
        self.app = app
        self.role = role
        self.backends = backends
        self.answered: Counter[tuple[str, int]] = Counter()
        self.lock = threading.Lock()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Listen, without looking up the host's own name as `HTTPServer` does."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.app, self.socket.getsockname()[1]

    def answer(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        """Return status and content of the answer to a request."""
        segments = path.partition("?")[0].strip("/").split("/")
        if segments == ["health"]:
            found: dict[str, Any] | None = {"healthy": True}
        elif self.role == "productpage":
            found = self._call("0") if segments in ([""], ["productpage"]) else None
        elif len(segments) == 2 and segments[0] == self.role:
            book = BOOKS.get(self.role, {}).get(segments[1])
            found = book and {**book, **self._call(segments[1])}
        else:
            found = None
        if found is None:
            return 404, {"error": "not found"}
        if method not in ("GET", "HEAD"):
            return 405, {"error": "only GET is answered"}
        return 200, found

    def metrics(self) -> str:
        """Return the number of answers, in Prometheus' text format."""
        with self.lock:
            answered = sorted(self.answered.items())
        lines = ["# TYPE bookshop_requests_total counter"]
        for (method, status), count in answered:
            lines.append(f'bookshop_requests_total{{method="{method}",status="{status}"}} {count}')
        return "\n".join([*lines, ""])

    def _call(self, book: str) -> dict[str, Any]:
        """Return the answers of the applications that this role calls."""
        called: dict[str, Any] = {}
        for role in CALLS.get(self.role, ()):
            if role in self.backends:
                called[role] = send("GET", f"{self.backends[role]}/{role}/{book}")
            else:
                called[role] = {"status": None, "error": "not integrated"}
        return called


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    """Seconds for which a client may be silent."""

    def _handle(self) -> None:
        server = cast(Server, self.server)
        length = self.headers.get("content-length") or "0"
        if not (length.isdecimal() and len(length) < 8 and int(length) <= MAX_BODY):
            self.close_connection = True
            self._send(400, "application/json", '{"error": "send less"}\n')
            return
        self.rfile.read(int(length))
        if self.path == "/metrics":
            self._send(200, "text/plain; version=0.0.4", server.metrics())
            return
        status, found = server.answer(self.command, self.path)
        with server.lock:
            server.answered[self.command, status] += 1
        identity = {"app": server.app, "pod": socket.gethostname()}
        request = {"method": self.command, "path": self.path}
        text = json.dumps({**identity, **request, **found}, indent=2)
        self._send(status, "application/json", text + "\n")

    def _send(self, status: int, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = _handle  # noqa: N815


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Show a redirect, instead of following it."""


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def send(method: str, url: str) -> dict[str, Any]:
    """Send a request, and return the answer.

    Returns:
        Status and body, which is the value where the answer is JSON; or, where there was no
        answer, a status of None and the error.
    """
    try:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("only http:// and https:// are sent")
        request = urllib.request.Request(url, method=method)  # noqa: S310  (checked above)
        with _opener.open(request, timeout=TIMEOUT) as response:
            status, body = response.status, response.read(MAX_BODY)
    except urllib.error.HTTPError as refused:
        status, body = refused.code, refused.read(MAX_BODY)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        return {"status": None, "error": str(reason) or type(error).__name__}
    text = body.decode(errors="replace")
    try:
        return {"status": status, "body": json.loads(text)}
    except ValueError:
        return {"status": status, "body": text}


def main(arguments: list[str]) -> int:
    """Serve, or send one request; return the exit status."""
    match arguments:
        case ["serve"]:
            backends = json.loads(os.environ.get("BACKENDS") or "{}")
            app, role = os.environ["APP"], os.environ["ROLE"]
            Server(("", PORT), app, role, backends).serve_forever()
        case ["request", method, url]:
            print(json.dumps(send(method, url)))
        case _:
            print("usage: bookshop.py serve | request METHOD URL", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
