# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What is found in a cluster before a mesh is installed."""

from typing import Any

import msgspec
import pytest
from istio_ambient import control_plane, kube, manifests, preflight, resources
from istio_ambient.manifests import _served
from istio_ambient.values.problem_codes import Code
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment

from tests.unit.control_plane.test_desired import facts

IDENTITY = resources.identity("mesh", "istio")
GATEWAYS = "gateways.gateway.networking.k8s.io"
POLICIES = "authorizationpolicies.security.istio.io"
GUARD = "safe-upgrades.gateway.networking.k8s.io"
_, OLDEST = manifests.MIN_KUBERNETES
BUNDLE = int(manifests.gateway_api_version().split(".")[1])
RUNNING: Any = Deployment.from_dict(  # pyright: ignore[reportUnknownMemberType]
    {
        "metadata": {"name": "istiod", "namespace": "mesh"},
        "spec": {"selector": {}, "template": {}},
    }
)


def desired(around: preflight.Surroundings, *live: kube.Resource, **config: object) -> Any:
    objects = {kube.ref_of(obj): obj for obj in live}
    return control_plane.desired(
        msgspec.structs.replace(
            facts(**config), around=around, live=kube.Live(IDENTITY, (), objects)
        )
    )


def texts(wanted: Any) -> str:
    return "\n".join(map(str, wanted.problems))


def cilium(**data: str) -> preflight.Surroundings:
    config = {key.replace("_", "-"): value for key, value in data.items()}
    return preflight.Surroundings(cilium=preflight.Cilium(config))


def crd(name: str, version: str = "", **annotations: str) -> kube.Manifest:
    (found,) = (
        kube.manifest_of(each)
        for each in manifests.crds()
        if each.metadata and each.metadata.name == name
    )
    kept = found["metadata"].setdefault("annotations", {})
    kept |= {key.replace("__", "/"): value for key, value in annotations.items()}
    if version:
        kept[_served.BUNDLE_VERSION] = version
    return found


def names(wanted: Any) -> set[str]:
    return {kube.ref_of(obj).name for obj in wanted.objects}


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        ({"cni-exclusive": "true"}, "set cni.exclusive=false in Cilium"),
        ({"bpf-lb-sock": "true"}, "set socketLB.hostNamespaceOnly=true in Cilium"),
        (
            {"bpf-lb-sock": "true", "bpf-lb-sock-hostns-only": "false"},
            "set socketLB.hostNamespaceOnly=true in Cilium",
        ),
        ({"kube-proxy-replacement": "strict"}, "set socketLB.hostNamespaceOnly=true in Cilium"),
        ({"kube-proxy-replacement": "true"}, "set socketLB.hostNamespaceOnly=true in Cilium"),
    ],
)
def test_cilium_as_it_must_not_be_holds_the_installation(data: dict[str, str], remedy: str):
    wanted = desired(cilium(**data))
    assert wanted.hold
    assert remedy in texts(wanted)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"cni-exclusive": "false", "bpf-lb-sock": "false", "kube-proxy-replacement": "false"},
        {"kube-proxy-replacement": "partial"},
        {"kube-proxy-replacement": "true", "bpf-lb-sock-hostns-only": "true"},
    ],
)
def test_cilium_with_the_right_settings_is_no_finding(data: dict[str, str]):
    wanted = desired(cilium(**data))
    assert (wanted.problems, wanted.hold, wanted.message) == ((), False, "")


def test_with_warn_it_installs_with_the_same_message():
    exclusive = cilium(cni_exclusive="true")
    wanted = desired(exclusive, cni_preflight="warn")
    assert not wanted.hold
    assert not wanted.problems
    assert wanted.objects
    assert wanted.warnings == desired(exclusive).problems
    assert [each.code.id for each in wanted.warnings] == ["CI-601"]


def test_to_warn_is_about_the_cni_and_nothing_else():
    other = preflight.Surroundings(other_istios=("Deployment old/istiod",))
    assert desired(other, cni_preflight="warn").hold


def test_a_mesh_that_runs_is_still_updated_with_the_finding_in_the_status():
    wanted = desired(cilium(cni_exclusive="true"), RUNNING)
    assert not wanted.hold
    assert wanted.objects
    assert "cni.exclusive=false" in texts(wanted)


@pytest.mark.parametrize(
    ("version", "found"), [((1, OLDEST - 1), True), ((1, OLDEST), False), (None, False)]
)
def test_kubernetes_has_to_be_new_enough(version: tuple[int, int] | None, found: bool):
    wanted = desired(preflight.Surroundings(kubernetes=version))
    assert wanted.hold is found
    text = f"is 1.{OLDEST - 1}, and Istio {manifests.VERSION} needs 1.{OLDEST}"
    assert (text in texts(wanted)) is found


def test_another_istio_is_named():
    around = preflight.Surroundings(other_istios=("Deployment old/istiod",))
    wanted = desired(around)
    assert wanted.hold
    assert "Deployment old/istiod" in texts(wanted)


def test_absent_definitions_are_installed_with_their_guard():
    wanted = desired(preflight.Surroundings())
    assert {GATEWAYS, POLICIES, GUARD} <= names(wanted)
    kinds = {type(obj).__name__ for obj in wanted.objects if obj.metadata.name == GUARD}
    assert kinds == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


@pytest.mark.parametrize(
    "version", [f"v1.{BUNDLE}.0", f"v1.{BUNDLE}.3", f"v1.{BUNDLE + 4}.0", "v2.0.0-rc.1"]
)
def test_new_definitions_of_another_installer_are_used_without_a_guard(version: str):
    around = preflight.Surroundings(crds={GATEWAYS: crd(GATEWAYS, version)})
    wanted = desired(around)
    assert (wanted.problems, wanted.hold) == ((), False)
    assert not {GATEWAYS, GUARD} & names(wanted)
    assert "httproutes.gateway.networking.k8s.io" in names(wanted)


@pytest.mark.parametrize("version", [f"v1.{BUNDLE - 1}.9", "v1.2.1", "v0.8.0"])
def test_old_definitions_of_another_installer_are_reported_with_the_version_needed(version: str):
    around = preflight.Surroundings(crds={GATEWAYS: crd(GATEWAYS, version)})
    wanted = desired(around)
    assert wanted.hold
    assert version in texts(wanted)
    assert f"{manifests.gateway_api_version()} is needed" in texts(wanted)
    assert not {GATEWAYS, GUARD} & names(wanted)


def test_istios_definitions_of_another_installer_are_used_where_they_have_all_fields():
    same = preflight.Surroundings(crds={POLICIES: crd(POLICIES)})
    assert not desired(same).problems
    assert {GUARD} <= names(desired(same))
    lacking = crd(POLICIES)
    lacking["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] = {}
    wanted = desired(preflight.Surroundings(crds={POLICIES: lacking}))
    assert wanted.hold
    assert POLICIES in texts(wanted)


def test_definitions_that_a_removed_application_released_are_adopted():
    released = crd(GATEWAYS, **{"charmed-istio__owner": "released"})
    wanted = desired(preflight.Surroundings(crds={GATEWAYS: released}))
    assert {GATEWAYS, GUARD} <= names(wanted)


@pytest.mark.parametrize(
    ("version", "upgraded"), [(f"v1.{BUNDLE - 1}.0", True), (f"v1.{BUNDLE + 1}.0", False)]
)
def test_ours_are_upgraded_and_never_downgraded(version: str, upgraded: bool):
    ours: Any = CustomResourceDefinition.from_dict(crd(GATEWAYS, version))  # pyright: ignore
    wanted = desired(preflight.Surroundings(), ours)
    assert (GATEWAYS in names(wanted)) is upgraded
    assert not wanted.problems


EXPERIMENTAL = {"gateway.networking.k8s.io__channel": "experimental"}


@pytest.mark.parametrize("running", [(), (RUNNING,)])
@pytest.mark.parametrize("version", [f"v1.{BUNDLE - 1}.0", "", f"v1.{BUNDLE + 1}.0"])
def test_ours_of_the_experimental_channel_are_not_taken_back(
    version: str, running: tuple[kube.Resource, ...]
):
    ours: Any = CustomResourceDefinition.from_dict(crd(GATEWAYS, version, **EXPERIMENTAL))  # pyright: ignore
    wanted = desired(preflight.Surroundings(), ours, *running)
    assert not {GATEWAYS, GUARD} & names(wanted)
    (problem,) = wanted.problems
    assert problem.remedy.endswith(f"kubectl annotate crd {GATEWAYS} charmed-istio/owner-")
    former: Any = CustomResourceDefinition.from_dict(crd(GATEWAYS, version, **EXPERIMENTAL))  # pyright: ignore
    marks = former.metadata.annotations
    marks["charmed-istio.io/owner"] = marks.pop("charmed-istio/owner", "istio-system/istio-k8s")
    (earlier,) = desired(preflight.Surroundings(), former, *running).problems
    assert earlier.remedy.endswith(f"annotate crd {GATEWAYS} charmed-istio.io/owner-")
    assert problem.code is Code.DEFINITIONS_REPLACED
    assert wanted.hold is not bool(running)
    # Given up, they are another installer's, and are used.
    others = preflight.Surroundings(crds={GATEWAYS: crd(GATEWAYS, **EXPERIMENTAL)})
    assert not desired(others).problems


def test_released_definitions_of_the_experimental_channel_are_not_adopted():
    released = crd(GATEWAYS, **EXPERIMENTAL, **{"charmed-istio__owner": "released"})
    wanted = desired(preflight.Surroundings(crds={GATEWAYS: released}))
    assert not {GATEWAYS, GUARD} & names(wanted)
    assert "of another channel" in texts(wanted)


@pytest.mark.parametrize("value", ["", "Enforce", "ignore", 1])
def test_the_option_has_two_values(value: object):
    config = control_plane.Config.model_validate({"cni_preflight": value})
    assert config.invalid == {"cni-preflight"}
    assert config.problems[0].field == "cni-preflight"
    assert "'enforce' or 'warn'" in config.problems[0].message
