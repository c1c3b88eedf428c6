# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Ownership: an application may ask for access to itself, and have itself exposed, only."""

import msgspec
import pytest
from istio_ambient import authorization, kube
from lightkube.resources import core_v1

NAME = "app.kubernetes.io/name"
SOURCE = authorization.Source("shop", "productpage")
DETAILS = authorization.Requester("details", "service-mesh")
REMOTE = authorization.Requester("remote-1", "service-mesh", model_uuid="uuid-of-store")
CLUSTER = authorization.Cluster(
    services={
        (service.namespace, service.name): service
        for service in (
            authorization.ServiceFacts("shop", "details", {NAME: "details"}, by_juju=True),
            authorization.ServiceFacts("shop", "details-api", {NAME: "details", "tier": "api"}),
            authorization.ServiceFacts("shop", "reviews", {NAME: "reviews"}, by_juju=True),
            authorization.ServiceFacts("shop", "no-selector", {}),
            authorization.ServiceFacts("shop", "part", {"app.kubernetes.io/part-of": "details"}),
            authorization.ServiceFacts("store", "stock", {NAME: "stock"}, by_juju=True),
            authorization.ServiceFacts("store", "stock-api", {NAME: "stock"}),
            authorization.ServiceFacts("store", "by-hand", {NAME: "by-hand"}),
            authorization.ServiceFacts("other", "details", {NAME: "details"}, by_juju=True),
        )
    },
    model_namespaces={"uuid-of-store": "store", "uuid-of-other": "other"},
)
S, W = authorization.Target.service, authorization.Target.workload


def decide(
    requests: list[authorization.AccessRequest], trusted: tuple[str, ...] = ()
) -> authorization.Outcomes:
    objections = authorization.objections(
        requests, CLUSTER, namespace="shop", app="beacon", trusted=trusted
    )
    return authorization.outcomes(requests, objections)


def outcome(
    requester: authorization.Requester,
    target: authorization.Target,
    target_app: str = "",
    trusted: tuple[str, ...] = (),
) -> str:
    request = authorization.AccessRequest(
        requester, "policies[0]", target, SOURCE, target_app=target_app
    )
    found = decide([request], trusted)
    assert len(found.granted) + len(found.refused) + len(found.pending) == 1
    if found.granted:
        return "granted"
    (problem,) = found.refused or found.pending
    assert (problem.app, problem.endpoint) == (requester.app, requester.endpoint)
    assert problem.field == "policies[0]"
    assert bool(problem.remedy) == bool(found.refused)
    return "refused" if found.refused else "pending"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (S("shop", "details"), "granted"),
        (S("shop", "details-api"), "granted"),
        (S("shop", "reviews"), "refused"),
        (S("shop", "no-selector"), "refused"),
        (S("shop", "part"), "refused"),
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
def test_an_application_of_our_model_may_ask_for_itself(
    target: authorization.Target, expected: str
):
    assert outcome(DETAILS, target) == expected


@pytest.mark.parametrize(
    ("target", "app", "expected"),
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
    target: authorization.Target, app: str, expected: str
):
    assert outcome(REMOTE, target, app) == expected


@pytest.mark.parametrize("uuid", [authorization.UNKNOWN_MODEL, "uuid-of-nowhere"])
def test_a_model_that_is_not_known_gets_nothing(uuid: str):
    requester = authorization.Requester("details", "service-mesh", model_uuid=uuid)
    assert outcome(requester, S("shop", "details"), "details") == "refused"


def test_a_trusted_requester_may_ask_for_others_within_the_model():
    trusted = ("details",)
    assert outcome(DETAILS, S("shop", "reviews"), trusted=trusted) == "granted"
    assert outcome(DETAILS, W("shop", {"role": "reader"}), trusted=trusted) == "granted"
    assert outcome(DETAILS, S("other", "details"), trusted=trusted) == "refused"
    assert outcome(DETAILS, S("shop", "reviews"), trusted=("another",)) == "refused"
    assert outcome(REMOTE, S("shop", "details"), trusted=("remote-1",)) == "refused"


def test_a_target_that_may_not_be_asked_for_any_more_is_closed():
    def outcomes(
        target: authorization.Target, source: authorization.Source | None = SOURCE
    ) -> authorization.Outcomes:
        request = authorization.AccessRequest(
            DETAILS, "policies[0]", target, source, established=True
        )
        return decide([request])

    found = outcomes(S("shop", "reviews"))
    (closing,) = found.granted
    assert (closing.target, closing.source) == (S("shop", "reviews"), None)
    assert len(found.refused) == 1
    assert len(outcomes(S("shop", "reviews"), source=None).granted) == 1
    # A Service that was deleted may come back before the next hook.
    gone = outcomes(S("shop", "to-come"))
    assert [(each.target, each.source) for each in gone.granted] == [(S("shop", "to-come"), None)]
    assert len(gone.pending) == 1


def test_a_request_to_close_a_target_of_another_application_is_ignored():
    request = authorization.AccessRequest(DETAILS, "policies", S("shop", "reviews"), None)
    assert decide([request]) == authorization.Outcomes()


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


STORE, OTHER = "uuid-of-store", "uuid-of-other"
OWNERSHIP = authorization.Ownership(
    namespace="shop",
    model_namespaces={STORE: "store", OTHER: "other"},
    deployed={("shop", "details"), ("store", "stock"), ("store", "details"), ("other", "stock")},
    trusted={"trusted", "remote-trusted"},
)
Refusal = authorization.Refusal


def requester(app: str = "details", model_uuid: str = "") -> authorization.Requester:
    return authorization.Requester(app, "ingress", model_uuid)


@pytest.mark.parametrize(
    ("app", "namespace", "owners", "expected"),
    [
        ("details", "shop", {"details"}, None),
        ("details", "shop", {"another", "details"}, None),
        ("details", "shop", {"reviews"}, Refusal.NOT_OWN),
        ("details", "shop", set[str](), Refusal.NOT_OWN),
        ("details", "store", {"details"}, Refusal.OTHER_MODEL),
        ("trusted", "shop", {"reviews"}, None),
        ("trusted", "shop", set[str](), None),
        ("trusted", "store", {"trusted"}, Refusal.OTHER_MODEL),
    ],
)
def test_in_our_model_the_name_of_the_relation_is_compared(
    app: str, namespace: str, owners: set[str], expected: authorization.Refusal | None
):
    assert OWNERSHIP.refusal(requester(app), namespace, owners) is expected
    # A name that the requester says it has elsewhere changes nothing about our own model.
    assert OWNERSHIP.refusal(requester(app), namespace, owners, "reviews") is expected


@pytest.mark.parametrize(
    ("namespace", "owners", "home_name", "expected"),
    [
        ("store", {"stock"}, "", None),
        ("store", {"stock"}, "stock", None),
        ("store", {"stock", "another"}, "", None),
        ("store", {"stock"}, "details", Refusal.NOT_DEPLOYED),
        ("store", {"by-hand"}, "", Refusal.NOT_DEPLOYED),
        ("store", {"by-hand"}, "by-hand", Refusal.NOT_DEPLOYED),
        ("store", set[str](), "", Refusal.NOT_DEPLOYED),
        ("store", {""}, "", Refusal.NOT_DEPLOYED),
        ("store", set[str](), "stock", Refusal.NOT_DEPLOYED),
        ("other", {"stock"}, "stock", Refusal.OTHER_MODEL),
        ("shop", {"details"}, "details", Refusal.OTHER_MODEL),
    ],
)
@pytest.mark.parametrize("app", ["remote-1", "details", "stock", "remote-trusted"])
def test_in_another_model_juju_has_to_have_deployed_the_owner(
    app: str,
    namespace: str,
    owners: set[str],
    home_name: str,
    expected: authorization.Refusal | None,
):
    remote = requester(app, STORE)
    assert OWNERSHIP.refusal(remote, namespace, owners, home_name) is expected


@pytest.mark.parametrize("uuid", [authorization.UNKNOWN_MODEL, "uuid-of-nowhere"])
@pytest.mark.parametrize("namespace", ["shop", "store", ""])
def test_without_a_known_model_everything_is_refused(uuid: str, namespace: str):
    for app in ("details", "trusted"):
        found = OWNERSHIP.refusal(requester(app, uuid), namespace, {"details", "trusted"})
        assert found is Refusal.UNKNOWN_MODEL


def test_a_model_whose_uuid_two_namespaces_have_is_unknown():
    kind: kube.ResourceType = core_v1.Namespace
    both = [
        kind.from_dict({"metadata": {"name": name, "labels": {"model.juju.is/id": STORE}}})
        for name in ("store", "copy")
    ]
    ownership = msgspec.structs.replace(
        OWNERSHIP, model_namespaces=authorization.model_namespaces(both)
    )
    for namespace in ("store", "copy"):
        found = ownership.refusal(requester("remote-1", STORE), namespace, {"stock"})
        assert found is Refusal.UNKNOWN_MODEL


GATEWAY = "gateway.networking.k8s.io/gateway-name"
PART_OF = "app.kubernetes.io/part-of"


@pytest.mark.parametrize(
    ("app", "selector", "expected"),
    [
        ("details", {NAME: "details"}, None),
        ("details", {NAME: "details", "tier": "api"}, None),
        ("details", {NAME: "reviews"}, Refusal.NOT_OWN),
        ("details", {PART_OF: "details"}, Refusal.NOT_OWN),
        ("details", {"tier": "api"}, Refusal.NOT_OWN),
        ("details", {GATEWAY: "details"}, None),
        ("details", {GATEWAY: "reviews"}, Refusal.NOT_OWN),
        # The name label takes precedence over the gateway's.
        ("details", {NAME: "reviews", GATEWAY: "details"}, Refusal.NOT_OWN),
        ("details", {NAME: "", GATEWAY: "details"}, None),
        ("details", dict[str, str](), Refusal.NO_SELECTOR),
        ("trusted", {NAME: "reviews"}, None),
        ("trusted", {"tier": "api"}, None),
        ("trusted", dict[str, str](), Refusal.NO_SELECTOR),
    ],
)
def test_a_backend_belongs_to_the_application_that_its_selector_names(
    app: str, selector: dict[str, str], expected: authorization.Refusal | None
):
    assert OWNERSHIP.backend_refusal(requester(app), "shop", selector) is expected
    external = OWNERSHIP.backend_refusal(requester(app), "shop", selector, external_name=True)
    assert external is Refusal.EXTERNAL_NAME


@pytest.mark.parametrize(
    ("selector", "home_name", "expected"),
    [
        ({NAME: "stock"}, "", None),
        ({NAME: "stock"}, "stock", None),
        ({NAME: "stock"}, "details", Refusal.NOT_DEPLOYED),
        ({GATEWAY: "stock"}, "stock", None),
        ({NAME: "by-hand"}, "by-hand", Refusal.NOT_DEPLOYED),
        ({PART_OF: "stock"}, "", Refusal.NOT_DEPLOYED),
        (dict[str, str](), "stock", Refusal.NO_SELECTOR),
    ],
)
def test_a_backend_of_another_model_belongs_to_an_application_of_juju(
    selector: dict[str, str], home_name: str, expected: authorization.Refusal | None
):
    remote = requester("remote-trusted", STORE)
    found = OWNERSHIP.backend_refusal(remote, "store", selector, home_name=home_name)
    assert found is expected
    away = OWNERSHIP.backend_refusal(remote, "other", selector, home_name=home_name)
    assert away is (Refusal.OTHER_MODEL if selector else Refusal.NO_SELECTOR)
