# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Requests are repeated for a while, and what comes back is an answer of the Kubernetes API."""

import json
import threading
from collections.abc import Callable
from typing import Any, cast

import httpx2
import pytest
from istio_ambient.kube import _transport
from lightkube.core import decoders
from lightkube.resources.core_v1 import Service

OBJECT = b'{"kind": "ConfigMap", "metadata": {"name": "x"}}'
STATUS = b'{"kind": "Status", "code": 503, "message": "busy"}'


class Clock:
    """Time that passes only in pauses, and in requests that say so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(_transport.time, "monotonic", found.monotonic)

    def wait(_: threading.Event, seconds: float) -> None:
        found.wait(seconds)

    monkeypatch.setattr(threading.Event, "wait", wait)
    return found


Made = Callable[[], httpx2.Response]


class Server(httpx2.BaseTransport):
    """Answers with these, the last one again and again; each takes some time."""

    def __init__(self, clock: Clock, *answers: Made, seconds: float = 0.0):
        self.clock = clock
        self.answers = list(answers)
        self.seconds = seconds
        self.requests: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        self.clock.now += self.seconds
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()


def answer(code: int, content: bytes = STATUS, **headers: str) -> Made:
    return lambda: httpx2.Response(
        code, headers={k.replace("_", "-"): v for k, v in headers.items()}, content=content
    )


def refused() -> httpx2.Response:
    raise httpx2.ConnectError("refused")


class CutOff(httpx2.SyncByteStream):
    """A body that ends early."""

    def __iter__(self) -> Any:
        yield OBJECT[:9]
        raise httpx2.RemoteProtocolError("peer closed connection")


def cut_off() -> httpx2.Response:
    return httpx2.Response(200, stream=CutOff())


def sent(server: Server, path: str = "/api/v1/configmaps", method: str = "GET") -> httpx2.Response:
    transport = _transport.RetryTransport(server)
    return transport.handle_request(httpx2.Request(method, f"http://api{path}"))


OK = answer(200, OBJECT)


@pytest.mark.parametrize(
    ("answers", "count"),
    [
        ([answer(429), OK], 2),
        ([refused, answer(503), OK], 3),
        ([cut_off, OK], 2),
        ([answer(200, b"<html>", content_type="application/json"), OK], 2),
        ([answer(200, OBJECT[:20]), OK], 2),
        ([answer(200, b""), OK], 2),
        ([answer(200, b"[" * 100_000), OK], 2),
        ([answer(500, b""), OK], 2),
    ],
    ids=range(8),
)
def test_a_failure_that_may_pass_is_repeated(clock: Clock, answers: list[Made], count: int):
    server = Server(clock, *answers)
    response = sent(server)
    assert (response.status_code, response.content) == (200, OBJECT)
    assert len(server.requests) == count


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (answer(200, b"<html>"), 502),
        (answer(200, b"null"), 502),
        (answer(200, b'{"kind": "Status"}'), 502),
        (answer(302, b"", location="http://elsewhere"), 502),
        (answer(404, b"<html>"), 502),
        (answer(503, b"<html>"), 503),
        (answer(403, b""), 403),
        (answer(404, b"404 page not found\n", content_type="text/plain"), 502),
        (answer(409, STATUS, content_type="text/plain"), 409),
    ],
    ids=range(9),
)
def test_every_refusal_is_a_status_of_the_kubernetes_api(clock: Clock, made: Made, code: int):
    response = sent(Server(clock, made))
    assert response.status_code == code
    assert response.headers["Content-Type"] == "application/json"
    status = json.loads(response.content)
    assert status["kind"] == "Status" and status["message"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/apis/security.example/v1/policies", 404),
        ("/api/v1/services", 502),
        ("/apis/apps/v1/deployments", 502),
        ("/apis", 502),
    ],
)
def test_what_every_api_server_has_is_not_taken_for_absent(clock: Clock, path: str, code: int):
    server = Server(clock, answer(404, b"404 page not found\n"))
    assert sent(server, path).status_code == code


@pytest.mark.parametrize(
    ("method", "kind", "code"),
    [
        ("DELETE", "Status", 200),
        ("DELETE", "ConfigMap", 200),
        ("DELETE", "ConfigMapList", 502),
        ("PATCH", "ConfigMapList", 502),
        ("GET", "ConfigMapList", 200),
    ],
)
def test_what_a_request_may_be_answered_with(clock: Clock, method: str, kind: str, code: int):
    made = answer(200, json.dumps({"kind": kind, "status": "Success"}).encode())
    assert sent(Server(clock, made), method=method).status_code == code


@pytest.mark.parametrize("asked", ["0", "-7", "nan", "soon", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_no_answer_makes_requests_follow_each_other_without_a_pause(clock: Clock, asked: str):
    server = Server(clock, answer(429, STATUS, Retry_After=asked))
    assert sent(server).status_code == 429
    assert min(clock.pauses) >= _transport.MIN_PAUSE
    assert clock.now <= _transport.RETRY_SECONDS


def test_a_pause_that_is_too_long_is_not_made(clock: Clock):
    server = Server(clock, answer(429, STATUS, Retry_After="inf"))
    assert sent(server).status_code == 429
    assert clock.pauses == []


def calls(transport: _transport.RetryTransport, count: int, path: str, method: str) -> set[str]:
    """Send requests; return how they ended."""
    found: set[str] = set()
    for number in range(count):
        request = httpx2.Request(method, f"http://api{path}/{number}")
        try:
            found.add(str(transport.handle_request(request).status_code))
        except httpx2.HTTPError as error:
            found.add(type(error).__name__)
    return found


POLICIES = "/apis/security.example/v1/namespaces/shop/policies"
ROUTES = "/apis/routing.example/v1/namespaces/shop/routes"


@pytest.mark.parametrize(
    ("made", "seconds", "most"),
    [(answer(500), 10.0, 10), (answer(500), 0.01, 1200), (refused, 5.0, 20), (refused, 0.0, 50)],
)
def test_a_server_that_does_not_help_holds_up_a_run_for_its_deadline_at_most(
    clock: Clock, made: Made, seconds: float, most: int
):
    server = Server(clock, made, seconds=seconds)
    transport = _transport.RetryTransport(server)
    calls(transport, 1000, POLICIES, "PATCH")
    slowest = _transport.TIMEOUT.read or 0
    assert clock.now <= _transport.HOOK_SECONDS + slowest
    assert len(server.requests) <= most


class Webhook(Server):
    """Fails writes of policies in one namespace."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        super().handle_request(request)
        fails = request.method != "GET" and "/shop/policies" in request.url.path
        self.clock.now += self.seconds if fails else 0.0
        return (answer(500) if fails else OK)()


def test_slow_failures_of_one_namespace_and_kind_reach_no_other(clock: Clock):
    server = Webhook(clock, OK, seconds=3.0)
    transport = _transport.RetryTransport(server)
    assert calls(transport, 5, POLICIES, "PATCH") == {"500"}
    before = len(server.requests)
    response = transport.handle_request(httpx2.Request("PATCH", f"http://api{POLICIES}/x"))
    assert len(server.requests) == before
    assert json.loads(response.content)["message"] == "not sent, since 5 others failed: busy"
    assert calls(transport, 1, POLICIES.replace("shop", "store"), "PATCH") == {"200"}
    assert calls(transport, 1, ROUTES, "PATCH") == {"200"}
    assert calls(transport, 1, POLICIES, "GET") == {"200"}
    before = len(server.requests)
    assert calls(transport, 1, POLICIES, "DELETE") == {"500"}
    assert len(server.requests) > before, "what takes access away is always tried"


def test_quick_failures_leave_the_others_one_attempt(clock: Clock):
    server = Webhook(clock, OK)
    transport = _transport.RetryTransport(server)
    calls(transport, 5, POLICIES, "PATCH")
    before, now = len(server.requests), clock.now
    assert calls(transport, 100, POLICIES, "PATCH") == {"500"}
    assert len(server.requests) == before + 100
    assert clock.now == now


def test_a_success_is_the_end_of_failures(clock: Clock):
    server = Server(clock, *[refused] * 100)
    transport = _transport.RetryTransport(server)
    calls(transport, _transport.MAX_FAILURES - 1, POLICIES, "GET")
    server.answers = [OK]
    assert calls(transport, 1, POLICIES, "GET") == {"200"}
    server.answers = [refused]
    calls(transport, _transport.MAX_FAILURES - 1, POLICIES, "GET")
    server.answers = [OK]
    assert calls(transport, 1, POLICIES, "GET") == {"200"}


def test_no_attempt_may_take_longer_than_what_is_left(clock: Clock):
    server = Server(clock, OK, seconds=14.0)
    transport = _transport.RetryTransport(server)
    ended = calls(transport, 5, POLICIES, "GET")
    assert ended == {"200", "DeadlineError"}
    limits = [request.extensions["timeout"]["read"] for request in server.requests]
    assert limits == [15.0, 15.0, 15.0, _transport.HOOK_SECONDS - 3 * 14.0]


def test_an_api_server_that_is_away_is_waited_for_where_nothing_comes_after(clock: Clock):
    def answers() -> httpx2.Response:
        return (OK if clock.now > 30 else refused)()

    server = Server(clock, answers)
    transport = _transport.RetryTransport(server, silence_seconds=_transport.HOOK_SECONDS)
    patch = httpx2.Request("PATCH", f"http://api{POLICIES}/0", json={"metadata": {}})
    assert transport.handle_request(patch).status_code == 200
    # Another request asks whether it is away, and has no body whatever this one has.
    probes = [each for each in server.requests if each.url.path == "/version"]
    assert probes
    assert not any("content-length" in each.headers for each in probes)
    # An answer is none of that: what a webhook refuses holds up nothing else for so long.
    server.answers, now = [answer(500)], clock.now
    assert calls(transport, 1, POLICIES, "DELETE") == {"500"}
    assert clock.now - now <= _transport.RETRY_SECONDS


class Dripping(httpx2.SyncByteStream):
    """A body of which a byte comes from time to time, for ever."""

    def __init__(self, clock: Clock):
        self.clock = clock

    def __iter__(self) -> Any:
        while True:
            self.clock.now += 1.0
            yield b" "


def test_a_body_that_never_ends_is_no_answer(clock: Clock):
    server = Server(clock, lambda: httpx2.Response(200, stream=Dripping(clock)))
    assert calls(_transport.RetryTransport(server), 10, POLICIES, "GET") == {
        "ReadTimeout",
        "DeadlineError",
    }
    assert clock.now <= _transport.HOOK_SECONDS + 1.0


def test_a_body_that_is_too_large_is_no_answer(clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_transport, "MAX_BYTES", 10)
    server = Server(clock, OK)
    assert calls(_transport.RetryTransport(server), 1, POLICIES, "GET") == {"ReadError"}


def test_what_must_not_stay_half_done_gets_time_past_the_deadline_once(clock: Clock):
    transport = _transport.RetryTransport(Server(clock, OK))
    assert transport.has_time(_transport.HOOK_SECONDS)
    clock.now += _transport.HOOK_SECONDS
    assert not transport.has_time(1.0)
    assert calls(transport, 1, POLICIES, "GET") == {"DeadlineError"}
    transport.extend(10.0)
    assert calls(transport, 1, POLICIES, "GET") == {"200"}
    assert not transport.has_time(1.0), "nothing else begins in that time"
    clock.now += 10.0
    transport.extend(10.0)
    assert calls(transport, 1, POLICIES, "GET") == {"DeadlineError"}


@pytest.mark.parametrize(
    ("path", "is_text"),
    [
        ("/api/v1/namespaces/shop/pods/way-1/log", True),
        ("/api/v1/namespaces/shop/pods/way-1:15020/proxy/metrics", True),
        ("/api/v1/namespaces/shop/pods/way-1", False),
        ("/api/v1/namespaces/shop/pods/log", False),
        ("/api/v1/namespaces/shop/configmaps/x/log", False),
    ],
)
def test_text_is_an_answer_where_a_log_or_a_pod_is_asked(clock: Clock, path: str, is_text: bool):
    lines = b"[2026-11-26T09:43:05.413Z] <html>\n"
    server = Server(clock, answer(200, lines, Content_Type="text/plain"))
    transport = _transport.RetryTransport(server)
    found = transport.handle_request(httpx2.Request("GET", f"http://api{path}"))
    assert (found.status_code == 200) is is_text
    assert (found.content == lines) is is_text


def test_what_a_pod_answers_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_transport, "MAX_TEXT", 100)
    path = "/api/v1/namespaces/shop/pods/way-0:15090/proxy/stats/prometheus"
    assert sent(Server(clock, answer(200, b"x" * 100)), path).content == b"x" * 100
    with pytest.raises(httpx2.ReadError, match="too large"):
        sent(Server(clock, answer(200, b"x" * 101)), path)
    assert sent(Server(clock, answer(200, OBJECT + b" " * 101))).status_code == 200


def test_answers_are_not_compressed(clock: Clock):
    server = Server(clock, answer(200, OBJECT))
    request = httpx2.Request("GET", "https://x/api/v1/pods", headers={"Accept-Encoding": "gzip"})
    _transport.RetryTransport(server).handle_request(request)
    (sent,) = server.requests
    assert sent.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("year", ["0000", "-001", "10000"])
def test_a_time_that_python_has_not_does_not_make_a_list_unreadable(clock: Clock, year: str):
    """Everybody may write such a time into managedFields of an object of their own."""
    entry = f'{{"manager":"x","time":"{year}-02-29T00:00:00Z"}}'
    metadata = f'{{"name":"x","managedFields":[{entry}],"annotations":{{"a":"0000-1"}}}}'
    content = f'{{"kind":"ServiceList","items":[{{"metadata":{metadata}}}]}}'.encode()
    found = sent(Server(clock, answer(200, content))).content
    (service,) = cast(Any, decoders).decode_list(found, Service)[2]
    assert service.metadata.annotations == {"a": "0000-1"}
    assert service.metadata.managedFields[0].time.year == 2000
