# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What hardened mode would do to each workload."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.authorization import evaluator
from istio_ambient.explain import hardened_preview
from istio_ambient.explain.hardened_preview import Outlook

from tests.unit.authorization.evaluator import samples
from tests.unit.authorization.evaluator.samples import (
    AMBIENT,
    FROM_WEB,
    TO_DETAILS,
    policy,
    snapshot,
)


def only(of: evaluator.Snapshot) -> hardened_preview.ApplicationPreview:
    (found,) = previews(of)
    return found


def previews(of: evaluator.Snapshot) -> list[hardened_preview.ApplicationPreview]:
    return hardened_preview.previews(*hardened_preview.reaches(of))


def test_what_no_policy_speaks_of_would_be_cut_off():
    found = only(snapshot())
    assert (found.outlook, found.admits, found.policies) == (Outlook.CUT_OFF, (), ())


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
    assert found.admits == ("shop/web",)
    assert found.outlook in (Outlook.FEWER, Outlook.SAME)
    assert bool(found.loses) is (found.outlook is Outlook.FEWER)


def test_who_loses_access_is_said_of_what_stays_reachable():
    two = snapshot(
        policy(targetRefs=TO_DETAILS, rules=[FROM_WEB]),
        services=(samples.service(), samples.service("details-admin")),
    )
    found = only(two)
    assert (found.admits, found.outlook) == (("shop/web",), Outlook.FEWER)
    assert found.loses == ("shop/details-admin: any workload on the mesh",)


def test_the_waypoint_is_no_client():
    found = only(snapshot())
    assert (found.admits, found.outlook) == ((), Outlook.CUT_OFF)
    assert found.loses == ("shop/details: any workload on the mesh",)


def test_clients_outside_reach_pods_off_the_mesh_past_their_waypoint():
    found = only(snapshot(pods=(_joined("none"),)))
    assert found.outlook is Outlook.FEWER
    assert "any client outside the mesh" in found.admits
    assert found.loses == ("shop/details: any workload on the mesh",)


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
    assert only(snapshot(useless)).outlook == Outlook.CUT_OFF


def test_what_allows_nothing_is_closed_already():
    assert only(snapshot(policy(targetRefs=TO_DETAILS))).outlook == Outlook.CLOSED
    l7 = {**FROM_WEB, "to": [{"operation": {"paths": ["/x"]}}]}
    # ztunnel cannot check a path, and so such a rule allows no request there.
    assert only(snapshot(policy(rules=[l7]), auto_allow=False)).outlook == Outlook.CLOSED
    # But its waypoint is let in for the others' sake, and that is open.
    assert only(snapshot(policy(rules=[l7]))).outlook == Outlook.CUT_OFF


def test_a_waypoint_that_the_pods_deny_allows_no_client():
    opening = policy(targetRefs=TO_DETAILS, rules=[FROM_WEB])
    found = only(snapshot(opening, auto_allow=False))
    assert (found.outlook, found.admits) == (Outlook.CUT_OFF, ())


def test_a_service_without_a_waypoint_is_not_opened_at_one():
    plain = (samples.namespace(**AMBIENT),)
    opening = policy(targetRefs=TO_DETAILS, rules=[FROM_WEB])
    assert only(snapshot(opening, namespaces=plain)).outlook == Outlook.CUT_OFF


def test_hardened_modes_own_policies_are_not_taken_for_policies_of_the_workload():
    found = only(snapshot(*samples.hardened()))
    assert (found.outlook, found.policies) == (Outlook.CUT_OFF, ())


def test_only_workloads_on_the_mesh_are_told():
    uncaptured = (samples.pod(captured=False),)
    plain = (samples.namespace(),)
    assert previews(snapshot(namespaces=plain, pods=uncaptured)) == []
    assert only(snapshot(namespaces=plain, pods=(_joined("ambient"),))).outlook == Outlook.CUT_OFF
    assert previews(snapshot(pods=(samples.pod(phase="Succeeded"),))) == []


def test_the_pods_of_an_application_are_one_workload():
    assert only(snapshot(pods=tuple(samples.pod(f"details-{n}") for n in range(3)))).pods == 3


def test_the_text_says_who_keeps_and_who_loses_access():
    opened = snapshot(
        policy(targetRefs=TO_DETAILS, rules=[FROM_WEB]),
        services=(samples.service(), samples.service("details-admin")),
    )
    text = hardened_preview.table(previews(opened), ["shop/beacon"], ["tokens"])
    assert text.splitlines() == [
        "1 reachable for fewer",
        "",
        "shop/details: reachable for fewer",
        "  keeps: shop/web",
        "  loses: shop/details-admin: any workload on the mesh",
        "  policies: shop/policy",
        "",
        "the same for one beacon, request by request:",
        "  juju run -m shop beacon/leader preview hardened-mode=true",
        "",
        "not weighed: tokens",
    ]
    assert hardened_preview.table([]) == "no application is on the mesh"


NAMES = st.text("abc-", min_size=1, max_size=40)


@given(st.lists(NAMES, max_size=20), NAMES, NAMES)
def test_the_text_fits_a_terminal(sources: list[str], model: str, app: str):
    clients = tuple(f"shop/{source}" for source in sources)
    preview = hardened_preview.ApplicationPreview(
        "shop", "details", 1, clients, clients, clients, Outlook.FEWER
    )
    text = hardened_preview.table([preview], [f"{model[:30]}/{app[:20]}"])
    # `juju run` indents a text by two columns.
    assert max(map(len, text.splitlines())) <= 78


def _joined(mode: str) -> dict[str, Any]:
    return samples.pod(labels={"istio.io/dataplane-mode": mode})
