# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The kubelet's endpoint for logs, which the API server asks for `pods/log`.

kubernetes/kubernetes, `pkg/kubelet/server/server.go`: GET
`/containerLogs/<namespace>/<pod>/<container>?sinceSeconds=…&tailLines=…&limitBytes=…`. The lines
are those that the lab's programs wrote. Their own times stand in for those of a container runtime.
"""

import contextlib
import datetime
import http.server
import pathlib
import re
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterable

PORT = 10250

_PATH = re.compile(r"/containerLogs/([^/]+)/([^/]+)/[^/]+")
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
Find = Callable[[str, str], Iterable[pathlib.Path]]


class LogServer:
    """Serves the logs of pods over TLS to clients with a certificate of the cluster's authority.

    Args:
        address: of the node.
        files: certificate, key, and the certificate of the authority.
        find: returns the files with the log of a pod, by its namespace and name.
    """

    def __init__(
        self, address: str, files: tuple[pathlib.Path, pathlib.Path, pathlib.Path], find: Find
    ) -> None:
        certificate, key, authority = files
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        self.reachable = True
        """Whether the kubelet answers; a test sets it."""

        class Handler(_Handler):
            server_logs = self
            found = staticmethod(find)

        self._server = http.server.ThreadingHTTPServer((address, PORT), Handler)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, name="logs", daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server_logs: LogServer
    found: Find

    def do_GET(self) -> None:
        """Answer with a log."""
        parts = urllib.parse.urlsplit(self.path)
        path = _PATH.fullmatch(parts.path)
        files = list(self.found(path[1], path[2])) if path else []
        if not files or not self.server_logs.reachable:
            self.send_error(404 if self.server_logs.reachable else 503, "no log")
            return
        body = _excerpt(files, dict(urllib.parse.parse_qsl(parts.query)))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def _excerpt(files: Iterable[pathlib.Path], query: dict[str, str]) -> bytes:
    """Return the lines that a query of the API server asks for."""
    timed: list[tuple[str, str]] = []
    for file in files:
        time = ""
        for line in file.read_text(errors="replace").splitlines(keepends=True):
            found = _TIME.search(line)
            time = found[0] if found else time
            timed.append((time, line))
    timed.sort(key=lambda each: each[0][:19])
    if "sinceSeconds" in query:
        since = datetime.timedelta(seconds=int(query["sinceSeconds"]))
        start = (datetime.datetime.now(datetime.UTC) - since).isoformat()[:19]
        timed = [each for each in timed if each[0][:19] >= start]
    if "tailLines" in query:
        timed = timed[len(timed) - min(len(timed), int(query["tailLines"])) :]
    body = "".join(line for _, line in timed).encode()
    return body[: int(query["limitBytes"])] if "limitBytes" in query else body
