# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The picture is a well-formed SVG with all names, whatever characters these have."""

from xml.etree import ElementTree

from istio_ambient.authorization import evaluator
from istio_ambient.explain import picture

NARROW = evaluator.Access("shop/productpage", "shop/details", "GET /health")
OPEN = evaluator.Access("*", "shop/reviews", evaluator.ANY_OPERATION)


def texts(document: str) -> set[str]:
    root = ElementTree.fromstring(document)  # noqa: S314 - our own output
    return {element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")}


def test_names_sources_targets_and_what_is_allowed():
    shown = texts(picture.svg([NARROW, OPEN], ["shop/details", "shop/reviews"], "Access"))
    assert {"shop/productpage", "shop/details", "any client", "GET /health"} <= shown


def test_a_service_that_no_client_may_reach_is_shown():
    assert "shop/ratings: no client" in texts(picture.svg([], ["shop/ratings"], "Access"))


def test_foreign_text_stays_text():
    hostile = evaluator.Access("<script>", "shop/details", "GET </text><b>")
    assert "<script>" in texts(picture.svg([hostile], ["shop/details"], "A & B"))


def test_boxes_are_as_wide_as_the_longest_name_takes():
    document = picture.svg([], ["pods of shop/istio-beacon-k8s"], "Access")
    root = ElementTree.fromstring(document)  # noqa: S314 - our own output
    boxes = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("rx")]
    assert [int(box.get("width", 0)) for box in boxes] == [8 * 40 + 24]
