# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Records the actions of charms within their hooks: API requests and started programs."""

import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import NamedTuple

import httpx2
from istio_ambient.cluster import acceptance

READS = frozenset({"GET", "HEAD"})


class Request(NamedTuple):
    """One HTTP request to the API server; a retry counts as another."""

    method: str
    path: str
    """The path with its query, as sent."""

    @property
    def write(self) -> bool:
        """Whether the request may change an object; a token is made, and none is changed."""
        return self.method not in READS and not self.path.endswith("/token")


class Requests(list[Request]):
    """The requests that hooks made while the context was open, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.hooks: list[str] = []
        """The hooks that ran, whether they made requests or not."""
        self.processes: list[str] = []
        """Audit events of started programs, such as `subprocess.Popen 'kubectl'`."""

    @property
    def writes(self) -> list[Request]:
        """The requests that may change an object."""
        return [request for request in self if request.write]

    @property
    def reads(self) -> list[Request]:
        """The requests that only read."""
        return [request for request in self if not request.write]

    def by_kind(self) -> dict[tuple[str, str], int]:
        """Count by method and path without the query."""
        counts: dict[tuple[str, str], int] = {}
        for request in self:
            key = (request.method, request.path.partition("?")[0])
            counts[key] = counts.get(key, 0) + 1
        return counts


class _Recorder:
    """Receives every request of a hook; hooks run one at a time, requests in many threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: list[tuple[Requests, frozenset[str]]] = []
        self.unit: str | None = None
        self.others = frozenset[threading.Thread]()
        """Threads that ran when the hook began: the lab's own."""


_recorder = _Recorder()
_handle_request = httpx2.HTTPTransport.handle_request


def _recorded(self: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
    # Charms authenticate with their ServiceAccount's token, the lab with client certificates.
    by_charm = _recorder.unit is not None and "authorization" in request.headers
    # istiod takes a token too, and is no API server.
    by_charm = by_charm and request.url.port != acceptance.PORT
    with _recorder.lock:
        for seen, units in _recorder.open:
            if by_charm and (not units or _recorder.unit in units):
                path = request.url.raw_path.decode()
                seen.append(Request(request.method, path))
    return _handle_request(self, request)


_STARTS = ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system")
"""Prefixes of the events of `sys.addaudithook` for new programs."""


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _recorder.unit is None or not event.startswith(_STARTS):
        return
    if threading.current_thread() in _recorder.others:
        return
    what = f"{event} {arguments[0]!r}" if arguments else event
    with _recorder.lock:
        for seen, units in _recorder.open:
            if not units or _recorder.unit in units:
                seen.processes.append(what)


# Permanent: Python cannot remove an audit hook.
sys.addaudithook(_audit)


@contextmanager
def recording(unit: str, hook: str) -> Generator[None]:
    """Attribute the requests and started programs in this context to a unit's hook."""
    _recorder.others = frozenset(threading.enumerate()) - {threading.current_thread()}
    _recorder.unit = unit
    for seen, units in _recorder.open:
        if not units or unit in units:
            seen.hooks.append(hook)
    # The lowest layer that all clients share, below any transport of a charm.
    httpx2.HTTPTransport.handle_request = _recorded
    try:
        yield
    finally:
        httpx2.HTTPTransport.handle_request = _handle_request
        _recorder.unit = None


@contextmanager
def requests(units: Iterable[str] = ()) -> Generator[Requests]:
    """Collect the requests of hooks; with ``units``, only of these units."""
    seen = Requests()
    entry = (seen, frozenset(units))
    _recorder.open.append(entry)
    try:
        yield seen
    finally:
        _recorder.open = [other for other in _recorder.open if other is not entry]
