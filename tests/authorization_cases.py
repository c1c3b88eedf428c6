# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Policies and requests, made up by hypothesis: the same for the same seed.

Values come from small pools, so that requests and policies meet. What the API server or istiod
would refuse is not made; what they take without a word, and what means nothing, is.
"""

import dataclasses
import enum
from typing import Any, TypeVar

import hypothesis
from hypothesis import strategies as st

Spec = dict[str, Any]
T = TypeVar("T")

SOURCES = ("team-a/web", "team-a/web-2", "team-ab/web", "team-b/api", "truth/web")
ADDRESSES = ("172.18.0.2", "172.18.1.10", "172.18.2.10")
SERVICE_PORTS = (80, 81, 82, 83)
"""HTTP by name, TCP by name, without a name, and by name UDP, though it is TCP."""
POD_PORTS = (9080, 9081)
UNKNOWN_PROVIDER = "nobody"
PROVIDERS = ("permits", "refuses")
"""Two that the mesh knows: the first allows all HTTP requests and knows of no other connections,
the second allows nothing."""
ISSUER, KEYS = "truth.example", "<the issuer's keys>"
VALID_TOKEN = "<token>"
"""Stands for a token of the issuer, as `KEYS` does for its keys: both change with time."""
FORGED_TOKEN = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6InRydXRoLmV4YW1wbGUiLCJ0eXAiOiJKV1QifQ"
    ".eyJpc3MiOiJ0cnV0aC5leGFtcGxlIiwic3ViIjoiYWxpY2UiLCJleHAiOjQxMDI0NDQ4MDB9.AAAA"
)
"""Of the form of a token, with a wrong signature."""
ALIAS = "old.example"
"""A trust domain that a mesh may have had before."""


class Layer(enum.StrEnum):
    """Who judges a request first."""

    L4 = "L4"
    """ztunnel: it goes to a pod."""
    L7 = "L7"
    """The waypoint: it goes to a Service."""


@dataclasses.dataclass(frozen=True)
class Call:
    """A request, but for its target."""

    source: str | None
    source_ip: str
    port: int
    """Of a Service; the pods' ports are those of `POD_PORTS` in turn."""
    method: str
    path: str
    host: str
    headers: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """Policies for one target, without naming it, and requests to it."""

    layer: Layer
    policies: tuple[Spec, ...]
    """`spec` and `annotations`; `targetRefs` or `selector` are added with the target."""
    calls: tuple[Call, ...]


def drawn(strategy: st.SearchStrategy[T], count: int, seed: int) -> list[T]:
    """Return `count` values of a strategy, always the same for a seed."""
    found: list[T] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=2 * count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=[
            hypothesis.HealthCheck.data_too_large,
            hypothesis.HealthCheck.filter_too_much,
            hypothesis.HealthCheck.too_slow,
        ],
    )
    @hypothesis.given(strategy)
    def collect(value: T) -> None:
        found.append(value)

    collect()
    # The first ones are the simplest there are.
    return found[-count:]


def cases(layer: Layer) -> st.SearchStrategy[Case]:
    """Return cases of a layer."""
    return st.builds(
        Case,
        layer=st.just(layer),
        policies=st.lists(policies(layer), min_size=1, max_size=3).map(tuple),
        calls=st.lists(_calls(layer), min_size=5, max_size=5, unique=True).map(tuple),
    )


def policies(layer: Layer) -> st.SearchStrategy[Spec]:
    """Return policies, without a target."""
    allow = _policy("ALLOW", st.lists(_rules(layer), max_size=2))
    deny = _policy("DENY", st.lists(_rules(layer), min_size=1, max_size=2))
    rare = st.one_of(
        _policy("AUDIT", st.lists(_rules(layer), min_size=1, max_size=1)),
        _policy("CUSTOM", st.lists(_CUSTOM_RULES, min_size=1, max_size=1)),
        _policy("CUSTOM", st.lists(_CUSTOM_RULES, min_size=1, max_size=1)).map(
            lambda policy: {**policy, "annotations": {"istio.io/dry-run": "true"}}
        ),
        allow.map(lambda policy: {**policy, "annotations": {"istio.io/dry-run": "true"}}),
        deny.map(lambda policy: {**policy, "annotations": {"istio.io/dry-run": "true"}}),
    )
    return st.one_of(*[allow] * 5, *[deny] * 4, rare)


def authentications() -> st.SearchStrategy[Spec]:
    """Return RequestAuthentications, without a target."""
    places = st.one_of(
        *[st.just(Spec())] * 3,
        st.just({"fromHeaders": [{"name": "x-token", "prefix": "Token "}]}),
        st.just({"fromHeaders": [{"name": "X-Token"}], "forwardOriginalToken": True}),
        st.just({"fromParams": ["t"]}),
        st.just({"fromCookies": ["c"], "fromParams": ["access_token"]}),
    )
    issuers = st.sampled_from((ISSUER, ISSUER, "other.example"))
    rule = st.tuples(issuers, places).map(
        lambda found: {"issuer": found[0], "jwks": KEYS, **found[1]}
    )
    rules = st.lists(rule, max_size=2, unique_by=lambda each: each["issuer"])
    return rules.map(lambda found: {"spec": {"jwtRules": found} if found else {}})


def _policy(action: str, rules: st.SearchStrategy[list[Spec]]) -> st.SearchStrategy[Spec]:
    def spec(drawn: tuple[list[Spec], str]) -> Spec:
        found, provider = drawn
        said = {} if action == "ALLOW" and len(found) == 1 else {"action": action}
        extra = {"provider": {"name": provider}} if action == "CUSTOM" else {}
        return {"spec": {**said, **extra, **({"rules": found} if found else {})}}

    return st.tuples(rules, st.sampled_from((UNKNOWN_PROVIDER, *PROVIDERS * 2))).map(spec)


def _some(*pool: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(pool), min_size=1, max_size=2, unique=True)


_PRINCIPALS = _some(
    *(f"cluster.local/ns/{s.replace('/', '/sa/')}" for s in SOURCES),
    "cluster.local/ns/team-a/*",
    "cluster.local/ns/team-a*",
    "*/sa/web",
    "*b/sa/web",
    "*web",
    "*",
    "other.example/ns/team-a/sa/web",
    f"{ALIAS}/ns/team-a/sa/web",
    f"{ALIAS}/ns/team-a*",
    "cluster.local/ns/truth/sa/way",
)
_NAMESPACES = _some("team-a", "team-a*", "*b", "*", "truth", "te*-b", "*team-b")
_ACCOUNTS = _some("team-a/web", "web", "team-b/api", "team-ab/web", "team-a/we")
_BLOCKS = _some("172.18.0.2", "172.18.1.0/24", "172.18.2.10", "172.18.2.10/20", "10.0.0.0/8")
_TRUST = _some("cluster.local", "cluster*", "*.local", "*", "other.example", ALIAS)
_PORTS = _some("80", "81", "82", "9080", "9081")
_PATHS = _some(
    "/a",
    "/a/*",
    "/a/b",
    "/a/",
    "/A/b",
    "*/b",
    "*.txt",
    "*",
    "/",
    "/*",
    "/a/{*}",
    "/a/{**}",
    "/{*}/b",
    "/{**}",
    "/{*}/{**}",
    "/a/{*}/c",
    "/a;v=1/{*}",
    "/a%3Cb",
    "/a<b",
    "/a%7C*",
    "*%60",
)
_METHODS = _some("GET", "POST", "PUT", "P*", "*T", "*", "get")
_HOSTS = _some(
    "shop.example",
    "shop.example:80",
    "*.example",
    "*.example:*",
    "shop.*",
    "Shop.Example",
    "*",
    "api.shop.example",
)
_TEAMS = _some("a", "a*", "*b", "*", "a,b")


def _members(name: str, values: st.SearchStrategy[list[str]]) -> st.SearchStrategy[Spec]:
    """Return one restriction, mostly the positive one."""
    negative = f"not{name[0].upper()}{name[1:]}"
    return st.tuples(st.sampled_from((name, name, negative)), values).map(
        lambda found: {found[0]: found[1]}
    )


def _joined(*parts: st.SearchStrategy[Spec]) -> st.SearchStrategy[Spec]:
    return st.tuples(*parts).map(lambda found: {k: v for part in found for k, v in part.items()})


_WHO = st.one_of(
    *[_members("principals", _PRINCIPALS)] * 3,
    _members("namespaces", _NAMESPACES),
    _members("serviceAccounts", _ACCOUNTS),
    _joined(_members("principals", _PRINCIPALS), _members("namespaces", _NAMESPACES)),
    _joined(_members("trustDomains", _TRUST), _members("principals", _PRINCIPALS)),
)
_WHERE_FROM = st.one_of(_members("ipBlocks", _BLOCKS), _members("remoteIpBlocks", _BLOCKS))
_TOKENS = _members("requestPrincipals", st.just(["*"]))


def _sources(layer: Layer) -> st.SearchStrategy[Spec]:
    l4 = [_WHO] * 6 + [_members("ipBlocks", _BLOCKS), _joined(_WHO, _WHERE_FROM)]
    only_l7 = [_TOKENS, _members("trustDomains", _TRUST), _members("remoteIpBlocks", _BLOCKS)]
    return st.one_of(*l4, *only_l7) if layer is Layer.L7 else st.one_of(*l4 * 2, *only_l7)


def _operations(layer: Layer) -> st.SearchStrategy[Spec]:
    ports = _members("ports", _PORTS)
    paths, methods = _members("paths", _PATHS), _members("methods", _METHODS)
    hosts = _members("hosts", _HOSTS)
    http = [
        *[paths] * 3,
        methods,
        hosts,
        _joined(methods, paths),
        _joined(ports, paths),
        _joined(ports, methods),
        _joined(hosts, paths, methods),
    ]
    return st.one_of(*http, ports) if layer is Layer.L7 else st.one_of(*[ports] * 12, *http)


def _condition(key: str, values: st.SearchStrategy[list[str]]) -> st.SearchStrategy[Spec]:
    member = st.sampled_from(("values", "values", "notValues"))
    return st.tuples(member, values).map(lambda found: {"key": key, found[0]: found[1]})


_L4_CONDITIONS = (
    _condition("source.principal", _PRINCIPALS),
    _condition("source.namespace", _NAMESPACES),
    _condition("source.ip", _BLOCKS),
    _condition("destination.port", _PORTS),
    _condition("destination.ip", _some("10.96.0.0/16", "10.244.0.0/16")),
)
_L7_CONDITIONS = (
    _condition("request.headers[x-team]", _TEAMS),
    _condition("request.headers[X-Team]", _TEAMS),
    _condition("request.headers[:method]", _METHODS),
    _condition("request.headers[:path]", _some("/a/b", "/a*", "*y.txt", "/a%3Cb", "/A/b", "*%7C")),
    _condition("source.serviceAccount", _ACCOUNTS),
    _condition("source.trustDomain", _TRUST),
    _condition("remote.ip", _BLOCKS),
    _condition("request.auth.claims[iss]", st.just(["*"])),
    _condition("request.auth.audiences", st.just(["*"])),
    _condition("connection.sni", st.just(["*"])),
)


def _rules(layer: Layer) -> st.SearchStrategy[Spec]:
    more = _L7_CONDITIONS * (2 if layer is Layer.L7 else 1)
    conditions = st.one_of(*_L4_CONDITIONS, *_L4_CONDITIONS, *more)
    return _rule(_sources(layer), _operations(layer), conditions)


def _rule(
    sources: st.SearchStrategy[Spec],
    operations: st.SearchStrategy[Spec],
    conditions: st.SearchStrategy[Spec],
) -> st.SearchStrategy[Spec]:
    """Return rules of one or two parts, seldom of none or all three."""
    parts = {
        "from": st.lists(sources.map(lambda each: {"source": each}), min_size=1, max_size=2),
        "to": st.lists(operations.map(lambda each: {"operation": each}), min_size=1, max_size=2),
        "when": st.lists(conditions, min_size=1, max_size=1),
    }
    shapes = (
        "from",
        "to",
        "from to",
        "from to",
        "from when",
        "to when",
        "when",
        "from to when",
        "",
    )
    return st.sampled_from(shapes).flatmap(
        lambda shape: st.fixed_dictionaries({part: parts[part] for part in shape.split()})
    )


_CUSTOM_RULES = _rule(_WHERE_FROM, _operations(Layer.L7), st.one_of(*_L7_CONDITIONS[:3]))


def _calls(layer: Layer) -> st.SearchStrategy[Call]:
    # To a pod without an identity too: in plain text, past the waypoint.
    nobody = (None,) if layer is Layer.L4 else ()
    return st.builds(
        Call,
        source=st.sampled_from((*SOURCES, *nobody)),
        source_ip=st.sampled_from(ADDRESSES),
        port=st.sampled_from(
            (80, 80, 80, 80, 81, 81, 82, 82, 83) if layer is Layer.L7 else (80, 81)
        ),
        method=st.sampled_from(("GET", "GET", "POST", "PUT", "DELETE")),
        path=st.sampled_from(
            (
                "/",
                "/a",
                "/a/b",
                "/a/b/c",
                "/a/",
                "/A/b",
                "/a//b",
                "/a/./b",
                "/x/../a/b",
                "/a/b?x=/y.txt",
                "/a/%62",
                "/a%2Fb",
                "/a\\b",
                "/a;v=1/b",
                "/x/y.txt",
                "/a<b",
                "/a>b",
                "/a|",
                "/a%3cb",
                "/a`",
                "/a^{b}",
                "/a/x/../b?x=/../y.txt",
                "/a%2fb//c",
                "/x%5C..%2Fa/b",
                "/a?access_token=nonsense",
                f"/a/b?t={FORGED_TOKEN}",
                f"/a/b?access_token={VALID_TOKEN}",
            )
        ),
        host=st.sampled_from(
            ("shop.example", "shop.example:80", "SHOP.example", "api.shop.example", "other:80")
        ),
        headers=st.sampled_from(
            (
                (),
                (("x-team", "a"),),
                (("x-team", "ab"),),
                (("x-team", "a,b"),),
                (("x-forwarded-for", "172.18.2.10"),),
                (("x-forwarded-for", "10.0.0.9, 172.18.1.10"),),
                (("x-forwarded-for", "nowhere"),),
                (("authorization", "Bearer nonsense"),),
                (("authorization", f"Bearer {FORGED_TOKEN}"),),
                (("authorization", f"Bearer {VALID_TOKEN}"),),
                (("authorization", "Basic bm9ib2R5"),),
                (("x-token", "Token nonsense"),),
                (("x-token", VALID_TOKEN),),
                (("cookie", f"d=1; c={FORGED_TOKEN}"),),
            )
        ),
    )
