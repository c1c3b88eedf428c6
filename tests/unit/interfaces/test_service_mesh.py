# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `policies` of an application, from valid to hostile."""

import json
from typing import Any

import hypothesis
import pytest
from charmlibs.interfaces import service_mesh as published
from istio_ambient.interfaces import service_mesh

from tests.unit.interfaces import hostile

GOOD: dict[str, Any] = {
    "source_namespace": "shop",
    "source_app_name": "productpage",
    "target_namespace": "shop",
    "target_app_name": "details",
    "endpoints": [{"ports": [9080], "methods": ["GET"], "paths": ["/details/*"]}],
}


def parse(value: Any) -> tuple[service_mesh.Policies, list[str]]:
    text = value if isinstance(value, str) else json.dumps(value)
    policies, problems = service_mesh.parse_policies(
        {"policies": text}, app="details", endpoint="service-mesh"
    )
    return policies, [str(problem) for problem in problems]


def with_endpoint(**members: Any) -> list[dict[str, Any]]:
    return [{**GOOD, "endpoints": [members]}]


def test_a_valid_entry_is_read_unchanged():
    policies, problems = parse([GOOD])
    (policy,) = policies.entries.values()
    assert problems == []
    assert policy.model_dump(mode="json", exclude_defaults=True) == {
        **GOOD,
        "endpoints": [{"ports": [9080], "methods": ["GET"], "paths": ["/details/*"]}],
    }


@pytest.mark.parametrize("databag", [{}, {"policies": "null"}, {"policies": "[]"}])
def test_no_requests_are_no_problem(databag: dict[str, str]):
    assert service_mesh.parse_policies(databag, app="a", endpoint="e") == (
        service_mesh.Policies(),
        [],
    )


def test_null_entries_request_nothing():
    policies, problems = parse([None, GOOD, None])
    assert list(policies.entries) == ["policies[1]"]
    assert policies.unread == ()
    assert problems == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "policies: not JSON at character 1; send valid JSON"),
        ("[" * 100_000, "policies: nested too deeply; send fewer levels"),
        ("[" + "9" * 5000 + "]", "policies: not JSON; send valid JSON"),
        ("{}", "policies: not a list; send a JSON list"),
        ('"[]"', "policies: not a list; send a JSON list"),
        ("7", "policies: not a list; send a JSON list"),
        (" " * 9_000_000, "policies: 9000000 characters long; send at most 4194304 characters"),
    ],
)
def test_an_unreadable_list_is_a_problem_and_its_targets_are_unknown(text: str, said: str):
    policies, problems = parse(text)
    assert policies.entries == {}
    assert policies.unread == (service_mesh.Unread(),)
    assert problems == [f"details:service-mesh {said}"]


BAD_ENTRIES: list[tuple[list[Any], str]] = [
    ([3], "policies[0]"),
    ([[]], "policies[0]"),
    (with_endpoint(ports=[0]), "policies[0].endpoints[0].ports[0]"),
    (with_endpoint(ports=[70000]), "policies[0].endpoints[0].ports[0]"),
    (with_endpoint(ports=["http"]), "policies[0].endpoints[0].ports[0]"),
    (with_endpoint(ports=["80"]), "policies[0].endpoints[0].ports[0]"),
    (with_endpoint(ports=[True]), "policies[0].endpoints[0].ports[0]"),
    (with_endpoint(ports=[80.0]), "policies[0].endpoints[0].ports[0]"),
    (with_endpoint(ports=[80, None]), "policies[0].endpoints[0].ports[1]"),
    (with_endpoint(ports=80), "policies[0].endpoints[0].ports"),
    (with_endpoint(ports={"80": 1}), "policies[0].endpoints[0].ports"),
    (with_endpoint(methods=["get"]), "policies[0].endpoints[0].methods[0]"),
    (with_endpoint(methods=["*"]), "policies[0].endpoints[0].methods[0]"),
    (with_endpoint(hosts=["a b"]), "policies[0].endpoints[0].hosts[0]"),
    (with_endpoint(hosts=["a*b"]), "policies[0].endpoints[0].hosts[0]"),
    (with_endpoint(hosts=[""]), "policies[0].endpoints[0].hosts[0]"),
    (with_endpoint(paths=[""]), "policies[0].endpoints[0].paths[0]"),
    (with_endpoint(paths=["\ud800"]), "policies[0].endpoints[0].paths[0]"),
    (with_endpoint(paths="/x"), "policies[0].endpoints[0].paths"),
    (with_endpoint(ports=[80], deny=["/x"]), "policies[0].endpoints[0].deny"),
    (with_endpoint(), "policies[0].endpoints[0]"),
    (with_endpoint(ports=[], paths=None), "policies[0].endpoints[0]"),
    ([{**GOOD, "except": "x"}], "policies[0].except"),
    ([{**GOOD, "source_app_name": "Not_A_Label"}], "policies[0].source_app_name"),
    ([{**GOOD, "source_app_name": "*"}], "policies[0].source_app_name"),
    ([{**GOOD, "source_namespace": "a/sa/b"}], "policies[0].source_namespace"),
    ([{**GOOD, "source_namespace": "a" * 64}], "policies[0].source_namespace"),
    ([{**GOOD, "target_type": "node"}], "policies[0].target_type"),
    ([{**GOOD, "target_service": "-"}], "policies[0].target_service"),
    ([{**GOOD, "target_app_name": None}], "policies[0]"),
    ([{**GOOD, "target_selector_labels": {"a": "b"}}], "policies[0]"),
    ([{**GOOD, "target_type": "unit"}], "policies[0]"),
    ([{k: v for k, v in GOOD.items() if k != "source_namespace"}], "policies[0].source_n"),
]


@pytest.mark.parametrize(("entries", "field"), BAD_ENTRIES)
def test_an_invalid_entry_has_a_remedy_and_the_others_stay(entries: list[Any], field: str):
    policies, problems = parse([*entries, GOOD])
    assert list(policies.entries) == ["policies[1]"]
    assert len(policies.unread) == 1
    assert problems and all(text.startswith("details:service-mesh ") for text in problems)
    assert any(field in text and "; " in text for text in problems), problems


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([GOOD])[:-1].replace('"ports": [9080]', '"ports": [9080], "ports": null') + "]",
        json.dumps([GOOD]).replace(
            '"source_app_name"', '"source_app_name": "x", "source_app_name"'
        ),
        json.dumps([GOOD]).replace("[9080]", "[NaN]"),
        json.dumps([GOOD]).replace('"productpage"', "Infinity"),
    ],
)
def test_ambiguous_json_is_not_guessed(text: str):
    policies, problems = parse(text)
    assert policies.entries == {}
    assert len(problems) == 1


@pytest.mark.parametrize(
    "unit",
    [
        {"target_app_name": None},
        {"target_app_name": None, "target_selector_labels": {}},
        {"target_selector_labels": {"app.kubernetes.io/name": "details"}},
        {"target_service": "details"},
        {"endpoints": [{"ports": [1], "paths": ["/x"]}]},
        {"endpoints": [{"hosts": ["x"]}]},
        {"endpoints": [{"ports": [1]}, {"methods": ["GET"]}]},
        {"target_app_name": None, "target_selector_labels": {"": "x"}},
        {"target_app_name": None, "target_selector_labels": {"a*": "x"}},
        {"target_app_name": None, "target_selector_labels": {"a": "*"}},
        {"target_app_name": None, "target_selector_labels": {"a": 1}},
    ],
)
def test_a_unit_policy_has_one_target_and_ports_only(unit: dict[str, Any]):
    base = {**GOOD, "target_type": "unit", "endpoints": [{"ports": [9080]}]}
    assert len(parse([base])[0].entries) == 1
    policies, problems = parse([{**base, **unit}])
    assert policies.entries == {}
    assert problems


def test_null_keys_of_a_later_library_restrict_nothing():
    later = {**GOOD, "later": None, "endpoints": [{"ports": [80], "later": None}]}
    policies, problems = parse([later])
    assert len(policies.entries) == 1
    assert problems == []


def test_the_target_of_a_dropped_entry_is_known():
    service = {**GOOD, "target_service": "details-api", "endpoints": [{"ports": [0]}]}
    unit = {**GOOD, "target_type": "unit", "endpoints": [{"ports": [0]}]}
    selector = {**unit, "target_app_name": None, "target_selector_labels": {"role": "reader"}}
    vague = {**GOOD, "target_type": 7}
    nowhere = {**GOOD, "target_app_name": None}
    policies, _ = parse([service, unit, {**selector, "more": 1}, vague, nowhere])
    assert policies.unread == (
        service_mesh.Unread("app", "details", target_service="details-api"),
        service_mesh.Unread("unit", "details"),
        service_mesh.Unread("unit", target_selector_labels={"role": "reader"}),
        service_mesh.Unread(),
        service_mesh.Unread(),
    )


@pytest.mark.parametrize(
    "contradiction",
    [
        {"target_selector_labels": {"role": "reader"}},
        {"target_type": "unit", "target_service": "details"},
        {"target_type": "unit", "target_selector_labels": {"role": "reader"}},
        {"target_type": "unit", "endpoints": [{"ports": [80], "paths": ["/x"]}]},
        {"target_type": "unit", "endpoints": [{"ports": [0]}, {"methods": ["GET"]}]},
    ],
)
def test_the_target_of_an_ambiguous_entry_is_unknown(
    contradiction: dict[str, Any],
):
    policies, _ = parse([{**GOOD, **contradiction}])
    assert policies.entries == {}
    assert policies.unread == (service_mesh.Unread(),)


def test_entries_beyond_the_limit_are_dropped_with_a_problem():
    policies, problems = parse([GOOD] * (service_mesh.MAX_POLICIES + 1))
    assert len(policies.entries) == service_mesh.MAX_POLICIES
    assert "5001 entries" in problems[0]
    assert policies.unread == (service_mesh.Unread(),)


def test_labels_are_published_as_json_in_every_key():
    labels = {"istio.io/use-waypoint": "w", "istio.io/dataplane-mode": "ambient"}
    assert {key: json.loads(text) for key, text in service_mesh.dump(labels).items()} == {
        "labels": labels,
        "mesh_type": "istio",
    }
    reverse = dict(reversed(labels.items()))
    assert service_mesh.dump(labels) == service_mesh.dump(reverse)


@pytest.mark.slow
@hypothesis.given(hostile.policies(hostile.NAMES, hostile.NAMES))
@hypothesis.settings(max_examples=1000, deadline=None)
def test_any_text_is_read_as_the_published_library_reads_it_or_has_a_problem(text: str):
    policies, problems = parse(text)
    for line in problems:
        assert line.encode() and "\n" not in line
    entries: list[Any] = json.loads(text) if policies.entries else []
    for field, policy in policies.entries.items():
        entry: dict[str, Any] = entries[int(field.removeprefix("policies[").removesuffix("]"))]
        # The published model reads the same members from it: no part of an entry was dropped or
        # added.
        theirs = published.MeshPolicy.model_validate(entry).model_dump(mode="json")
        ours = policy.model_dump(mode="json")
        assert {k: v or None for k, v in ours.items()} == {k: v or None for k, v in theirs.items()}
        assert {k for k, v in entry.items() if v is not None} <= theirs.keys()
    if text.strip() and not problems:
        assert len(policies.entries) == sum(entry is not None for entry in json.loads(text) or ())


@pytest.mark.parametrize("extra", [{}, {"unknown": 1}], ids=["valid", "invalid"])
def test_an_application_has_a_limited_number_of_targets(extra: dict[str, Any]):
    limit = service_mesh.MAX_TARGETS
    base = {"source_namespace": "a", "source_app_name": "s", "target_namespace": "b"}
    entries = [{**base, "target_service": f"x{n}", **extra} for n in range(limit)]
    last = {**base, "target_service": "last"}
    found, problems = service_mesh.parse_policies(
        {"policies": json.dumps([*entries, entries[0], last, last])}, app="evil", endpoint="e"
    )
    if not extra:
        assert len(found.entries) == limit + 1
        (problem,) = problems
        assert problem.field == f"policies[{limit + 1}]"
        assert problem.message == "2 entries from here on were not read"
    # What was not read closes all targets of the application.
    assert found.unread[-1] == service_mesh.Unread()
    assert len(found.unread) == (limit + 2 if extra else 1)
