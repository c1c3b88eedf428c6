# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Least authority: to itself, from within its own model, and to nothing else."""

import pytest
from istio_ambient import kube, mesh
from lightkube.resources import core_v1

NAME = "app.kubernetes.io/name"
SOURCE = mesh.Source("shop", "productpage")
DETAILS = mesh.Asker("details", "service-mesh")
REMOTE = mesh.Asker("remote-1", "service-mesh", model_uuid="uuid-of-store")
CLUSTER = mesh.Cluster(
    services={
        (service.namespace, service.name): service
        for service in (
            mesh.Service("shop", "details", {NAME: "details"}, by_juju=True),
            mesh.Service("shop", "details-api", {NAME: "details", "tier": "api"}),
            mesh.Service("shop", "reviews", {NAME: "reviews"}, by_juju=True),
            mesh.Service("shop", "no-selector", {}),
            mesh.Service("store", "stock", {NAME: "stock"}, by_juju=True),
            mesh.Service("store", "stock-api", {NAME: "stock"}),
            mesh.Service("store", "by-hand", {NAME: "by-hand"}),
            mesh.Service("other", "details", {NAME: "details"}, by_juju=True),
        )
    },
    model_namespaces={"uuid-of-store": "store", "uuid-of-other": "other"},
)
S, W = mesh.Target.service, mesh.Target.workload


def judge(
    asker: mesh.Asker, target: mesh.Target, target_app: str = "", trusted: tuple[str, ...] = ()
) -> str:
    request = mesh.Request(asker, "policies[0]", target, SOURCE, target_app=target_app)
    verdicts = mesh.judge([request], CLUSTER, namespace="shop", trusted=trusted)
    assert len(verdicts.granted) + len(verdicts.refused) + len(verdicts.pending) == 1
    if verdicts.granted:
        return "granted"
    (problem,) = verdicts.refused or verdicts.pending
    assert (problem.app, problem.endpoint) == (asker.app, asker.endpoint)
    assert problem.field == "policies[0]"
    assert bool(problem.cure) == bool(verdicts.refused)
    return "refused" if verdicts.refused else "pending"


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        (S("shop", "details"), "granted"),
        (S("shop", "details-api"), "granted"),
        (S("shop", "reviews"), "refused"),
        (S("shop", "no-selector"), "refused"),
        (S("shop", "to-come"), "pending"),
        (S("other", "details"), "refused"),
        (W("shop", {NAME: "details"}), "granted"),
        (W("shop", {NAME: "details", "role": "reader"}), "granted"),
        (W("shop", {"app.kubernetes.io/part-of": "details", NAME: "worker"}), "granted"),
        (W("shop", {NAME: "reviews"}), "refused"),
        (W("shop", {"role": "reader"}), "refused"),
        (W("other", {NAME: "details"}), "refused"),
    ],
)
def test_an_application_of_our_model_may_open_itself(target: mesh.Target, verdict: str):
    assert judge(DETAILS, target) == verdict


@pytest.mark.parametrize(
    ("target", "app", "verdict"),
    [
        (S("store", "stock"), "stock", "granted"),
        (S("store", "stock-api"), "stock", "granted"),
        (S("store", "stock-api"), "", "granted"),
        (S("store", "stock"), "another", "refused"),
        (S("store", "by-hand"), "by-hand", "refused"),
        (S("store", "to-come"), "stock", "pending"),
        (S("shop", "details"), "details", "refused"),
        (S("other", "details"), "details", "refused"),
        (W("store", {NAME: "stock"}), "stock", "granted"),
        (W("store", {NAME: "by-hand"}), "by-hand", "refused"),
        (W("store", {"app.kubernetes.io/part-of": "stock"}), "", "granted"),
        (W("store", {"role": "reader"}), "", "refused"),
        (W("shop", {NAME: "details"}), "details", "refused"),
    ],
)
def test_an_application_of_another_model_is_bound_to_that_models_namespace(
    target: mesh.Target, app: str, verdict: str
):
    assert judge(REMOTE, target, app) == verdict


@pytest.mark.parametrize("uuid", [mesh.UNKNOWN_MODEL, "uuid-of-nowhere"])
def test_a_model_that_is_not_known_gets_nothing(uuid: str):
    asker = mesh.Asker("details", "service-mesh", model_uuid=uuid)
    assert judge(asker, S("shop", "details"), "details") == "refused"


def test_a_trusted_requester_may_ask_for_others_within_the_model():
    trusted = ("details",)
    assert judge(DETAILS, S("shop", "reviews"), trusted=trusted) == "granted"
    assert judge(DETAILS, W("shop", {"role": "reader"}), trusted=trusted) == "granted"
    assert judge(DETAILS, S("other", "details"), trusted=trusted) == "refused"
    assert judge(DETAILS, S("shop", "reviews"), trusted=("another",)) == "refused"
    assert judge(REMOTE, S("shop", "details"), trusted=("remote-1",)) == "refused"


def test_what_may_not_be_asked_for_any_more_is_closed_and_not_opened():
    def verdicts(target: mesh.Target, source: mesh.Source | None = SOURCE) -> mesh.Verdicts:
        request = mesh.Request(DETAILS, "policies[0]", target, source, established=True)
        return mesh.judge([request], CLUSTER, namespace="shop")

    found = verdicts(S("shop", "reviews"))
    (closing,) = found.granted
    assert (closing.target, closing.source) == (S("shop", "reviews"), None)
    assert len(found.refused) == 1
    assert len(verdicts(S("shop", "reviews"), source=None).granted) == 1
    # Gone, it may come back before the next hook.
    away = verdicts(S("shop", "to-come"))
    assert [(each.target, each.source) for each in away.granted] == [(S("shop", "to-come"), None)]
    assert len(away.pending) == 1


def test_closing_what_is_not_ones_own_is_neither_done_nor_told():
    request = mesh.Request(DETAILS, "policies", S("shop", "reviews"), None)
    assert mesh.judge([request], CLUSTER, namespace="shop") == mesh.Verdicts()


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_the_namespace_of_a_model(where: str):
    marked = {"metadata": {"name": "a", where: {"model.juju.is/id": "u"}}}
    plain = {"metadata": {"name": "b"}}
    kind: kube.ResourceType = core_v1.Namespace
    namespaces = [kind.from_dict(each) for each in (marked, plain)]
    assert mesh.model_namespaces(namespaces) == {"u": "a"}


def test_a_model_id_that_two_namespaces_carry_names_neither():
    marks = {"labels": {"model.juju.is/id": "u"}, "annotations": {"model.juju.is/id": "u"}}
    kind: kube.ResourceType = core_v1.Namespace
    one, copy = (kind.from_dict({"metadata": {"name": name, **marks}}) for name in "ab")
    assert mesh.model_namespaces([one]) == {"u": "a"}
    assert mesh.model_namespaces([one, copy]) == {}
    assert mesh.cluster([], [one, copy]).model_namespaces == {}
