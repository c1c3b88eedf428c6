# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Writes of the engine at the real API server: bound to what was read, and to nothing else."""

from typing import Any

import msgspec
import pytest
from istio_ambient import kube, resources
from istio_ambient.values.problem_codes import Code
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from tests import lab
from tests.lab import admission, juju

NAME = "settings"


class Owner:
    """Applies ConfigMaps in a model, as a charm does."""

    def __init__(self, cluster: lab.Cluster, model: juju.Model):
        self.admin: Any = cluster.client
        self.namespace = model.name
        self.identity = resources.identity(model.name, "owner")
        self.client = kube.connect()

    def wanted(self, immutable: bool | None = None, **data: str) -> ConfigMap:
        metadata = ObjectMeta(name=NAME, namespace=self.namespace)
        return ConfigMap(metadata=metadata, data=data, immutable=immutable)

    def plan(self, *wanted: ConfigMap) -> kube.Plan:
        live = kube.read_live(self.client, self.identity, (ConfigMap,))
        plan = kube.plan(wanted, live)
        taken = kube.read_taken(self.client, kube.creations(plan)).objects
        return kube.plan(wanted, live, taken)

    def apply(self, plan: kube.Plan) -> tuple[kube.Fault, ...]:
        return kube.apply(self.client, plan, self.identity).faults

    def found(self) -> ConfigMap | None:
        listed = self.admin.list(ConfigMap, namespace=self.namespace)
        return next((each for each in listed if each.metadata.name == NAME), None)

    def made_by_a_stranger(self) -> None:
        metadata = ObjectMeta(name=NAME, namespace=self.namespace)
        self.admin.create(ConfigMap(metadata=metadata, data={"a": "theirs"}))


@pytest.fixture
def owner(cluster: lab.Cluster, model: juju.Model) -> Owner:
    return Owner(cluster, model)


def data_of(found: Any) -> dict[str, str] | None:
    return found and found.data


def uid_of(found: ConfigMap | None) -> str:
    assert found and found.metadata and found.metadata.uid
    return found.metadata.uid


def test_what_a_stranger_makes_between_read_and_write_is_not_taken_over(owner: Owner):
    plan = owner.plan(owner.wanted(a="ours"))
    owner.made_by_a_stranger()
    (fault,) = owner.apply(plan)
    assert (fault.problem.code, fault.transient) == (Code.NO_ANSWER, True)
    assert data_of(owner.found()) == {"a": "theirs"}
    (change,) = owner.plan(owner.wanted(a="ours")).changes
    assert change.verb is kube.Verb.REFUSED


@pytest.mark.parametrize("removed", [False, True])
def test_an_object_in_the_place_of_ours_stays(owner: Owner, removed: bool):
    assert owner.apply(owner.plan(owner.wanted(a="1"))) == ()
    plan = owner.plan(*([] if removed else [owner.wanted(a="2")]))
    owner.admin.delete(ConfigMap, NAME, namespace=owner.namespace)
    owner.made_by_a_stranger()
    faults = owner.apply(plan)
    assert [fault.transient for fault in faults] == [] if removed else [True]
    assert data_of(owner.found()) == {"a": "theirs"}


def test_ours_is_deleted_although_it_has_changed_since(owner: Owner):
    assert owner.apply(owner.plan(owner.wanted(a="1"))) == ()
    plan = owner.plan()
    merge = PatchType.MERGE
    edit = {"metadata": {"annotations": {"seen": "yes"}}}
    owner.admin.patch(ConfigMap, NAME, edit, namespace=owner.namespace, patch_type=merge)
    assert owner.apply(plan) == ()
    assert owner.found() is None


def test_an_immutable_object_is_recreated(owner: Owner):
    assert owner.apply(owner.plan(owner.wanted(immutable=True, a="1"))) == ()
    before = uid_of(owner.found())
    assert owner.apply(owner.plan(owner.wanted(immutable=True, a="2"))) == ()
    assert data_of(owner.found()) == {"a": "2"}
    assert uid_of(owner.found()) != before


@pytest.mark.parametrize("immutable", [True, None])
def test_a_refusal_deletes_nothing(owner: Owner, immutable: bool | None):
    assert owner.apply(owner.plan(owner.wanted(immutable=immutable, a="1"))) == ()
    plan = owner.plan(owner.wanted(immutable=immutable, a="2"))
    with admission.refusing(owner.admin, owner.namespace, "configmaps", NAME):
        (fault,) = owner.apply(plan)
        assert not fault.transient
        assert f"ConfigMap {owner.namespace}/{NAME}" in fault.text
        assert data_of(owner.found()) == {"a": "1"}


def test_an_object_whose_marks_a_webhook_removes_is_ours_when_the_webhook_is_gone(owner: Owner):
    none = [{"op": "remove", "path": f"/metadata/{marks}"} for marks in ("labels", "annotations")]
    with admission.mutating(owner.admin, owner.namespace, "configmaps", none):
        faults = owner.apply(owner.plan(owner.wanted(a="1")))
        assert [fault.transient for fault in faults] == [False]
    assert owner.apply(owner.plan(owner.wanted(a="1"))) == ()
    assert owner.plan(owner.wanted(a="1")).writes == ()


@pytest.mark.parametrize("time", ["0000-02-29T00:00:00Z", "9999-12-31T23:59:59-05:00"])
def test_a_strangers_object_with_a_time_that_python_has_not_is_read(owner: Owner, time: str):
    owner.made_by_a_stranger()
    entry = {"manager": "x", "operation": "Update", "apiVersion": "v1", "time": time}
    fields: dict[str, Any] = {"fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}
    body = {"metadata": {"managedFields": [{**entry, **fields}]}}
    with pytest.raises(msgspec.ValidationError):
        # The API server does it, and its answer has the time.
        owner.admin.patch(ConfigMap, NAME, body, namespace=owner.namespace)
    found = kube.list_kind(owner.client, ConfigMap, namespace=owner.namespace) or ()
    assert NAME in {each.metadata.name for each in found}
