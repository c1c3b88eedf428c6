# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-beacon-k8s adopts the objects of the public charm of the same name: `juju refresh`."""

import json
from collections.abc import Iterator
from typing import Any

import lightkube
from canonical_service_mesh.k8s import resource_manager
from canonical_service_mesh.utils import istio
from charmlibs.interfaces import service_mesh as published
from istio_ambient import authorization, gateways, kube, resources
from istio_ambient.gateways import _membership
from lightkube.config.kubeconfig import KubeConfig
from lightkube.models.autoscaling_v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscalerSpec,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Namespace
from lightkube.types import PatchType

from tests import lab
from tests.lab import beacon, conftest, juju
from tests.lab.beacon import APP

AuthorizationPolicy = resources.AuthorizationPolicy
KINDS = (resources.Gateway, HorizontalPodAutoscaler, AuthorizationPolicy)


class PublicCharm:
    """Writes the objects of the public charm, with its labels, names and field manager."""

    def __init__(self, shop: beacon.Shop):
        self.shop = shop
        config = KubeConfig.from_file(shop.cluster.kubeconfig).get()
        self.client: Any = lightkube.Client(config, namespace=shop.name, field_manager=APP)

    def waypoint(self) -> None:
        telemetry = {f"charms.canonical.com/{self.shop.name}.{APP}.telemetry": "aggregated"}
        labels = {"istio.io/waypoint-for": "service", **telemetry}
        metadata = ObjectMeta(name=self.shop.waypoint, namespace=self.shop.name, labels=labels)
        listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
        spec = {"gatewayClassName": "istio-waypoint", "listeners": [listener]}
        self._apply(resources.Gateway(metadata=metadata, spec=spec), "istio-waypoint")
        target = CrossVersionObjectReference("Deployment", self.shop.waypoint, "apps/v1")
        scaler = HorizontalPodAutoscalerSpec(maxReplicas=1, minReplicas=1, scaleTargetRef=target)
        metadata = ObjectMeta(name=self.shop.waypoint, namespace=self.shop.name)
        self._apply(HorizontalPodAutoscaler(metadata=metadata, spec=scaler), "istio-waypoint")

    def policies(self, entries: list[dict[str, Any]]) -> None:
        requested = [published.MeshPolicy.model_validate(entry) for entry in entries]
        for policy in istio.build_policy_resources_istio(APP, self.shop.name, requested):  # pyright: ignore[reportUnknownMemberType]
            self._apply(policy, "istio-authorization-policy")

    def model_on_mesh(self) -> None:
        name = f"{APP}-{self.shop.name}-policy-all-sources-modeloperator"
        target = authorization.Target.workload(
            self.shop.name, {"juju-modeloperator": "modeloperator"}
        )
        policy = authorization.allow(name, target, (authorization.AllowRule(),))
        self._apply(policy, "modeloperator-authorization-policy")
        labels = {
            resources.DATAPLANE_MODE: "ambient",
            gateways.USE_WAYPOINT: self.shop.waypoint,
            _membership.MANAGED_BY: f"{self.shop.name}.{APP}",
        }
        body = {"metadata": {"labels": labels}}
        self.client.patch(Namespace, self.shop.name, body, patch_type=PatchType.MERGE)

    def labels_config_map(self) -> None:
        """Keep labels as the public charm does: in a ConfigMap without labels or annotations."""
        labels = gateways.member_labels(self.shop.waypoint, self.shop.name)
        metadata = ObjectMeta(name=gateways.labels_config_map_name(APP), namespace=self.shop.name)
        data = {"labels": json.dumps(labels)}
        self.client.create(ConfigMap(metadata=metadata, data=data))

    def _apply(self, obj: Any, scope: str) -> None:
        labels = resource_manager.create_charm_default_labels(APP, self.shop.name, scope)
        obj.metadata.labels = {**(obj.metadata.labels or {}), **labels}
        lab.eventually(lambda: bool(self.client.apply(obj, force=True)))


def uids(shop: beacon.Shop) -> dict[str, str]:
    """Return the charm's objects in the namespace with their uids."""
    labels = {resources.INSTANCE_LABEL: f"{shop.name}-{APP}"}
    found = [
        obj for kind in KINDS for obj in shop.client.list(kind, namespace=shop.name, labels=labels)
    ]
    # istiod copies labels of the Gateway to its objects, which have other kinds.
    return {str(kube.ref_of(obj)): obj.metadata.uid for obj in found}


def history(shop: beacon.Shop, version: str, before: list[Any]) -> Iterator[list[Any]]:
    """Yield the policies of the namespace as they were after each change since a version."""
    listed = list(shop.client.list(AuthorizationPolicy, namespace=shop.name))
    now = {policy.metadata.name: policy.metadata.resourceVersion for policy in listed}
    current = {policy.metadata.name: policy for policy in before}
    events = shop.client.watch(
        AuthorizationPolicy, namespace=shop.name, resource_version=version, server_timeout=5
    )
    for verb, policy in events:
        current.pop(policy.metadata.name, None)
        if verb != "DELETED":
            current[policy.metadata.name] = policy
        yield list(current.values())
        if now == {name: p.metadata.resourceVersion for name, p in current.items()}:
            return


Grants = dict[str, set[tuple[str, str]]]
"""Source and operations of the allowed access by target; all sources may reach other targets."""


def grants(policies: list[Any]) -> Grants:
    found: Grants = {}
    for policy in policies:
        manifest = kube.manifest_of(policy)
        allowed = found.setdefault(str(authorization.target_of(manifest)), set())
        for rule in manifest["spec"].get("rules", ()):
            operations = [to["operation"] for to in rule.get("to", ())] or ["everything"]
            sources = rule.get("from", [{"source": {"principals": ["everybody"]}}])
            for principal in sources[0]["source"]["principals"]:
                who = principal.rpartition("/")[2]
                allowed |= {(who, json.dumps(each, sort_keys=True)) for each in operations}
    return found


def is_wider(after: Grants, before: Grants) -> bool:
    return any(target not in after or not after[target] <= before[target] for target in before)


def test_objects_of_the_public_charm_are_adopted_and_access_is_never_wider(
    cluster: lab.Cluster, control_plane: juju.Model, new_model: conftest.ModelFactory
):
    shop = beacon.Shop(cluster, new_model(controller=control_plane.controller))
    public = PublicCharm(shop)
    details = [
        shop.entry("details"),
        shop.entry("details", source_app_name="prometheus", target_type="unit", endpoints=[]),
        # The public charm grants this; ours refuses it: the requester does not own the target.
        shop.entry("victim"),
    ]
    public.waypoint()
    public.labels_config_map()
    public.model_on_mesh()
    left_over = shop.entry("details", source_app_name="gone")
    public.policies([*details, shop.entry("reviews"), left_over])
    were = uids(shop)
    listed = shop.client.list(AuthorizationPolicy, namespace=shop.name)
    before, version = list(listed), listed.resourceVersion
    assert len(before) == 6

    shop.service("victim")
    shop.model.deploy(beacon.CHARM, config={"model-on-mesh": True})
    shop.consumer("details", *details, quiet=True)
    shop.consumer("reviews", quiet=True)
    shop.model.settle()

    get = json.dumps({"methods": ["GET"], "ports": ["80"]})
    expected: Grants = {
        f"Service {shop.name}/details": {("caller", get)},
        f"Service {shop.name}/reviews": {("caller", get)},
        f"Service {shop.name}/victim": set(),
        f"pods {shop.name}/{authorization.NAME_LABEL}=details": {("prometheus", '"everything"')},
        f"pods {shop.name}/juju-modeloperator=modeloperator": {("everybody", '"everything"')},
    }
    states = [grants(state) for state in history(shop, version, before)]
    assert len(states) >= len(before)
    wider = [state for state in states if is_wider(state, grants(before))]
    assert wider == [], grants(before)
    assert states[-1] == expected
    assert "policies[2]: asks for Service" in shop.status

    are = uids(shop)
    same = {ref for ref in were if not ref.startswith("AuthorizationPolicy") or "operator" in ref}
    assert len(same) == 3
    assert all(are[ref] == were[ref] for ref in same)
    assert not (were.keys() - same) & are.keys()
    live = kube.read_live(shop.client, resources.identity(shop.name, APP), KINDS)
    assert {str(ref) for ref in live.objects} == are.keys()
    assert shop.namespace_labels[_membership.MANAGED_BY] == f"{shop.name}.{APP}"
    assert json.loads(shop.get(ConfigMap, gateways.labels_config_map_name(APP))["data"]["labels"])
    with shop.model.requests(shop.unit) as seen:
        shop.refresh()
    assert seen.writes == []

    # The operator has to allow the access that the public charm granted to all requesters.
    shop.config(trusted_requesters="details")
    after = grants(list(shop.client.list(AuthorizationPolicy, namespace=shop.name)))
    assert after == {**expected, f"Service {shop.name}/victim": {("caller", get)}}
    shop.model.wait_active(APP)
    shop.model.remove(APP)
    shop.model.settle()
    lab.eventually(lambda: shop.owned_objects() == [])
    assert shop.namespace_labels == {}
    kept = [found.metadata.name for found in shop.client.list(ConfigMap, namespace=shop.name)]
    assert gateways.labels_config_map_name(APP) not in kept
