# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""RequestAuthentications: the rules about tokens, with the keys of their issuers inline.

istiod would fetch the keys of a `jwksUri` itself, and send what it got to Envoy, which refuses the
gateway's listener for a set that it cannot use. Rules are therefore written with keys that were
checked. A rule without keys yet has a key of which no private key is known: no token satisfies the
rule, and the gateway still removes the rule's headers from requests. A rule whose keys an earlier
version left to istiod stays so until there are keys, so that a refresh refuses no token.

The live object is the memory: its rules hold the last good keys, an annotation where these came
from, and why the last attempt to fetch them failed.
"""

import json
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from lightkube.models import meta_v1

from istio_ambient import kube, resources
from istio_ambient.ingress.model import GatewayRef, KeySource, SigningKeys, Trust
from istio_ambient.ingress.routing import OBJECT_NAME_LIMIT
from istio_ambient.interfaces.istio_request_auth import JwtRule
from istio_ambient.values import decoded, jwks
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem
from istio_ambient.values.text import printable

SOURCES_ANNOTATION = "charmed-istio/jwks-sources"
"""A JSON list: for each rule of the object `jwksUri`, `fault` and `transient` of its keys."""
MAX_SOURCES_OF_APPLICATION = 8
MAX_SOURCES = 64
"""Of all applications together."""

ENDPOINT = "istio-request-auth"
_TOO_MANY = SigningKeys(
    fault=f"more than {MAX_SOURCES_OF_APPLICATION} issuers of one application,"
    f" or {MAX_SOURCES} of all"
)
MAX_ISSUER = 40
"""Characters of an issuer in a status."""


def source_of(rule: JwtRule) -> KeySource:
    """Return where the keys for a rule are published."""
    return KeySource(issuer=rule.issuer, jwks_uri=rule.jwks_uri or "")


def request_auth_name(app: str, gateway: str) -> str:
    """Return the name of the RequestAuthentication with the rules of an application."""
    return name_with_hash(f"request-auth-{app}-{gateway}", OBJECT_NAME_LIMIT)


def request_authentications(
    gateway: GatewayRef,
    trusts: Sequence[Trust],
    keys: Mapping[KeySource, SigningKeys],
    left: Container[tuple[str, KeySource]] = (),
) -> list[kube.Resource]:
    """Return one RequestAuthentication for each application that trusts tokens.

    Args:
        gateway: the Gateway.
        trusts: of all applications.
        keys: of the sources that were tried.
        left: as `left_to_istiod` returns it.
    """
    permitted = _permitted(trusts, keys)
    found: list[kube.Resource] = []
    for trust in trusts:
        name, within = request_auth_name(trust.app, gateway.name), permitted[trust.app]
        stay = {source for source in within if (name, source) in left}
        if trust.rules:
            known = _keys_of(trust, within, keys)
            found.append(_request_authentication(gateway, trust, known, stay))
    return found


def _request_authentication(
    gateway: GatewayRef,
    trust: Trust,
    keys: Mapping[KeySource, SigningKeys],
    left: Container[KeySource],
) -> kube.Resource:
    rules: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    for rule in trust.rules:
        source = source_of(rule)
        without = "" if source in left else jwks.UNUSABLE
        manifest = _jwt_rule(rule, keys[source].jwks or without)
        entry = _entry(source, keys[source])
        # Null and an empty list are different data, and the same rule.
        if (manifest, entry) not in zip(rules, sources, strict=True):
            rules.append(manifest)
            sources.append(entry)
    annotations = {SOURCES_ANNOTATION: json.dumps(sources, sort_keys=True)}
    name = request_auth_name(trust.app, gateway.name)
    return _object(
        name,
        gateway.namespace,
        {"targetRefs": [gateway.target_ref], "jwtRules": rules},
        annotations,
    )


def _object(
    name: str, namespace: str, spec: dict[str, Any], annotations: dict[str, str]
) -> kube.Resource:
    metadata = meta_v1.ObjectMeta(name=name, namespace=namespace, annotations=annotations)
    return resources.RequestAuthentication(metadata=metadata, spec=spec)


def _jwt_rule(rule: JwtRule, keys: str) -> dict[str, Any]:
    """Return a rule as an element of `spec.jwtRules`: Istio's `JWTRule`.

    Args:
        rule: of an application.
        keys: as text; empty: istiod fetches them.
    """
    members: dict[str, Any] = {
        "issuer": rule.issuer,
        "jwks": keys,
        "jwksUri": "" if keys else rule.jwks_uri,
        "audiences": list(rule.audiences or ()),
        "forwardOriginalToken": rule.forward_original_token,
        "outputClaimToHeaders": [
            {"header": each.header, "claim": each.claim} for each in rule.claim_to_headers or ()
        ],
        "fromHeaders": [
            {"name": each.name, **({"prefix": each.prefix} if each.prefix else {})}
            for each in rule.from_headers or ()
        ],
    }
    return {key: value for key, value in members.items() if value}


def _entry(source: KeySource, keys: SigningKeys) -> dict[str, Any]:
    """Return the element of `SOURCES_ANNOTATION` for the keys of a rule."""
    members = {"jwksUri": source.jwks_uri, "fault": keys.fault, "transient": keys.transient}
    return {key: value for key, value in members.items() if value}


def keys_in_force(live: kube.Live) -> dict[KeySource, SigningKeys]:
    """Return the keys in our live RequestAuthentications, and why the last fetch failed.

    An object that differs from what we applied counts as absent: its keys may be those of any
    writer.
    """
    found: dict[KeySource, SigningKeys] = {}
    for obj in live.at_home(resources.RequestAuthentication):
        try:
            read = dict(_read(kube.manifest_of(obj), live))
        except (AttributeError, KeyError, TypeError, ValueError):
            # Another writer made it, with a hash of ours.
            continue
        for source, keys in read.items():
            if not found.get(source, SigningKeys()).jwks:
                found[source] = keys
    return found


def _read(manifest: kube.Manifest, live: kube.Live) -> Iterator[tuple[KeySource, SigningKeys]]:
    metadata, spec = manifest["metadata"], kube.section(manifest, "spec")
    text = resources.mark(kube.section(metadata, "annotations"), SOURCES_ANNOTATION)
    if text is None:
        return
    written = _object(metadata["name"], metadata["namespace"], spec, {SOURCES_ANNOTATION: text})
    if not kube.is_applied(written, live):
        return
    entries = map(decoded.members, decoded.elements(decoded.json_value(text)))
    for rule, entry in zip(spec["jwtRules"], entries, strict=False):
        keys = SigningKeys(
            jwks=_checked(rule.get("jwks", "")),
            fault=str(entry.get("fault", "")),
            transient=entry.get("transient") is True,
        )
        if keys != SigningKeys():
            yield KeySource(issuer=rule["issuer"], jwks_uri=str(entry.get("jwksUri", ""))), keys


def left_to_istiod(live: kube.Live) -> frozenset[tuple[str, KeySource]]:
    """Return the sources of rules without keys, each with the name of our live object.

    Versions before wrote such rules, with or without `jwksUri`, and istiod fetched the keys.
    """
    found: set[tuple[str, KeySource]] = set()
    for obj in live.at_home(resources.RequestAuthentication):
        for rule in kube.items(kube.section(kube.manifest_of(obj), "spec"), "jwtRules"):
            if not rule.get("jwks"):
                issuer, uri = str(rule.get("issuer", "")), str(rule.get("jwksUri") or "")
                found.add((obj.metadata.name, KeySource(issuer=issuer, jwks_uri=uri)))
    return frozenset(found)


def _checked(text: str) -> str:
    try:
        return jwks.parse(text.encode()).text if text != jwks.UNUSABLE else ""
    except InvalidValueError:
        # An earlier revision may have written keys that this one leaves out.
        return ""


def keys_due(
    gateway: GatewayRef,
    trusts: Sequence[Trust],
    keys: Mapping[KeySource, SigningKeys],
    *,
    renew: bool,
    unwritten: Container[kube.Ref] = (),
) -> list[KeySource]:
    """Return the sources to fetch keys from, sorted.

    Args:
        gateway: the Gateway.
        trusts: of all applications.
        keys: of the sources that were tried.
        renew: fetch the keys of all sources; else of those that were never tried.
        unwritten: objects that could not be written. One that cannot be is not able to remember
            that a source was tried: each hook would try it again.
    """
    due: set[KeySource] = set()
    for app, sources in _permitted(trusts, keys).items():
        name = request_auth_name(app, gateway.name)
        ref = kube.ref_in(resources.RequestAuthentication, name, gateway.namespace)
        if renew:
            due |= sources
        elif ref not in unwritten:
            due |= sources - keys.keys()
    return sorted(due)


def renewed(
    keys: Mapping[KeySource, SigningKeys], fetched: Mapping[KeySource, SigningKeys]
) -> dict[KeySource, SigningKeys]:
    """Return the keys after a fetch: where it brought none, the last good ones stay."""
    result = dict(keys)
    for source, new in fetched.items():
        last = keys.get(source, SigningKeys())
        result[source] = new if new.jwks else msgspec.structs.replace(new, jwks=last.jwks)
    return result


def key_problems(trusts: Sequence[Trust], keys: Mapping[KeySource, SigningKeys]) -> list[Problem]:
    """Return one problem for each source of an application whose keys need an operator."""
    return [
        Problem(
            app=app,
            endpoint=ENDPOINT,
            field="jwt_rules",
            # The reason first: a status is cut.
            message=f"{found.fault}: keys of {printable(source.issuer, MAX_ISSUER)}",
            remedy="correct jwks_uri or its server",
            code=Code.KEYS_UNUSABLE,
        )
        for app, source, found in _by_application(trusts, keys)
        if found.fault and not found.transient
    ]


def key_readiness(
    trusts: Sequence[Trust], keys: Mapping[KeySource, SigningKeys]
) -> list[kube.Readiness]:
    """Return the sources whose keys a later fetch may bring, as something that is not ready."""
    return [
        kube.Readiness(
            f"{app}:{ENDPOINT}",
            ready=False,
            reason=f"{_reason(found)}: keys of {printable(source.issuer, MAX_ISSUER)}",
            code=Code.KEYS_PENDING,
        )
        for app, source, found in _by_application(trusts, keys)
        if found == SigningKeys() or found.transient
    ]


def _reason(keys: SigningKeys) -> str:
    if not keys.fault:
        return "not fetched yet"
    return f"{keys.fault}, the last good ones stay" if keys.jwks else keys.fault


def _by_application(
    trusts: Sequence[Trust], keys: Mapping[KeySource, SigningKeys]
) -> Iterator[tuple[str, KeySource, SigningKeys]]:
    permitted = _permitted(trusts, keys)
    for trust in trusts:
        for source, found in _keys_of(trust, permitted[trust.app], keys).items():
            yield trust.app, source, found


def _keys_of(
    trust: Trust, permitted: Collection[KeySource], keys: Mapping[KeySource, SigningKeys]
) -> dict[KeySource, SigningKeys]:
    """Return the keys of each source of an application; none of those that are too many."""
    return {
        source: keys.get(source, SigningKeys()) if source in permitted else _TOO_MANY
        for source in map(source_of, trust.rules)
    }


def _permitted(
    trusts: Sequence[Trust], keys: Mapping[KeySource, SigningKeys]
) -> dict[str, set[KeySource]]:
    """Return the sources of each application within the limits; those with keys come first."""
    first: dict[str, list[KeySource]] = {
        trust.app: list(dict.fromkeys(map(source_of, trust.rules)))[:MAX_SOURCES_OF_APPLICATION]
        for trust in trusts
    }

    def order(source: KeySource) -> tuple[bool, KeySource]:
        return not keys.get(source, SigningKeys()).jwks, source

    wanted = {source for sources in first.values() for source in sources}
    within = set(sorted(wanted, key=order)[:MAX_SOURCES])
    return {app: within.intersection(sources) for app, sources in first.items()}
