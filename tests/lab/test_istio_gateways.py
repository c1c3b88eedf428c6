# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The running istiod makes the same waypoints and gateways of our templates and of upstream's.

The templates are in ConfigMap istio-sidecar-injector; istiod follows it while it runs.
"""

import json
from typing import Any

import pytest
from istio_ambient import kube, manifests, resources
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Namespace, Service, ServiceAccount
from lightkube.resources.policy_v1 import PodDisruptionBudget
from lightkube.types import PatchType

from tests import lab
from tests.fidelity import _compare, _configurations, _gateways, _upstream
from tests.lab import juju

UNIT = "istio-k8s/0"
MADE: tuple[kube.ResourceType, ...] = (
    Deployment,
    Service,
    ServiceAccount,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
)
OURS, THEIRS = "gateways-ours", "gateways-theirs"
MARK = "upstream"
"""Image tag that is set together with upstream's templates: pods with it come from them."""
MANAGED = "gateway.networking.k8s.io/gateway-name"
CHOSEN_BY_THE_CLUSTER = ("clusterIP", "clusterIPs", "healthCheckNodePort", "replicas")
"""Fields of a spec that a controller or the API server fills in."""


class Makings:
    """The Gateways of the comparison in a namespace, and the objects that istiod made of them."""

    def __init__(self, client: Any, namespace: str):
        self._client = client
        self._namespace = namespace

    def create(self) -> None:
        """Create them, with the ConfigMaps of parameters that they refer to."""
        self._client.create(Namespace(metadata=ObjectMeta(name=self._namespace)))
        for manifest in (*_gateways.parameters(), *_gateways.gateways()):
            kind: Any = ConfigMap if manifest["kind"] == "ConfigMap" else resources.Gateway
            del (metadata := manifest["metadata"])["namespace"]
            metadata.pop("uid", None)
            self._client.create(kind.from_dict(manifest), namespace=self._namespace)

    def objects(self) -> list[dict[str, Any]]:
        """Return the objects, without the fields that the cluster fills in."""
        found = [
            kube.manifest_of(obj) | {"kind": kind.__name__}
            for kind in MADE
            for obj in self._client.list(kind, namespace=self._namespace)
        ]
        texts = (json.dumps(_as_made(each)) for each in found if _is_made(each))
        return [json.loads(text.replace(self._namespace, _gateways.NAMESPACE)) for text in texts]

    def complete(self, names: set[str]) -> bool:
        """Return whether istiod has made all objects."""
        found = {_compare.identity(each) for each in self.objects()}
        assert found >= names, f"not there: {sorted(names - found)}"
        return found == names


def _is_made(manifest: dict[str, Any]) -> bool:
    return MANAGED in manifest["metadata"].get("labels", {})


def _as_made(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        key: manifest["metadata"][key]
        for key in ("name", "namespace", "labels", "annotations")
        if key in manifest["metadata"]
    }
    annotations = metadata.get("annotations", {})
    annotations.pop("deployment.kubernetes.io/revision", None)
    owners = [owner | {"uid": ""} for owner in manifest["metadata"]["ownerReferences"]]
    spec = {
        key: value
        for key, value in manifest.get("spec", {}).items()
        if key not in CHOSEN_BY_THE_CLUSTER
    }
    for port in spec.get("ports", ()):
        port.pop("nodePort", None)
    return {
        "kind": manifest["kind"],
        "metadata": metadata | {"ownerReferences": owners},
        "spec": spec,
    }


def _images(objects: list[dict[str, Any]], name: str) -> list[str]:
    return [
        container["image"]
        for each in objects
        if each["kind"] == "Deployment" and each["metadata"]["name"] == name
        for container in each["spec"]["template"]["spec"]["containers"]
    ]


@pytest.fixture
def upstream(control_plane: juju.Model) -> dict[str, str]:
    """The data of ConfigMap istio-sidecar-injector as the pinned istioctl renders it."""
    upstream_plane = manifests.ControlPlane(
        namespace=control_plane.name, config=manifests.Config(tag=MARK)
    )
    for each in _upstream.generate(_configurations.operator(upstream_plane)):
        if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", "istio-sidecar-injector"):
            return each["data"]
    raise AssertionError("istioctl renders no templates")


def test_istiod_makes_the_same_objects_of_our_templates_and_of_upstreams(
    cluster: lab.Cluster, control_plane: juju.Model, upstream: dict[str, str]
):
    client: Any = cluster.client
    expected = _gateways.objects(
        kube.manifest_of(each)
        for each in manifests.render(manifests.ControlPlane(namespace=control_plane.name))
    )
    names = {_compare.identity(each) for each in expected}
    kinds = {name.partition("/")[0] for name in names}
    assert kinds == {kind.__name__ for kind in MADE}
    ours, theirs = Makings(client, OURS), Makings(client, THEIRS)
    try:
        # The pods are not part of the comparison: none has to run.
        with cluster.unschedulable():
            ours.create()
            lab.eventually(lambda: ours.complete(names), timeout=60)
            made = ours.objects()
            client.patch(
                ConfigMap,
                "istio-sidecar-injector",
                {"data": upstream},
                namespace=control_plane.name,
                patch_type=PatchType.MERGE,
            )
            lab.eventually(lambda: f":{MARK}-" in _images(ours.objects(), "wp-plain")[0])
            theirs.create()
            lab.eventually(lambda: theirs.complete(names), timeout=60)
            others = theirs.objects()
    finally:
        for namespace in (OURS, THEIRS):
            kube.delete(client, Namespace, namespace)
        control_plane.emit(UNIT, "update-status")
    marked = json.dumps(others).replace(f":{MARK}-", f":{manifests.VERSION}-")
    found = _compare.differences(made, json.loads(marked))
    assert [f"{each.object} {each.path}: {each.ours} {each.theirs}" for each in found] == []
    # These fields come from the parameters.
    by_name = {_compare.identity(each): each["spec"] for each in made}
    where = f"HorizontalPodAutoscaler/{_gateways.NAMESPACE}/wp-parameters"
    assert (by_name[where]["minReplicas"], by_name[where]["maxReplicas"]) == (2, 5)
