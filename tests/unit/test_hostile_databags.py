# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hostile databags, from the raw text to the objects and the status.

No hook fails, no source is allowed that no owner of the target requested, and each problem has a
remedy.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import hypothesis
import pytest
from charmlibs.interfaces import service_mesh as published
from hypothesis import strategies as st
from istio_ambient import authorization, beacon, kube
from istio_ambient.charm import status
from istio_ambient.integrations import access_requests, scrapers
from istio_ambient.interfaces import cross_model_mesh, service_mesh

from tests.unit.interfaces import hostile

NAME, PART_OF = authorization.NAME_LABEL, "app.kubernetes.io/part-of"
SERVICES = (
    authorization.ServiceFacts("shop", "details", {NAME: "details"}, by_juju=True),
    authorization.ServiceFacts("shop", "details-api", {NAME: "details"}),
    authorization.ServiceFacts("shop", "reviews", {NAME: "reviews"}, by_juju=True),
    authorization.ServiceFacts("shop", "beacon", {NAME: "beacon"}, by_juju=True),
    authorization.ServiceFacts("store", "stock", {NAME: "stock"}, by_juju=True),
    authorization.ServiceFacts("store", "by-hand", {"app": "stock"}),
)
CLUSTER = authorization.Cluster(
    services={(service.namespace, service.name): service for service in SERVICES},
    model_namespaces={"uuid": "store"},
    namespace_labels={"shop": {}},
)
DETAILS = authorization.Requester("details", "service-mesh")
REVIEWS = authorization.Requester("reviews", "service-mesh")
REMOTE = authorization.Requester("remote-1", "service-mesh", model_uuid="uuid")
STRANGER = authorization.Requester(
    "remote-2", "service-mesh", model_uuid=authorization.UNKNOWN_MODEL
)
SCRAPER = authorization.Requester("remote-1", "metrics-endpoint", model_uuid="uuid")
GOOD: dict[str, Any] = {
    "source_namespace": "shop",
    "source_app_name": "productpage",
    "target_namespace": "shop",
    "target_app_name": "details",
    "endpoints": [{"ports": [9080], "methods": ["GET"], "paths": ["/details/*"]}],
}


def facts(
    texts: Mapping[authorization.Requester, str], cmr_data: str | None = None
) -> beacon.Facts:
    """Return the facts of the charm with these databags."""
    databags = [(requester, {"policies": text}) for requester, text in texts.items()]
    requests, problems = access_requests.of_applications(databags, CLUSTER, "shop")
    said = {} if cmr_data is None else {"cmr_data": cmr_data}
    remote, unknown = cross_model_mesh.parse(said, app="remote-1", endpoint="provide-cmr-mesh")
    scraped = scrapers.Scrapers(
        "shop", "beacon", (SCRAPER,) if said else (), {"remote-1": remote} if remote else {}
    )
    own, pending = scraped.requests(CLUSTER.model_namespaces)
    return beacon.Facts(
        model="shop",
        app="beacon",
        replicas=1,
        pod_labels={},
        cluster=CLUSTER,
        requests=tuple(requests),
        own_requests=tuple(own),
        problems=(*problems, *unknown),
        pending=tuple(pending),
    )


def policies(given: beacon.Facts) -> dict[authorization.Target | None, dict[str, Any]]:
    """Return the policies by target; none of them is split here."""
    manifests = map(kube.manifest_of, beacon.desired(given).objects)
    found = [policy for policy in manifests if policy["kind"] == "AuthorizationPolicy"]
    by_target = {authorization.target_of(policy): policy for policy in found}
    assert len(by_target) == len(found)
    return by_target


def status_message(given: beacon.Facts) -> str:
    findings = status.Findings(problems=list(beacon.desired(given).problems))
    findings.readiness.extend(status.pending(given.outcomes.pending))
    return status.status_of(findings, 100).message


Grant = tuple[authorization.Target | None, str, str]
"""Target, principal, and operation as sorted JSON; empty: everything."""


def granted(by_target: Mapping[authorization.Target | None, dict[str, Any]]) -> Iterator[Grant]:
    for target, policy in by_target.items():
        for rule in policy["spec"].get("rules", ()):
            operations = [to["operation"] for to in rule.get("to", ())] or [{}]
            for principal in rule["from"][0]["source"]["principals"]:
                yield from ((target, principal, _canonical(each)) for each in operations)


def asked(text: str) -> Iterator[Grant]:
    """Yield the grants that the published library reads in a text, of any requester."""
    entries = json.loads(text)
    for entry in entries if isinstance(entries, list) else ():  # pyright: ignore[reportUnknownVariableType]
        try:
            policy = published.MeshPolicy.model_validate(entry)
        except ValueError:
            continue
        namespace, app = policy.target_namespace, policy.target_app_name or ""
        if policy.target_type is published.PolicyTargetType.app:
            target = authorization.Target.service(namespace, policy.target_service or app)
        else:
            labels = policy.target_selector_labels or {NAME: app}
            target = authorization.Target.workload(namespace, labels)
        principal = f"cluster.local/ns/{policy.source_namespace}/sa/{policy.source_app_name}"
        operations = [endpoint.model_dump(mode="json") for endpoint in policy.endpoints] or [{}]
        yield from ((target, principal, _canonical(each)) for each in operations)


def _canonical(operation: dict[str, Any]) -> str:
    members = {
        key: sorted({str(v) for v in values}) for key, values in operation.items() if values
    }
    return json.dumps(members, sort_keys=True)


def is_own(target: authorization.Target | None, requester: authorization.Requester) -> bool:
    """Return whether a requester owns a target."""
    if target is None or target.namespace != ("store" if requester == REMOTE else "shop"):
        return False
    app = "stock" if requester == REMOTE else requester.app
    if target.kind is authorization.TargetKind.WORKLOAD:
        return app in [dict(target.labels).get(key) for key in (NAME, PART_OF)]
    return CLUSTER.services[target.namespace, target.name].selector.get(NAME) == app


_APPS = ("details", "details-api", "reviews", "stock", "by-hand")
_HERE = hostile.policies(st.sampled_from(_APPS[:3]), st.sampled_from(["shop"] * 5 + ["store"]))
_THERE = hostile.policies(st.sampled_from(_APPS[2:]), st.sampled_from(["store"] * 5 + ["shop"]))
_CMR = st.one_of(
    st.fixed_dictionaries(
        {"app_name": hostile.NAMES, "juju_model_name": st.sampled_from(["store", "shop"])}
    ).map(json.dumps),
    *hostile.anything(hostile.json_values(st.sampled_from(["app_name", "juju_model_name"]))),
)


@pytest.mark.slow
@hypothesis.given(_HERE, _THERE, st.one_of(_HERE, _THERE), _CMR)
@hypothesis.settings(max_examples=1000, deadline=None)
def test_no_databags_allow_a_source_that_no_owner_of_the_target_requested(
    details: str, remote: str, stranger: str, cmr_data: str
):
    good = json.dumps([{**GOOD, "target_app_name": "reviews"}])
    texts = {DETAILS: details, REVIEWS: good, REMOTE: remote, STRANGER: stranger}
    given = facts(texts, cmr_data)
    built = policies(given)
    for target, principal, operation in granted(built):
        if target == authorization.Target.app("shop", "beacon"):
            assert principal.startswith("cluster.local/ns/store/sa/")
            assert operation == _canonical({"ports": [15090]})
            continue
        owners = [requester for requester in texts if is_own(target, requester)]
        assert any(
            (target, principal, operation) in asked(texts[requester]) for requester in owners
        )
    # A valid request is granted, whatever the other applications send.
    alone = policies(facts({REVIEWS: good}))
    assert built[authorization.Target.service("shop", "reviews")] in alone.values()
    for problem in beacon.desired(given).problems:
        assert problem.app in {requester.app for requester in texts}
        assert problem.endpoint and problem.field and problem.message and problem.remedy
    assert status_message(given).isprintable()


@pytest.mark.slow
@hypothesis.given(_HERE)
@hypothesis.settings(max_examples=300, deadline=None)
def test_the_targets_of_an_unreadable_application_are_closed(text: str):
    asked_for, problems = service_mesh.parse_policies(
        {"policies": text}, app="details", endpoint="service-mesh"
    )
    built = policies(facts({DETAILS: text}))
    if service_mesh.Unread() in asked_for.unread:
        assert problems
        services = (
            authorization.Target.service("shop", name) for name in ("details", "details-api")
        )
        assert built.keys() >= {*services, authorization.Target.app("shop", "details")}
    for unread in asked_for.unread:
        target = unread.target_service or unread.target_app_name
        if unread.target_type == "app" and target in ("details", "details-api"):
            assert authorization.Target.service("shop", target) in built


ENDPOINT = GOOD["endpoints"][0]
BAD: dict[str, tuple[str | dict[str, Any], str]] = {
    "not JSON": ("{broken", "policies: not JSON at character 1; send valid JSON"),
    "another shape": ('{"policies": []}', "policies: not a list; send a JSON list"),
    "a megabyte that is not JSON": ("[" * 2**20, "policies: nested too deeply; send fewer levels"),
    "a megabyte in a string": (
        {"source_app_name": "x" * 2**20},
        "policies[0].source_app_name: not a DNS label; use at most 63 of a-z, 0-9 and '-'",
    ),
    "a megabyte in a key": (
        {"x" * 2**20: None, "y" * 2**20: 1},
        "policies[0].yyyy",
    ),
    "an unknown target_type": (
        {"target_type": "node"},
        "policies[0].target_type: input should be 'app' or 'unit'; use 'app' or 'unit'",
    ),
    "an unknown method": (
        {"endpoints": [{"methods": ["FETCH"]}]},
        "policies[0].endpoints[0].methods[0]: input should be 'CONNECT'",
    ),
    "a name that is no DNS label": (
        {"target_app_name": "Details_1"},
        "policies[0].target_app_name: not a DNS label; use at most 63",
    ),
    "port 0": (
        {"endpoints": [{"ports": [0]}]},
        "policies[0].endpoints[0].ports[0]: not a port; use a port from 1 to 65535",
    ),
    "port 70000": (
        {"endpoints": [{"ports": [80, 70000]}]},
        "policies[0].endpoints[0].ports[1]: not a port; use a port from 1 to 65535",
    ),
    "port http": (
        {"endpoints": [{"ports": ["http"]}]},
        "policies[0].endpoints[0].ports[0]: not an integer; use an integer",
    ),
    "a path that Istio refuses": (
        {"endpoints": [{"paths": ["/x/{**}/y"]}]},
        "policies[0].endpoints[0].paths[0]: {**} is not the last segment; use {*} before the end",
    ),
    "a path that Istio takes for another": (
        {"endpoints": [{"paths": ["/x/*/y"]}]},
        "policies[0].endpoints[0].paths[0]: '*' works as first or last character only; use {*}",
    ),
    "thousands of endpoints too many": (
        {"endpoints": [ENDPOINT] * 6000},
        "policies[0].endpoints: tuple should have at most 5000 items",
    ),
}


@pytest.mark.parametrize(("bad", "said"), BAD.values(), ids=BAD)
def test_a_problem_has_a_remedy_and_the_other_requests_are_granted(
    bad: str | dict[str, Any], said: str
):
    reviews = json.dumps([{**GOOD, "target_app_name": "reviews"}])
    whole = isinstance(bad, str)
    text = bad if whole else json.dumps([{**GOOD, "source_app_name": "caller", **bad}, GOOD])
    before = policies(facts({DETAILS: json.dumps([GOOD]), REVIEWS: reviews}))
    given = facts({DETAILS: text, REVIEWS: reviews})
    after = policies(given)
    message = str(beacon.desired(given).problems[0])
    assert message.startswith(f"details:service-mesh {said}")
    assert len(message) < 1000 and re.search(r"; \S", message)
    assert len(status_message(given).encode()) <= status.MAX_MESSAGE
    service, other = (
        authorization.Target.service("shop", name) for name in ("details", "reviews")
    )
    assert after[other] == before[other]
    # Only the valid entry beside an invalid one is granted.
    assert after[service]["spec"].get("rules") == (
        None if whole else before[service]["spec"]["rules"]
    )


def test_thousands_of_endpoints_are_read():
    endpoints = [{"ports": [9080], "paths": [f"/details/{n}"]} for n in range(4000)]
    given = facts({DETAILS: json.dumps([{**GOOD, "endpoints": endpoints}])})
    assert len(set(granted(policies(given)))) == 4000
    assert status_message(given) == ""
