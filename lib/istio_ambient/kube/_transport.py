# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How requests reach the API server: repeated for a while, within one deadline for all.

What comes back is an answer of the Kubernetes API or a typed error. A proxy or load balancer in
between may answer with anything, with any status and content type.
"""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec

logger = logging.getLogger(__name__)

RETRY_SECONDS = 6.0
"""How long one request is repeated, pauses included."""
HOOK_SECONDS = 45.0
"""How long all requests of one run may take together; the next run waits for it."""
TIMEOUT = httpx2.Timeout(connect=5.0, read=15.0, write=15.0, pool=HOOK_SECONDS)
"""Of one attempt; the API server itself waits for an admission webhook for 10 s."""

RETRIED_CODES = frozenset({429, 500, 502, 503, 504})
MIN_PAUSE = 0.2
"""Seconds between two attempts, whatever the API server asks for."""
MAX_FAILURES = 5
"""How many requests of one sort may fail after each other, all repetitions included, until the
others fail without being sent."""
VERSION = "/version"
"""Path of the one answer that is no Kubernetes object."""
NO_API_ANSWER = 502
"""The status in place of that of an answer that is none of the Kubernetes API."""


class DeadlineError(httpx2.TransportError):
    """The time for all requests is over: this one was not sent."""


class _Head(msgspec.Struct):
    """What every answer of the Kubernetes API has; decoding checks that all of it is JSON."""

    kind: str


# Made before there are threads: msgspec learns a type when it first decodes it.
_HEAD = msgspec.json.Decoder(_Head)


class RetryTransport(httpx2.BaseTransport):
    """Repeats a request for a few seconds while the API server is busy, down or silent.

    Every request of the engine may be repeated: reads, applies, deletions, and replacements
    bound to a resourceVersion. A body that ends early is repeated like a connection that does.

    Args:
        inner: sends one request.
        seconds: for the repetitions of one request.
        hook_seconds: for all requests from now on; then they fail with `DeadlineError`.
    """

    def __init__(
        self,
        inner: httpx2.BaseTransport,
        seconds: float = RETRY_SECONDS,
        hook_seconds: float = HOOK_SECONDS,
    ):
        self._inner = inner
        self._seconds = seconds
        self._deadline = time.monotonic() + hook_seconds
        self._failures = _Failures()
        # Nothing sets the event: its wait() is a pause that a test can tell from time.sleep.
        self._pause = threading.Event()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request; return an answer of the Kubernetes API.

        Raises:
            httpx2.HTTPError: there was no answer; DeadlineError: it was not sent.
        """
        sort = _sort(request)
        answer = self._failures.of(sort) or self._repeated(request)
        self._failures.record(sort, answer)
        if isinstance(answer, httpx2.Response):
            return httpx2.Response(
                answer.status_code, headers=answer.headers, content=answer.content, request=request
            )
        raise answer

    def _repeated(self, request: httpx2.Request) -> httpx2.Response | httpx2.HTTPError:
        end = min(time.monotonic() + self._seconds, self._deadline)
        delay = MIN_PAUSE
        while True:
            answer = self._send(request)
            pause = delay
            if isinstance(answer, httpx2.Response):
                if answer.status_code not in RETRIED_CODES:
                    return answer
                pause = _retry_after(answer.headers, delay)
            if isinstance(answer, DeadlineError) or time.monotonic() + pause >= end:
                return answer
            logger.debug("trying again in %.1f s: %s %s", pause, request.method, request.url)
            self._pause.wait(pause)
            delay *= 2

    def _send(self, request: httpx2.Request) -> httpx2.Response | httpx2.HTTPError:
        left = self._deadline - time.monotonic()
        if left <= 0:
            return DeadlineError("the time for all requests is over")
        limits = {name: min(limit, left) for name, limit in TIMEOUT.as_dict().items() if limit}
        request.extensions = {**request.extensions, "timeout": limits}
        try:
            response = self._inner.handle_request(request)
            try:
                response.read()
            finally:
                response.close()
        except httpx2.HTTPError as error:
            return error
        return _answer(request, response)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _Failures:
    """Requests that failed after each other, by their sort: method and kind.

    A webhook that is down fails all writes of a kind, each after ten seconds. Where there is no
    answer at all, all sorts are one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, tuple[int, httpx2.Response | httpx2.HTTPError]] = {}

    def of(self, sort: str) -> httpx2.Response | httpx2.HTTPError | None:
        """Return how a request of this sort is going to fail; None: it may succeed."""
        with self._lock:
            for count, answer in map(self._found.get, ("", sort), ((0, None),) * 2):
                if count >= MAX_FAILURES:
                    return answer
        return None

    def record(self, sort: str, answer: httpx2.Response | httpx2.HTTPError) -> None:
        """Count a failure; a success is the end of those before it."""
        with self._lock:
            if not isinstance(answer, httpx2.Response):
                sort = ""
            else:
                self._found.pop("", None)
                if answer.status_code not in RETRIED_CODES:
                    self._found.pop(sort, None)
                    return
            count, _ = self._found.get(sort, (0, None))
            self._found[sort] = (count + 1, answer)


def _sort(request: httpx2.Request) -> str:
    """Return method and resource of a request: `PATCH httproutes`."""
    parts = [part for part in request.url.path.split("/") if part]
    parts = parts[2 if parts[:1] == ["api"] else 3 :]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return f"{request.method} {parts[0] if parts else ''}"


def _answer(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """Return an answer of the Kubernetes API; one that says what came, in place of another."""
    code, kind = response.status_code, _kind_of(response.content)
    is_success = 200 <= code < 300
    is_object = kind and (kind != "Status" or request.method == "DELETE")
    if (is_success and (is_object or request.url.path == VERSION)) or (
        code >= 400 and kind == "Status"
    ):
        return _json_response(response, response.content)
    if code == 404 and response.content.strip() == b"404 page not found":
        # The API server's own words about a path that it does not serve: there is no such kind.
        return _status(response, 404, "the API server does not serve this")
    media_type = response.headers.get("Content-Type", "").partition(";")[0] or "nothing"
    message = f"HTTP {code} with {media_type} is no answer of the Kubernetes API"
    return _status(response, code if code >= 400 and code != 404 else NO_API_ANSWER, message)


def _kind_of(content: bytes) -> str:
    try:
        return _HEAD.decode(content).kind
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


def _status(response: httpx2.Response, code: int, message: str) -> httpx2.Response:
    content: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "code": code}
    body = msgspec.json.encode({**content, "status": "Failure", "message": message})
    return _json_response(response, body, code)


def _json_response(response: httpx2.Response, content: bytes, code: int = 0) -> httpx2.Response:
    """Return an answer as lightkube reads it, whatever encoding and content type it came with."""
    headers = {"Content-Type": "application/json"}
    if "Retry-After" in response.headers:
        headers["Retry-After"] = response.headers["Retry-After"]
    return httpx2.Response(code or response.status_code, headers=headers, content=content)


def _retry_after(headers: Mapping[str, str], default: float) -> float:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3), at least a pause."""
    try:
        return max(MIN_PAUSE, float(headers.get("Retry-After", default)))
    except ValueError:
        return default
