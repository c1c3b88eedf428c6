# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The unit status from everything that a reconcile found: what an operator must do comes first."""

import datetime
import re
from typing import Any

import ops
import pytest
from istio_ambient import kube, resources
from istio_ambient.charm import status
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

PROBLEM = Problem(
    app="details",
    endpoint="service-mesh",
    field="policies[0].ports",
    message="not a port",
    remedy="use 1 to 65535",
    code=Code.INVALID_ENTRY,
)
REF = kube.ref_in(resources.Gateway, "way", "shop")


def ago(seconds: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)


def fault(where: str, message: str, *, transient: bool) -> kube.Fault:
    error = kube.RequestError(where, message, transient=transient)
    return kube.fault_of(error, resources.identity("shop", "beacon"))


def of(findings: status.Findings) -> ops.StatusBase:
    return status.status_of(findings, ready_timeout=100)


def test_without_findings_the_status_is_active():
    assert of(status.Findings(message="serving")) == ops.ActiveStatus("serving")


def test_a_problem_names_application_endpoint_field_and_remedy():
    message = of(status.Findings(problems=[PROBLEM])).message
    for part in ("details", "service-mesh", "policies[0].ports", "use 1 to 65535"):
        assert part in message


def test_blocking_findings_come_before_waiting_ones():
    waiting = kube.Readiness(
        "waypoint", ready=False, reason="pulling the image", code=Code.WORKLOAD_NOT_READY
    )
    found = of(status.Findings(problems=[PROBLEM, PROBLEM], readiness=[waiting]))
    assert isinstance(found, ops.BlockedStatus)
    assert found.message.endswith(" (+1 more: status-details)")


def test_a_transient_fault_waits_and_a_lasting_one_blocks():
    transient = fault("list Node", "busy", transient=True)
    lasting = fault("list Pod", "no such field", transient=False)
    assert isinstance(of(status.Findings(faults=[transient])), ops.WaitingStatus)
    assert isinstance(of(status.Findings(faults=[transient, lasting])), ops.BlockedStatus)


def test_a_wait_past_the_timeout_blocks():
    early = kube.Readiness("waypoint", False, Code.WORKLOAD_NOT_READY, "pulling", since=ago(50))
    late = kube.Readiness(
        "waypoint", False, Code.WORKLOAD_NOT_READY, "ErrImagePull", since=ago(150)
    )
    assert isinstance(of(status.Findings(readiness=[early])), ops.WaitingStatus)
    found = of(status.Findings(readiness=[late]))
    assert isinstance(found, ops.BlockedStatus)
    assert "ErrImagePull" in found.message


def test_a_usual_wait_is_reported_only_once_it_is_too_long():
    def found(seconds: float | None) -> ops.StatusBase:
        since = None if seconds is None else ago(seconds)
        wait = kube.Readiness(
            "ingress of web",
            False,
            Code.WORKLOAD_NOT_READY,
            "no port",
            since=since,
            told_late=True,
        )
        return of(status.Findings(readiness=[wait], message="all well"))

    assert found(50) == found(None) == ops.ActiveStatus("all well")
    late = "CI-013 ingress of web: not ready for more than 100 s: no port"
    assert found(150) == ops.BlockedStatus(late)


def test_an_object_of_another_owner_is_named():
    change = kube.Change(
        kube.Verb.REFUSED, REF, resources.Gateway, "exists and belongs to another owner"
    )
    found = of(status.Findings(refused=[change]))
    assert isinstance(found, ops.BlockedStatus)
    assert "Gateway shop/way" in found.message


def test_kinds_that_are_not_served_point_to_istio_k8s():
    change = kube.Change(kube.Verb.DEFERRED, REF, resources.Gateway)

    def found(since: float) -> ops.StatusBase:
        remedy = "deploy istio-k8s, or refresh it"
        return of(
            status.Findings(deferred=[change], deferred_since=ago(since), deferred_remedy=remedy)
        )

    text = "CI-010 deploy istio-k8s, or refresh it; the cluster: {}it does not serve Gateway yet"
    assert found(50) == ops.WaitingStatus(text.format(""))
    late = text.format("not ready for more than 100 s: ")
    assert found(150) == ops.BlockedStatus(late)


def test_a_pending_request_waits_and_its_text_is_the_status():
    waiting = list(status.pending([PROBLEM]))
    assert of(status.Findings(readiness=waiting)) == ops.WaitingStatus(
        "CI-201 use 1 to 65535; details:service-mesh policies[0].ports: not a port"
    )


def test_a_transient_fault_beside_what_blocks_is_counted():
    busy = fault("update Gateway shop/way", "busy", transient=True)
    found = status.Findings(problems=[PROBLEM], faults=[busy])
    assert of(found).message.endswith(" (+1 more: status-details)")
    effects = [each.effect for each in status.reported(found, 100)]
    assert effects == [status.Effect.BLOCKED, status.Effect.WAITING]


def test_a_warning_is_shown_in_an_active_status_and_after_what_waits():
    warned = status.Findings(warnings=[PROBLEM], message="all well")
    text = "CI-201 use 1 to 65535; details:service-mesh policies[0].ports: not a port"
    assert of(warned) == ops.ActiveStatus(text)
    (found,) = status.reported(warned, 100)
    assert found.data["status"] == "active"
    busy = fault("update Gateway shop/way", "busy", transient=True)
    warned.faults.append(busy)
    effects = [each.effect for each in status.reported(warned, 100)]
    assert effects == [status.Effect.WAITING, status.Effect.ACTIVE]
    assert isinstance(of(warned), ops.WaitingStatus)


def test_what_is_waited_for_has_the_same_names_however_far_it_is():
    def named(**found: Any) -> tuple[str, ...]:
        return status.awaited(status.Findings(**found))

    def wait(what: str, reason: str, **members: Any) -> kube.Readiness:
        return kube.Readiness(what, False, Code.WORKLOAD_NOT_READY, reason, **members)

    one, two = (wait("ztunnel", f"{number} of 3 pods ready") for number in (1, 2))
    assert named(readiness=[one]) == named(readiness=[two]) == ("ztunnel",)
    ready = kube.Readiness("istiod", True, code=Code.WORKLOAD_NOT_READY)
    # What is told late has a check of its own; an operator's mistake is not waited for.
    late = wait("ingress of web", "no port", told_late=True)
    assert named(readiness=[ready, late], problems=[PROBLEM]) == ()
    deferred = kube.Change(kube.Verb.DEFERRED, REF, resources.Gateway, "is not served")
    assert named(deferred=[deferred]) == ("the cluster",)
    held = kube.Change(kube.Verb.HELD, REF, resources.Gateway, "waits until istiod is ready")
    assert named(held=[held]) == ("waits until istiod is ready",)
    repaired = kube.Change(kube.Verb.UPDATE, REF, resources.Gateway, "changed")
    assert named(repaired=[repaired]) == (str(REF),)
    faults = [fault(f"list {kind}", "busy", transient=True) for kind in ("Node", "Pod")]
    assert named(faults=faults[:1]) == named(faults=faults) == ("the API server",)
    assert named(faults=[fault("list Pod", "no such field", transient=False)]) == ()


@pytest.mark.parametrize("others", [0, 2])
def test_a_command_is_whole_or_not_shown(others: int):
    shown = ""
    for length in range(1, 120):
        remedy = f"if you trust it: juju config beacon trusted-requesters={'a' * length},b"
        problem = Problem(
            app="web",
            endpoint="mesh",
            field="",
            message="is refused, and this takes a long while to say " * 2,
            remedy=remedy,
            code=Code.INVALID_ENTRY,
        )
        shown = status.message(problem, others=others)
        assert len(shown.encode()) <= status.MAX_MESSAGE
        assert status.DETAILS in shown
        assert "juju" not in shown or re.search(rf"{re.escape(remedy)}(;| \()", shown)
    assert shown.startswith("CI-201 web:mesh: is refused")
