# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Least authority: to itself, from within its own model, and to nothing else."""

import pytest
from istio_ambient import authorization, kube
from istio_ambient.authorization import _requests
from lightkube.resources import core_v1

NAME = "app.kubernetes.io/name"
SOURCE = authorization.Source("shop", "productpage")
DETAILS = authorization.Requester("details", "service-mesh")
REMOTE = authorization.Requester("remote-1", "service-mesh", model_uuid="uuid-of-store")
CLUSTER = authorization.Cluster(
    services={
        (service.namespace, service.name): service
        for service in (
            _requests.Service("shop", "details", {NAME: "details"}, by_juju=True),
            _requests.Service("shop", "details-api", {NAME: "details", "tier": "api"}),
            _requests.Service("shop", "reviews", {NAME: "reviews"}, by_juju=True),
            _requests.Service("shop", "no-selector", {}),
            _requests.Service("store", "stock", {NAME: "stock"}, by_juju=True),
            _requests.Service("store", "stock-api", {NAME: "stock"}),
            _requests.Service("store", "by-hand", {NAME: "by-hand"}),
            _requests.Service("other", "details", {NAME: "details"}, by_juju=True),
        )
    },
    model_namespaces={"uuid-of-store": "store", "uuid-of-other": "other"},
)
S, W = authorization.Target.service, authorization.Target.workload


def judge(
    requester: authorization.Requester,
    target: authorization.Target,
    target_app: str = "",
    trusted: tuple[str, ...] = (),
) -> str:
    request = authorization.AccessRequest(
        requester, "policies[0]", target, SOURCE, target_app=target_app
    )
    verdicts = authorization.judge([request], CLUSTER, namespace="shop", trusted=trusted)
    assert len(verdicts.granted) + len(verdicts.refused) + len(verdicts.pending) == 1
    if verdicts.granted:
        return "granted"
    (problem,) = verdicts.refused or verdicts.pending
    assert (problem.app, problem.endpoint) == (requester.app, requester.endpoint)
    assert problem.field == "policies[0]"
    assert bool(problem.remedy) == bool(verdicts.refused)
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
def test_an_application_of_our_model_may_open_itself(target: authorization.Target, verdict: str):
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
    target: authorization.Target, app: str, verdict: str
):
    assert judge(REMOTE, target, app) == verdict


@pytest.mark.parametrize("uuid", [authorization.UNKNOWN_MODEL, "uuid-of-nowhere"])
def test_a_model_that_is_not_known_gets_nothing(uuid: str):
    requester = authorization.Requester("details", "service-mesh", model_uuid=uuid)
    assert judge(requester, S("shop", "details"), "details") == "refused"


def test_a_trusted_requester_may_ask_for_others_within_the_model():
    trusted = ("details",)
    assert judge(DETAILS, S("shop", "reviews"), trusted=trusted) == "granted"
    assert judge(DETAILS, W("shop", {"role": "reader"}), trusted=trusted) == "granted"
    assert judge(DETAILS, S("other", "details"), trusted=trusted) == "refused"
    assert judge(DETAILS, S("shop", "reviews"), trusted=("another",)) == "refused"
    assert judge(REMOTE, S("shop", "details"), trusted=("remote-1",)) == "refused"


def test_what_may_not_be_asked_for_any_more_is_closed_and_not_opened():
    def verdicts(
        target: authorization.Target, source: authorization.Source | None = SOURCE
    ) -> authorization.Verdicts:
        request = authorization.AccessRequest(
            DETAILS, "policies[0]", target, source, established=True
        )
        return authorization.judge([request], CLUSTER, namespace="shop")

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
    request = authorization.AccessRequest(DETAILS, "policies", S("shop", "reviews"), None)
    assert authorization.judge([request], CLUSTER, namespace="shop") == authorization.Verdicts()


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_the_namespace_of_a_model(where: str):
    marked = {"metadata": {"name": "a", where: {"model.juju.is/id": "u"}}}
    plain = {"metadata": {"name": "b"}}
    kind: kube.ResourceType = core_v1.Namespace
    namespaces = [kind.from_dict(each) for each in (marked, plain)]
    assert authorization.model_namespaces(namespaces) == {"u": "a"}


def test_a_model_id_that_two_namespaces_carry_names_neither():
    marks = {"labels": {"model.juju.is/id": "u"}, "annotations": {"model.juju.is/id": "u"}}
    kind: kube.ResourceType = core_v1.Namespace
    one, copy = (kind.from_dict({"metadata": {"name": name, **marks}}) for name in "ab")
    assert authorization.model_namespaces([one]) == {"u": "a"}
    assert authorization.model_namespaces([one, copy]) == {}
    assert authorization.cluster([], [one, copy]).model_namespaces == {}
