# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Text from outside, on its way to statuses, logs and results of actions."""

import http.server
import io
import logging
import threading
from collections.abc import Iterator
from typing import Any, cast

import httpx2
import hypothesis
import msgspec
import ops
import pytest
from hypothesis import strategies as st
from istio_ambient import kube, resources
from istio_ambient.charm import outward, status
from istio_ambient.values import problems, text
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

MEGABYTE = "\x1b[31m\u202e\n\ud800" * 200_000
hostile = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=400),
    st.sampled_from([MEGABYTE, "a; b" * 100, "\u20ac" * 200, "x" * 500 + "; use a number", ""]),
    st.text("\n\r\t\x00\x1b\u202e\u2028\ud800\u20ac\U0001f600; x", max_size=300),
)
REF = kube.ref_in(resources.Gateway, "way", "shop")
IDENTITY = resources.identity("shop", "beacon")


def problem(*texts: str) -> Problem:
    where, message, remedy = texts
    return Problem("", where, "", message=message, remedy=remedy, code=Code.INVALID_ENTRY)


def test_a_number_of_too_many_digits_is_quoted_by_its_type():
    assert text.shown(16**5000) == "int, too large to be shown"
    assert text.shown([16**5000]) == "list, too large to be shown"


@pytest.mark.slow
@hypothesis.settings(deadline=None)
@hypothesis.given(hostile, hostile)
def test_every_value_with_text_of_others_is_printable_and_short(one: str, other: str):
    values = [
        kube.Readiness(one, ready=False, reason=other, code=Code.WORKLOAD_NOT_READY),
        kube.fault_of(kube.RequestError(one, other), IDENTITY).problem,
        kube.Change(kube.Verb.REFUSED, REF, resources.Gateway, one),
        Problem(
            app=one, endpoint=other, field=one, message=other, remedy=one, code=Code.INVALID_ENTRY
        ),
    ]
    for value in values:
        members = [each for each in msgspec.structs.asdict(value).values() if type(each) is str]
        assert members
        assert all(each.isprintable() and len(each) <= text.MAX_MESSAGE for each in members)


@pytest.mark.slow
@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(hostile, min_size=1, max_size=3), hostile)
def test_no_status_is_longer_than_120_bytes(texts: list[str], other: str):
    change = kube.Change(kube.Verb.HELD, REF, resources.Gateway, other)
    for findings in (
        status.Findings(
            faults=[kube.fault_of(kube.RequestError(e, other), IDENTITY) for e in texts]
        ),
        status.Findings(problems=[problem(each, other, other) for each in texts]),
        status.Findings(problems=[problem(other, each, "") for each in texts]),
        status.Findings(deferred=[change], deferred_remedy=other),
        status.Findings(
            readiness=[
                kube.Readiness(each, False, Code.WORKLOAD_NOT_READY, other) for each in texts
            ]
        ),
        status.Findings(held=[change]),
        status.Findings(message=other),
    ):
        message = status.status_of(findings, 100).message
        assert message.isprintable() and len(message.encode()) <= status.MAX_MESSAGE
        others = len(status.reported(findings, 100)) - 1
        assert message.endswith(f" (+{others} more: status-details)") or others < 1


def test_the_remedy_comes_first_where_a_status_is_cut():
    found = [problem("details:service-mesh " + "x" * 100, "y", "use 1"), problem("", "z", "")]
    message = status.status_of(status.Findings(problems=found), 100).message
    assert message.startswith("CI-201 use 1; details:service-mesh xxx")
    assert message.endswith("x\N{HORIZONTAL ELLIPSIS} (+1 more: status-details)")
    assert len(message.encode()) == status.MAX_MESSAGE
    alone = status.status_of(status.Findings(problems=found[:1]), 100).message
    assert alone.endswith("x\N{HORIZONTAL ELLIPSIS} (see status-details)")


def test_the_cause_stays_where_a_text_without_a_remedy_is_cut():
    long = problem("waypoint", f"pod x ended with 1: {'context ' * 20}; no space left", "")
    message = status.message(long, others=0)
    assert message.startswith("CI-201 waypoint: pod x")
    assert message.endswith("; no space left (see status-details)")


def test_a_remedy_that_is_long_itself_is_cut():
    assert text.shortened(f"wrong; {'do this ' * 30}", 60).startswith("wrong; do this do this")


@hypothesis.given(st.lists(hostile, max_size=3))
def test_what_is_logged_is_one_printable_line(texts: list[str]):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        outward.set_up_logs()
        outward.set_up_logs()
        for each in texts:
            logging.getLogger("a.b").warning("found %s in %r", each, REF)
    finally:
        logging.getLogger().removeHandler(handler)
    lines = stream.getvalue().split("\n")[:-1]
    assert len(lines) == len(texts)
    assert all(line.isprintable() and len(line) <= 2_000 for line in lines)


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers each request."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any, **__: Any) -> None:
        """Log nothing."""


@pytest.fixture
def as_ops_sets_it_up() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before)


@pytest.mark.usefixtures("as_ops_sets_it_up")
def test_a_request_is_not_logged(caplog: pytest.LogCaptureFixture):
    outward.set_up_logs()
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        httpx2.get(f"http://127.0.0.1:{server.server_port}", trust_env=False)
    assert not caplog.records


class Event:
    """Stands in for the event of an action."""

    def __init__(self):
        self.results: dict[str, Any] = {}
        self.failure = ""

    def set_results(self, results: dict[str, Any]) -> None:
        self.results = results

    def fail(self, message: str) -> None:
        self.failure = message


@hypothesis.given(hostile)
def test_results_of_actions_have_printable_lines(content: str):
    event = Event()
    outward.set_results(cast(ops.ActionEvent, event), {"table": content, "count": 3})
    lines = event.results["table"].split("\n")
    assert len(lines) == content.count("\n") + 1 and all(map(str.isprintable, lines))
    assert event.results["count"] == 3
    outward.fail(cast(ops.ActionEvent, event), content)
    assert event.failure.isprintable() and len(event.failure) <= 1_000


def test_no_application_hides_the_problems_of_others():
    def numbered(app: str, number: int) -> Problem:
        return Problem(
            app=app,
            endpoint="e",
            field=f"[{number}]",
            message="m",
            remedy="r",
            code=Code.INVALID_ENTRY,
        )

    many = [numbered("evil", number) for number in range(1000)]
    kept = problems.bounded([*many, numbered("good", 0)])
    assert kept == [*many[: problems.MAX_OF_ONE], numbered("good", 0)]
