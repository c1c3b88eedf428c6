# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Single values of a policy against what is known of a request.

What a request leaves open makes an answer open (`None`): three-valued logic, in which a rule
matches, does not, or may. The matchers of a waypoint are those that istiod makes of a policy for
Envoy; see https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto.
"""

import dataclasses
import enum
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from istio_ambient.authorization.evaluator import _policies

Truth = bool | None
"""None: it depends on what the request leaves open."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ANY = "*"
SPIFFE = "spiffe://"
_ONE, _SOME = "{*}", "{**}"
_PCHAR = r"a-zA-Z0-9\-._~%!$&'()*+,;:@="
_UNRESERVED = re.compile(r"%(2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
_MAX_PORT = 65535
_BLOCKS = frozenset({_policies.SOURCE_IP, _policies.REMOTE_IP, _policies.DESTINATION_IP})


class Open(enum.Enum):
    """A principal that is open; None is taken for there being none."""

    ANYBODY = enum.auto()


ANYBODY = Open.ANYBODY


@dataclasses.dataclass(frozen=True)
class Attributes:
    """What one proxy knows of a request; None: open, except for the principal."""

    principal: str | Literal[Open.ANYBODY] | None
    """None: there is no identity."""
    source_ip: Address | None = None
    destination_ip: Address | None = None
    port: int | None = None
    method: str | None = None
    path: str | None = None
    host: str | None = None
    headers: Mapping[str, str] | None = None
    tls: bool = False
    """Whether the client speaks TLS inside of the tunnel."""
    tunnelled: bool = False
    """Whether the request comes out of a tunnel that ended in the same proxy, as at a waypoint:
    then the connection it comes over has no address, and only `remote.ip` is the client's."""
    token: Literal[False] | None = False
    """False: the request carries no valid token; None: open."""


def some(answers: Iterable[Truth]) -> Truth:
    """Return whether one of them is true."""
    is_open = False
    for answer in answers:
        if answer:
            return True
        is_open |= answer is None
    return None if is_open else False


def every(answers: Iterable[Truth]) -> Truth:
    """Return whether all of them are true."""
    return negated(some(negated(answer) for answer in answers))


def negated(answer: Truth) -> Truth:
    """Return the opposite."""
    return None if answer is None else not answer


def text(pattern: str, actual: str | None, *, ignore_case: bool = False) -> Truth:
    """Match `exact`, `prefix*`, `*suffix` or `*`, which is anything that is there at all."""
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
    """Return whether a value can be one of an attribute: a port, a block of addresses."""
    try:
        if attribute == _policies.PORT:
            return value.isascii() and value.isdigit() and int(value) <= _MAX_PORT
        if attribute in _BLOCKS:
            ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def connection(attribute: str, value: str, seen: Attributes) -> Truth:
    """Match a port or an address; the value is valid."""
    if attribute == _policies.PORT:
        return None if seen.port is None else int(value) == seen.port
    ours = attribute == _policies.DESTINATION_IP
    actual = seen.destination_ip if ours else seen.source_ip
    return None if actual is None else actual in ipaddress.ip_network(value, strict=False)


def path(pattern: str, actual: str | None) -> Truth:
    """Match a path as a waypoint sees it: normalized, without the query.

    With `{*}` (one segment) or `{**}` (any number of them) in it, a pattern is a template.
    """
    if actual is None:
        return None if pattern != ANY else True
    seen = normalized(actual)
    if _ONE in pattern or _SOME in pattern:
        return _template(pattern).fullmatch(seen) is not None
    # What Envoy calls presence is for paths "at least one character".
    return bool(seen) if pattern == ANY else text(pattern, seen)


def normalized(target: str) -> str:
    """Return the path of a request target as Envoy has it after normalization (RFC 3986, 6.2.2).

    Istio's default is BASE: dot segments are resolved, unreserved characters are unescaped and a
    backslash is a slash; double and escaped slashes stay.
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
    """Match an identity as Envoy does: the pattern stands behind `spiffe://`."""
    if actual is None:
        return False
    return bool(text(pattern, actual)) and (pattern != ANY or actual != "")


def namespace(pattern: str, actual: str | None) -> bool:
    """Match the namespace of an identity, in which `*` stands for anything, slashes too."""
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
