# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient import manifests

HOSTS = "{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule}"
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
            ]
        }
    },
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"app": "istiod"}},
                },
            }
        ]
    },
}


def istiod(replicas: int = 1, **options: str) -> dict[str, Any]:
    """Return the pod of istiod, with these options."""
    config = manifests.Config.model_validate(options)
    assert not config.problems
    control_plane = manifests.ControlPlane(namespace="mesh", config=config, replicas=replicas)
    objects = [cast(Any, each).to_dict() for each in manifests.render(control_plane)]
    (found,) = (each for each in objects if each["kind"] == "Deployment")
    template = found["spec"]["template"]
    for constraint in template["spec"].get("topologySpreadConstraints", []):
        selector = constraint["labelSelector"]["matchLabels"]
        assert selector.items() <= template["metadata"]["labels"].items()
    return template["spec"]


def test_several_istiods_are_spread_over_nodes_and_zones_and_none_is_kept_from_running():
    found = istiod(replicas=2)["topologySpreadConstraints"]
    keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert [each["topologyKey"] for each in found] == keys
    assert {each["whenUnsatisfiable"] for each in found} == {"ScheduleAnyway"}


def test_one_istiod_has_no_constraints_of_the_charm():
    assert "topologySpreadConstraints" not in istiod()


def test_constraints_of_the_operator_replace_the_charms():
    (found,) = istiod(replicas=3, istiod_topology_spread=f"[{HOSTS}]")["topologySpreadConstraints"]
    assert found["whenUnsatisfiable"] == "DoNotSchedule"
    assert found["labelSelector"] == {"matchLabels": {"app": "istiod", "istio": "pilot"}}


def test_an_empty_list_is_no_constraints():
    assert "topologySpreadConstraints" not in istiod(replicas=3, istiod_topology_spread="[]")


def test_affinity_and_priority_class_reach_the_pod():
    found = istiod(
        istiod_affinity=json.dumps(AFFINITY), istiod_priority_class="system-cluster-critical"
    )
    assert found["affinity"] == AFFINITY
    assert found["priorityClassName"] == "system-cluster-critical"


@pytest.mark.parametrize(
    ("option", "value", "field", "message"),
    [
        ("istiod-affinity", "{nodeAfinity: {}}", "nodeAfinity", "no such field"),
        ("istiod-affinity", "{nodeAffinity: [1]}", "nodeAffinity", "got 'array'"),
        (
            "istiod-affinity",
            "{podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1}]}}",
            "podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]",
            "missing required field 'podAffinityTerm'",
        ),
        ("istiod-topology-spread", "[{maxSkew: 1}]", "[0]", "missing required field"),
        ("istiod-topology-spread", f"[{HOSTS}, 1]", "[1]", "got 'int'"),
        (
            "istiod-topology-spread",
            f"[{HOSTS.replace('maxSkew: 1', 'maxSkew: 0')}]",
            "[0].maxSkew",
            "0 is not allowed",
        ),
        (
            "istiod-topology-spread",
            f"[{HOSTS.replace('DoNotSchedule', 'Never')}]",
            "[0].whenUnsatisfiable",
            "'Never' is not allowed",
        ),
        ("istiod-priority-class", "Very High", "", "no name of a PriorityClass"),
    ],
)
def test_a_bad_value_is_named_by_its_place(option: str, value: str, field: str, message: str):
    config = manifests.Config.model_validate({option.replace("-", "_"): value})
    (problem,) = config.problems
    assert problem.field == f"{option} {field}".strip()
    assert message in problem.message
    assert config.invalid == {option}


_TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["nodeAffinity", "weight", "key", "operator", "maxSkew", "topologyKey"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@pytest.mark.slow
@given(_TREES)
def test_no_value_makes_the_options_raise(tree: object):
    text = json.dumps(tree)
    config = manifests.Config.model_validate(
        {"istiod_affinity": text, "istiod_topology_spread": text, "istiod_priority_class": text}
    )
    assert {each.field.partition(" ")[0] for each in config.problems} == config.invalid
