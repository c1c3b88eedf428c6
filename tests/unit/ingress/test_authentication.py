# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The policies that require a login or a token."""

import json
from typing import Any

import msgspec
import pytest
from istio_ambient import authorization, ingress, kube, resources
from istio_ambient.authorization import order
from istio_ambient.ingress import ForwardAuth, Trust, authentication
from istio_ambient.ingress.authentication import _authentication
from istio_ambient.ingress.routing import Listener, Match, PathType, Protocol, Route
from istio_ambient.interfaces.istio_request_auth import ClaimToHeader, FromHeader, JwtRule
from istio_ambient.values import jwks
from lightkube.models import meta_v1

from tests.unit.ingress import samples

GATEWAY = ingress.GatewayRef("m", "gate")
LOGIN = ForwardAuth(wanted=True, provider_name="ext-authz-gate")
RULE = JwtRule(issuer="https://issuer.example.com", jwks_uri="http://keys.example.com")
BOTH = frozenset({"ext-authz-gate", "deny-without-jwt-gate"})
NOT_OPEN = [
    {"operation": {"notPorts": ["80"]}},
    {"operation": {"ports": ["80"], "notPaths": ["/m-login", "/m-login/*"]}},
]
OF_SHOP = {"operation": {"ports": ["80"], "paths": ["/m-shop", "/m-shop/*"]}}
WITHOUT_PRINCIPAL = [{"source": {"notRequestPrincipals": ["*"]}}]
BEARER = {"key": "request.headers[authorization]", "values": ["Bearer *"]}
VALID = {"key": "request.auth.claims[iss]", "values": ["*"]}
WITHOUT_TOKEN = [{"key": "request.headers[authorization]", "notValues": ["Bearer *"]}]
TARGET = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gate"}]


def route(app: str, endpoint: str, *matches: Match, port: int = 80) -> Route:
    return Route(
        requester=authorization.Requester(app, endpoint),
        relation_id=1,
        authenticated=not endpoint.endswith("unauthenticated"),
        protocol=Protocol.GRPC if matches[0].grpc else Protocol.HTTP,
        name=app,
        namespace="m",
        listener=Listener(port),
        matches=matches,
    )


def prefix(path: str) -> Match:
    return Match(PathType.PREFIX, path)


CLOSED = route("shop", "ingress", prefix("/m-shop"))
OPEN = route("login", "ingress-unauthenticated", prefix("/m-login"))


def tokens(*trusts: Trust) -> tuple[Trust, ...]:
    return trusts


def specs(*routes: Route, **wanted: Any) -> dict[str, dict[str, Any]]:
    objects: list[Any] = authentication.authentication_policies(
        authentication.authentication(routes),
        GATEWAY,
        wanted.get("forward_auth", ForwardAuth()),
        wanted.get("request_auth", ()),
        in_force=wanted.get("authentication_in_force", ()),
    )
    assert all(obj["spec"].pop("targetRefs") == TARGET for obj in objects)
    assert {obj.metadata.namespace for obj in objects} <= {"m"}
    return {obj.metadata.name: obj["spec"] for obj in objects}


def test_nothing_asked_for():
    assert specs(CLOSED, OPEN) == {}


def test_login_for_all_that_is_not_open():
    assert specs(CLOSED, OPEN, forward_auth=LOGIN) == {
        "ext-authz-gate": {
            "action": "CUSTOM",
            "provider": {"name": "ext-authz-gate"},
            "rules": [{"to": NOT_OPEN}],
        }
    }
    assert specs(CLOSED, forward_auth=LOGIN)["ext-authz-gate"]["rules"] == [{}]


def test_an_incomplete_login_denies_every_request():
    for pending in (ForwardAuth(True), ForwardAuth(True, "x", "not there yet")):
        found = specs(CLOSED, OPEN, forward_auth=pending)
        assert found == {"ext-authz-gate": {"action": "DENY", "rules": [{}]}}


def test_tokens():
    rule = JwtRule(
        issuer="https://issuer.example.com",
        jwks_uri="http://keys.example.com",
        audiences=("a", "b"),
        forward_original_token=True,
        claim_to_headers=(ClaimToHeader(header="x-user", claim="sub"),),
        from_headers=(
            FromHeader(name="x-jwt"),
            FromHeader(name="authorization", prefix="Bearer "),
        ),
    )
    found = specs(CLOSED, OPEN, request_auth=tokens(Trust("shop", (rule,))))
    assert found["request-auth-shop-gate"] == {
        "jwtRules": [
            {
                "issuer": "https://issuer.example.com",
                "jwks": jwks.UNUSABLE,
                "audiences": ["a", "b"],
                "forwardOriginalToken": True,
                "outputClaimToHeaders": [{"header": "x-user", "claim": "sub"}],
                "fromHeaders": [{"name": "x-jwt"}, {"name": "authorization", "prefix": "Bearer "}],
            }
        ]
    }
    deny = found["deny-without-jwt-gate"]
    assert deny["action"] == "DENY"
    assert deny["rules"][0] == {"from": WITHOUT_PRINCIPAL, "to": NOT_OPEN}
    # Only what the application itself trusts gets to it, whatever others trust.
    issuer = {"key": "request.auth.claims[iss]"}
    assert deny["rules"][1:] == [
        {
            "to": [OF_SHOP],
            "when": [{**issuer, "values": ["*"], "notValues": ["https://issuer.example.com"]}],
        },
        {
            "to": [OF_SHOP],
            "when": [
                {**issuer, "values": ["https://issuer.example.com"]},
                {"key": "request.auth.audiences", "notValues": ["a", "b"]},
            ],
        },
    ]


def test_applications_that_trust_the_same_share_a_rule():
    routes = [route(f"app-{number}", "ingress", prefix(f"/m-{number}")) for number in range(300)]
    trusts = tokens(*(Trust(f"app-{number}", (RULE,)) for number in range(300)))
    found = specs(*routes, request_auth=trusts)
    assert len(found["deny-without-jwt-gate"]["rules"]) == 2
    assert len(found) == 301


def test_an_issuer_whose_audience_is_not_always_restricted():
    rules = (RULE, JwtRule(issuer=RULE.issuer, audiences=("a",)))
    found = specs(CLOSED, request_auth=tokens(Trust("shop", rules)))
    assert [len(rule["when"]) for rule in found["deny-without-jwt-gate"]["rules"][1:]] == [1]


def test_an_application_without_valid_rules_closes_its_own_routes_only():
    other = route("other", "ingress", prefix("/m-other"))
    auths = tokens(Trust("other", (RULE,)), Trust("shop"))
    found = specs(CLOSED, other, OPEN, request_auth=auths)
    assert set(found) == {"deny-without-jwt-gate", "request-auth-other-gate"}
    first, closed, _ = found["deny-without-jwt-gate"]["rules"]
    assert first == {"from": WITHOUT_PRINCIPAL, "to": NOT_OPEN}
    assert closed == {"to": [OF_SHOP]}
    assert specs(request_auth=tokens(Trust("shop"))) == {
        "deny-without-jwt-gate": {"action": "DENY", "rules": [{"from": WITHOUT_PRINCIPAL}]}
    }


def test_login_and_tokens_share_the_work():
    auths = tokens(Trust("shop", (RULE,)))
    found = specs(
        CLOSED, OPEN, forward_auth=LOGIN, request_auth=auths, authentication_in_force=BOTH
    )
    besides = {"ports": ["80"], "notPaths": ["/m-login", "/m-login/*", "/m-shop", "/m-shop/*"]}
    assert found["ext-authz-gate"]["rules"] == [
        {"to": [NOT_OPEN[0], {"operation": besides}]},
        {"to": [OF_SHOP], "when": WITHOUT_TOKEN},
    ]
    deny = found["deny-without-jwt-gate"]["rules"]
    assert deny[:2] == [
        {"from": WITHOUT_PRINCIPAL, "to": NOT_OPEN, "when": [BEARER]},
        {"from": WITHOUT_PRINCIPAL, "to": NOT_OPEN, "when": [VALID]},
    ]
    # The JWT filter may have taken the token away by then.
    assert deny[2] == {"to": [OF_SHOP], "when": [{**VALID, "notValues": [RULE.issuer]}]}


def logins(*routes: Route, trusts: tuple[Trust, ...]) -> list[dict[str, Any]]:
    """Return the rules of the CUSTOM policy where all policies are in force."""
    found = specs(*routes, forward_auth=LOGIN, request_auth=trusts, authentication_in_force=BOTH)
    return found["ext-authz-gate"]["rules"]


def operations(rule: dict[str, Any]) -> list[dict[str, Any]]:
    return [each["operation"] for each in rule["to"] if "notPorts" not in each["operation"]]


def test_a_token_is_no_login_at_applications_that_trust_none():
    """Inside and around the routes of one that does, as well."""
    trusts = tokens(Trust("shop", (RULE,)))
    inner = route("inner", "ingress", prefix("/m-shop/inner"))
    for other, path in ((inner, "/m-shop/inner"), (route("root", "ingress", prefix("/")), "")):
        always, unless_token = logins(CLOSED, other, trusts=trusts)
        assert "when" not in always
        assert unless_token["when"] == WITHOUT_TOKEN
        paths = [path, f"{path}/*"] if path else ["/*"]
        except_shop = [] if path else ["/m-shop", "/m-shop/*"]
        closed = {"ports": ["80"], "paths": paths, "notPaths": except_shop}
        assert {k: v for k, v in closed.items() if v} in operations(always)


def test_where_a_route_cannot_be_told_from_others_a_token_is_no_login():
    trusts = tokens(Trust("shop", (RULE,)))
    expression = route("shop", "ingress", Match(PathType.REGEX, "/m-shop.*"))
    assert logins(expression, trusts=trusts)[0] == {}


def test_an_application_at_the_root_denies_no_tokens_of_those_below_it():
    below = route("below", "ingress", prefix("/m-below"))
    trusts = tokens(
        Trust("root", (RULE,)), Trust("below", (JwtRule(issuer="https://b.example.com"),))
    )
    root = route("root", "ingress", prefix("/"))
    rules = specs(root, below, request_auth=trusts)["deny-without-jwt-gate"]["rules"]
    by_issuer = {rule["when"][0]["notValues"][0]: operations(rule) for rule in rules[1:]}
    assert by_issuer == {
        RULE.issuer: [{"ports": ["80"], "paths": ["/*"], "notPaths": ["/m-below", "/m-below/*"]}],
        "https://b.example.com": [{"ports": ["80"], "paths": ["/m-below", "/m-below/*"]}],
    }


def test_neither_gives_way_to_a_policy_that_is_not_there_yet():
    auths = tokens(Trust("shop", (RULE,)))
    found = specs(CLOSED, forward_auth=LOGIN, request_auth=auths)
    assert found["ext-authz-gate"]["rules"] == [{}]
    assert found["deny-without-jwt-gate"]["rules"][0] == {"from": WITHOUT_PRINCIPAL}


def test_without_any_good_rule_bearers_have_to_log_in_too():
    found = specs(
        CLOSED,
        forward_auth=LOGIN,
        request_auth=tokens(Trust("shop")),
        authentication_in_force=BOTH,
    )
    assert found["ext-authz-gate"]["rules"] == [{}]
    assert found["deny-without-jwt-gate"]["rules"][0] == {
        "from": WITHOUT_PRINCIPAL,
        "when": [BEARER],
    }


def test_grpc_methods():
    methods = route(
        "a", "istio-ingress-route-unauthenticated", Match.of_grpc("x.A"), Match.of_grpc("y.B", "C")
    )
    closed = route("b", "istio-ingress-route", Match.of_grpc("y.B"))
    assert specs(closed, methods, forward_auth=LOGIN)["ext-authz-gate"]["rules"] == [
        {
            "to": [
                {"operation": {"notPorts": ["80"]}},
                {"operation": {"ports": ["80"], "notPaths": ["/x.A/*", "/y.B/C"]}},
                {"operation": {"ports": ["80"], "paths": ["/y.B/*"], "notPaths": ["/y.B/C"]}},
            ]
        }
    ]


def large(count: int) -> list[Route]:
    """Return closed routes with paths of a kilobyte, below an open root."""
    paths = (f"/{number:04d}-{'x' * 1000}" for number in range(count))
    closed = (route(f"app{n}", "istio-ingress-route", prefix(p)) for n, p in enumerate(paths))
    return [*closed, route("open", "ingress-unauthenticated", prefix("/"))]


def test_rules_that_are_too_large_for_one_object_are_divided_among_several():
    routes = large(700)
    trusts = tokens(*(Trust(f"app{number}", (RULE,)) for number in range(700)))
    found = specs(*routes, forward_auth=LOGIN, request_auth=trusts)
    operations = authentication.authentication(routes).operations
    for name, copies in (("ext-authz-gate", 1), ("deny-without-jwt-gate", 2)):
        named = [key for key in found if key.startswith(name)]
        assert named == [name, *(f"{name}-{number}" for number in range(2, len(named) + 1))]
        assert len(named) > 2
        assert all(len(json.dumps(found[key])) < 400 * 1024 for key in named)
        rules = [rule for key in named for rule in found[key]["rules"]]
        written = [to["operation"] for rule in rules for to in rule["to"]]
        assert written[: len(operations)] == operations
        paths = [path for each in written for path in each.get("paths", ())]
        assert len(paths) == copies * 1400
        assert all(rule["to"] for rule in rules)


def test_more_rules_than_one_object_may_hold_are_divided_among_several():
    trusts = tokens(
        *(
            Trust(f"app{n}", (JwtRule(issuer=f"https://i{n}", jwks_uri="http://keys"),))
            for n in range(600)
        )
    )
    routes = [route(trust.app, "ingress", prefix(f"/{trust.app}")) for trust in trusts]
    found = specs(*routes, request_auth=trusts)
    rules = [len(spec["rules"]) for name, spec in found.items() if name.startswith("deny-")]
    assert len(rules) > 1 and max(rules) == authorization.MAX_RULES


def test_neither_gives_way_to_policies_of_which_one_is_missing():
    routes, trusts = large(700), tokens(*(Trust(f"app{n}", (RULE,)) for n in range(700)))

    def gives_way(in_force: set[str]) -> tuple[bool, bool]:
        found = specs(
            *routes, forward_auth=LOGIN, request_auth=trusts, authentication_in_force=in_force
        )
        asked = [found[name]["rules"] for name in found if name.startswith("ext-authz")]
        login = any(rule.get("when") == WITHOUT_TOKEN for rules in asked for rule in rules)
        return found["deny-without-jwt-gate"]["rules"][0].get("when") == [BEARER], login

    every = {*BOTH, *(f"{name}-{number}" for name in BOTH for number in range(2, 30))}
    assert gives_way(every) == (True, True)
    assert gives_way(every - {"ext-authz-gate-2"}) == (False, True)
    assert gives_way(every - {"deny-without-jwt-gate-2"}) == (True, False)


def test_which_policies_guard_the_gateway():
    names = [
        "ext-authz-gate",
        "ext-authz-gate-2",
        "deny-without-jwt-gate-10",
        "ext-authz-gate-b",
        "ext-authz-gate2",
        "deny-without-jwt-gate-",
        "x",
    ]
    found = [
        resources.AuthorizationPolicy(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace))
        for namespace, name in [*(("m", name) for name in names), ("other", f"{names[0]}-3")]
    ]
    live = kube.Live(
        resources.identity("m", "gate"), objects={kube.ref_of(each): each for each in found}
    )
    assert authentication.authentication_in_force(live) == frozenset(names[:3])


def test_unauthenticated_routes_that_need_authentication_are_reported():
    endpoint = "istio-ingress-route-unauthenticated"
    expression = route("x", endpoint, Match(PathType.REGEX, "/a.*"))
    elsewhere = msgspec.structs.replace(
        route("y", endpoint, prefix("/m-shop/open")), answers_to=("shop.example.com",)
    )
    routes = (CLOSED, OPEN, expression, elsewhere)
    told = authentication.authentication(routes).problems()
    assert [(problem.app, problem.endpoint) for problem in told] == [
        ("x", endpoint),
        ("y", endpoint),
    ]


def test_without_login_and_tokens_everything_is_open():
    expression = samples.route(matches=(Match(PathType.REGEX, "/a.*"),))
    opened = samples.configuration("tempo", expression, authenticated=False)
    wanted = samples.facts(opened, services=(samples.service("tempo", port=3200),))
    assert samples.resolve(wanted).authentication_problems == []
    login = msgspec.structs.replace(wanted, forward_auth=LOGIN)
    assert [each.app for each in samples.resolve(login).authentication_problems] == ["tempo"]


def test_the_gateway_serves_nothing_while_login_is_not_complete():
    pending = ForwardAuth(True, missing="proxy has not sent a valid decisions_address")
    wanted = samples.facts(samples.request(), forward_auth=pending)
    found = samples.objects(wanted)
    assert not [ref for ref in found if ref.startswith("HTTPRoute")]
    assert found["AuthorizationPolicy shop/ext-authz-gate"]["spec"]["rules"] == [{}]
    (readiness,) = samples.resolve(wanted).served.pending
    assert "proxy has not sent" in readiness.reason


def test_redirects_to_tls_are_closed_and_opened_as_what_they_lead_to():
    certificate = ingress.Certificate("chain", "key")
    wanted = samples.facts(
        samples.request(),
        samples.request(app="login", endpoint="ingress-unauthenticated", authenticated=False),
        services=(samples.service(), samples.service("login")),
        tls=ingress.Tls(wanted=True, certificate=certificate),
        forward_auth=LOGIN,
    )
    spec = samples.objects(wanted)["AuthorizationPolicy shop/ext-authz-gate"]["spec"]
    ports, paths = ["80", "443"], ["/shop-login", "/shop-login/*"]
    opened = {"operation": {"ports": ports, "notPaths": paths}}
    assert spec["rules"] == [{"to": [{"operation": {"notPorts": ports}}, opened]}]
    assert ingress.desired(samples.resolve(wanted)).problems == ()


@pytest.mark.parametrize(
    "tls",
    [ingress.Tls(), ingress.Tls(wanted=True, certificate=samples.CERTIFICATE)],
    ids=["http", "https"],
)
def test_an_open_path_below_a_closed_root_is_open_and_reported_as_open(tls: ingress.Tls):
    def app(name: str, path: str, authenticated: bool) -> ingress.IngressRequest:
        backend = samples.backend(name, 80)
        route = samples.route(port=80, matches=(Match(path=path),), backends=(backend,))
        endpoint = "istio-ingress-route" + ("" if authenticated else "-unauthenticated")
        return samples.configuration(name, route, endpoint=endpoint, authenticated=authenticated)

    wanted = samples.facts(
        app("dashboard", "/", authenticated=True),
        app("dex", "/dex", authenticated=False),
        services=(samples.service("dashboard", port=80), samples.service("dex", port=80)),
        tls=tls,
        forward_auth=LOGIN,
    )
    found = samples.resolve(wanted)
    assert found.authentication_problems == []
    (dex,) = (each for each in found.served.routes if each.requester.app == "dex")
    assert found.authentication.is_open(dex)
    ports = ["80", "443"] if tls.wanted else ["80"]
    excepted = {"ports": ports, "notPaths": ["/dex", "/dex/*"]}
    assert found.authentication.operations == [
        {"notPorts": ports},
        excepted,
        {**excepted, "paths": ["/*"]},
    ]


def test_a_closed_root_at_another_port_closes_no_login_page():
    tempo = route("tempo", "istio-ingress-route", prefix("/"), port=3200)
    found = authentication.authentication((CLOSED, OPEN, tempo))
    assert found.problems() == [] and found.is_open(OPEN)
    assert found.operations == [each["operation"] for each in NOT_OPEN]
    # Of its tokens only, at its own listener.
    assert found.operations_of(["tempo"]) == [{"ports": ["3200"], "paths": ["/*"]}]


def many(app: str, count: int, length: int = 100) -> Route:
    paths = (f"/{app}-{number:04d}-{'x' * length}" for number in range(count))
    matches = (Match(PathType.EXACT, path) for path in paths)
    return route(app, "istio-ingress-route-unauthenticated", *matches)


def test_an_application_with_too_many_open_paths_keeps_those_that_fit():
    endpoint = "istio-ingress-route-unauthenticated"
    found = authentication.authentication((CLOSED, OPEN, many("greedy", 1000)))
    (problem,) = found.problems()
    assert (problem.app, problem.endpoint) == ("greedy", endpoint)
    assert "too many paths without authentication" in problem.message
    assert found.is_open(OPEN) and not found.is_open(many("greedy", 1000))
    (excepted,) = (each["notPaths"] for each in found.operations if "notPaths" in each)
    assert "/m-login" in excepted and "/greedy-0000-" + "x" * 100 in excepted
    assert sum(map(len, excepted)) < _authentication.MAX_EXCEPTED_OF_ONE + 100


def test_those_with_few_open_paths_have_them_whatever_others_ask_for():
    greedy = [many(f"greedy{number}", 250) for number in range(12)]
    found = authentication.authentication((CLOSED, OPEN, *greedy))
    assert found.is_open(OPEN)
    assert sum(map(found.is_open, greedy)) == 9
    assert {problem.app for problem in found.problems()} == {f"greedy{n}" for n in (9, 10, 11)}


def test_nothing_is_served_where_another_owner_has_the_name_of_a_policy():
    wanted = samples.facts(samples.request(), forward_auth=LOGIN)
    desired = ingress.desired(samples.resolve(wanted))
    objects, guards = desired.objects, desired.guards
    identity = resources.identity("shop", "gate", access=order.ACCESS)
    none = kube.Live(identity, ingress.MANAGED)
    theirs = resources.AuthorizationPolicy(
        metadata=meta_v1.ObjectMeta(name="ext-authz-gate", namespace="shop"), spec={}
    )
    taken = {kube.ref_of(theirs): theirs}
    plan = kube.withheld(kube.plan(objects, none, taken, guards=guards), none)
    created = {change.kind for change in plan.of(kube.Verb.CREATE)}
    assert resources.AuthorizationPolicy in created
    assert not created & {resources.Gateway, resources.HTTPRoute}
    (missing,) = kube.missing(plan, none)
    unguarded = msgspec.structs.replace(wanted, unguarded=frozenset({missing}))
    resolved = ingress.resolve(unguarded)
    (told,) = (each for each in resolved.served.pending if each.what == missing)
    assert "the gateway serves nothing" in told.reason
    left = ingress.desired(resolved).objects
    assert {type(obj) for obj in objects} - {type(obj) for obj in left} == {resources.HTTPRoute}
    names = {obj.metadata.name for obj in left}
    assert "productpage-gate-shop-l4" in names, "its pods would be open to all clients"


AUTHORIZER = ingress.AuthorizerService(
    authorization.Requester("proxy", "forward-auth"), "shop", "proxy", 4180
)
ELSEWHERE = msgspec.structs.replace(AUTHORIZER, namespace="store")
PROXY = samples.service("proxy", port=4180, target=4181)


@pytest.mark.parametrize(
    ("named", "service", "admitted"),
    [
        (AUTHORIZER, PROXY, True),
        (AUTHORIZER, samples.service("proxy", port=4180, selector={}), False),
        (AUTHORIZER, samples.service("proxy", port=4180, external_name=True), False),
        (AUTHORIZER, samples.service("proxy", port=80), False),
        (
            AUTHORIZER,
            msgspec.structs.replace(PROXY, selector={authorization.NAME_LABEL: "x"}),
            False,
        ),
        (AUTHORIZER, msgspec.structs.replace(PROXY, namespace="store"), False),
        (ELSEWHERE, samples.service("proxy", "store", port=4180), False),
        (None, PROXY, False),
    ],
)
def test_the_gateway_is_admitted_to_an_authorizer_that_belongs_to_who_named_it(
    named: ingress.AuthorizerService | None, service: authorization.ServiceFacts, *, admitted: bool
):
    login = msgspec.structs.replace(LOGIN, service=named)
    found = samples.objects(samples.facts(services=(service,), forward_auth=login))
    policies = {ref: each["spec"] for ref, each in found.items() if ref.endswith("-l4")}
    assert list(policies) == ["AuthorizationPolicy shop/proxy-gate-shop-l4"] * admitted
    for spec in policies.values():
        assert spec["selector"]["matchLabels"] == {authorization.NAME_LABEL: "proxy"}
        (rule,) = spec["rules"]
        assert rule["from"][0]["source"]["principals"] == ["cluster.local/ns/shop/sa/gate-istio"]
        assert rule["to"] == [{"operation": {"ports": ["4181"]}}]


def test_an_authorizer_that_is_served_too_has_one_policy_for_all_ports():
    login = msgspec.structs.replace(LOGIN, service=AUTHORIZER)
    ports = (
        authorization.ServicePort(80, 8080, "http"),
        authorization.ServicePort(4180, 4181, "check"),
    )
    wanted = samples.facts(
        samples.request("proxy", port=80, endpoint="ingress-unauthenticated", authenticated=False),
        services=(samples.service("proxy", ports=ports),),
        forward_auth=login,
    )
    found = samples.objects(wanted)
    (rule,) = found["AuthorizationPolicy shop/proxy-gate-shop-l4"]["spec"]["rules"]
    assert rule["to"] == [{"operation": {"ports": ["4181", "8080"]}}]
