# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The rows of `check`: all of them, before anything is installed and after."""

import datetime
from typing import Any

import msgspec
import pytest
from istio_ambient import kube, preflight
from istio_ambient.preflight import Area, check_rows
from istio_ambient.preflight.check_rows import Installed, Row, State
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

from tests import authorities
from tests.unit.control_plane.authorities import Authority
from tests.unit.preflight.clusters import CILIUM_DEFAULTS, cilium, meshed, policy, read

NOW = authorities.START + datetime.timedelta(days=1)
NAMES = ("istiod", "istio-cni-node", "ztunnel")
ABSENT = Installed(workloads=dict.fromkeys(NAMES))


def waits(
    what: str, code: Code = Code.WORKLOAD_NOT_READY, *, ready: bool = False
) -> kube.Readiness:
    return kube.Readiness(
        what, ready=ready, reason="" if ready else "0 of 1 pods ready", code=code
    )


def rows(
    installed: Installed = ABSENT, objects: Any = (), now: datetime.datetime = NOW
) -> list[Row]:
    return check_rows.rows(preflight.CONDITIONS, read(objects), installed, now)


def states(found: list[Row]) -> dict[str, State]:
    return {row.name: row.state for row in found}


WORKS = Installed(
    workloads={name: waits(name, ready=True) for name in NAMES},
    differences=(),
    reports=(),
    authority=(Authority("root", start=authorities.START, days=3650).certificate,),
)


def test_before_anything_is_installed_every_row_is_there_and_none_fails():
    found = rows()
    assert {row.name for row in found} == {row.name for row in rows(WORKS)}
    assert {row.area for row in found} == set(Area)
    assert not {State.FAILS, State.WARNS} & set(states(found).values())
    assert states(found)["ztunnel"] is State.OPEN
    assert {condition.name for condition in preflight.CONDITIONS} <= states(found).keys()


def test_all_rows_of_a_mesh_that_works_hold_but_for_other_products():
    still_open = {row.note for row in rows(WORKS) if row.state is State.OPEN}
    assert still_open == {
        f"{name}: not in use" for name in ("Cilium", "Calico", "Amazon EKS", "OpenShift")
    }
    assert State.FAILS not in states(rows(WORKS)).values()


def test_the_text_has_areas_signs_codes_remedies_and_pages():
    text = check_rows.text(rows(objects=cilium(CILIUM_DEFAULTS)))
    lines = text.splitlines()
    areas = [lines[n - 1] for n, line in enumerate(lines) if line.startswith("---")]
    assert areas == [str(area) for area in Area]
    number = lines.index("\N{MULTIPLICATION SIGN} Cilium leaves other CNI plugins in place")
    assert lines[number + 1 : number + 4] == [
        "    CI-601 preflight cilium-config cni-exclusive: is on: Cilium disables the CNI plugin "
        "of Istio on every node",
        "    remedy: set cni.exclusive=false in Cilium",
        "    see docs/reference/problems.md#ci-601",
    ]
    assert "\N{SQUARE ROOT} Kubernetes is new enough" in lines
    assert "- all pods of ztunnel are ready (not installed yet)" in lines


def test_a_row_for_programs_has_its_problem():
    found = rows(objects=cilium(CILIUM_DEFAULTS))
    (data,) = (row.data for row in found if row.name == "cilium-exclusive")
    assert (data["area"], data["state"], data["code"]) == ("CNI", "fails", "CI-601")
    assert data["link"] == "docs/reference/problems.md#ci-601"
    assert set(found[0].data) == {"area", "check", "title", "state", "note"}


def test_what_is_up_to_tenants_warns_or_fails_and_is_found_in_no_hook():
    found = rows(objects=[meshed(), policy("deny")])
    assert states(found)["policies-probes"] is State.WARNS
    cluster = read([meshed(), policy(ingress=[{"ports": [{"port": 80}]}])])
    assert preflight.findings(cluster) == preflight.Findings((), (), ())
    assert (
        states(rows(objects=[meshed(), policy(ingress=[{"ports": [{"port": 80}]}])]))[
            "policies-tunnel"
        ]
        is State.FAILS
    )


REFUSED = waits("ztunnel a", Code.PROXY_REFUSES)


@pytest.mark.parametrize(
    ("change", "row", "state"),
    [
        ({"workloads": {**WORKS.workloads, "ztunnel": waits("ztunnel")}}, "ztunnel", State.FAILS),
        ({"differences": ("ConfigMap istio-system/istio",)}, "objects", State.WARNS),
        ({"reports": (REFUSED,)}, "proxies", State.FAILS),
        ({"reports": (waits("p", Code.POLICY_NOT_ACCEPTED),)}, "accepted", State.FAILS),
        ({"reports": (waits("istiod", Code.ISTIOD_SILENT),)}, "configuration", State.WARNS),
        ({"pod_refusal": 'violates PodSecurity "baseline"'}, "pods", State.FAILS),
        ({"pod_refusal": "denied by policy"}, "pods", State.FAILS),
        (
            {"options": (Problem("", "config", "hub", "x", "y", Code.INVALID_OPTION),)},
            "options",
            State.FAILS,
        ),
        (
            {"definitions": (preflight.problem(Code.DEFINITIONS_TOO_OLD, "x", "y", "z"),)},
            "definitions",
            State.FAILS,
        ),
    ],
)
def test_what_is_wrong_with_an_installed_mesh_is_in_its_row(
    change: dict[str, Any], row: str, state: State
):
    found = states(rows(msgspec.structs.replace(WORKS, **change)))
    assert found.pop(row) is state
    assert not {State.FAILS, State.WARNS} & set(found.values())


@pytest.mark.parametrize(
    ("message", "code", "remedy"),
    [
        (
            'violates PodSecurity "baseline"',
            Code.POD_SECURITY,
            "kubectl label --overwrite ns istio-system "
            "pod-security.kubernetes.io/enforce=privileged",
        ),
        ("denied by policy", Code.REFUSED_BY_ADMISSION, "exempt the namespace from it"),
    ],
)
def test_a_refused_pod_has_the_remedy_for_what_refuses_it(message: str, code: Code, remedy: str):
    found = rows(msgspec.structs.replace(WORKS, pod_refusal=message))
    (row,) = (each.problem for each in found if each.name == "pods")
    assert row is not None
    assert (row.code, row.message, row.remedy) == (code, message, remedy)


@pytest.mark.parametrize(
    ("days", "state"), [(61, State.HOLDS), (59, State.WARNS), (-1, State.FAILS)]
)
def test_an_authority_is_reported_before_it_expires(days: int, state: State):
    (root,) = WORKS.authority
    now = root.not_valid_after_utc - datetime.timedelta(days=days)
    (row,) = (each for each in rows(WORKS, now=now) if each.area is Area.CERTIFICATES)
    assert row.state is state
    if row.problem is not None:
        assert row.problem.code is Code.MESH_CA_EXPIRES
        assert f"{root.not_valid_after_utc:%Y-%m-%d}" in row.problem.message
