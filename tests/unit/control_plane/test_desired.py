# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The desired objects of the control plane, from facts."""

from typing import Any

import msgspec
import pytest
from istio_ambient import control_plane, kube


def facts(**changes: object) -> control_plane.Facts:
    config = control_plane.Config.model_validate({"platform": "", **changes})
    return control_plane.Facts("mesh", "istio", config=config)


def names(wanted: Any) -> set[kube.Ref]:
    return {kube.ref_of(obj) for obj in wanted.objects}


def hardened(model: str) -> set[str]:
    """Return what hardened mode adds, in a model of this name."""
    on, off = (
        names(
            control_plane.desired(msgspec.structs.replace(facts(hardened_mode=each), model=model))
        )
        for each in (True, False)
    )
    assert off < on
    return {str(ref) for ref in on - off}


def policies(namespace: str, model: str) -> set[str]:
    prefix = f"AuthorizationPolicy {namespace}/istio-{model}-policy-global-allow-nothing"
    return {f"{prefix}-ztunnel", f"{prefix}-waypoint"}


def test_hardened_mode_adds_two_policies_and_changes_nothing_else():
    assert hardened("istio-system") == policies("istio-system", "istio-system")


def test_copies_hold_where_the_root_namespace_of_an_istiod_without_a_mesh_config_is_another():
    copies = policies("istio-system", "mesh") | {"Namespace istio-system"}
    assert hardened("mesh") == policies("mesh", "mesh") | copies


@pytest.mark.parametrize("value", ["bogus", "GKE", 3])
def test_a_bad_option_is_named_with_what_is_allowed_and_holds_everything(value: object):
    wanted = control_plane.desired(facts(platform=value))
    assert wanted.hold
    assert not wanted.objects
    (problem,) = wanted.problems
    assert problem.field == "platform"
    assert "microk8s" in problem.message
