# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Which versions of Istio may follow on which."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient import kube, manifests, preflight
from istio_ambient.control_plane import _versions
from istio_ambient.control_plane._versions import OWN, Release, release_of
from istio_ambient.kube import Desired
from istio_ambient.values.problem_codes import Code
from lightkube.resources.apps_v1 import DaemonSet, Deployment

from tests.unit.control_plane.test_preflight import desired

_, MINOR = OWN.minor
KINDS: dict[str, Any] = {"istiod": Deployment, "istio-cni-node": DaemonSet, "ztunnel": DaemonSet}
AROUND = preflight.Surroundings()


@pytest.mark.parametrize(
    ("tag", "release"),
    [
        ("1.9.4", Release((1, 9), 4)),
        ("v1.9.4", Release((1, 9), 4)),
        ("1.9.4-mirror.2", Release((1, 9), 4)),
        ("1.9-alpha.0123abc", Release((1, 9), None)),
        ("1.9_site", Release((1, 9), None)),
        ("latest", None),
        ("1", None),
        ("1.9.4.5.6x", Release((1, 9), 4)),
        ("20260901-0123abc", None),
        ("", None),
    ],
)
def test_a_tag_begins_with_a_version(tag: str, release: Release | None):
    assert release_of(tag) == release


@given(st.text())
def test_no_text_is_a_reason_to_fail(text: str):
    release = release_of(text)
    assert release is None or text.removeprefix("v").startswith(release.name)


def test_patches_are_ordered_and_builds_without_one_are_not():
    assert Release((1, 9), 3) < Release((1, 9), 4) < Release((1, 10), None)
    assert not Release((1, 9), None) < Release((1, 9), 4)
    assert not Release((1, 9), 4) < Release((1, 9), None)


def workloads(**tags: str) -> list[kube.Resource]:
    """Return workloads that run, by name with underscores, with the tags of their images."""

    def made(name: str, tag: str) -> kube.Resource:
        container = {"name": name, "image": f"docker.io/istio/{name}:{tag}@sha256:{'0' * 64}"}
        return KINDS[name].from_dict(
            {
                "metadata": {"name": name, "namespace": "mesh"},
                "spec": {"selector": {}, "template": {"spec": {"containers": [container]}}},
            }
        )

    return [made(name.replace("_", "-"), tag) for name, tag in tags.items()]


def codes(found: Desired) -> tuple[list[Code], list[Code]]:
    """Return the codes of problems and of warnings."""
    return [each.code for each in found.problems], [each.code for each in found.warnings]


@pytest.mark.parametrize("name", ["istio-cni-node", "ztunnel"])
def test_a_mesh_that_a_newer_charm_upgraded_stays_as_it_is(name: str):
    running = workloads(**{name.replace("-", "_"): f"1.{MINOR + 1}.0-distroless"})
    found = desired(AROUND, *running)
    assert (found.hold, codes(found)) == (True, ([Code.DOWNGRADE], []))
    (problem,) = found.problems
    assert problem.remedy == f"refresh this application to a revision of Istio 1.{MINOR + 1}"
    assert f"{name} is 1.{MINOR + 1}.0" in problem.message
    assert "no data plane ahead of its control plane" in problem.message


def test_an_istiod_that_never_became_ready_can_be_taken_back():
    tags = {"istio_cni_node": manifests.VERSION, "ztunnel": manifests.VERSION}
    found = desired(AROUND, *workloads(istiod=f"1.{MINOR + 1}.0", **tags))
    assert (found.hold, codes(found)) == (False, ([], []))


def test_a_tag_that_begins_with_a_date_holds_nothing_for_ever():
    found = desired(AROUND, *workloads(ztunnel="2026.11.1", istio_cni_node="20261126-0"))
    assert (found.hold, codes(found)) == (False, ([], []))


@pytest.mark.parametrize("patch", [0, 99])
def test_patches_go_up_and_down(patch: int):
    tag = f"1.{MINOR}.{patch}-distroless"
    found = desired(AROUND, *workloads(istiod=tag, istio_cni_node=tag, ztunnel=tag))
    assert (found.hold, codes(found)) == (False, ([], []))


def test_what_skips_a_minor_version_is_told_until_it_is_over():
    tags = {"istiod": manifests.VERSION, "istio_cni_node": manifests.VERSION}
    found = desired(AROUND, *workloads(**tags, ztunnel=f"1.{MINOR - 2}.1"))
    assert (found.hold, codes(found)) == (False, ([], [Code.SKIPPED_MINOR]))
    assert f"ztunnel is 1.{MINOR - 2}.1" in found.warnings[0].message
    found = desired(AROUND, *workloads(**tags, ztunnel=f"1.{MINOR - 1}.1"))
    assert codes(found) == ([], [])


def test_images_of_which_nothing_is_known_hold_up_nothing():
    found = desired(AROUND, *workloads(istiod="mine", ztunnel=""))
    assert (found.hold, codes(found)) == (False, ([], []))


@pytest.mark.parametrize(
    ("tag", "is_told"),
    [
        (f"1.{MINOR}.0", True),
        (f"1.{MINOR}.0-mirror.1", True),
        (manifests.VERSION, False),
        (f"1.{MINOR}.99", False),
        (f"1.{MINOR}-dev", False),
    ],
)
def test_a_tag_that_an_older_configuration_left_shows(tag: str, is_told: bool):
    found = desired(AROUND, tag=tag)
    assert codes(found) == ([], [Code.TAG_BEHIND] if is_told else [])
    if is_told:
        assert found.warnings[0].remedy == "juju config istio --reset tag"
        assert manifests.VERSION in found.warnings[0].message
    assert not found.hold


def test_the_charm_has_the_newest_patch_that_its_definitions_are_of():
    assert str(OWN) == manifests.VERSION
    assert _versions.checked_tag(manifests.VERSION) == manifests.VERSION
