# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From databags to policies: a mistake in what an application says never opens anything."""

import copy
import dataclasses
import itertools
import json
from collections.abc import Sequence
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from istio_ambient import authorization, kube, resources
from istio_ambient.authorization import evaluator
from istio_ambient.integrations import access_requests, scrapers
from istio_ambient.interfaces import cross_model_mesh

from tests.unit.authorization.evaluator import samples

NAME = authorization.NAME_LABEL
CLUSTER = authorization.Cluster(
    services={
        ("shop", name): authorization.ServiceFacts("shop", name, {NAME: "details"})
        for name in ("details", "details-api")
    }
    | {
        (namespace, name): authorization.ServiceFacts(namespace, name, {NAME: name}, by_juju=True)
        for namespace, name in (("shop", "reviews"), ("store", "stock"))
    },
    model_namespaces={"uuid": "store"},
)
ASKER = authorization.Requester("details", "service-mesh")


def requests_of(
    text: str, requester: authorization.Requester = ASKER, before: Sequence[Any] = ()
) -> list[authorization.AccessRequest]:
    databag = {"policies": text}
    return access_requests.of_applications(
        [(requester, databag)], CLUSTER, "shop", authorization.requesters_of(before)
    )[0]


def policies(text: str, **asked: Any) -> list[Any]:
    trusted = asked.pop("trusted", ())
    requests = requests_of(text, **asked)
    objections = authorization.objections(
        requests, CLUSTER, namespace="shop", app="beacon", trusted=trusted
    )
    granted = authorization.outcomes(requests, objections).granted
    return list(authorization.policies(granted, model="shop", app="beacon"))


SERVICES = [evaluator.Destination.service("shop", name) for name in ("details", "details-api")]
PODS = evaluator.Destination.workload("shop", "details")
_PORTS = [{"port": 80, "targetPort": 80}, {"port": 81, "targetPort": 81}]


def reachable(built: list[Any]) -> set[tuple[str, ...]]:
    """Return every request that passes, of all that the entries below could be about.

    Services and pods each by themselves: what a waypoint lets in is not asked of the pods again.
    """
    mesh_of_shop = samples.snapshot(
        *map(kube.manifest_of, built),
        services=tuple(samples.service(each.name, ports=_PORTS) for each in SERVICES),
        auto_allow=False,
    )
    judges = {each: dataclasses.replace(mesh_of_shop, pods=()) for each in SERVICES}
    probes = list(
        itertools.product(("a", "b", "stranger"), ("80", "81"), ("GET", "POST"), ("/x", "/y"))
    )
    return {
        (str(target), source, port, method, path)
        for target, snapshot in {**judges, PODS: mesh_of_shop}.items()
        for evaluation in [evaluator.Evaluator(snapshot)]
        for source, port, method, path in probes
        if evaluation.evaluate(
            evaluator.Request(f"shop/{source}", target, int(port), method, path)
        ).allowed
    }


_ENDPOINT = st.fixed_dictionaries(
    {"ports": st.lists(st.sampled_from([80, 81]), min_size=1, max_size=2)},
    optional={
        "methods": st.lists(st.sampled_from(["GET", "POST"]), min_size=1, max_size=2),
        "paths": st.lists(st.sampled_from(["/x", "/y"]), min_size=1, max_size=2),
    },
)
_WHO = {"source_namespace": st.just("shop"), "target_namespace": st.just("shop")}
_APP = st.fixed_dictionaries(
    {
        **_WHO,
        "source_app_name": st.sampled_from("ab"),
        "target_app_name": st.just("details"),
        "endpoints": st.lists(_ENDPOINT, max_size=2),
    },
    optional={"target_service": st.sampled_from(["details", "details-api"])},
)
_UNIT = st.fixed_dictionaries(
    {
        **_WHO,
        "source_app_name": st.sampled_from("ab"),
        "target_app_name": st.just("details"),
        "target_type": st.just("unit"),
        "endpoints": st.lists(
            st.fixed_dictionaries({"ports": st.lists(st.sampled_from([80, 81]), min_size=1)}),
            max_size=2,
        ),
    }
)
_ENTRIES = st.lists(st.one_of(_APP, _UNIT), min_size=1, max_size=3)


def _break_member(entry: dict[str, Any]) -> None:
    entry["endpoints"] = [*entry["endpoints"], {"ports": [0]}]


def _break_unknown(entry: dict[str, Any]) -> None:
    entry["except"] = {"paths": ["/x"]}


def _break_source(entry: dict[str, Any]) -> None:
    entry["source_app_name"] = "*"


def _break_type(entry: dict[str, Any]) -> None:
    entry["target_type"] = ["unit"]


def _break_labels(entry: dict[str, Any]) -> None:
    entry["target_selector_labels"] = {"role": "reader"}


def _break_kind(entry: dict[str, Any]) -> None:
    """Say of a policy for a Service that it is one for pods, and the other way round."""
    if entry.get("target_type") == "unit":
        entry.update(target_type="app", target_app_name=None)
    else:
        entry.update(target_type="unit", target_service="details")


BREAKS = [
    _break_member,
    _break_unknown,
    _break_source,
    _break_type,
    _break_labels,
    _break_kind,
]


@pytest.mark.slow
@hypothesis.given(_ENTRIES, st.integers(0, 2), st.sampled_from(BREAKS))
@hypothesis.settings(deadline=None, max_examples=300)
def test_a_mistake_in_an_entry_never_lets_more_in(entries: list[Any], at: int, broken: Any):
    spoiled = copy.deepcopy(entries)
    broken(spoiled[at % len(spoiled)])
    before, after = policies(json.dumps(entries)), policies(json.dumps(spoiled))
    assert reachable(after) <= reachable(before)
    # Its neighbours hold: what they alone let in, where they speak of the target, passes.
    others = [entry for n, entry in enumerate(entries) if n != at % len(entries)]
    kept = policies(json.dumps(others))
    spoken_of = {target for target, *_ in reachable([]) - reachable(kept)}
    assert {probe for probe in reachable(kept) if probe[0] in spoken_of} <= reachable(after)


@pytest.mark.slow
@hypothesis.given(_ENTRIES, st.integers(0, 1000))
@hypothesis.settings(deadline=None, max_examples=200)
def test_truncated_data_allows_no_source(entries: list[Any], at: int):
    text = json.dumps(entries)
    assert reachable(policies(text[: at % (len(text) - 1) + 1])) == set()


STOCK = authorization.Target.service("store", "stock")
REMOTE = authorization.Requester("remote-1", "service-mesh", model_uuid="uuid")
REVIEWS = authorization.Target.service("shop", "reviews")
BROKEN = ["{", json.dumps([{"target_type": ["app"]}])]


def asking_for(target: authorization.Target, **changes: Any) -> dict[str, Any]:
    return {
        "source_namespace": "shop",
        "source_app_name": "a",
        "target_namespace": target.namespace,
        "target_app_name": target.name,
        **changes,
    }


@pytest.mark.parametrize(
    ("requester", "target", "trusted"), [(REMOTE, STOCK, ()), (ASKER, REVIEWS, ("details",))]
)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_target_that_only_earlier_requests_tell_stays_closed(
    requester: authorization.Requester,
    target: authorization.Target,
    trusted: tuple[str, ...],
    broken: str,
):
    def closed(before: list[Any], text: str = broken) -> list[authorization.Target | None]:
        live = [kube.manifest_of(policy) for policy in before]
        built = policies(text, requester=requester, before=live, trusted=trusted)
        manifests = [kube.manifest_of(policy) for policy in built]
        assert all("rules" not in manifest["spec"] for manifest in manifests)
        return [authorization.target_of(manifest) for manifest in manifests]

    good = policies(json.dumps([asking_for(target)]), requester=requester, trusted=trusted)
    assert target in closed(good)
    # In the next hook, the policy that closes the target names the requester.
    assert target in closed(
        policies(broken, requester=requester, before=_live(good), trusted=trusted)
    )
    assert target not in closed([])
    others = policies(json.dumps([asking_for(target)]), requester=requester, trusted=trusted)
    for policy in others:
        policy.metadata.annotations = {
            resources.REQUESTED_BY: '{"shop/a": ["another:service-mesh"]}'
        }
    assert target not in closed(others)
    # The public charm's policies do not say who asked.
    for policy in others:
        policy.metadata.annotations = {}
    assert target in closed(others)


def test_the_target_of_a_requester_that_lost_trust_is_closed():
    text = json.dumps([asking_for(REVIEWS)])
    before = _live(policies(text, trusted=("details",)))
    for said in (text, *BROKEN):
        (policy,) = (p for p in _live(policies(said, before=before)) if "reviews" in str(p))
        assert "rules" not in policy["spec"]
    assert policies(text) == []
    assert policies("[]", before=before) == []


CUT = json.dumps({"shop/a": ["another:service-mesh"], "and more": ["9"]})


@pytest.mark.parametrize("provenance", [None, "", "{", "[]", CUT])
@pytest.mark.parametrize("text", [json.dumps([asking_for(REVIEWS)]), *BROKEN])
def test_unknown_provenance_lets_no_stranger_close_a_target(provenance: str | None, text: str):
    """`details` asks for reviews, which is not its own; reviews has a policy of somebody."""
    before = policies(json.dumps([asking_for(REVIEWS)]), trusted=("details",))
    for policy in before:
        annotations = {} if provenance is None else {resources.REQUESTED_BY: provenance}
        policy.metadata.annotations = annotations
    live = _live(before)
    found = [authorization.target_of(each) for each in _live(policies(text, before=live))]
    assert REVIEWS not in found
    # Its owner, and an application that the operator trusts, close it by the same data.
    owner = authorization.Requester("reviews", "service-mesh")
    for closing in (
        policies("{", requester=owner, before=live),
        policies("{", before=live, trusted=("details",)),
    ):
        assert REVIEWS in [authorization.target_of(each) for each in _live(closing)]


def test_a_requester_that_a_cut_annotation_names_is_known():
    before = policies(json.dumps([asking_for(REVIEWS)]), trusted=("details",))
    named = {"shop/a": ["details:service-mesh"], "and more": ["9"]}
    for policy in before:
        policy.metadata.annotations = {resources.REQUESTED_BY: json.dumps(named)}
    text = json.dumps([asking_for(REVIEWS)])
    (policy,) = (p for p in _live(policies(text, before=_live(before))) if "reviews" in str(p))
    assert "rules" not in policy["spec"]


def test_a_policy_of_unknown_provenance_stays_closed_while_its_service_is_gone():
    gone = authorization.Target.service("shop", "gone")
    before = [kube.manifest_of(authorization.allow("gone", gone, ()))]
    (policy,) = _live(policies(json.dumps([asking_for(gone)]), before=before))
    assert (authorization.target_of(policy), "rules" in policy["spec"]) == (gone, False)


_ANNOTATION = st.none() | st.sampled_from(["", "{", "[]", CUT, '{"shop/a": 7}']) | st.text()


@pytest.mark.slow
@hypothesis.given(
    _ANNOTATION,
    st.sampled_from(BROKEN)
    | st.lists(
        st.sampled_from([REVIEWS, STOCK, authorization.Target.service("shop", "details")])
    ).map(lambda targets: json.dumps([asking_for(each) for each in targets])),
)
@hypothesis.settings(deadline=None)
def test_no_refused_request_closes_what_belongs_to_another(annotation: str | None, text: str):
    annotations = {} if annotation is None else {resources.REQUESTED_BY: annotation}
    before = [
        kube.manifest_of(authorization.allow(f"p-{target.name}", target, (), annotations))
        for target in (REVIEWS, STOCK)
    ]
    hypothesis.assume("details:service-mesh" not in (annotation or ""))
    found = {authorization.target_of(each) for each in _live(policies(text, before=before))}
    assert found.isdisjoint({REVIEWS, STOCK})


def _live(built: list[Any]) -> list[Any]:
    return [kube.manifest_of(policy) for policy in built]


@pytest.mark.parametrize(
    ("requester", "target", "trusted"), [(REMOTE, STOCK, ()), (ASKER, REVIEWS, ("details",))]
)
def test_an_entry_with_a_mistake_closes_the_target_that_it_names(
    requester: authorization.Requester, target: authorization.Target, trusted: tuple[str, ...]
):
    text = json.dumps([asking_for(target, endpoints=[{"ports": [0]}])])
    (policy,) = _live(policies(text, requester=requester, trusted=trusted))
    assert authorization.target_of(policy) == target
    assert "rules" not in policy["spec"]
    assert (
        policies(text, requester=msgspec.structs.replace(requester, app="x", model_uuid="")) == []
    )


def test_what_is_asked_is_asked_member_by_member():
    entry = {
        "source_namespace": "shop",
        "source_app_name": "a",
        "target_namespace": "shop",
        "target_app_name": "details",
        "target_service": "details-api",
        "endpoints": [{"ports": [80], "paths": ["/x"], "methods": ["GET"], "hosts": ["h"]}],
    }
    (request,) = requests_of(json.dumps([entry]))
    assert request == authorization.AccessRequest(
        requester=ASKER,
        field="policies[0]",
        target=authorization.Target.service("shop", "details-api"),
        source=authorization.Source("shop", "a"),
        operations=(authorization.Operation(("h",), (80,), ("GET",), ("/x",)),),
        target_app="details",
    )


def scrape(
    scraper: authorization.Requester, **remotes: tuple[str, str]
) -> tuple[list[authorization.AccessRequest], list[Any]]:
    known = {
        name: cross_model_mesh.RemoteApplication(app_name=app, juju_model_name=model)
        for name, (app, model) in remotes.items()
    }
    found = scrapers.Scrapers("shop", "beacon", (scraper,), known)
    return found.requests(CLUSTER.model_namespaces)


def test_a_scraper_of_our_model_is_let_in_to_the_metrics_port():
    (request,), waiting = scrape(authorization.Requester("prometheus", "metrics-endpoint"))
    assert request.source == authorization.Source("shop", "prometheus")
    assert request.operations == (authorization.Operation(ports=(15090,)),)
    assert waiting == []


def test_a_scraper_of_another_model_is_known_by_what_it_says_and_where_it_lives():
    remote = authorization.Requester("remote1", "metrics-endpoint", model_uuid="uuid")
    (request,), waiting = scrape(remote, remote1=("prometheus", "store"))
    assert request.source == authorization.Source("store", "prometheus")
    assert waiting == []
    for said in ({}, {"remote1": ("prometheus", "elsewhere")}, {"another": ("p", "store")}):
        requests, (pending,) = scrape(remote, **said)
        assert requests == []
        assert pending.app == "remote1"
