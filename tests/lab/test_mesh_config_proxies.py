# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Overlays on MeshConfig in a running mesh: gateway and waypoint take what follows from them."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml
from istio_ambient.manifests import _mesh_config
from istio_ambient.manifests.mesh_overlay import _check
from istio_ambient.values.problems import InvalidValueError
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Namespace, Service

from tests import lab, mesh_overlays
from tests.lab import apps, beacon, conftest, juju

MODEL, GATE = "front", "gate"
PROXIES = (f"{GATE}-istio", f"{MODEL}-{beacon.APP}-waypoint")
COLLECTORS = "cos"
_REFUSED = re.compile(r"^envoy_\w+_(?:update|config)_(?:rejected|fail)\{[^}]*\} ([0-9]+)", re.M)


@pytest.fixture(scope="module")
def front(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: conftest.ModelFactory
) -> Iterator[juju.Model]:
    """A model with gateway and waypoint, and the Services that overlays name."""
    model = new_module_model(MODEL, controller=control_plane.controller)
    model.deploy(beacon.CHARM)
    model.deploy(conftest.CHARMS / "istio-ingress-k8s", GATE)
    model.deploy(apps.STOREFRONT, "productpage")
    model.integrate("productpage:ingress", f"{GATE}:ingress")
    model.wait_active()
    client = cast(Any, cluster.client)
    client.create(Namespace(metadata=ObjectMeta(name=COLLECTORS)))
    for name, port in sorted(_services()):
        spec = ServiceSpec(ports=[ServicePort(port=port, name=f"grpc-{port}")])
        metadata = ObjectMeta(name=name, namespace=COLLECTORS)
        client.apply(Service(metadata=metadata, spec=spec), field_manager=f"test-{port}")
    yield model
    client.delete(Namespace, COLLECTORS)


def _services() -> set[tuple[str, int]]:
    text = "\n".join(mesh_overlays.ORDINARY.values())
    found = re.findall(rf"service: (\w+)\.{COLLECTORS}\.svc\.cluster\.local,\s+port: (\d+)", text)
    return {(name, int(port)) for name, port in found}


def batches() -> list[dict[str, Any]]:
    """Return all ordinary overlays in a few: those together that set different fields."""
    found: list[dict[str, Any]] = []
    for text in mesh_overlays.ORDINARY.values():
        overlay = cast(dict[str, Any], yaml.safe_load(text))
        for place, each in enumerate(found):
            merged = _mesh_config.merge(each, overlay)
            if not _collide(each, overlay) and _is_accepted(merged):
                found[place] = merged
                break
        else:
            found.append(overlay)
    return found


def _collide(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        first, second = cast(dict[str, object], one), cast(dict[str, object], other)
        return any(_collide(first[key], second[key]) for key in first.keys() & second.keys())
    return True


def _is_accepted(overlay: dict[str, Any]) -> bool:
    """Return whether the charm accepts it: some fields exclude each other."""
    try:
        _check.parse_mesh_config(json.dumps(overlay))
    except InvalidValueError:
        return False
    return True


def refusals(cluster: lab.Cluster) -> list[int]:
    """Return how many updates the Envoy of each proxy has refused since its start."""

    def counted() -> list[int]:
        found = [_REFUSED.findall(cluster.metrics(MODEL, proxy)) for proxy in PROXIES]
        assert all(len(each) > 1 for each in found), "listeners and clusters are counted"
        return [sum(map(int, each)) for each in found]

    return lab.eventually(counted, timeout=60)


BATCHES = batches()


@pytest.mark.parametrize("batch", BATCHES, ids=lambda each: "+".join(each)[:60])
def test_the_proxies_take_every_ordinary_overlay(
    cluster: lab.Cluster, control_plane: juju.Model, front: juju.Model, batch: dict[str, Any]
):
    before = refusals(cluster)
    control_plane.config("istio-k8s", mesh_config=json.dumps(batch))
    control_plane.wait_active()
    cluster.wait_synced()
    assert refusals(cluster) == before


def test_a_format_that_the_charm_refuses_would_be_refused_by_both_proxies(
    cluster: lab.Cluster, control_plane: juju.Model, front: juju.Model
):
    control_plane.config("istio-k8s", mesh_config='accessLogFormat: "%NOPE%"')
    control_plane.settle()
    assert control_plane.unit_status("istio-k8s/0").name == "blocked"
    before = refusals(cluster)
    client = cast(Any, cluster.client)
    name, namespace = "istio", control_plane.name
    data = dict(client.get(ConfigMap, name, namespace=namespace).data)
    mesh = json.dumps(json.loads(data["mesh"]) | {"accessLogFormat": "%NOPE%"})
    client.patch(ConfigMap, name, {"data": {"mesh": mesh}}, namespace=namespace)

    def is_refused() -> bool:
        after = refusals(cluster)
        assert all(new > old for new, old in zip(after, before, strict=True)), after
        return True

    assert lab.eventually(is_refused, timeout=60)
    control_plane.config("istio-k8s", mesh_config="")
    control_plane.wait_active()
    restored = client.get(ConfigMap, name, namespace=namespace).data
    assert "accessLogFormat" not in json.loads(restored["mesh"])
