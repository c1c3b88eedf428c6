# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Single values of a policy, matched with the attributes of a request.

An unspecified member of a request makes the result unknown (`None`): three-valued logic, in which
a rule matches, does not match, or may match. The matchers of a waypoint are those that istiod
makes of a policy for Envoy; see
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto.
"""

import dataclasses
import enum
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from istio_ambient.authorization.evaluator import _policies

Truth = bool | None
"""None: it depends on unspecified members of the request."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ANY = "*"
SPIFFE = "spiffe://"
_ONE, _SOME = "{*}", "{**}"
_PCHAR = r"a-zA-Z0-9\-._~%!$&'()*+,;:@="
_UNRESERVED = re.compile(r"%(2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
_MAX_PORT = 65535
_BLOCKS = frozenset({_policies.SOURCE_IP, _policies.REMOTE_IP, _policies.DESTINATION_IP})


class Unspecified(enum.Enum):
    """A principal that is unspecified; None is a client without one."""

    ANY_PRINCIPAL = enum.auto()


ANY_PRINCIPAL = Unspecified.ANY_PRINCIPAL


@dataclasses.dataclass(frozen=True)
class Attributes:
    """Attributes of a request as a proxy sees them; None: unspecified, but for the principal."""

    principal: str | Literal[Unspecified.ANY_PRINCIPAL] | None
    """None: the client has no identity."""
    source_ip: Address | None = None
    destination_ip: Address | None = None
    port: int | None = None
    method: str | None = None
    path: str | None = None
    host: str | None = None
    headers: Mapping[str, str] | None = None
    tls: bool = False
    """Whether the client uses TLS inside of the tunnel."""
    tunnelled: bool = False
    """Whether the request left a tunnel that ends in the same proxy, as at a waypoint: then its
    connection has no source address, and only `remote.ip` is the client's."""
    token: Literal[False] | None = False
    """False: the request has no valid token; None: unspecified."""


def some(truths: Iterable[Truth]) -> Truth:
    """Return whether at least one is true."""
    is_unknown = False
    for truth in truths:
        if truth:
            return True
        is_unknown |= truth is None
    return None if is_unknown else False


def every(truths: Iterable[Truth]) -> Truth:
    """Return whether all are true."""
    return negated(some(negated(truth) for truth in truths))


def negated(truth: Truth) -> Truth:
    """Return the opposite; unknown stays unknown."""
    return None if truth is None else not truth


def text(pattern: str, actual: str | None, *, ignore_case: bool = False) -> Truth:
    """Match `exact`, `prefix*`, `*suffix`, or `*` for any value."""
    if pattern == ANY:
        return True
    if actual is None:
        return None
    if ignore_case:
        pattern, actual = pattern.lower(), actual.lower()
    if pattern.startswith(ANY):
        return actual.endswith(pattern[1:])
    if pattern.endswith(ANY):
        return actual.startswith(pattern[:-1])
    return actual == pattern


def is_valid(attribute: str, value: str) -> bool:
    """Return whether a value is valid for an attribute: a port number, a block of addresses."""
    try:
        if attribute == _policies.PORT:
            return value.isascii() and value.isdigit() and int(value) <= _MAX_PORT
        if attribute in _BLOCKS:
            ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def connection(attribute: str, value: str, seen: Attributes) -> Truth:
    """Match a port or an address; the value has to be valid."""
    if attribute == _policies.PORT:
        return None if seen.port is None else int(value) == seen.port
    is_destination = attribute == _policies.DESTINATION_IP
    actual = seen.destination_ip if is_destination else seen.source_ip
    return None if actual is None else actual in ipaddress.ip_network(value, strict=False)


def path(pattern: str, actual: str | None) -> Truth:
    """Match a path as a waypoint sees it: normalized, without the query.

    A pattern with `{*}` (one segment) or `{**}` (any number of segments) is a template.
    """
    if actual is None:
        return None if pattern != ANY else True
    seen = normalized(actual)
    if _ONE in pattern or _SOME in pattern:
        return _template(pattern).fullmatch(seen) is not None
    # Envoy matches `*` as presence, which for a path means at least one character.
    return bool(seen) if pattern == ANY else text(pattern, seen)


def normalized(target: str) -> str:
    """Return the path of a request target after Envoy's normalization (RFC 3986, 6.2.2).

    Istio's default is BASE: dot segments are resolved, unreserved characters are unescaped and a
    backslash becomes a slash; double slashes and escaped slashes stay.
    """
    plain = re.split(r"[?#]", target, maxsplit=1)[0]
    if not plain.startswith("/"):
        return plain
    plain = _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), plain.replace("\\", "/"))
    segments: list[str] = []
    *folders, last = plain[1:].split("/")
    for segment in folders:
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    if last in ("..", "."):
        if last == "..":
            del segments[-1:]
        last = ""
    return "/" + "/".join([*segments, last])


def _template(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\*\*\}|\{\*\})", pattern)
    known = {_ONE: f"[{_PCHAR}]+", _SOME: f"[{_PCHAR}/]*"}
    return re.compile("".join(known.get(part) or re.escape(part) for part in parts))


def principal(pattern: str, actual: str | None) -> bool:
    """Match an identity as Envoy does: `spiffe://` is put in front of the pattern."""
    if actual is None:
        return False
    return bool(text(pattern, actual)) and (pattern != ANY or actual != "")


def namespace(pattern: str, actual: str | None) -> bool:
    """Match the namespace of an identity; `*` matches any characters, slashes too."""
    expression = ".*".join(re.escape(part) for part in pattern.split(ANY))
    return _identity(f".*/ns/{expression}/.*", actual)


def service_account(value: str, policy_namespace: str, actual: str | None) -> bool:
    """Match `<namespace>/<name>`, or `<name>` in the policy's own namespace."""
    where, slash, name = value.partition("/")
    if not slash:
        where, name = policy_namespace, value
    expression = f"{SPIFFE}.+/ns/{re.escape(where)}/(.+/|)sa/{re.escape(name)}(/.+)?"
    return _identity(expression, actual)


def trust_domain(pattern: str, actual: str | None) -> bool:
    """Match the trust domain of an identity."""
    if pattern == ANY:
        return actual is not None
    before, _, after = pattern.partition(ANY)
    middle = "[^/]*" if ANY in pattern else ""
    return _identity(f"{SPIFFE}{re.escape(before)}{middle}{re.escape(after)}/.*", actual)


def _identity(expression: str, actual: str | None) -> bool:
    return actual is not None and re.fullmatch(expression, SPIFFE + actual) is not None
