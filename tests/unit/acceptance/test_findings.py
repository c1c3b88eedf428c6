# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What follows from the reports of istiods: problems, and what is waited for."""

import datetime
import json
from collections.abc import Iterable, Mapping

import hypothesis
import msgspec
import pytest
from hypothesis import strategies
from istio_ambient import acceptance, kube
from istio_ambient.acceptance import Finding, Report, _proxies
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

from tests.unit.acceptance import samples
from tests.unit.acceptance.samples import GATEWAY, WAYPOINT

APPLIED = acceptance.marked({"rootNamespace": "mesh", "extensionProviders": [{"name": "envoy"}]})
MARKER = acceptance.marker_in(json.dumps(APPLIED))
HOSTILE = "\N{SNOWMAN}\n" * 500
BYTES = 120


def texts(findings: Iterable[Finding]) -> list[str]:
    """Return findings as `<blocked|waiting>: <text>`, each short enough for a status."""
    found: list[str] = []
    for each in findings:
        blocks = isinstance(each, Problem)
        text = str(each) if blocks else f"{each.what}: {each.reason}"
        assert len(text.encode()) <= BYTES, text
        found.append(f"{'blocked' if blocks else 'waiting'}: {text}")
    return found


def using(*names: str, root: str = "mesh") -> Report:
    """Return the report of an istiod that uses a MeshConfig with these providers."""
    config = acceptance.MeshConfig(root, frozenset(names))
    return Report("10.244.0.2", now=samples.LATER, mesh_config=config)


def test_the_marker_changes_with_the_rest_and_only_then():
    assert acceptance.marker_in(json.dumps(APPLIED)).startswith("charmed-istio.applied.")
    again = acceptance.marked({"extensionProviders": [{"name": "envoy"}], "rootNamespace": "mesh"})
    assert acceptance.marker_in(json.dumps(again)) == MARKER
    other = acceptance.marked({"rootNamespace": "other"})
    assert acceptance.marker_in(json.dumps(other)) not in ("", MARKER)


@pytest.mark.parametrize("text", ["", "- a", "{broken", "extensionProviders: 7", "a: {b: [1]}"])
def test_a_mesh_config_without_a_marker_has_none(text: str):
    assert acceptance.marker_in(text) == ""


def mesh_texts(*reports: Report, late: bool = True, hardened: bool = False) -> list[str]:
    return texts(acceptance.mesh_findings(reports, MARKER, hardened=hardened, late=late))


def test_nothing_is_said_of_istiods_that_use_the_applied_configuration():
    assert mesh_texts(using(MARKER, "envoy"), using("envoy", MARKER)) == []
    assert not acceptance.is_dropped([using(MARKER)], MARKER)


@pytest.mark.parametrize(
    ("report", "late", "hardened", "said"),
    [
        (using("charmed-istio.applied.0"), True, False, "blocked: istiod: keeps an earlier"),
        (using("charmed-istio.applied.0"), False, False, "waiting: istiod: it does not use"),
        (using("envoy"), True, True, "blocked: istiod: runs with its built-in configuration"),
        (Report("", is_foreign=True), False, True, "blocked: istiod: runs with its built-in"),
        (Report("", fault="does not answer"), True, True, "waiting: istiod: does not answer"),
    ],
)
def test_an_istiod_that_does_not_use_it_is_reported(
    report: Report, late: bool, hardened: bool, said: str
):
    (text,) = mesh_texts(using(MARKER), report, late=late, hardened=hardened)
    assert text.startswith(said)
    assert acceptance.is_dropped([report], MARKER) is not bool(report.fault)


def test_healthy_proxies_are_not_reported():
    reports = [samples.report()]
    assert texts(acceptance.proxy_findings(reports, WAYPOINT, {})) == []
    assert texts(acceptance.proxy_findings(reports, GATEWAY, {})) == []
    assert texts(acceptance.ztunnel_findings(reports)) == []
    assert acceptance.refusals(reports) == frozenset()
    assert not acceptance.needs_another_look(reports)


@pytest.mark.parametrize(
    ("sample", "workload", "said"),
    [
        ("gateway-refuses-routes", GATEWAY, "gateway: refuses routes: missing ): /a("),
        ("gateway-refuses-clusters", GATEWAY, "gateway: refuses clusters: Invalid duration"),
        (
            "waypoint-refuses-listeners",
            WAYPOINT,
            "waypoint: refuses listeners: Provider 'origins-0' in jwt",
        ),
        ("both-refuse-listeners", WAYPOINT, "waypoint: refuses listeners: Not supported field"),
        ("both-refuse-listeners", GATEWAY, "gateway: refuses listeners: Not supported field"),
    ],
)
def test_a_refusal_blocks_with_the_proxys_own_words(
    sample: str, workload: acceptance.Workload, said: str
):
    reports = [samples.report(sample)]
    (text,) = texts(acceptance.proxy_findings(reports, workload, {}))
    assert text.startswith(f"blocked: {said}")
    assert acceptance.refusals(reports)
    # There is an answer: waiting longer would not change it.
    assert not acceptance.needs_another_look(reports)


def test_a_refusal_of_one_proxy_is_not_said_of_another():
    reports = [samples.report("gateway-refuses-routes")]
    assert texts(acceptance.proxy_findings(reports, WAYPOINT, {})) == []
    other = msgspec.structs.replace(GATEWAY, name="istio-ingress", replicas=0)
    assert texts(acceptance.proxy_findings(reports, other, {})) == []


def test_the_application_is_named_whose_text_the_proxy_quotes():
    known = acceptance.texts([("shop", {"path": "/a("}), ("other", ("/b", "/a"))])
    reports = [samples.report("gateway-refuses-routes")]
    (text,) = texts(acceptance.proxy_findings(reports, GATEWAY, known))
    assert text.startswith("blocked: shop:gateway: refuses routes")


def test_a_text_of_two_applications_names_neither():
    assert acceptance.texts([("a", "/same"), ("b", "/same")]) == {}
    assert acceptance.authors("missing ): /a(", {}) == []


def test_the_longest_text_that_occurs_names_its_application():
    words = "missing ): /a(b, and /c("
    known = {"/a(": "short", "/a(b": "long", "(b,": "across", "/c(": "other", "/d(": "absent"}
    assert acceptance.authors(words, known) == ["across", "long", "other"]
    # Long words are searched from their beginning.
    assert acceptance.authors("x" * 4000 + "/a(", known) == []
    assert acceptance.authors("", known) == []


@hypothesis.given(
    strategies.text("ab(", max_size=12), strategies.sets(strategies.text("ab(", min_size=1))
)
def test_only_applications_whose_texts_occur_are_named(words: str, known: set[str]):
    named = set(acceptance.authors(words, {text: text for text in known}))
    found = {text for text in known if text in words}
    assert named <= found
    # Of those that occur, each that no other one contains is named.
    assert {a for a in found if not any(a != b and a in b for b in found)} <= named


def test_words_are_searched_once_however_many_proxies_say_them(monkeypatch: pytest.MonkeyPatch):
    searched: list[str] = []

    def authors(words: str, _texts: Mapping[str, str]) -> list[str]:
        searched.append(words)
        return []

    monkeypatch.setattr(_proxies, "authors", authors)
    proxy = samples.report("gateway-refuses-routes").proxies[1]
    assert GATEWAY.owns(proxy)
    refusing = tuple(
        msgspec.structs.replace(each, is_current=False, error="bad words")
        for each in proxy.acknowledgements
    )
    pods = tuple(
        msgspec.structs.replace(proxy, name=f"{GATEWAY.name}-5d4-{n}", acknowledgements=refusing)
        for n in range(5)
    )
    report = msgspec.structs.replace(samples.report(), proxies=pods)
    assert len(list(acceptance.proxy_findings([report], GATEWAY, {}))) >= 5
    assert searched == ["bad words"]


def test_hostile_words_stay_within_a_status():
    proxy = samples.report("gateway-refuses-routes").proxies[1]
    words = msgspec.structs.replace(proxy.acknowledgements[0], is_current=False, error=HOSTILE)
    report = msgspec.structs.replace(
        samples.report(), proxies=(msgspec.structs.replace(proxy, acknowledgements=(words,)),)
    )
    (text,) = texts(acceptance.proxy_findings([report], GATEWAY, {}))
    assert text.isprintable()


def unanswered(seconds: float) -> Report:
    """Return a report in which a proxy owes an answer for so long."""
    report = samples.report()
    behind = msgspec.structs.replace(
        report.proxies[0].acknowledgements[0],
        is_current=False,
        sent_at=samples.LATER - datetime.timedelta(seconds=seconds),
    )
    changed = [msgspec.structs.replace(p, acknowledgements=(behind,)) for p in report.proxies]
    return msgspec.structs.replace(report, proxies=tuple(changed))


def test_a_proxy_that_does_not_answer_is_waited_for():
    assert texts(acceptance.proxy_findings([unanswered(9)], WAYPOINT, {})) == []
    assert acceptance.needs_another_look([unanswered(9)])
    (text,) = texts(acceptance.proxy_findings([unanswered(11)], WAYPOINT, {}))
    assert text.startswith("waiting: waypoint: ")
    (text,) = texts(acceptance.ztunnel_findings([unanswered(11)]))
    assert text.startswith("waiting: ztunnel details-0: ")


def test_a_pod_without_a_connection_is_waited_for_where_all_istiods_answer():
    gone = samples.report("gateway-gone")
    (text,) = texts(acceptance.proxy_findings([gone], GATEWAY, {}))
    assert text == "waiting: gateway: 0 of 1 pods are connected to istiod, changes wait"
    # Another istiod may have the connection.
    assert texts(acceptance.proxy_findings([gone, samples.report()], GATEWAY, {})) == []
    silent = Report("10.244.0.3", fault="does not answer")
    assert texts(acceptance.proxy_findings([gone, silent], GATEWAY, {})) == []


def test_istiods_are_reported_to_those_who_depend_on_them():
    reports = [Report("a", is_foreign=True), Report("b", fault="does not answer"), using()]
    foreign, silent = texts(acceptance.istiod_findings(reports))
    assert foreign.startswith("blocked: istiod: runs with its built-in configuration")
    assert silent.startswith("waiting: istiod: does not answer; whether changes are in force")


@pytest.mark.parametrize("fault", [Report("", fault="no"), Report("", is_foreign=True), using()])
def test_a_hook_that_wrote_looks_again_until_the_mesh_config_is_used(fault: Report):
    assert acceptance.needs_another_look([fault], MARKER)
    assert not acceptance.needs_another_look([using(MARKER)], MARKER)


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=8,
)
STATUS = strategies.fixed_dictionaries(
    {},
    optional={
        "sent": JSON,
        "acked": JSON,
        "sentTime": JSON
        | strategies.datetimes().map(str)
        | strategies.just("0001-01-01T00:00:00Z"),
        "lastError": JSON,
    },
)
PROXY = strategies.fixed_dictionaries(
    {
        "proxy": JSON | strategies.just(f"{GATEWAY.name}-5d4-x.{GATEWAY.namespace}"),
        "proxy_type": JSON | strategies.just("ztunnel"),
        "resources": JSON | strategies.dictionaries(strategies.text(), STATUS | JSON),
    }
)


@hypothesis.given(
    JSON.map(json.dumps) | strategies.text(),
    (JSON | strategies.lists(PROXY | JSON)).map(json.dumps) | strategies.text(),
)
def test_any_answer_of_an_istiod_is_read_or_left_out(mesh: str, syncz: str):
    config = acceptance.read_mesh_config(mesh)
    proxies = acceptance.read_proxies(syncz)
    report = Report("", now=samples.LATER, mesh_config=config, proxies=proxies or ())
    acceptance.needs_another_look([report], MARKER)
    acceptance.refusals([report])
    found = [
        *acceptance.proxy_findings([report], GATEWAY, {"/a(b": "shop"}),
        *acceptance.ztunnel_findings([report]),
        *acceptance.mesh_findings([report], MARKER, hardened=True, late=True),
        *acceptance.istiod_findings([report]),
    ]
    for each in found:
        text = str(each) if isinstance(each, Problem) else f"{each.what}: {each.reason}"
        assert text.isprintable()


def test_the_whole_of_a_mesh_config_is_in_use_where_all_who_answer_use_it():
    silent = Report("", fault="does not answer")
    assert acceptance.is_in_use([using(MARKER), silent], MARKER)
    assert not acceptance.is_in_use([silent], MARKER)
    assert not acceptance.is_in_use([using(MARKER), using("envoy")], MARKER)
    assert not acceptance.is_in_use([using("")], "")
    foreign = Report("", is_foreign=True)
    assert not acceptance.is_in_use([using(MARKER), foreign], MARKER)


def test_an_overlay_that_was_in_use_is_not_named_as_the_cause():
    (text,) = texts(
        acceptance.mesh_findings(
            [using("charmed-istio.applied.0")], MARKER, hardened=False, late=True, on_trial=False
        )
    )
    assert text.startswith("blocked: istiod: keeps an earlier configuration")
    assert "mesh-config" not in text


def test_readiness_is_what_is_waited_for():
    assert all(
        isinstance(each, Problem | kube.Readiness)
        for each in acceptance.istiod_findings([Report("", fault="x")])
    )


def test_findings_about_istiod_and_proxies_have_their_codes():
    earlier = [using("charmed-istio.applied.0")]
    (finding,) = acceptance.mesh_findings(earlier, MARKER, hardened=False, late=True)
    assert finding.code is Code.MESH_CONFIG_NOT_USED
    (finding,) = acceptance.proxy_findings([unanswered(11)], WAYPOINT, {})
    assert finding.code is Code.PROXY_BEHIND
