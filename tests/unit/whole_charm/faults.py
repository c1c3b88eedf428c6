# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Everything that a request to an API server may end in, by a name in words.

Between a charm and the API server there are load balancers, proxies and webhooks: an answer need
not be one of an API server at all. What is raised is what httpx's documentation lists, see
https://www.python-httpx.org/exceptions/.
"""

import dataclasses
import enum
import itertools
from collections.abc import Callable, Iterator, Mapping

import httpx2
import msgspec

from tests.unit.whole_charm.http_cluster import LATENCY, Call, HttpCluster, Stopped, status

JSON, HTML, TEXT = "application/json", "text/html", "text/plain; charset=utf-8"
PAGE = b"<html><body><h1>Bad gateway</h1></body></html>"
TIMEOUT = 10.0
"""Seconds after which the engine's client gives up on a silent server."""


class Extent(enum.Enum):
    """Which requests fail."""

    SAME = "always"
    """A request, and each repetition of it."""
    ONCE = "once"
    """A request; its repetition is answered."""
    REST = "from then on"
    """A request, and every one after it."""


Act = Callable[[httpx2.Request, Callable[[], httpx2.Response]], httpx2.Response]
"""Answer a request, or raise; what is passed serves it as the API server does."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """One way in which requests end."""

    name: str
    act: Act
    extent: Extent = Extent.SAME
    seconds: float = 0.0
    """How long that takes."""
    is_absence: bool = False
    """Whether it is a valid answer, which says that there is no such object or kind."""
    is_denial: bool = False
    """Whether the authorizer denies the request: `juju trust` is the remedy."""

    def __str__(self) -> str:
        return f"{self.name}, {self.extent.value}"


class Interrupted(httpx2.SyncByteStream):
    """A body that ends in an exception."""

    def __init__(self, start: bytes, error: Callable[[], Exception]):
        self._start, self._error = start, error

    def __iter__(self) -> Iterator[bytes]:
        yield self._start
        raise self._error()


def injected(cluster: HttpCluster, fault: Fault, index: int) -> HttpCluster:
    """Return a cluster in which the request of this index ends in a fault."""
    numbers = itertools.count()
    place = ""

    def interfere(call: Call, request: httpx2.Request) -> httpx2.Response | None:
        nonlocal place
        number = next(numbers)
        if number == index:
            place = call.place
        is_same = fault.extent is Extent.SAME and call.place == place
        if number < index or (number > index and not is_same and fault.extent is not Extent.REST):
            return None
        broken.clock.now += max(0.0, fault.seconds - LATENCY)
        return fault.act(request, lambda: broken.served(call, request))

    broken = HttpCluster(cluster.cluster, interfere)
    return broken


def _answers(
    code: int, body: bytes | object = b"", content_type: str = JSON, **headers: str
) -> Act:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type:
        named["Content-Type"] = content_type

    def act(*_: object) -> httpx2.Response:
        return httpx2.Response(code, headers=named, content=content)

    return act


def _raises(kind: Callable[[str], BaseException], text: str) -> Act:
    def act(*_: object) -> httpx2.Response:
        raise kind(text)

    return act


def _refuses(code: int, reason: str, message: str, content_type: str = JSON) -> Act:
    return _answers(code, status(code, reason, message), content_type)


def _truncated(_: httpx2.Request, serve: Callable[[], httpx2.Response]) -> httpx2.Response:
    """Do what is asked, and lose half of the answer."""
    content = serve().read()
    return httpx2.Response(
        200, headers={"Content-Type": JSON}, content=content[: len(content) // 2]
    )


def _interrupted(error: Callable[[], Exception]) -> Act:
    def act(_: httpx2.Request, serve: Callable[[], httpx2.Response]) -> httpx2.Response:
        content = serve().read()
        stream = Interrupted(content[: len(content) // 2], error)
        return httpx2.Response(200, headers={"Content-Type": JSON}, stream=stream)

    return act


def _later(seconds: str) -> Act:
    return _answers(429, status(429, "TooManyRequests", "try again"), Retry_After=seconds)


NO_ANSWERS: Mapping[str, Act] = {
    "truncated JSON": _truncated,
    "a page": _answers(200, PAGE, HTML),
    "a page typed as JSON": _answers(200, PAGE),
    "nothing": _answers(200),
    "nothing, of no type": _answers(200, content_type=""),
    "no content": _answers(204, content_type=""),
    "JSON: a list": _answers(200, []),
    "JSON: null": _answers(200, None),
    "JSON: a text": _answers(200, "x"),
    "JSON: an empty object": _answers(200, {}),
    "JSON: items that are null": _answers(200, {"kind": "List", "items": None}),
    "JSON: items that are no objects": _answers(200, {"kind": "List", "items": [None, 1]}),
    "JSON: items without metadata": _answers(200, b'{"kind":"List","items":[{}]}'),
    "JSON: metadata of other types": _answers(200, b'{"metadata":{"name":1,"labels":[]}}'),
    "a Status with 200": _answers(200, status(500, "InternalError", "not as it should be")),
    "invalid UTF-8": _answers(200, b'{"metadata":{},"items":[{"metadata":{"name":"\xff\xfe"}}]}'),
    "deeply nested JSON": _answers(200, b"[" * 100_000),
    "an encoding that it has not": _answers(200, b"{}", Content_Encoding="gzip"),
    "switching protocols": _answers(101, content_type=""),
    "not modified": _answers(304, content_type=""),
    "moved": _answers(301, PAGE, HTML, Location="https://login.example.com/"),
    "found elsewhere": _answers(302, content_type="", Location="//"),
    "redirected nowhere": _answers(307, content_type=""),
}
"""No answers of an API server, with a status that is no error."""

SERVER_ERRORS: Mapping[str, Act] = {
    "500 of no type": _answers(500, content_type=""),
    "500 with a page": _answers(500, PAGE, HTML),
    "500 with a page typed as JSON": _answers(500, PAGE),
    "500 with a list": _answers(500, []),
    "500 with null": _answers(500, None),
    "500 with an unknown type": _answers(500, b"\xff\xfe", "x/y; charset=none"),
    "500 truncated": _answers(500, b'{"kind":"Status","mess'),
    "500 of etcd": _refuses(500, "InternalError", "etcdserver: request timed out"),
    "500 of a webhook": _refuses(
        500,
        "InternalError",
        'failed calling webhook "rev.validation.istio.io": failed to call webhook: Post '
        '"https://istiod.istio-system.svc:443/validate": connect: connection refused',
    ),
    "501": _answers(501, b"no", TEXT),
    "502 with a page": _answers(502, PAGE, HTML),
    "503 in plain text": _answers(503, b"upstream connect error", TEXT),
    "503 of no type": _answers(503, content_type=""),
    "504 of no type": _answers(504, content_type=""),
    "525": _answers(525, content_type=""),
}

REFUSALS: Mapping[str, Act] = {
    "400": _refuses(400, "BadRequest", "the body is not valid"),
    "401": _refuses(401, "Unauthorized", "Unauthorized"),
    "401 of no type": _answers(401, content_type=""),
    "403 of a quota": _refuses(
        403, "Forbidden", 'services "web" is forbidden: exceeded quota: few, requested: services=1'
    ),
    "403 of a webhook": _refuses(
        403, "Forbidden", 'admission webhook "policy.example.com" denied the request: no'
    ),
    "403 of a namespace that ends": _refuses(
        403,
        "Forbidden",
        'services "web" is forbidden: unable to create new content in namespace shop because '
        "it is being terminated",
    ),
    "403 with a page": _answers(403, PAGE, HTML),
    "403 with a page typed as JSON": _answers(403, PAGE),
    "405": _refuses(405, "MethodNotAllowed", "the server does not allow this method"),
    "406 in plain text": _answers(406, b"no", TEXT),
    "408": _refuses(408, "Timeout", "timed out"),
    "409": _refuses(409, "Conflict", "the object has been modified; please apply your changes"),
    "409 of no type": _answers(409, content_type=""),
    "410": _refuses(410, "Expired", "too old resource version"),
    "413": _answers(413, b"request entity too large", TEXT),
    "415": _refuses(415, "UnsupportedMediaType", "the body of the request was unsupported"),
    "422": _refuses(422, "Invalid", 'Service "web" is invalid: spec.ports: Required value'),
    "422 of an admission policy": _refuses(
        422, "Invalid", "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"
    ),
    "422 with a page typed as JSON": _answers(422, PAGE),
    "422 of another JSON type": _refuses(422, "Invalid", "no", "application/json; charset=utf-8"),
    "a message with control characters": _refuses(422, "Invalid", "a\x00\x1b[2J\n\u202e" * 40),
    "a message without end": _refuses(400, "BadRequest", "x" * 1_000_000),
    "429": _refuses(429, "TooManyRequests", "try again"),
    "429, at once": _later("0"),
    "429, before": _later("-5"),
    "429, never": _later("1e9"),
    "429, at infinity": _later("inf"),
    "429, at no number": _later("nan"),
    "429, at nonsense": _later("soon, perhaps"),
    "429, at a date": _later("Wed, 21 Oct 2026 07:28:00 GMT"),
}

BROKEN: Mapping[str, Act] = {
    "connection refused": _raises(httpx2.ConnectError, "[Errno 111] Connection refused"),
    "no TLS": _raises(httpx2.ConnectError, "[SSL: CERTIFICATE_VERIFY_FAILED] unable to get"),
    "no name": _raises(httpx2.ConnectError, "[Errno -2] Name or service not known"),
    "connection reset": _raises(httpx2.ReadError, "[Errno 104] Connection reset by peer"),
    "broken pipe": _raises(httpx2.WriteError, "[Errno 32] Broken pipe"),
    "closed": _raises(httpx2.RemoteProtocolError, "Server disconnected without a response"),
    "not HTTP": _raises(httpx2.RemoteProtocolError, "illegal status line"),
    "a proxy that refuses": _raises(httpx2.ProxyError, "403 Forbidden"),
    "a body that ends early": _interrupted(
        lambda: httpx2.RemoteProtocolError("peer closed connection without complete message body")
    ),
    "a body that is reset": _interrupted(lambda: httpx2.ReadError("Connection reset by peer")),
}
SILENT: Mapping[str, Act] = {
    "no answer": _raises(httpx2.ReadTimeout, "The read operation timed out"),
    "no connection": _raises(httpx2.ConnectTimeout, "timed out"),
    "no free connection": _raises(httpx2.PoolTimeout, ""),
    "a body that stops": _interrupted(lambda: httpx2.ReadTimeout("timed out")),
}

_BRIEF: Mapping[str, Act] = {
    **BROKEN,
    **{name: SERVER_ERRORS[name] for name in ("502 with a page", "503 of no type")},
    **{name: REFUSALS[name] for name in ("429", "429, at once")},
}
_LONG: Mapping[str, Act] = {
    **{name: BROKEN[name] for name in ("connection refused", "a body that is reset")},
    **{name: SERVER_ERRORS[name] for name in ("500 of a webhook", "503 of no type")},
    **{name: REFUSALS[name] for name in ("401", "403 of a quota", "429, at once", "429, never")},
    **{name: NO_ANSWERS[name] for name in ("a page", "truncated JSON")},
}


def _rbac(request: httpx2.Request, _: object) -> httpx2.Response:
    verb = {"GET": "list", "DELETE": "delete", "PUT": "update"}.get(request.method, "patch")
    kind = Call(request.method, request.url.path, {}).plural
    text = (
        f'{kind} is forbidden: User "system:serviceaccount:shop:app" cannot {verb} resource '
        f'"{kind}" in API group "" at the cluster scope'
    )
    return _refuses(403, "Forbidden", text)(request, lambda: httpx2.Response(200))


FAULTS: tuple[Fault, ...] = (
    *(Fault(*item) for item in {**NO_ANSWERS, **SERVER_ERRORS, **REFUSALS, **BROKEN}.items()),
    *(Fault(*item, seconds=TIMEOUT) for item in SILENT.items()),
    Fault("403 of the authorizer", _rbac, is_denial=True),
    Fault("404", _refuses(404, "NotFound", "not found"), is_absence=True),
    Fault("404 in plain text", _answers(404, b"404 page not found\n", TEXT), is_absence=True),
    Fault("404 with a page typed as JSON", _answers(404, PAGE), is_absence=True),
    *(Fault(*item, Extent.ONCE) for item in _BRIEF.items()),
    *(Fault(*item, Extent.REST) for item in _LONG.items()),
    *(Fault(*item, Extent.REST, TIMEOUT) for item in SILENT.items()),
    Fault("403 of the authorizer", _rbac, Extent.REST, is_denial=True),
)
KILL = Fault("killed", _raises(Stopped, "killed"), Extent.REST)
"""The charm's process ends before it sends a request."""
