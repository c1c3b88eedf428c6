# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What hardened mode would do to each workload."""

from typing import Any

import pytest
from istio_ambient.authorization import evaluator
from istio_ambient.explain import hardened_preview
from istio_ambient.explain.hardened_preview import CLOSED, CUT_OFF, REACHABLE

from tests.unit.authorization.evaluator import samples
from tests.unit.authorization.evaluator.samples import (
    AMBIENT,
    FROM_WEB,
    TO_DETAILS,
    policy,
    snapshot,
)


def only(of: evaluator.Snapshot) -> hardened_preview.WorkloadPreview:
    (found,) = hardened_preview.previews(of)
    return found


def test_what_no_policy_speaks_of_would_be_cut_off():
    found = only(snapshot())
    assert (found.outlook, found.admits, found.policies) == (CUT_OFF, (), ())


@pytest.mark.parametrize(
    "opening",
    [
        policy(targetRefs=TO_DETAILS, rules=[FROM_WEB]),
        policy(targetRefs=samples.TO_GATEWAY, rules=[FROM_WEB]),
        policy(selector={"matchLabels": {"app.kubernetes.io/name": "details"}}, rules=[FROM_WEB]),
        policy(rules=[FROM_WEB]),
        policy(namespace="mesh", rules=[FROM_WEB]),
        policy(
            namespace="mesh",
            targetRefs=samples.TO_CLASS,
            rules=[FROM_WEB],
        ),
    ],
)
def test_a_rule_keeps_a_workload_reachable(opening: dict[str, Any]):
    found = only(snapshot(opening))
    assert (found.outlook, found.admits) == (REACHABLE, ("shop/web",))


@pytest.mark.parametrize(
    "useless",
    [
        policy(action="DENY", rules=[FROM_WEB]),
        policy(namespace="other", rules=[FROM_WEB]),
        policy(selector={"matchLabels": {"app": "other"}}, rules=[FROM_WEB]),
        policy(targetRefs=[{**TO_DETAILS[0], "name": "other"}], rules=[FROM_WEB]),
    ],
)
def test_policies_about_something_else_open_nothing(useless: dict[str, Any]):
    assert only(snapshot(useless)).outlook == CUT_OFF


def test_what_allows_nothing_is_closed_already():
    assert only(snapshot(policy(targetRefs=TO_DETAILS))).outlook == CLOSED
    l7 = {**FROM_WEB, "to": [{"operation": {"paths": ["/x"]}}]}
    # ztunnel cannot check a path, and so such a rule allows no request there.
    assert only(snapshot(policy(rules=[l7]), auto_allow=False)).outlook == CLOSED
    # But its waypoint is let in for the others' sake, and that is open.
    assert only(snapshot(policy(rules=[l7]))).outlook == CUT_OFF


def test_a_waypoint_that_the_pods_deny_allows_no_client():
    opening = policy(targetRefs=TO_DETAILS, rules=[FROM_WEB])
    found = only(snapshot(opening, auto_allow=False))
    assert (found.outlook, found.admits) == (CUT_OFF, ())


def test_a_service_without_a_waypoint_is_not_opened_at_one():
    plain = (samples.namespace(**AMBIENT),)
    opening = policy(targetRefs=TO_DETAILS, rules=[FROM_WEB])
    assert only(snapshot(opening, namespaces=plain)).outlook == CUT_OFF


def test_hardened_modes_own_policies_are_not_taken_for_policies_of_the_workload():
    found = only(snapshot(*samples.hardened()))
    assert (found.outlook, found.policies) == (CUT_OFF, ())


def test_only_workloads_on_the_mesh_are_told():
    uncaptured = (samples.pod(captured=False),)
    assert hardened_preview.previews(snapshot(pods=uncaptured)) == []
    assert (
        only(snapshot(namespaces=(samples.namespace(),), pods=(_joined("ambient"),))).outlook
        == CUT_OFF
    )
    assert hardened_preview.previews(snapshot(pods=(_joined("none"),))) == []
    assert hardened_preview.previews(snapshot(pods=(samples.pod(phase="Succeeded"),))) == []


def test_the_pods_of_an_application_are_one_workload():
    assert only(snapshot(pods=tuple(samples.pod(f"details-{n}") for n in range(3)))).pods == 3


def test_the_table_has_a_line_for_each_workload():
    text = hardened_preview.table(hardened_preview.previews(snapshot()))
    heading, line = text.splitlines()
    assert heading.split()[0] == "WORKLOAD"
    assert line.split() == ["shop/details", "1", "none", "no", "client", "cut", "off"]
    assert hardened_preview.table([]) == "no workload is on the mesh"


def _joined(mode: str) -> dict[str, Any]:
    return samples.pod(labels={"istio.io/dataplane-mode": mode})
