# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Which routes istiod has not looked at, though it has had the time."""

from typing import Any

import pytest
from istio_ambient import acceptance
from istio_ambient.values.problem_codes import Code

from tests.unit.acceptance import samples
from tests.unit.acceptance.test_findings import texts
from tests.unit.acceptance.test_policies import NEW, OLD
from tests.unit.whole_charm.fake_cluster import CONTROLLER

UNSEEN = "waiting: HTTPRoute shop/r: istiod has not looked at it, so it may not be served"


def report(controller: str = CONTROLLER, *, generation: int = 2) -> dict[str, Any]:
    said = {"type": "Accepted", "status": "False", "observedGeneration": generation}
    return {"controllerName": controller, "parentRef": {"name": "gate"}, "conditions": [said]}


def route(*parents: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    about = {"name": "r", "namespace": "shop", "generation": 2, "creationTimestamp": OLD}
    content = {"metadata": {**about, **metadata}, "status": {"parents": list(parents)}}
    return {"kind": "HTTPRoute", **content}


def found(each: dict[str, Any]) -> list[str]:
    return texts(acceptance.route_findings([each], samples.LATER))


def test_many_routes_are_one_finding():
    # Each alone would hide what they have in common: the status of istiod.
    more = [route(), route(report()), route(name="s"), route(creationTimestamp=NEW)]
    assert texts(acceptance.route_findings(more, samples.LATER)) == [
        UNSEEN.replace("shop/r", "shop/r and 1 more")
    ]
    assert acceptance.has_seen_any(more)
    assert not acceptance.has_seen_any([route(), route(report(generation=1))])


@pytest.mark.parametrize(
    "each",
    [
        route(),
        {**route(), "status": None},
        route({"controllerName": CONTROLLER, "parentRef": {}}),
        route(report("example.com/other-controller")),
        route(report(generation=1)),
    ],
)
def test_a_route_without_a_word_of_istiod_is_reported(each: dict[str, Any]):
    assert found(each) == [UNSEEN]
    (said,) = acceptance.route_findings([each], samples.LATER)
    assert said.code is Code.ROUTE_NOT_SEEN
    # So that the wait becomes too long in the end.
    assert said.waited_longer_than(1)


@pytest.mark.parametrize(
    "each",
    [
        # What istiod says of it is for the reports of the ingress.
        route(report()),
        route(report("example.com/other-controller"), report()),
        # It was written a moment ago.
        route(creationTimestamp=NEW),
        route(report(generation=1), managedFields=[{"time": NEW}]),
        # A finalizer keeps it.
        route(deletionTimestamp=OLD),
    ],
)
def test_a_route_that_istiod_has_seen_or_not_had_the_time_for_is_not(each: dict[str, Any]):
    assert found(each) == []
