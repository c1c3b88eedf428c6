# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""How istiods are asked: over real sockets, with servers that answer badly or not at all."""

import datetime
import http.server
import json
import threading
from collections.abc import Generator
from typing import Any, cast

import httpx2
import hypothesis
import pytest
from hypothesis import strategies
from istio_ambient import kube, resources
from istio_ambient.acceptance import Report
from istio_ambient.cluster import acceptance
from lightkube.resources.core_v1 import ServiceAccountToken

from tests.unit.whole_charm.fake_cluster import CONTROLLER

# pyright: reportPrivateUsage=false

ANSWERS: dict[str, tuple[int, bytes]] = {}


class _Istiod(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.removeprefix("/debug/").partition("?")[0]
        status, body = ANSWERS.get(path, (404, b""))
        if self.headers["Authorization"] != "Bearer secret":
            status = 401
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """An istiod on this machine, with an answer for each path."""
    ANSWERS.clear()
    ANSWERS["mesh"] = 200, b'{"rootNamespace": "mesh"}'
    ANSWERS["syncz"] = 200, b"[]"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Istiod) as server:
        monkeypatch.setattr(acceptance, "PORT", server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield
        server.shutdown()
        thread.join()


def ask(*tokens: str) -> Report:
    token = "".join(tokens) or "secret"
    (report,) = acceptance.Istiods(("127.0.0.1",), token).ask("shop")
    return report


def test_an_istiod_is_asked_for_its_mesh_config_and_its_proxies(served: None):
    proxy: dict[str, object] = {"proxy": "way-1-2.shop", "proxy_type": "waypoint", "resources": {}}
    ANSWERS["syncz"] = 200, json.dumps([proxy]).encode()
    report = ask()
    assert report.fault == ""
    assert report.now is not None
    assert report.mesh_config is not None
    assert [proxy.name for proxy in report.proxies] == ["way-1-2"]


def test_an_istiod_with_another_root_namespace_refuses_to_answer(served: None):
    ANSWERS["mesh"] = 403, b""
    assert ask().is_foreign


@pytest.mark.parametrize(
    ("path", "answer", "fault"),
    [
        ("mesh", (500, b"oops"), "answers with HTTP 500"),
        ("mesh", (200, b"<html>"), "its answer cannot be read"),
        ("syncz", (404, b""), "answers with HTTP 404"),
        ("syncz", (200, b"{}"), "its answer cannot be read"),
    ],
)
def test_a_bad_answer_is_no_acceptance(
    served: None, path: str, answer: tuple[int, bytes], fault: str
):
    ANSWERS[path] = answer
    assert ask().fault == fault


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Thu, 01 Jan 2026 00:00:00 GMT", True),
        ("Thu, 01 Jan 2026 00:00:00 -0000", False),
        ("Thu, 01 Jan 2026 00:00:00 +99999999", False),
        (f"Thu, 01 Jan {10**30} 00:00:00 GMT", False),
        ("", False),
    ],
)
def test_a_date_is_a_time_with_a_time_zone_or_unknown(text: str, known: bool):
    assert (acceptance._date(text) is not None) is known


@hypothesis.given(
    strategies.text()
    | strategies.from_regex(
        r"(\w{3}, )?\d{1,12} (Jan|Feb|x) \d{1,12} \d+:\d+(:\d+)? [-+]?\w*", fullmatch=True
    )
)
def test_any_date_can_be_subtracted(text: str):
    now = acceptance._date(text)
    assert now is None or (now - datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)) is not None


def test_a_token_that_is_not_taken_is_no_acceptance(served: None):
    assert ask("wrong").fault == "answers with HTTP 401"


@pytest.mark.parametrize(
    ("address", "token"), [("a..b", "t"), (70 * "a", "t"), ("::1", "tökén"), ("[", "t")]
)
def test_an_address_or_a_token_that_is_none_is_no_acceptance(address: str, token: str):
    with httpx2.Client() as http:
        assert acceptance.get(http, address, "mesh", token) == acceptance.Answer()


def test_an_answer_without_end_is_not_read(served: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(acceptance, "_MAX_BYTES", 100)
    ANSWERS["syncz"] = 200, b"[" + b" " * 1000 + b"]"
    assert ask().fault == "does not answer"


def test_an_istiod_that_does_not_answer_is_reported(served: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(acceptance, "PORT", 1)
    assert ask().fault == "does not answer"


def test_only_a_hook_that_wrote_asks_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(acceptance, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(acceptance, "PAUSE", 0.0)
    asked: list[int] = []

    def silent_twice() -> list[Report]:
        asked.append(1)
        return [Report("", fault="does not answer" if len(asked) < 3 else "")]

    assert acceptance.settled(silent_twice, wrote=False)[0].fault
    assert len(asked) == 1
    assert not acceptance.settled(silent_twice, wrote=True)[0].fault
    assert len(asked) == 3
    monkeypatch.setattr(acceptance, "WAIT", 0.0)
    asked.clear()
    assert acceptance.settled(silent_twice, wrote=True)[0].fault
    assert len(asked) == 1


NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def live_policies(*statuses: object) -> kube.Live:
    """Return policies that were written an hour before, with these statuses."""
    kind: Any = resources.AuthorizationPolicy
    policies = [
        kind.from_dict(
            {
                "metadata": {
                    "name": f"p{number}",
                    "namespace": "shop",
                    "creationTimestamp": "2025-12-31T23:00:00Z",
                },
                "spec": {},
                "status": status,
            }
        )
        for number, status in enumerate(statuses)
    ]
    objects = {kube.ref_of(each): each for each in policies}
    kinds = (resources.AuthorizationPolicy,)
    return kube.Live(resources.identity("shop", "gate"), kinds, objects)


@pytest.mark.parametrize(("ours", "said"), [(True, 2), (False, 0)])
def test_an_older_istiod_of_another_installer_judges_no_policy(ours: bool, said: int):
    istiods = acceptance.Istiods((), "", ours, NOW)
    assert len(acceptance.policies(live_policies({}, {}), istiods)) == said
    # One that judges others will judge this one too.
    judged = {"conditions": [{"type": "WaypointAccepted", "status": "True"}]}
    assert len(acceptance.policies(live_policies({}, judged), istiods)) == 1


def live_routes(*statuses: object) -> kube.Live:
    """Return routes that were written an hour before, with these statuses."""
    kind: Any = resources.HTTPRoute
    made = {"namespace": "shop", "creationTimestamp": "2025-12-31T23:00:00Z"}
    objects = [
        kind.from_dict({"metadata": {**made, "name": f"r{number}"}, "status": status})
        for number, status in enumerate(statuses)
    ]
    by_ref = {kube.ref_of(each): each for each in objects}
    return kube.Live(resources.identity("shop", "gate"), (kind,), by_ref)


UNSEEN: dict[str, Any] = {}
SEEN: dict[str, Any] = {
    "parents": [
        {
            "controllerName": CONTROLLER,
            "parentRef": {"name": "gate"},
            "conditions": [{"type": "Accepted", "status": "True"}],
        }
    ]
}


@pytest.mark.parametrize(
    ("before", "after", "ours", "said"),
    [
        ((SEEN, SEEN), (), True, []),
        ((UNSEEN, UNSEEN), (UNSEEN, UNSEEN), True, ["HTTPRoute shop/r0 and 1 more"]),
        # istiod has looked at them while the hook ran.
        ((UNSEEN, UNSEEN), (SEEN, UNSEEN), True, ["HTTPRoute shop/r1"]),
        ((UNSEEN, UNSEEN), (SEEN, SEEN), True, []),
        # An istiod of another installer may look at none.
        ((UNSEEN, UNSEEN), (UNSEEN, UNSEEN), False, []),
        ((SEEN, UNSEEN), (SEEN, UNSEEN), False, ["HTTPRoute shop/r1"]),
    ],
)
def test_routes_are_read_again_before_istiod_is_said_not_to_have_looked_at_them(
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[object, ...],
    after: tuple[object, ...],
    ours: bool,
    said: list[str],
):
    reads: list[object] = []

    def read_live(*given: object) -> kube.Live:
        reads.append(given)
        return live_routes(*after)

    monkeypatch.setattr(acceptance.kube, "read_live", read_live)
    istiods = acceptance.Istiods((), "", ours, NOW)
    found = acceptance.routes(cast(Any, None), live_routes(*before), istiods)
    assert [each.what for each in found if isinstance(each, kube.Readiness)] == said
    assert len(found) == len(said)
    # Where all is well, nothing is read.
    assert bool(reads) is (UNSEEN in before and (ours or SEEN in before))


def test_routes_that_cannot_be_read_again_do_not_end_the_hook(monkeypatch: pytest.MonkeyPatch):
    def read_live(*_: object) -> kube.Live:
        raise kube.RequestError("list HTTPRoute", "busy", 503)

    monkeypatch.setattr(acceptance.kube, "read_live", read_live)
    istiods = acceptance.Istiods((), "", now=NOW)
    (found,) = acceptance.routes(cast(Any, None), live_routes({}), istiods)
    assert isinstance(found, kube.Readiness) and "busy" in found.reason


def test_how_old_a_policy_is_follows_from_the_clock_of_the_api_server():
    before = acceptance.Istiods((), "", now=NOW - datetime.timedelta(hours=1))
    assert acceptance.policies(live_policies({}), before) == []
    assert len(acceptance.policies(live_policies({}))) == 1


@pytest.mark.parametrize(
    ("answer", "made_at"),
    [
        ({"expirationTimestamp": "2026-01-01T00:10:00Z", "token": "t"}, NOW),
        ({"token": "t"}, None),
    ],
)
def test_a_token_tells_the_time_of_the_api_server(
    answer: dict[str, str], made_at: datetime.datetime | None
):
    class Client:
        def create(self, wanted: Any, *_: object, **__: object) -> object:
            made: dict[str, Any] = {"spec": wanted.spec.to_dict(), "status": answer}
            return cast(Any, ServiceAccountToken).from_dict(made)

    client = cast(kube.Client, Client())
    assert kube.request_token(client, "a", "mesh", "istio-ca") == kube.Token("t", made_at)
