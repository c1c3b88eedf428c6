# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json
import re
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient import manifests
from istio_ambient.manifests import _variables
from istio_ambient.values.problem_codes import Code

COMPONENTS = {
    "istiod": ("Deployment", "istiod"),
    "cni": ("DaemonSet", "istio-cni-node"),
    "ztunnel": ("DaemonSet", "ztunnel"),
}


def container(config: manifests.Config, component: str) -> dict[str, Any]:
    """Return the container of a component."""
    (found,) = pod(config, component)["containers"]
    return found


def pod(config: manifests.Config, component: str) -> dict[str, Any]:
    kind, name = COMPONENTS[component]
    rendered = manifests.render(manifests.ControlPlane(namespace="mesh", config=config))
    objects = [cast(Any, each).to_dict() for each in rendered]
    (found,) = (
        each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )
    return found["spec"]["template"]["spec"]


def variables(config: manifests.Config, component: str) -> dict[str, Any]:
    entries = container(config, component)["env"]
    names = [each["name"] for each in entries]
    # The API server refuses a second entry of a name.
    assert len(names) == len(set(names))
    return {each["name"]: each.get("value") for each in entries}


def config(**options: str) -> manifests.Config:
    return manifests.Config.model_validate(options)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_variable_reaches_its_component_and_no_other(component: str):
    given_ = config(**{f"{component}_env": "{SITE: text, NUMBER: 7, RATIO: 0.5, SWITCH: true}"})
    assert not given_.problems
    for each in COMPONENTS:
        added = variables(given_, each).items() - variables(config(), each).items()
        wanted = {("SITE", "text"), ("NUMBER", "7"), ("RATIO", "0.5"), ("SWITCH", "true")}
        assert added == (wanted if each == component else set())


@pytest.mark.parametrize(
    ("component", "name", "default"),
    [
        ("istiod", "PILOT_TRACE_SAMPLING", "1"),
        ("ztunnel", "RUST_LOG", "info"),
        ("ztunnel", "RUST_BACKTRACE", "1"),
    ],
)
def test_a_default_is_replaced(component: str, name: str, default: str):
    assert variables(config(), component)[name] == default
    changed = config(**{f"{component}_env": f"{{{name}: other}}"})
    assert variables(changed, component)[name] == "other"


def test_variables_of_istio_cni_are_where_istios_chart_has_them():
    changed = config(cni_env="{NATIVE_NFTABLES: true}")
    assert variables(changed, "cni")["NATIVE_NFTABLES"] == "true"
    rendered = manifests.render(manifests.ControlPlane(namespace="mesh", config=changed))
    (settings,) = (
        each
        for each in (cast(Any, each).to_dict() for each in rendered)
        if each["metadata"]["name"] == "istio-cni-config"
    )
    assert settings["data"]["NATIVE_NFTABLES"] == "true"


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_variable_of_the_charm_is_refused_or_may_be_replaced(component: str):
    # With everything that adds a variable.
    every = config(
        platform="gke", ztunnel_resources="{limits: {cpu: 1}}", istiod_env="{LOG_AS_JSON: true}"
    )
    replaceable = _variables.DEFAULTS[cast(_variables.Component, component)].keys()
    owned = _variables.OWNED[cast(_variables.Component, component)].keys()
    assert not owned & replaceable
    assert set(variables(every, component)) <= owned | replaceable


@pytest.mark.parametrize("component", COMPONENTS)
def test_what_the_charm_owns_is_refused_by_name_and_the_rest_is_used(component: str):
    owned = _variables.OWNED[cast(_variables.Component, component)]
    found = config(**{f"{component}_env": json.dumps({**dict.fromkeys(owned, "x"), "SITE": "y"})})
    assert not found.invalid
    assert [(each.field, each.remedy) for each in found.problems] == [
        (f"{component}-env {name}", remedy) for name, remedy in owned.items()
    ]
    assert {each.code for each in found.problems} == {Code.INVALID_OPTION}
    changed = {**variables(config(), component), "SITE": "y"}
    assert variables(found, component) == changed


@pytest.mark.parametrize(
    ("component", "name"),
    [
        *((each, "KUBERNETES_SERVICE_HOST") for each in COMPONENTS),
        ("cni", "HOST_PROBE_SNAT_IP"),
        ("cni", "HOST_PROBE_SNAT_IPV6"),
        ("cni", "AMBIENT_DISABLE_SAFE_UPGRADE"),
        ("istiod", "PILOT_MULTICLUSTER_KUBECONFIG_PATH"),
        ("ztunnel", "TRANSPARENT_NETWORK_POLICIES"),
        ("ztunnel", "XDS_HEADER_authorization"),
        ("ztunnel", "CA_HEADER_x"),
    ],
)
def test_what_leads_past_ztunnel_or_to_another_api_server_is_refused(component: str, name: str):
    found = config(**{f"{component}_env": json.dumps({name: "10.1.2.3"})})
    assert [each.field for each in found.problems] == [f"{component}-env {name}"]
    assert variables(found, component) == variables(config(), component)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("LIST: [1]", "a list"),
        ("MAP: {a: b}", "a mapping"),
        ('"A B": x', "no name of a variable"),
        ('"9": x', "no name of a variable"),
        (f"LONG: {'x' * 4097}", "no value of a variable"),
        ('BELL: "\\a"', "no value of a variable"),
        ("LOG_OUTPUT_LEVEL: loud", "not known"),
        ("LOG_OUTPUT_LEVEL: 'info,'", "not known"),
        ("LOG_AS_JSON: maybe", "not known"),
    ],
)
def test_a_bad_entry_is_a_problem_and_the_rest_is_used(entry: str, message: str):
    found = config(istiod_env=f"{entry}\nSITE: text")
    (problem,) = found.problems
    assert message in problem.message and problem.remedy
    assert dict(found.istiod_env) == {"SITE": "text"}
    assert not found.invalid


def test_a_text_that_is_no_mapping_is_no_option():
    found = config(ztunnel_env="[A]")
    assert found.invalid == {"ztunnel-env"}
    assert found.ztunnel_env == {}


def test_levels_and_format_of_logs_are_flags_of_go_programs_and_variables_of_ztunnel():
    log = "{LOG_OUTPUT_LEVEL: 'default:info,ads:debug', LOG_AS_JSON: true}"
    found = config(istiod_env=log, cni_env=log, ztunnel_env="{RUST_LOG: debug}")
    flags = ["--log_output_level=default:info,ads:debug", "--log_as_json=true"]
    for component in ("istiod", "cni"):
        arguments = container(found, component)["args"]
        assert [each for each in arguments if each.startswith("--log")] == flags
        assert not variables(found, component).keys() & {"LOG_OUTPUT_LEVEL", "LOG_AS_JSON"}
    assert variables(found, "ztunnel")["RUST_LOG"] == "debug"
    levels = [each for each in container(config(), "istiod")["args"] if "log" in each]
    assert levels == ["--log_output_level=default:info"]


def test_go_is_in_fips_mode_with_the_policy_and_an_operator_may_choose_another():
    policy = "COMPLIANCE_POLICY: fips-140-3"
    assert variables(config(istiod_env=policy), "istiod")["GODEBUG"] == "fips140=only"
    assert "GODEBUG" not in variables(config(), "istiod")
    assert "GODEBUG" not in variables(config(istiod_env="COMPLIANCE_POLICY: pqc"), "istiod")
    own = config(istiod_env=f"{policy}\nGODEBUG: fips140=on")
    assert variables(own, "istiod")["GODEBUG"] == "fips140=on"


@pytest.mark.parametrize(
    ("resources", "limited"),
    [
        ("", False),
        ("{limits: {memory: 4Gi}}", False),
        ("{requests: {cpu: 2}}", False),
        ("{limits: {cpu: 1500m}}", True),
        ("{requests: {cpu: 1}, limits: {cpu: 2, memory: 4Gi}}", True),
    ],
)
def test_ztunnel_has_a_thread_for_each_core_of_its_limit(resources: str, limited: bool):
    entries = container(config(ztunnel_resources=resources), "ztunnel")["env"]
    found = {each["name"]: each.get("valueFrom") for each in entries}
    wanted = {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}
    assert found.get("ZTUNNEL_RESOURCE_CPU_LIMIT") == (wanted if limited else None)


@pytest.mark.slow
@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,20}\Z"),
        st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=20)
        | st.integers()
        | st.booleans(),
        max_size=5,
    )
)
def test_any_value_arrives_as_text(entries: dict[str, Any]):
    found = config(istiod_env=json.dumps(entries, ensure_ascii=False))
    refused = {re.sub("^istiod-env ", "", each.field) for each in found.problems}
    for name, value in entries.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        assert found.istiod_env.get(name) == (None if name in refused else text)
