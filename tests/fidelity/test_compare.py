# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The comparison itself: it must report what differs, and ignore what is equal."""

import copy
from typing import Any

import pytest

from . import _compare, _configurations

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "namespace": "n", "labels": {"a": "1"}},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "c",
                        "args": ["one", "two"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "ports": [{"name": "p", "containerPort": 1}],
                        "resources": {"requests": {"memory": "2048Mi"}},
                    }
                ],
                "volumes": [{"name": "v", "emptyDir": {}}],
            }
        }
    },
}
ROLE: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "r", "namespace": "n"},
    "rules": [
        {"apiGroups": ["", "apps"], "resources": ["x"], "verbs": ["get", "list"]},
    ],
}


def changed(manifest: dict[str, Any], value: Any, *path: str | int) -> dict[str, Any]:
    result = copy.deepcopy(manifest)
    node: Any = result
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return result


CONTAINER = ("spec", "template", "spec", "containers", 0)
VOLUME = ("spec", "template", "spec", "volumes", 0)


@pytest.mark.parametrize(
    ("manifest", "other"),
    [
        (
            DEPLOYMENT,
            changed(
                DEPLOYMENT,
                [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
                *CONTAINER,
                "env",
            ),
        ),
        (DEPLOYMENT, changed(DEPLOYMENT, "2Gi", *CONTAINER, "resources", "requests", "memory")),
        (DEPLOYMENT, changed(DEPLOYMENT, {}, *CONTAINER, "securityContext")),
        (DEPLOYMENT, changed(DEPLOYMENT, None, *CONTAINER, "lifecycle")),
        (DEPLOYMENT, changed(DEPLOYMENT, "TCP", *CONTAINER, "ports", 0, "protocol")),
        (DEPLOYMENT, changed(DEPLOYMENT, None, *VOLUME, "emptyDir")),
        (
            ROLE,
            changed(
                ROLE,
                [
                    {"apiGroups": ["apps"], "resources": ["x"], "verbs": ["list", "get"]},
                    {"apiGroups": [""], "resources": ["x"], "verbs": ["get"]},
                    {"apiGroups": [""], "resources": ["x"], "verbs": ["list"]},
                ],
                "rules",
            ),
        ),
    ],
)
def test_ignores_what_kubernetes_treats_as_equal(manifest: dict[str, Any], other: dict[str, Any]):
    assert manifest != other
    assert list(_compare.differences([manifest], [other])) == []


@pytest.mark.parametrize(
    ("manifest", "other", "path"),
    [
        (DEPLOYMENT, changed(DEPLOYMENT, "2", "metadata", "labels", "a"), "metadata.labels.a"),
        (
            DEPLOYMENT,
            changed(DEPLOYMENT, ["two", "one"], *CONTAINER, "args"),
            "spec.template.spec.containers[c].args[0]",
        ),
        (
            DEPLOYMENT,
            changed(DEPLOYMENT, "3", *CONTAINER, "env", 1, "value"),
            "spec.template.spec.containers[c].env[B].value",
        ),
        (
            DEPLOYMENT,
            changed(DEPLOYMENT, "1Gi", *CONTAINER, "resources", "requests", "memory"),
            "spec.template.spec.containers[c].resources.requests.memory",
        ),
        (
            DEPLOYMENT,
            changed(DEPLOYMENT, {"name": "v", "hostPath": {"path": "/"}}, *VOLUME),
            "spec.template.spec.volumes[v].emptyDir",
        ),
        (ROLE, changed(ROLE, ["get"], "rules", 0, "verbs"), "rules[list x]"),
        (ROLE, changed(ROLE, ["one"], "rules", 0, "resourceNames"), "rules[get x]"),
    ],
)
def test_reports_every_change(manifest: dict[str, Any], other: dict[str, Any], path: str):
    assert path in [each.path for each in _compare.differences([manifest], [other])]
    assert path in [each.path for each in _compare.differences([other], [manifest])]


def test_reports_objects_that_one_side_lacks():
    assert list(_compare.differences([DEPLOYMENT], [ROLE])) == [
        _compare.Difference("Deployment/n/d", "", "present", "absent"),
        _compare.Difference("Role/n/r", "", "absent", "present"),
    ]


def test_an_intended_difference_covers_its_values_only():
    entry = _compare.Intended("Deployment/*", "*.env[A].value", "why", ours="1", theirs="2")
    path = "spec.template.spec.containers[c].env[A].value"
    assert entry.covers(_compare.Difference("Deployment/n/d", path, "1", "2"))
    assert not entry.covers(_compare.Difference("Deployment/n/d", path, "1", "3"))
    assert not entry.covers(_compare.Difference("Deployment/n/d", path, "0", "2"))
    assert not entry.covers(_compare.Difference("DaemonSet/n/d", path, "1", "2"))
    assert not entry.covers(_compare.Difference("Deployment/n/d", f"{path}From", "1", "2"))


def test_the_description_of_a_configuration_selects_it():
    for control_plane in _configurations.pairwise():
        name = _configurations.describe(control_plane)
        assert _configurations.parse(name.split()) == control_plane


@pytest.mark.parametrize("argument", ["platform=eks", "nonsense=1", "replicas=2", "tracing"])
def test_an_unknown_field_or_value_is_refused(argument: str):
    with pytest.raises(ValueError, match=r"not one of"):
        _configurations.parse([argument])
