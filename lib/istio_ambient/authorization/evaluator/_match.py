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
import functools
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

import re2

from istio_ambient.authorization.evaluator import _policies

Truth = bool | None
"""None: it depends on unspecified members of the request."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ANY = "*"
SPIFFE = "spiffe://"
_ONE, _SOME = "{*}", "{**}"
_PCHAR = r"a-zA-Z0-9\-._~%!$&'()*+,;:@="
_UNRESERVED = re.compile(r"%(2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
_ESCAPED_SLASH = re.compile(r"%(2[Ff]|5[Cc])")
_SLASHES = {"2f": "/", "5c": "\\"}
_MANY_SLASHES = re.compile("//+")
_ESCAPED_BY_ENVOY = re.compile(r'[<>|`"^{}]|[^!-~]')
_MAX_PORT = 65535
_PARTS = 3
"""Slashes in `ns/<namespace>/sa/<service account>`."""
_BLOCKS = frozenset({_policies.SOURCE_IP, _policies.REMOTE_IP, _policies.DESTINATION_IP})


# The package has no types.
_re2 = cast(Any, re2)


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
    ports: tuple[int, ...] | None = None
    """The values that the port may have; None: any, or the one that is given."""
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
    normalization: str = "BASE"
    """How a proxy normalizes paths, as the mesh config names it."""
    trust_domains: tuple[str, ...] = ()
    """That of the mesh, and its aliases; empty: names of trust domains are not translated."""


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
        return _port(int(value), seen)
    if attribute == _policies.REMOTE_IP and seen.tunnelled:
        return _within(_forwarded_for(seen), value)
    is_destination = attribute == _policies.DESTINATION_IP
    return _within(seen.destination_ip if is_destination else seen.source_ip, value)


def _within(actual: Address | None, value: str) -> Truth:
    return None if actual is None else actual in ipaddress.ip_network(value, strict=False)


def _forwarded_for(seen: Attributes) -> Address | None:
    """Return the client's address as a waypoint takes it: the last one in X-Forwarded-For.

    Any client may write that header. Without it, and where it has no address, the address is that
    of the connection in the tunnel.
    """
    if seen.headers is None:
        return None
    last = seen.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        return ipaddress.ip_address(last)
    except ValueError:
        return seen.source_ip


def _port(wanted: int, seen: Attributes) -> Truth:
    if seen.port is not None:
        return wanted == seen.port
    return False if seen.ports is not None and wanted not in seen.ports else None


def path(pattern: str, actual: str | None, normalization: str = "BASE") -> Truth:
    """Match a path as a waypoint sees it: normalized, without the query.

    A pattern with `{*}` (one segment) or `{**}` (any number of segments) is a template.
    """
    if actual is None:
        return None if pattern != ANY else True
    seen = normalized(actual, normalization)
    if _ONE in pattern or _SOME in pattern:
        return _matches(_template(pattern), seen)
    # Envoy matches `*` as presence, which for a path means at least one character.
    return bool(seen) if pattern == ANY else text(pattern, seen)


def normalized(target: str, normalization: str = "BASE") -> str:
    """Return the path of a request target after Envoy's normalization (RFC 3986, 6.2.2).

    Istio's default is BASE: dot segments are resolved, unreserved characters are unescaped, a
    backslash becomes a slash, and some characters are escaped; double slashes and escaped slashes
    stay. See https://istio.io/latest/docs/ops/best-practices/security/#authorization-policies.

    Args:
        target: as in the request line.
        normalization: `pathNormalization` of the mesh config.
    """
    plain = re.split(r"[?#]", target, maxsplit=1)[0]
    if not plain.startswith("/") or normalization == "NONE":
        return plain
    if normalization == "DECODE_AND_MERGE_SLASHES":
        plain = _ESCAPED_SLASH.sub(lambda found: _SLASHES[found[1].lower()], plain)
    plain = _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), plain.replace("\\", "/"))
    plain = _ESCAPED_BY_ENVOY.sub(lambda found: _escaped(found[0]), plain)
    plain = _without_dots(plain)
    return plain if normalization == "BASE" else _MANY_SLASHES.sub("/", plain)


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))


def _without_dots(plain: str) -> str:
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


def rewritten(target: str | None, normalization: str) -> str | None:
    """Return a request target with its path normalized, as the header `:path` has it."""
    if target is None:
        return None
    plain, query, rest = target.partition("?")
    return normalized(plain, normalization) + query + rest


def _template(pattern: str) -> str:
    """Return the expression of a template of a path."""
    parts = re.split(r"(\{\*\*\}|\{\*\})", pattern)
    known = {_ONE: f"[{_PCHAR}]+", _SOME: f"[{_PCHAR}/]*"}
    return "".join(known.get(part) or re.escape(part) for part in parts)


def _matches(expression: str, actual: str) -> bool:
    """Return whether an expression that was made of a policy's value matches a whole text.

    The engine is Envoy's, RE2. It takes time in proportion to the text, whatever the value is:
    with `re`, the value of one tenant could hold up everybody's actions for ever. Of an
    expression that is too large for it, Envoy refuses the configuration: nothing matches.
    """
    compiled = _compiled(expression)
    return compiled is not None and compiled.fullmatch(_bytes(actual)) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    options = _re2.Options()
    options.log_errors = False
    # Bytes, so that texts that no encoding has, such as lone surrogates, are texts all the same.
    options.encoding = _re2.Options.Encoding.LATIN1
    try:
        return _re2.compile(_bytes(expression), options)
    except _re2.error:
        return None


def _bytes(actual: str) -> bytes:
    return actual.encode(errors="surrogatepass")


def in_trust_domains(pattern: str, domains: tuple[str, ...]) -> list[str]:
    """Return a principal of a policy in each trust domain of the mesh that it stands for.

    `cluster.local` stands for all of them, whatever they are, and so does each alias.
    """
    domain, _, rest = pattern.partition("/")
    if rest.count("/") != _PARTS or domain not in ("cluster.local", *domains):
        return [pattern]
    return [f"{each}/{rest}" for each in domains] or [pattern]


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
    return actual is not None and _matches(expression, SPIFFE + actual)
