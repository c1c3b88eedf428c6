# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How requests reach the API server: repeated for a while, within one deadline for all.

What comes back is an answer of the Kubernetes API or a typed error. A proxy or load balancer in
between may answer with anything, with any status and content type.
"""

import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec

RETRY_SECONDS = 6.0
"""How long one request is repeated, pauses included."""
HOOK_SECONDS = 45.0
"""How long all requests of one run may take together; the next run waits for it."""
TIMEOUT = httpx2.Timeout(connect=5.0, read=15.0, write=15.0, pool=HOOK_SECONDS)
"""Of one attempt; the API server itself waits for an admission webhook for 10 s."""

RETRIED_CODES = frozenset({429, 500, 502, 503, 504})
MIN_PAUSE, MAX_PAUSE = 0.2, 1.0
"""Seconds between two attempts; the API server may ask for a longer pause, not for a shorter."""
MAX_BYTES = 256 * 1024 * 1024
"""Of an answer."""
MAX_TEXT = 16 * 1024 * 1024
"""Bytes of a log or of a pod's own answer, which may come from any program."""
MAX_FAILURES = 5
"""How many requests of one sort may fail after each other, repetitions included. The others are
sent once; where the failures are slow, or there is no answer at all, not even that."""
SLOW = 3.0
"""Seconds from which one attempt is slow: an admission webhook that does not answer takes ten."""
ALWAYS_SERVED = frozenset(
    {
        "apps",
        "rbac.authorization.k8s.io",
        "apiextensions.k8s.io",
        "autoscaling",
        "policy",
        "discovery.k8s.io",
        "coordination.k8s.io",
    }
)
"""API groups of every API server, beside that of `/api`."""
VERSION = "/version"
"""Path of the one answer that is no Kubernetes object."""
TEXTS = re.compile(r"/api/v1/namespaces/[^/]+/pods/[^/]+/(?:log$|proxy/)")
"""Paths of answers that are text: of a pod's log, and what a pod itself answers."""
_STRANGE_TIME = re.compile(
    rb'"time": ?"(?:0000|-\d{3,}|\d{5,})(-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")'
)
"""A time before the year 1 or after 9999. Whoever makes an object may name one in its
`managedFields`, the API server keeps it, and no type of Python holds it: no list that has the
object could be read."""
_USUAL_TIME = rb'"time":"2000\1'
"""In its place: a leap year, long ago."""
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
        silence_seconds: the same where there is no answer at all.
        hook_seconds: for all requests from now on; then they fail with `DeadlineError`.
    """

    def __init__(
        self,
        inner: httpx2.BaseTransport,
        seconds: float = RETRY_SECONDS,
        silence_seconds: float = RETRY_SECONDS,
        hook_seconds: float = HOOK_SECONDS,
    ):
        self._inner = inner
        self._seconds, self._silence_seconds = seconds, silence_seconds
        self._end = self._deadline = time.monotonic() + hook_seconds
        self._failures = _Failures()
        # Nothing sets the event: its wait() is a pause that a test can tell from time.sleep.
        self._pause = threading.Event()

    def has_time(self, seconds: float) -> bool:
        """Return whether this many seconds are left for all requests."""
        return time.monotonic() + seconds <= self._end

    def extend(self, seconds: float) -> None:
        """Leave this many seconds from now, however late it is; once more than all are not."""
        wanted = time.monotonic() + seconds
        self._deadline = max(self._deadline, min(wanted, self._end + seconds))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request; return an answer of the Kubernetes API.

        Raises:
            httpx2.HTTPError: there was no answer; DeadlineError: it was not sent.
        """
        sort = _sort(request)
        found = self._failures.of(sort)
        # What takes access away is always tried.
        if found.skips and (found.is_silence or request.method != "DELETE"):
            answer = _not_sent(found.answer)
        else:
            answer, seconds = self._repeated(request, once=found.is_many)
            self._failures.record(sort, answer, seconds)
        if isinstance(answer, httpx2.Response):
            return answer
        raise answer

    def _repeated(
        self, request: httpx2.Request, *, once: bool
    ) -> tuple[httpx2.Response | httpx2.HTTPError, float]:
        """Return how a request ends, and the seconds that its last attempt took."""
        start, delay = time.monotonic(), MIN_PAUSE
        while True:
            began = time.monotonic()
            answer = self._send(request)
            took, pause = time.monotonic() - began, delay
            is_silent = not isinstance(answer, httpx2.Response)
            if isinstance(answer, httpx2.Response):
                if answer.status_code not in RETRIED_CODES:
                    return answer, took
                pause = _retry_after(answer.headers, delay)
            ends = time.monotonic() + pause
            is_late = ends >= start + self._seconds and not (
                is_silent and ends < start + self._silence_seconds and self._is_away(request)
            )
            if once or is_late or ends >= self._deadline:
                return answer, took
            self._pause.wait(pause)
            delay = min(2 * delay, MAX_PAUSE)

    def _is_away(self, request: httpx2.Request) -> bool:
        """Return whether the API server answers nothing at all, and not only this request."""
        url = request.url.copy_with(raw_path=VERSION.encode())
        # What those headers say of a body is not so of the probe.
        probe = httpx2.Request("GET", url, headers=_without_body(request.headers))
        return not isinstance(self._send(probe), httpx2.Response)

    def _send(self, request: httpx2.Request) -> httpx2.Response | httpx2.HTTPError:
        left = self._deadline - time.monotonic()
        if left <= 0:
            return DeadlineError("the time for all requests is over")
        limits = {name: min(limit, left) for name, limit in TIMEOUT.as_dict().items() if limit}
        request.extensions = {**request.extensions, "timeout": limits}
        # A hook runs in the cluster, where bandwidth is worth less than the CPU of both sides.
        request.headers["Accept-Encoding"] = "identity"
        try:
            response = self._inner.handle_request(request)
            try:
                content = _content(
                    response,
                    time.monotonic() + min(TIMEOUT.read or 0, left),
                    MAX_TEXT if TEXTS.match(request.url.path) else MAX_BYTES,
                )
            finally:
                response.close()
        except httpx2.HTTPError as error:
            return error
        return _answer(request, response, content)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _Failed(msgspec.Struct, frozen=True):
    """Requests of one sort that failed after each other."""

    count: int = 0
    answer: httpx2.Response | httpx2.HTTPError | None = None
    """The last one."""
    is_slow: bool = False

    @property
    def is_many(self) -> bool:
        return self.count >= MAX_FAILURES

    @property
    def is_silence(self) -> bool:
        """Whether there was no answer at all."""
        return isinstance(self.answer, httpx2.HTTPError)

    @property
    def skips(self) -> bool:
        return self.is_many and (self.is_slow or self.is_silence)


class _Failures:
    """Failed requests by their sort: method, namespace and kind; no answer at all is one sort."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, _Failed] = {}

    def of(self, sort: str) -> _Failed:
        """Return the failures that a request of this sort shares."""
        with self._lock:
            silence = self._found.get(_SILENCE, _Failed())
            return silence if silence.is_many else self._found.get(sort, _Failed())

    def record(
        self, sort: str, answer: httpx2.Response | httpx2.HTTPError, seconds: float
    ) -> None:
        """Count a failure; a success is the end of those before it."""
        with self._lock:
            if not isinstance(answer, httpx2.Response):
                sort = _SILENCE
            else:
                self._found.pop(_SILENCE, None)
                if answer.status_code not in RETRIED_CODES:
                    self._found.pop(sort, None)
                    return
            before = self._found.get(sort, _Failed())
            self._found[sort] = _Failed(before.count + 1, answer, seconds >= SLOW)


_SILENCE = ""


def _sort(request: httpx2.Request) -> str:
    """Return method, namespace and resource of a request: `PATCH shop/httproutes`."""
    parts = [part for part in request.url.path.split("/") if part]
    parts = parts[2 if parts[:1] == ["api"] else 3 :]
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    return f"{request.method} {namespace}/{parts[0] if parts else ''}"


def _not_sent(
    answer: httpx2.Response | httpx2.HTTPError | None,
) -> httpx2.Response | httpx2.HTTPError:
    """Return how a request ends that is not sent since others like it have failed."""
    if not isinstance(answer, httpx2.Response):
        return answer or DeadlineError("not sent")
    words = json.loads(answer.content).get("message", "")
    message = f"not sent, since {MAX_FAILURES} others failed: {words}"
    return _status(answer, answer.status_code, message)


def _answer(request: httpx2.Request, response: httpx2.Response, content: bytes) -> httpx2.Response:
    """Return an answer of the Kubernetes API; one that says what came, in place of another.

    Args:
        request: what was sent.
        response: what came.
        content: its body, decoded.
    """
    path, code = request.url.path, response.status_code
    is_success = 200 <= code < 300
    if is_success and TEXTS.match(path):
        return httpx2.Response(code, content=content)
    content = _STRANGE_TIME.sub(_USUAL_TIME, content)
    kind = _kind_of(content)
    is_list = kind.endswith("List") and request.method != "GET"
    is_object = kind and not is_list and (kind != "Status" or request.method == "DELETE")
    if (is_success and (is_object or path == VERSION)) or (code >= 400 and kind == "Status"):
        return _json_response(response, content)
    if code == 404 and content.strip() == b"404 page not found" and _may_lack(path):
        # The API server's own words about a path that it does not serve: there is no such kind.
        return _status(response, 404, "the API server does not serve this")
    media_type = response.headers.get("Content-Type", "").partition(";")[0] or "nothing"
    message = f"HTTP {code} with {media_type} is no answer of the Kubernetes API"
    return _status(response, code if code >= 400 and code != 404 else NO_API_ANSWER, message)


def _may_lack(path: str) -> bool:
    """Return whether an API server may lack what is asked for.

    Every HTTP server of Go has the same words. About groups that each API server has, they are
    those of another server.
    """
    parts = path.split("/")
    return parts[1:2] == ["apis"] and parts[2:3] != [] and parts[2] not in ALWAYS_SERVED


def _kind_of(content: bytes) -> str:
    try:
        return _HEAD.decode(content).kind
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


def _status(response: httpx2.Response, code: int, message: str) -> httpx2.Response:
    content: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "code": code}
    body = msgspec.json.encode({**content, "status": "Failure", "message": message})
    return _json_response(response, body, code)


def _without_body(headers: httpx2.Headers) -> dict[str, str]:
    about = ("content-length", "content-type", "transfer-encoding")
    return {key: value for key, value in headers.items() if key not in about}


def _content(response: httpx2.Response, end: float, most: int) -> bytes:
    """Return the body; a read timeout counts from one byte to the next, and `end` for all.

    Args:
        response: whose body is read.
        end: by the monotonic clock.
        most: bytes of a body that is not too large.

    Raises:
        httpx2.HTTPError: the body ends early, is too large, or takes too long.
    """
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > most:
            raise httpx2.ReadError("the answer is too large")
        if time.monotonic() > end:
            raise httpx2.ReadTimeout("the answer takes too long")
    return b"".join(parts)


def _json_response(response: httpx2.Response, content: bytes, code: int = 0) -> httpx2.Response:
    """Return an answer as lightkube reads it, whatever content type it came with."""
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
