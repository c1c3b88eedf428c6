# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of a cluster's istiod that decide about access."""

from typing import Any, cast

import pytest
from istio_ambient import resources
from istio_ambient.cluster import istiod
from istio_ambient.values.problem_codes import Code

from tests.unit.whole_charm import running
from tests.unit.whole_charm.fake_cluster import FakeCluster


def deployment(namespace: str = "mesh", revision: str = "", **variables: str) -> dict[str, Any]:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    return {
        "metadata": {
            "name": f"istiod-{revision}" if revision else "istiod",
            "namespace": namespace,
            "labels": {"app": "istiod", "istio.io/rev": revision or "default"},
            "annotations": {resources.OWNER_ANNOTATION: "mesh/istio-k8s"},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "discovery", "env": env}]}}},
    }


@pytest.mark.parametrize(
    ("config", "root"),
    [
        ("rootNamespace: root\n", "root"),
        ("accessLogFile: /dev/stdout\n", "mesh"),
        ("", "mesh"),
        ("- a list", "mesh"),
        ("rootNamespace: 7", "mesh"),
        ("{broken", "mesh"),
    ],
)
def test_the_root_namespace_is_that_of_the_mesh_config_or_istiods_own(config: str, root: str):
    assert istiod.read(deployment(), config).root_namespace == root


def test_waypoints_are_allowed_automatically_where_istiods_environment_says_so():
    assert istiod.read(deployment(PILOT_AUTO_ALLOW_WAYPOINT_POLICY="true"), "").auto_allow
    assert not istiod.read(deployment(PILOT_AUTO_ALLOW_WAYPOINT_POLICY="false"), "").auto_allow
    assert not istiod.read(deployment(), "").auto_allow
    assert istiod.read(deployment(), "").owner == "mesh/istio-k8s"


def test_the_default_revision_is_preferred_and_a_deleted_one_is_skipped():
    default, canary = deployment(), deployment(revision="canary")
    assert istiod.choose([canary, default]) is default
    assert istiod.mesh_config_name(default) == "istio"
    assert istiod.mesh_config_name(istiod.choose([canary])) == "istio-canary"
    going = deployment("old")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert istiod.choose([going, default]) is default


def test_no_istiod_and_several_raise():
    with pytest.raises(istiod.NoIstiodError, match="deploy istio-k8s") as none:
        istiod.choose([])
    assert none.value.readiness(None).code is Code.NO_ISTIOD
    with pytest.raises(istiod.NoIstiodError, match=r"\(mesh, other\)") as several:
        istiod.choose([of_others("mesh"), of_others("other")])
    assert several.value.readiness(None).code is Code.SEVERAL_ISTIODS


def of_others(namespace: str, **annotations: str) -> dict[str, Any]:
    """Return a Deployment of another installer, or of anybody."""
    found = deployment(namespace)
    found["metadata"]["annotations"] = annotations
    return found


def webhook(namespace: str) -> dict[str, Any]:
    """Return the webhook of the istiod of a namespace, in a configuration of any name."""
    service = {"name": "istiod", "namespace": namespace}
    return {
        "metadata": {"labels": {"app": "istiod"}},
        "webhooks": [
            {
                "name": "x",
                "clientConfig": {"service": service},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
            }
        ],
    }


def found_in(*names: str) -> tuple[str, int]:
    """Return the namespace of the istiod of a cluster, and the number of requests.

    Args:
        names: namespaces with an istiod; where a `*` follows, it has a webhook.
    """
    objects: dict[str, Any] = {}
    for name in names:
        namespace = name.rstrip("*")
        # Anybody may write what istio-k8s writes.
        marks = {resources.OWNER_ANNOTATION: f"{namespace}/istio-k8s"}
        made = of_others(namespace, **marks)
        made["spec"]["selector"] = {}
        objects[f"Deployment {namespace}/istiod"] = made
        if name.endswith("*"):
            objects[f"ValidatingWebhookConfiguration of-{namespace}"] = webhook(namespace)
    cluster = FakeCluster(running.manifests(objects), "1.34")
    found = istiod.find_deployment(cast(Any, cluster))
    return found["metadata"]["namespace"], len(cluster.reads)


def test_of_several_istiods_that_counts_which_has_rights_in_the_cluster():
    assert found_in("mesh") == ("mesh", 1)
    assert found_in("mesh*", "tenant") == ("mesh", 2)
    with pytest.raises(istiod.NoIstiodError, match=r"\(mesh, other\)"):
        found_in("mesh*", "other*", "tenant")
    with pytest.raises(istiod.NoIstiodError, match=r"\(mesh, other\)"):
        found_in("mesh", "other")


def test_the_istiod_of_istio_k8s_counts_before_others():
    ours = deployment()
    copied = of_others("tenant", **ours["metadata"]["annotations"])
    assert istiod.choose([of_others("a"), copied, ours]) is ours
    assert istiod.is_ours(ours)
    assert not istiod.is_ours(copied)
    only = of_others("a")
    assert istiod.choose([only]) is only
