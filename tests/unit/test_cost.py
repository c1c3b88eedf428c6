# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Foreign data costs little: the work of a hook grows no faster than the databags, and has an end.

Work is the number of functions that are called, of Python and of C: it is the same on every
machine. Twice as much data is at most 2.5 times the work; a comparison of all pairs is four times.
"""

import json
import random
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
import re2
from istio_ambient import acceptance, authorization, beacon, gateways, ingress, kube, resources
from istio_ambient.charm import status
from istio_ambient.ingress.reports import route_list
from istio_ambient.integrations import access_requests, ingress_requests
from istio_ambient.integrations.requesters import RequesterDatabag
from istio_ambient.interfaces import (
    certificate_transfer,
    istio_ingress_config,
    istio_ingress_route,
    istio_request_auth,
    tracing,
)
from istio_ambient.interfaces import ingress as ingress_interface
from istio_ambient.interfaces.istio_request_auth import JwtRule
from istio_ambient.values.problems import bounded

from tests.bench import hooks
from tests.bench.hooks import calls, of_beacon, of_ingress
from tests.unit.ingress.samples import facts, request, service

CLOSED, OPEN = "istio-ingress-route", "istio-ingress-route-unauthenticated"
ACCESS = "service-mesh"
NAME = authorization.NAME_LABEL
LOGIN = ingress.ForwardAuth(wanted=True, provider_name="authorizer")
MOST_CALLS_OF_A_SOURCE = 120
MOST_CALLS = 5_000_000
"""Of one hook with the worst databag of a megabyte: less than two seconds."""

Databags = Sequence[tuple[str, str, Any]]
"""Application, endpoint, and content before it becomes JSON."""


def ingress_hook(databags: Databags) -> None:
    """Do everything that a hook of the ingress and `list-routes` do with databags."""
    requests, problems = ingress_requests.read(
        RequesterDatabag(
            authorization.Requester(app, endpoint), number, {"config": json.dumps(content)}
        )
        for number, (app, endpoint, content) in enumerate(databags)
    )
    given = facts(
        request(),
        *requests,
        services=(service(), service("evil", port=80), service("victim", port=80)),
        problems=problems,
        forward_auth=LOGIN,
        config=ingress.Config(external_hostname="shop.example.com", listener_hostname=""),
    )
    found = ingress.resolve(given)
    desired = ingress.desired(found)
    none = kube.Live(resources.identity("shop", "gate"), ingress.MANAGED)
    plan = kube.plan(desired.objects, none)
    objects = {c.ref: c.kind.from_dict(c.manifest) for c in plan.changes if c.manifest}
    live = kube.Live(none.identity, none.kinds, objects)
    kube.plan(desired.objects, live)
    ingress_requests.answers(found, live)
    route_list.unserved(found)
    route_list.entries(found, live)
    status.status_of(status.Findings(problems=bounded(desired.problems)), 300)


SERVICES = (
    authorization.ServiceFacts("shop", "evil", {NAME: "evil"}, by_juju=True),
    *(authorization.ServiceFacts("shop", f"evil{n}", {NAME: "evil"}) for n in range(20)),
)
CLUSTER = authorization.Cluster(
    services={(each.namespace, each.name): each for each in SERVICES},
    namespace_labels={"shop": {}},
)


def beacon_hook(databags: Databags) -> None:
    """Do what two hooks of the beacon do with databags, before its policies exist and after."""
    texts = [
        (authorization.Requester(app, endpoint), {"policies": json.dumps(content)})
        for app, endpoint, content in databags
    ]
    live = kube.Live(resources.identity("shop", "beacon"))
    for _ in range(2):
        policies = [kube.manifest_of(each) for each in live.of(resources.AuthorizationPolicy)]
        earlier = authorization.requesters_of(policies)
        requests, problems = access_requests.of_applications(texts, CLUSTER, "shop", earlier)
        given = beacon.Facts(
            "shop", "beacon", 1, {}, CLUSTER, tuple(requests), problems=tuple(problems)
        )
        desired = beacon.desired(given)
        plan = kube.plan(desired.objects, kube.Live(live.identity, MANAGED, live.objects))
        objects = {c.ref: c.kind.from_dict(c.manifest) for c in plan.changes if c.manifest}
        live = kube.Live(live.identity, MANAGED, objects)
        findings = status.Findings(problems=bounded(desired.problems))
        findings.readiness.extend(status.pending(given.outcomes.pending))
        status.status_of(findings, 300)


MANAGED = (*gateways.KINDS, resources.AuthorizationPolicy)
"""Kinds that the beacon applies."""
EMPTY: dict[str, Any] = {}
LISTENER = {"port": 80, "protocol": "HTTP"}


def match(path: str, kind: str = "PathPrefix", **more: Any) -> dict[str, Any]:
    return {"path": {"type": kind, "value": path}, **more}


def routes(matches: Sequence[Any], app: str = "evil", **more: Any) -> dict[str, Any]:
    """Return a configuration with as many routes as the matches need."""
    backend = {"service": app, "port": 80}
    route = {"listener": LISTENER, "backends": [backend], **more}
    parts = [matches[start : start + 64] for start in range(0, len(matches), 64)]
    named = [{"name": f"r{n}", **route, "matches": part} for n, part in enumerate(parts)]
    return {"model": "shop", "http_routes": named}


def paths(form: str, n: int) -> list[dict[str, Any]]:
    return [match(form.format(number)) for number in range(n)]


def hosts(n: int, path: str) -> dict[str, Any]:
    backend = {"service": "evil", "port": 80}
    route = {"listener": LISTENER, "backends": [backend], "matches": [match(path)]}
    each = [{"name": f"r{i}", **route, "hostnames": [f"h{i}.example.com"]} for i in range(n)]
    return {"model": "shop", "http_routes": each}


def alternating(n: int) -> Databags:
    """Return an open path below a closed one below an open one, and so on, with others in each."""
    depths = [("/a" * (number % 100 + 1), number // 100) for number in range(n)]
    opened = [match(f"{path}/a/x{number}") for path, number in depths[::2]]
    closed = [match(f"{path}/a/x{number}") for path, number in depths[1::2]]
    return [("evil", OPEN, routes(opened)), ("evil", CLOSED, routes(closed))]


INGRESS: dict[str, Callable[[int], Databags]] = {
    "closed prefixes": lambda n: [("evil", CLOSED, routes(paths("/a{}", n)))],
    "open prefixes": lambda n: [("evil", OPEN, routes(paths("/a{}", n)))],
    "open and closed prefixes": lambda n: [
        ("evil", OPEN, routes(paths("/a{}", n // 2))),
        ("evil", CLOSED, routes(paths("/b{}", n // 2))),
    ],
    "closed below open prefixes": lambda n: [
        ("evil", OPEN, routes(paths("/a{}", n // 2))),
        ("evil", CLOSED, routes(paths("/a{}/b", n // 2))),
    ],
    "closed below an open root": lambda n: [
        ("evil", OPEN, routes([match("/")])),
        ("evil", CLOSED, routes(paths("/a{}", n))),
    ],
    "open below a closed root": lambda n: [
        ("evil", CLOSED, routes([match("/")])),
        ("evil", OPEN, routes(paths("/a{}", n))),
    ],
    "open and closed ones in turn": alternating,
    "paths of two applications": lambda n: [
        ("evil", CLOSED, routes(paths("/a{}", n // 2))),
        ("victim", CLOSED, routes(paths("/a{}", n // 2), "victim")),
    ],
    "one path with many headers": lambda n: [
        ("evil", CLOSED, routes([match("/a", headers={"x": str(i)}) for i in range(n)]))
    ],
    "an open root of many hosts": lambda n: [
        ("evil", OPEN, hosts(n // 2, "/")),
        ("evil", CLOSED, hosts(n // 2, "/b")),
    ],
    "the gateway's own hostname": lambda n: [
        ("evil", CLOSED, routes(paths("/a{}", n), hostnames=["shop.example.com"])),
        ("victim", CLOSED, routes(paths("/b{}", n // 8), "victim")),
    ],
    "routes without anything": lambda n: [
        ("evil", CLOSED, {"model": "shop", "http_routes": [EMPTY] * n})
    ],
    "invalid matches": lambda n: [("evil", CLOSED, routes([{"path": 1}] * n))],
}


def policy(number: int = 0, **changes: Any) -> dict[str, Any]:
    names = {"source_namespace": "a", "target_namespace": "shop", "target_app_name": "evil"}
    return {**names, "source_app_name": f"s{number}", **changes}


def of_pods(number: int, **more: Any) -> dict[str, Any]:
    labels = {NAME: "evil", f"x{number}": "y"}
    unit = {"target_type": "unit", "target_app_name": None, "target_selector_labels": labels}
    return policy(**unit, **more)


def access(form: Callable[[int], Any]) -> Callable[[int], Databags]:
    return lambda n: [("evil", ACCESS, [form(number) for number in range(n)])]


BEACON: dict[str, Callable[[int], Databags]] = {
    "sources": access(lambda i: policy(i, endpoints=[{"paths": [f"/{i}"]}])),
    "paths of one source": access(lambda i: policy(endpoints=[{"paths": [f"/{i}"]}])),
    "endpoints": lambda n: [
        ("evil", ACCESS, [policy(endpoints=[{"ports": [i + 1]} for i in range(n)])])
    ],
    "Services": access(lambda i: policy(i, target_service=f"evil{i % 20}")),
    "Services that do not exist": access(lambda i: policy(i, target_service=f"x{i}")),
    "selectors": access(of_pods),
    "invalid entries about selectors": access(lambda i: of_pods(i, unknown=1)),
    "selectors of others": access(
        lambda i: {**of_pods(i), "target_selector_labels": {f"x{i}": "y"}}
    ),
    "entries without anything": access(lambda _: {}),
    "invalid endpoints": lambda n: [
        ("evil", ACCESS, [policy(endpoints=[{}] * n), policy(endpoints=[{"ports": [0] * n}])])
    ],
    "unknown keys": lambda n: [("evil", ACCESS, [policy(**{f"k{i}": 1 for i in range(n)})])],
}


def grown(hook: Callable[[Databags], None], databags: Callable[[int], Databags], n: int) -> float:
    """Return how many times the work is that of half of the data."""
    hook(databags(n))  # Caches of classes are filled once.
    small, large = databags(n), databags(2 * n)
    return calls(lambda: hook(large)) / calls(lambda: hook(small))


@pytest.mark.slow
@pytest.mark.parametrize("databags", INGRESS.values(), ids=INGRESS)
def test_the_work_of_the_ingress_grows_with_the_data(databags: Callable[[int], Databags]):
    assert grown(ingress_hook, databags, 400) < 2.5


@pytest.mark.slow
@pytest.mark.parametrize("databags", BEACON.values(), ids=BEACON)
def test_the_work_of_the_beacon_grows_with_the_data(databags: Callable[[int], Databags]):
    assert grown(beacon_hook, databags, 200) < 2.5


def tokens_hook(n: int) -> None:
    """Build the policies of applications that each trust tokens of their own."""
    closed = [request(f"a{number}", relation_id=number) for number in range(n)]
    opened = [
        request(f"b{number}", endpoint="ingress-unauthenticated", authenticated=False)
        for number in range(n)
    ]
    rules = (JwtRule(issuer=f"https://{number}.example.com") for number in range(n))
    given = facts(
        *closed,
        *opened,
        services=tuple(service(f"{letter}{number}") for letter in "ab" for number in range(n)),
        forward_auth=LOGIN,
        request_auth=tuple(
            ingress.Trust(f"a{number}", (rule,)) for number, rule in enumerate(rules)
        ),
    )
    assert len(ingress.desired(ingress.resolve(given)).objects) > 3 * n


@pytest.mark.slow
def test_the_work_for_tokens_grows_with_the_applications():
    tokens_hook(10)
    assert calls(lambda: tokens_hook(80)) < 2.5 * calls(lambda: tokens_hook(40))


QUOTED = "".join(random.Random(1).choices(string.ascii_letters + "/-", k=4000))  # noqa: S311
"""Words of a proxy."""


@pytest.mark.parametrize("words", [QUOTED, "a" * 4000, "x"])
def test_the_work_for_a_refusal_grows_with_the_texts_of_applications(words: str):
    def search(n: int) -> None:
        acceptance.authors(
            words, {f"{QUOTED[i : i + 8]}{'a' * (i % 9)}": "evil" for i in range(n)}
        )

    few, many = calls(lambda: search(1500)), calls(lambda: search(3000))
    assert many < 2.5 * few
    assert many < 10 * 3000 + len(words)


def of_a_megabyte(databags: Callable[[int], Databags]) -> Databags:
    size = len(json.dumps(databags(1000))) - len(json.dumps(databags(500)))
    return databags(min(1_000_000 * 500 // size, 20_000))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hook", "databags"),
    [
        *((ingress_hook, each) for each in INGRESS.values()),
        *((beacon_hook, each) for each in BEACON.values()),
    ],
    ids=[*INGRESS, *BEACON],
)
def test_a_megabyte_costs_less_than_two_seconds(
    hook: Callable[[Databags], None], databags: Callable[[int], Databags]
):
    large = of_a_megabyte(databags)
    hooks = 2 if hook is beacon_hook else 1
    assert calls(lambda: hook(large)) < hooks * MOST_CALLS


def parsers() -> Iterator[Any]:
    rule = {"issuer": "https://i.example.com", "audiences": ["a"]}
    certificate = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"
    receiver = {"protocol": {"name": "otlp_http", "type": "http"}, "url": "http://x"}
    for module, key, entry in (
        (istio_request_auth, "jwt_rules", rule),
        (istio_request_auth, "jwt_rules", {}),
        (certificate_transfer, "certificates", certificate),
        (tracing, "receivers", receiver),
        (istio_ingress_config, "include_headers_in_check", "x"),
        (ingress_interface, "healthcheck_params", {}),
        (istio_ingress_route, "config", {}),
    ):
        yield pytest.param(module.parse, key, entry, id=f"{module.__name__}-{entry}"[14:60])


@pytest.mark.parametrize(("parse", "key", "entry"), list(parsers()))
def test_lists_of_other_interfaces_are_read_up_to_a_limit(
    parse: Callable[..., object], key: str, entry: object
):
    def work(n: int) -> int:
        databag = {key: json.dumps([entry] * n)}
        return calls(lambda: parse(databag, app="evil", endpoint="x"))

    work(10)
    assert work(4_000) < 2.5 * work(2_000) + 1_000
    assert work(10_000) < MOST_CALLS


def beacon_of(applications: int) -> hooks.Figures:
    return of_beacon(applications, policies=4)


@pytest.mark.parametrize("figures", [beacon_of, of_ingress])
def test_a_relation_in_which_nothing_changed_costs_two_hook_tools(
    figures: Callable[[int], hooks.Figures],
):
    few, many = figures(4), figures(12)
    assert many.tools - few.tools == 2 * (many.relations - few.relations)


@pytest.mark.parametrize("figures", [beacon_of, of_ingress])
def test_a_hook_in_which_nothing_changed_logs_nothing(figures: Callable[[int], hooks.Figures]):
    assert figures(2).lines == 0


@pytest.mark.parametrize(("figures", "requests"), [(beacon_of, 12), (of_ingress, 18)])
def test_a_hook_in_which_nothing_changed_sends_as_many_requests_for_any_number_of_applications(
    figures: Callable[[int], hooks.Figures], requests: int
):
    assert [figures(number).requests for number in (1, 12)] == [requests, requests]


@pytest.mark.parametrize("figures", [beacon_of, of_ingress])
def test_the_work_of_a_hook_grows_with_the_applications(figures: Callable[[int], hooks.Figures]):
    one, two, four = figures(20).calls, figures(40).calls, figures(80).calls
    assert four - two < 2.1 * (two - one), "work that grows with pairs would be four times"


def test_a_requested_source_costs_no_more_than_so_many_calls():
    """Ten thousand requests on a thousand targets are as many of these."""
    few, many = of_beacon(20, 2), of_beacon(20, 12)
    assert (many.calls - few.calls) / 200 < MOST_CALLS_OF_A_SOURCE


def compiled(monkeypatch: pytest.MonkeyPatch, n: int, expression: str) -> int:
    """Return how many regular expressions are compiled of a databag with `n` of them."""
    count = 0
    library = cast(Any, re2)
    compile_ = library.compile

    def counting(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return compile_(*arguments)

    monkeypatch.setattr(library, "compile", counting)
    matches = [match(f"{expression}{number}", "RegularExpression") for number in range(n)]
    _, problems = istio_ingress_route.parse(
        {"config": json.dumps(routes(matches))}, app="evil", endpoint=CLOSED
    )
    if n > istio_ingress_route.MAX_EXPRESSIONS:
        assert any("regular expressions" in problem.remedy for problem in problems)
    return count


def test_no_more_regular_expressions_are_compiled_than_the_limit(monkeypatch: pytest.MonkeyPatch):
    assert compiled(monkeypatch, 60, "/a") == 60
    assert compiled(monkeypatch, 1000, "/a") <= istio_ingress_route.MAX_EXPRESSIONS


def test_an_expression_that_is_too_large_is_refused_before_it_is_whole():
    large = r"(?:\pL\pN){500}" * 50
    _, (problem,) = istio_ingress_route.parse(
        {"config": json.dumps(routes([match(large, "RegularExpression")]))},
        app="evil",
        endpoint=CLOSED,
    )
    assert problem.message == "too big an expression"


def test_the_routes_before_a_limit_are_served():
    limit = istio_ingress_route.MAX_PLACES
    found, problems = istio_ingress_route.parse(
        {"config": json.dumps(routes(paths("/a{}", limit + 200)))}, app="evil", endpoint=CLOSED
    )
    assert found is not None and len(found.http_routes) == limit // 64
    (problem,) = problems
    assert problem.field == f"http_routes[{limit // 64}]"
    assert "4 routes from here on were not read" in problem.message
