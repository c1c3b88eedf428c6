# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Conditions that istiod writes on routes and listeners reach the status."""

from typing import Any

import pytest
from istio_ambient import ingress, kube, resources
from istio_ambient.ingress.reports import acceptance, route_list
from istio_ambient.kube import _objects

from tests.unit.ingress import samples
from tests.unit.whole_charm.fake_cluster import CONTROLLER

TIME = "2026-01-01T00:00:00Z"


def condition(kind: str, status: str, generation: int = 1) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": "Because",
        "message": "no such listener",
        "lastTransitionTime": TIME,
        "observedGeneration": generation,
    }


def found(
    of_route: dict[str, Any],
    of_listener: dict[str, Any] | None = None,
    section: str = "http-80",
    controller: str = CONTROLLER,
) -> tuple[list[kube.Readiness], str]:
    """Return what is not taken, and the state that the list of routes shows."""
    facts = samples.facts(samples.request())
    live: dict[kube.Ref, Any] = {}
    answering = (resources.HTTPRoute, resources.Gateway)
    for obj in ingress.desired(ingress.resolve(facts)).objects:
        if _objects.type_of(obj) in answering:
            obj.metadata.generation = 1
            ref = {"name": "gate", "namespace": "shop", "sectionName": section}
            parent = {
                "controllerName": controller,
                "parentRef": ref,
                "conditions": [of_route],
            }
            listener = {"name": "http-80", "conditions": [of_listener] if of_listener else []}
            obj["status"] = {"parents": [parent], "listeners": [listener]}
        live[kube.ref_of(obj)] = obj
    ours = kube.Live(resources.identity("shop", "gate"), objects=live)
    resolved = ingress.resolve(facts)
    (entry,) = route_list.entries(resolved, ours)
    return list(acceptance.acceptance(resolved, ours)), entry.state


@pytest.mark.parametrize("kind", ["Accepted", "ResolvedRefs"])
def test_a_route_that_istiod_does_not_take_is_named_with_its_application(kind: str):
    (refused,), state = found(condition(kind, "False"))
    assert not refused.ready and refused.since is not None
    assert "shop/productpage-httproute-http-80-gate of productpage:ingress" in refused.what
    assert refused.reason == "istiod does not accept it: no such listener"
    assert state == route_list.REFUSED


@pytest.mark.parametrize("time", [None, "", "0000-12-31T00:00:00Z", "2026-01-01T00:00:00", "x"])
def test_a_time_that_is_none_does_not_hide_a_refusal(time: str | None):
    (refused,), _ = found({**condition("Accepted", "False"), "lastTransitionTime": time})
    assert refused.since is None


@pytest.mark.parametrize(
    "said", [condition("Accepted", "True"), condition("Accepted", "False", 0)]
)
def test_what_is_taken_or_not_looked_at_yet_is_no_fault(said: dict[str, Any]):
    assert found(said) == ([], route_list.SERVED)


def test_what_is_said_of_another_listener_is_no_fault():
    assert found(condition("Accepted", "False"), section="http-8080") == ([], route_list.SERVED)


def test_what_another_controller_says_is_no_fault():
    said = condition("Accepted", "False")
    assert found(said, controller="tenant.example/x") == ([], route_list.SERVED)


def test_a_listener_that_istiod_does_not_take_is_named():
    (refused,), _ = found(condition("Accepted", "True"), condition("Conflicted", "True"))
    assert refused.what == "listener http-80"
