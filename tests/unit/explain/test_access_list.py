# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Who may reach whom, in every form, whatever text policies hold."""

import dataclasses
import json
import re
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_changes, access_list

from tests.unit.authorization.evaluator import samples
from tests.unit.explain import bookshop

FACTS = bookshop.facts()
NORMAL = bookshop.snapshot(FACTS)
HARDENED = bookshop.snapshot(FACTS, *samples.hardened())
FORMS = access_list.forms("Access")
SVG = "{http://www.w3.org/2000/svg}"


def changes(
    before: evaluator.Snapshot, after: evaluator.Snapshot
) -> list[access_changes.AccessChange]:
    return access_changes.changes(evaluator.Reach(before), evaluator.Reach(after))


def lines(snapshot: evaluator.Snapshot, app: str = "") -> list[list[str]]:
    text = access_list.table(access_list.access_list(snapshot, "shop", app).entries)
    return [re.split(r" {2,}", line) for line in text.splitlines()[1:]]


def test_the_table_has_sources_destinations_and_operations():
    assert ["shop/productpage", "shop/details", "GET /details/*"] in lines(NORMAL)
    assert ["any workload on the mesh", "shop/ratings", "everything"] in lines(NORMAL)
    assert lines(HARDENED).count(["no client", "shop/ratings"]) == 1
    # The accesses of waypoints to pods, which istiod itself allows, are left out.
    assert "shop/way" not in {line[0] for line in lines(HARDENED)}


def test_entries_are_sorted_by_destination_and_headless_services_are_left_out():
    selector = {"app.kubernetes.io/name": "details"}
    headless = samples.service("details-endpoints", selector=selector, clusterIP="None")
    snapshot = bookshop.snapshot(FACTS, services=(samples.service(), headless))
    targets = [line[1].removeprefix("pods of ") for line in lines(snapshot)]
    assert targets == sorted(targets)
    assert "shop/details" in targets
    assert "shop/details-endpoints" not in targets


def test_one_application_is_listed_as_source_and_as_destination():
    assert {(line[0], line[1]) for line in lines(HARDENED, "productpage")} >= {
        ("shop/productpage", "shop/details"),
        ("no client", "shop/productpage"),
    }
    assert not any("ratings" in line[1] for line in lines(HARDENED, "productpage"))
    assert access_list.access_list(NORMAL, "other").entries == []


def test_what_the_list_does_not_weigh_is_said():
    found = access_list.access_list(dataclasses.replace(NORMAL, unread=("Secrets",)), "shop")
    assert "Secrets (cannot be read)" in found.not_weighed


def test_what_nodes_may_reach_is_said_once_for_all_applications():
    said = access_list.about_nodes(access_list.access_list(HARDENED, "shop"))
    assert said.startswith("processes on a pod's own node, such as the kubelet")
    names = said.partition("the pods of ")[2].split(", ")
    assert {"shop/details", "shop/ratings"} <= set(names)
    one = access_list.about_nodes(access_list.access_list(HARDENED, "shop", "details"))
    assert one.endswith("the pods of shop/details")
    assert access_list.about_nodes(access_list.access_list(HARDENED, "other")) == ""
    many = access_list.AccessList((), (), reached_by_nodes=tuple(f"m/a{n}" for n in range(12)))
    assert access_list.about_nodes(many).endswith("m/a9 and 2 more")


def test_the_json_form_has_the_rules_that_allow():
    entries = json.loads(FORMS["json"](access_list.access_list(HARDENED, "shop").entries))
    (allowed,) = [entry for entry in entries if entry["source"] == "shop/productpage"]
    assert allowed["operations"] == "GET /details/*"
    assert allowed["policies"][0].startswith("shop/beacon-shop-policy-details-")
    assert [each["target"] for each in entries if each["source"] is None].count(
        "shop/ratings"
    ) == 1


def test_diagrams_have_an_arrow_for_each_access_and_show_unreached_destinations():
    entries = access_list.access_list(HARDENED, "shop", "details").entries
    dot, mermaid = FORMS["dot"](entries), FORMS["mermaid"](entries)
    assert 'label="GET /details/*"' in dot
    assert mermaid.count("-->") == dot.count("->") == 1
    entries = access_list.access_list(HARDENED, "shop", "ratings").entries
    assert '[label="shop/ratings: no client" style="rounded,dashed"]' in FORMS["dot"](entries)
    assert '["shop/ratings: no client"]' in FORMS["mermaid"](entries)


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_foreign_text_stays_text(source: str, target: str, operations: str):
    entries: list[Any] = [evaluator.Access(source, target, operations)]
    rows = FORMS["table"](entries).split("\n")
    assert len(rows) == 2
    assert all(row.isprintable() for row in rows)
    assert json.loads(FORMS["json"](entries))[0]["source"] == source
    root = ElementTree.fromstring(FORMS["svg"](entries))  # noqa: S314 - our own output
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg",
        "title",
        "rect",
        "defs",
        "marker",
        "path",
        "text",
    }
    # Each statement is one line, and a quotation ends where we end it.
    for line in FORMS["dot"](entries).split("\n")[5:-1]:
        assert re.fullmatch(r'  n\d( -> n\d)? \[label="(\\.|[^"\\])*"[ a-z=",]*\];', line)
    for line in FORMS["mermaid"](entries).split("\n")[2:]:
        safe = r"([A-Za-z0-9 ./_,:-]|#\d+;)*"
        assert re.fullmatch(rf'  n\d(\["{safe}"\]| (-->|==>)\|"{safe}"\| n\d)', line)


def test_changes_are_accesses_that_differ():
    found = changes(NORMAL, access_changes.with_hardened_mode(NORMAL, "mesh/istio-k8s", on=True))
    assert {change.change for change in found} == {access_changes.Change.LOSES}
    lost = {(change.access.source, change.access.destination) for change in found}
    assert ("*/*", "shop/ratings") in lost
    assert ("shop/productpage", "shop/details") not in lost
    assert "loses   any workload on the mesh  shop/ratings" in access_changes.table(found)
    back = access_changes.with_hardened_mode(HARDENED, "mesh/istio-k8s", on=False)
    assert changes(NORMAL, back) == []
    assert access_changes.table([]) == "no access changes"
    assert json.loads(access_changes.as_json(found))[0]["gained"] is False


def test_a_change_says_what_a_client_could_do_before():
    open_to_all = dataclasses.replace(NORMAL, policies=())
    found = changes(open_to_all, NORMAL)
    assert access_changes.table(found).splitlines()[1:] == [
        "narrows  shop/productpage                                   shop/details"
        "  GET /details/*; before: everything",
        "loses    any workload on the mesh but not shop/productpage  shop/details  everything",
    ]
    back = changes(NORMAL, open_to_all)
    assert [each.change for each in back] == ["gains", "widens"]
    (data,) = [each for each in json.loads(access_changes.as_json(back)) if each["before"]]
    assert data["before"]["operations"] == "GET /details/*"
    assert (data["source"], data["gained"]) == ("shop/productpage", True)
