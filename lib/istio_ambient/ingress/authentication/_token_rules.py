# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The rules about tokens of several applications, which share one filter of the gateway.

Envoy runs the rules of all applications at every request, one after the other, in the order of
their issuers. A rule is met where its headers hold tokens, all of them valid, of its issuer and
for its audiences. The first rule that is met decides: the claims are those of its token, and the
rules after it are not run. Each rule that is run first removes the headers of its own claims.
(`convertToEnvoyJwtConfig` in istiod's pilot/pkg/security/authn; `AnyVerifierImpl` in Envoy's
jwt_authn/verifier.cc.) Three things follow:

- Keys for an issuer are keys for that issuer's tokens at all applications. Applications that name
  one issuer with different keys cannot share the gateway, nor can applications that want one
  header from different claims: `compatible` keeps the one whose rules are in the cluster.
- A client may send headers of the rules that are not run. So every rule has the headers of all
  rules, and none is left of what a client sent: `complete`.
- An application receives no claims from a rule of another application that is met before its own.
  So a rule also has the claims of all applications that accept each of its tokens.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from istio_ambient import kube, resources
from istio_ambient.ingress.authentication._token_keys import (
    ENDPOINT,
    MAX_ISSUER,
    SOURCES_ANNOTATION,
    request_auth_name,
)
from istio_ambient.ingress.model import Trust
from istio_ambient.interfaces.istio_request_auth import BEARER, ClaimToHeader, FromHeader, JwtRule
from istio_ambient.values import decoded, headers
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem
from istio_ambient.values.text import printable

MAX_CLAIM_HEADERS = 16
"""Names of headers of one application. Each is in every rule of all applications."""
NO_CLAIM = "iss.-"
"""A claim that no token has: the member of a member that is a text (RFC 7519, section 4.1.1), and
has to be one for the token to be read."""
_AUTHORIZATION = FromHeader.model_construct(name="authorization", prefix=BEARER)


class _Use(msgspec.Struct, frozen=True, order=True):
    """Something that all applications which use it have to use in the same way."""

    kind: str
    """`issuer` or `header`."""
    name: str
    way: tuple[str, ...]
    """Of an issuer: the URL of its keys. Of a header: issuer and claim."""


_Shared: TypeAlias = tuple[str, str]
"""Kind and name of a use."""
TokenUses: TypeAlias = Mapping[_Shared, frozenset[_Use]]
"""What the rules of one application use."""


def _uses(rule: JwtRule) -> Iterator[_Use]:
    yield _Use("issuer", rule.issuer, (rule.jwks_uri or "",))
    for each in rule.claim_to_headers or ():
        yield _Use("header", each.header.lower(), (rule.issuer, each.claim))


def uses_in_force(live: kube.Live) -> dict[str, TokenUses]:
    """Return what the rules in the cluster use, by the name of their object."""
    return {
        obj.metadata.name: _grouped(_uses_of(kube.manifest_of(obj)))
        for obj in live.at_home(resources.RequestAuthentication)
    }


def _grouped(uses: Iterable[_Use]) -> TokenUses:
    found: dict[_Shared, set[_Use]] = {}
    for use in uses:
        found.setdefault((use.kind, use.name), set()).add(use)
    return {shared: frozenset(ways) for shared, ways in found.items()}


def _uses_of(manifest: kube.Manifest) -> Iterator[_Use]:
    uris = _uris(manifest)
    for number, rule in enumerate(kube.items(kube.section(manifest, "spec"), "jwtRules")):
        issuer = str(rule.get("issuer", ""))
        uri = rule.get("jwksUri") or (uris[number] if number < len(uris) else "")
        yield _Use("issuer", issuer, (uri,))
        for each in kube.items(rule, "outputClaimToHeaders"):
            header, claim = str(each.get("header", "")), str(each.get("claim", ""))
            # Of another application, see `_complete`, or of none.
            if not header.isupper() and claim != NO_CLAIM:
                yield _Use("header", header.lower(), (issuer, claim))


def _uris(manifest: kube.Manifest) -> list[str]:
    """Return where the keys of each rule are from, of rules that hold their keys."""
    annotations = kube.section(kube.section(manifest, "metadata"), "annotations")
    sources = decoded.elements(decoded.json_value(resources.mark(annotations, SOURCES_ANNOTATION)))
    return [str(decoded.members(each).get("jwksUri", "")) for each in sources]


def compatible(
    trusts: Sequence[Trust],
    in_force: Mapping[str, TokenUses],
    *,
    gateway: str,
    login_headers: Sequence[str] = (),
) -> tuple[tuple[Trust, ...], list[Problem]]:
    """Return the rules that can share the gateway, and a problem for each that cannot.

    Of applications that use an issuer or a header in different ways, the one stays whose use is
    in the cluster. Where none is, or several are, all are refused.

    Args:
        trusts: of all applications.
        in_force: as `uses_in_force` returns it.
        gateway: the name of the Gateway.
        login_headers: patterns of the headers that the login sets; without a login: none.
    """
    problems: list[Problem] = []
    own: dict[str, list[JwtRule]] = {}
    for trust in trusts:
        beyond = dict(_beyond_limits(trust.rules, login_headers))
        own[trust.app] = _without(trust.rules, beyond)
        problems += (
            _refusal(Code.HEADER_CONTRADICTS, trust.app, *texts)
            for texts in dict.fromkeys(beyond.values())
        )
    refused = dict(_conflicts(own, in_force, gateway))
    for app, conflicts in sorted(refused.items()):
        problems += (_problem(app, shared, others) for shared, others in _first(conflicts))
    found = (Trust(t.app, tuple(_without(own[t.app], refused.get(t.app, ())))) for t in trusts)
    return tuple(found), problems


def _without(rules: Iterable[JwtRule], refused: Iterable[_Shared]) -> list[JwtRule]:
    """Return the rules that use nothing of what is refused, nor what such a rule uses.

    Part of the keys of an issuer, or of the claims of a header, would be another use of it.
    """
    kept, dropped = list(rules), set(refused)
    while True:
        rest = [rule for rule in kept if dropped.isdisjoint(_grouped(_uses(rule)))]
        if len(rest) == len(kept):
            return kept
        dropped.update(s for rule in kept if rule not in rest for s in _grouped(_uses(rule)))
        kept = rest


def _beyond_limits(
    rules: Iterable[JwtRule], login_headers: Sequence[str]
) -> Iterator[tuple[_Shared, tuple[str, str]]]:
    """Yield issuers whose rules ask for headers that they cannot have: message and remedy."""
    names: set[str] = set()
    for rule in rules:
        wanted = {each.header.lower() for each in rule.claim_to_headers or ()}
        taken = sorted(n for n in wanted if any(headers.matches(p, n) for p in login_headers))
        if taken:
            message = f"header {taken[0]}: the login sets it"
            yield ("issuer", rule.issuer), (message, "use another header")
        elif len(names | wanted) > MAX_CLAIM_HEADERS:
            message = f"more than {MAX_CLAIM_HEADERS} headers for claims"
            yield ("issuer", rule.issuer), (message, "use fewer")
        else:
            names |= wanted


def _conflicts(
    rules: Mapping[str, Sequence[JwtRule]], in_force: Mapping[str, TokenUses], gateway: str
) -> Iterator[tuple[str, dict[_Shared, list[str]]]]:
    """Yield applications with what they use otherwise than others, and these."""
    groups_by_shared: dict[_Shared, dict[frozenset[_Use], list[str]]] = {}
    held_by_shared: dict[_Shared, list[frozenset[_Use]]] = collections.defaultdict(list)
    for app, own in sorted(rules.items()):
        live = in_force.get(request_auth_name(app, gateway), {})
        for shared, uses in _grouped(use for rule in own for use in _uses(rule)).items():
            groups_by_shared.setdefault(shared, {}).setdefault(uses, []).append(app)
            if live.get(shared) == uses and uses not in held_by_shared[shared]:
                held_by_shared[shared].append(uses)
    found: dict[str, dict[_Shared, list[str]]] = {}
    for shared, groups in groups_by_shared.items():
        held = held_by_shared[shared]
        for uses, apps in groups.items():
            if len(groups) > 1 and held != [uses]:
                others = [app for other in groups if other != uses for app in groups[other]]
                for app in apps:
                    found.setdefault(app, {})[shared] = others
    yield from found.items()


def _first(conflicts: Mapping[_Shared, list[str]]) -> Iterator[tuple[_Shared, list[str]]]:
    """Yield the first conflict of each kind."""
    kinds: set[str] = set()
    for shared in sorted(conflicts):
        if shared[0] not in kinds:
            kinds.add(shared[0])
            yield shared, conflicts[shared]


def _problem(app: str, shared: _Shared, others: Sequence[str]) -> Problem:
    kind, name = shared
    named = ", ".join(others[:2]) + (" and others" if others[2:] else "")
    if kind == "issuer":
        message = f"issuer {printable(name, MAX_ISSUER)} has other keys for {named}"
        return _refusal(Code.ISSUER_CONTRADICTS, app, message, "use one jwks_uri in all")
    message = f"header {name} has another claim for {named}"
    return _refusal(Code.HEADER_CONTRADICTS, app, message, "use another header")


def _refusal(code: Code, app: str, message: str, remedy: str) -> Problem:
    return Problem(app, ENDPOINT, "jwt_rules", message=message, remedy=remedy, code=code)


def complete(trusts: Sequence[Trust]) -> tuple[Trust, ...]:
    """Return the rules as the gateway needs them, of applications that are `compatible`.

    Each rule names the headers of its tokens, and has the headers of claims of all rules: of
    applications that accept each of its tokens with the claim, of others with none.
    """
    rules = [rule for trust in trusts for rule in trust.rules]
    by_source: dict[tuple[str, str | None], list[JwtRule]] = {}
    for rule in rules:
        by_source.setdefault((rule.issuer, rule.jwks_uri), []).append(rule)
    every = sorted({e.header.lower() for rule in rules for e in rule.claim_to_headers or ()})
    return tuple(
        Trust(
            trust.app,
            tuple(_complete(r, by_source[r.issuer, r.jwks_uri], every) for r in trust.rules),
        )
        for trust in trusts
    )


def _complete(rule: JwtRule, same_source: Iterable[JwtRule], every: Iterable[str]) -> JwtRule:
    own = _claims(rule)
    shared = dict.fromkeys(
        pair
        for other in same_source
        if _accepts_all_of(other, rule)
        for pair in _claims(other)
        if pair not in own
    )
    set_by_claims = {header for header, _ in (*own, *shared)}
    claims = (
        *own,
        # Case has no meaning to proxies. Here upper case marks headers of other applications.
        *((header.upper(), claim) for header, claim in shared),
        *((header, NO_CLAIM) for header in every if header not in set_by_claims),
    )
    found = tuple(ClaimToHeader(header=header, claim=claim) for header, claim in claims)
    return rule.model_copy(update={"from_headers": _sources(rule), "claim_to_headers": found})


def _claims(rule: JwtRule) -> dict[tuple[str, str], None]:
    return {(each.header.lower(), each.claim): None for each in rule.claim_to_headers or ()}


def _sources(rule: JwtRule) -> tuple[FromHeader, ...]:
    # Envoy's default is this header, and the query parameter `access_token` of any request.
    return rule.from_headers or (_AUTHORIZATION,)


def _accepts_all_of(one: JwtRule, other: JwtRule) -> bool:
    """Return whether a rule accepts each token that another rule with the same keys accepts."""
    narrower = set(other.audiences or ())
    audiences = not one.audiences or (bool(narrower) and narrower <= set(one.audiences))
    return audiences and _places(one) >= _places(other)


def _places(rule: JwtRule) -> set[tuple[str, str]]:
    return {(each.name.lower(), each.prefix or "") for each in _sources(rule)}
