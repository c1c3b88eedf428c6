# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Differences between desired and live objects; defaults of the API server are none."""

from typing import Any

import pytest
from istio_ambient.kube import _compare


def manifest(kind: str = "Deployment", version: str = "apps/v1", **content: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **content}


def spec_differences(desired: Any, live: Any) -> list[str]:
    return _compare.differences(manifest(spec=desired), manifest(spec=live))


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({"a": 1}, {"a": 1, "defaulted": True}),
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1"}}),
        ({"requests": {"memory": "1024Mi"}}, {"requests": {"memory": "1Gi"}}),
        ({"args": []}, {}),
        (
            {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
            {"ports": [{"name": "b", "port": 2}, {"name": "a", "port": 1, "protocol": "TCP"}]},
        ),
    ],
)
def test_no_difference(desired: Any, live: Any):
    assert spec_differences(desired, live) == []


@pytest.mark.parametrize(
    ("desired", "live", "path"),
    [
        ({"a": 1}, {"a": 2}, "spec.a"),
        ({"a": 1}, {}, "spec.a"),
        ({"a": True}, {"a": "true"}, "spec.a"),
        ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "1"}}, "spec.limits.cpu"),
        ({"image": "1000m"}, {"image": "1"}, "spec.image"),
        ({"emptyDir": {}}, {"hostPath": {"path": "/"}}, "spec.emptyDir"),
        ({"env": [{"name": "A"}]}, {"env": [{"name": "A"}, {"name": "B"}]}, "spec.env"),
        ({"args": ["a", "b"]}, {"args": ["b", "a"]}, "spec.args[0]"),
    ],
)
def test_difference(desired: Any, live: Any, path: str):
    assert path in spec_differences(desired, live)


def test_a_rule_added_to_a_policy_is_drift():
    desired = manifest("AuthorizationPolicy", "security.istio.io/v1", spec={})
    live = manifest("AuthorizationPolicy", "security.istio.io/v1", spec={"rules": [{}]})
    assert _compare.differences(desired, live) == ["spec.rules"]


def test_an_empty_rule_differs_from_no_rule():
    desired = manifest("AuthorizationPolicy", "security.istio.io/v1", spec={"rules": []})
    live = manifest("AuthorizationPolicy", "security.istio.io/v1", spec={"rules": [{}]})
    assert _compare.differences(desired, live)


def test_a_key_added_to_a_config_map_or_role_is_drift():
    for kind, version in (("ConfigMap", "v1"), ("ClusterRole", "rbac.authorization.k8s.io/v1")):
        assert _compare.differences(
            manifest(kind, version), manifest(kind, version, data={"a": "b"})
        )
