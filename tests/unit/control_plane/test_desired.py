# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The desired objects of the control plane, from facts."""

from typing import Any

import pytest
from istio_ambient import control_plane, kube


def facts(**changes: object) -> control_plane.Facts:
    config = control_plane.Config.model_validate({"platform": "", **changes})
    return control_plane.Facts("mesh", "istio", config=config)


def names(wanted: Any) -> set[kube.Ref]:
    return {kube.ref_of(obj) for obj in wanted.objects}


def test_hardened_mode_adds_two_policies_and_changes_nothing_else():
    added = names(control_plane.desired(facts(hardened_mode=True))) - names(
        control_plane.desired(facts())
    )
    assert {ref.name for ref in added} == {
        "istio-mesh-policy-global-allow-nothing-ztunnel",
        "istio-mesh-policy-global-allow-nothing-waypoint",
    }


@pytest.mark.parametrize("value", ["bogus", "GKE", 3])
def test_a_bad_option_is_named_with_what_is_allowed_and_holds_everything(value: object):
    wanted = control_plane.desired(facts(platform=value))
    assert wanted.hold
    assert not wanted.objects
    (problem,) = wanted.problems
    assert problem.field == "platform"
    assert "microk8s" in problem.message
