# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""One status out of everything that a reconcile saw: what needs somebody comes first."""

import datetime

import ops
from istio_ambient import kube, resources
from istio_ambient.charm import status
from istio_ambient.values.problems import Problem

PROBLEM = Problem("details", "service-mesh", "policies[0].ports", "not a port", "use 1 to 65535")
REF = kube.ref_in(resources.Gateway, "way", "shop")


def ago(seconds: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)


def of(findings: status.Findings) -> ops.StatusBase:
    return status.status_of(findings, ready_timeout=100)


def test_nothing_found_is_active():
    assert of(status.Findings(message="serving")) == ops.ActiveStatus("serving")


def test_bad_data_names_application_endpoint_field_and_remedy():
    message = of(status.Findings(problems=[PROBLEM])).message
    for part in ("details", "service-mesh", "policies[0].ports", "use 1 to 65535"):
        assert part in message


def test_what_needs_somebody_comes_before_what_is_waited_for():
    waiting = kube.Readiness("waypoint", ready=False, reason="pulling the image")
    found = of(status.Findings(problems=[PROBLEM, PROBLEM], readiness=[waiting]))
    assert isinstance(found, ops.BlockedStatus)
    assert "+1 more" in found.message


def test_a_passing_fault_is_waited_for_and_a_lasting_one_needs_somebody():
    passing, lasting = kube.Fault("API server busy", True), kube.Fault("not permitted", False)
    assert isinstance(of(status.Findings(faults=[passing])), ops.WaitingStatus)
    assert isinstance(of(status.Findings(faults=[passing, lasting])), ops.BlockedStatus)


def test_waiting_too_long_needs_somebody():
    early = kube.Readiness("waypoint", False, "pulling", since=ago(50))
    late = kube.Readiness("waypoint", False, "ErrImagePull", since=ago(150))
    assert isinstance(of(status.Findings(readiness=[early])), ops.WaitingStatus)
    found = of(status.Findings(readiness=[late]))
    assert isinstance(found, ops.BlockedStatus)
    assert "ErrImagePull" in found.message


def test_somebody_elses_object_is_named():
    change = kube.Change(kube.Verb.REFUSED, REF, resources.Gateway, "exists, and is not ours")
    found = of(status.Findings(refused=[change]))
    assert isinstance(found, ops.BlockedStatus)
    assert "Gateway shop/way" in found.message


def test_kinds_that_are_not_served_point_to_the_control_plane():
    change = kube.Change(kube.Verb.DEFERRED, REF, resources.Gateway)
    found = of(status.Findings(deferred=[change]))
    assert isinstance(found, ops.WaitingStatus)
    assert "istio-k8s" in found.message
