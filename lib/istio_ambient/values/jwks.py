# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""JSON web key sets (RFC 7517): from what a server answered to text that every Envoy accepts.

Envoy refuses the whole listener of a gateway for a key set that it cannot use. So the set is
written anew, from the members of the keys that Envoy reads (source/common/jwt/jwks.cc), each
checked as Envoy does and in one notation.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from istio_ambient.values import decoded
from istio_ambient.values.problems import InvalidValueError

MAX_KEYS = 32
MAX_TEXT = 16 * 1024
"""Bytes of a set that is written: a RequestAuthentication holds one for each of its rules."""

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_EC_ALGORITHMS: Mapping[str, str] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_RSA_BITS = range(2048, 8192 + 1)
"""RFC 7518, section 3.3, wants 2048 at least; BoringSSL, of which Envoy is made, takes 8192."""
_RSA_EXPONENTS = (3, 65537)
"""Envoy refuses any other."""
_ED25519_BYTES = 32
_BASE64 = r"[A-Za-z0-9_-]+={0,2}"
_KEY_ID = r"[ -~]{1,256}"

UNUSABLE = (
    '{"keys":[{"crv":"P-256","kty":"EC","x":"EuecJuBs0N6hwoBDx0j7sOA4EYKZku2ESArXMLT-M4I",'
    '"y":"nS3zOX6orjJKm0c1tmerpy7eC-uTGUKe0oGz6Y8q4UQ"}]}'
)
"""A valid set by which no token is valid. Its key is a point that follows from a hash, so that no
private key is known: x is SHA-256 of `1 charmed-istio`."""


class _UnusableKeyError(ValueError):
    """A key by which Envoy would verify nothing, or that it would refuse."""


class KeySet(msgspec.Struct, frozen=True):
    """Public keys that Envoy accepts."""

    text: str
    """JSON, the same for the same keys in any order."""
    has_private: bool = False
    """The server published private or symmetric keys too; they are left out."""


def parse(body: bytes) -> KeySet:
    """Return the usable keys of a JSON web key set.

    Keys that are no signing keys, that Envoy does not know, or that are private are left out.

    Args:
        body: as a server sent it, of a size that the caller bounds.

    Raises:
        InvalidValueError: it is no key set, or no key in it is usable.
    """
    found = read_object(body).get("keys")
    if not isinstance(found, list):
        raise InvalidValueError("answered JSON without keys", _REMEDY)
    keys: set[str] = set()
    has_private = False
    for key in cast(list[object], found):
        members = decoded.members(key)
        if _PRIVATE & members.keys() or members.get("kty") == "oct":
            has_private = True
            continue
        try:
            keys.add(_to_json(_public(members)))
        except _UnusableKeyError:
            continue
    if not keys:
        raise InvalidValueError("answered without a usable key", _REMEDY)
    text = f'{{"keys":[{",".join(sorted(keys))}]}}'
    if len(keys) > MAX_KEYS or len(text) > MAX_TEXT:
        limit = f"{MAX_KEYS} keys or {MAX_TEXT // 1024} KiB"
        raise InvalidValueError(f"answered more than {limit}", "publish the current keys only")
    return KeySet(text, has_private)


_REMEDY = "let jwks_uri lead to a JSON web key set"


def read_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object that a server sent.

    Raises:
        InvalidValueError: it is something else.
    """
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise InvalidValueError("answered HTML", _REMEDY)
    try:
        found: object = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidValueError("answered something that is not JSON", _REMEDY) from error
    if not isinstance(found, dict):
        raise InvalidValueError("answered JSON that is not an object", _REMEDY)
    return cast(dict[str, Any], found)


def _public(key: Mapping[str, Any]) -> dict[str, str]:
    """Return the members of a key that Envoy reads."""
    operations: object = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not (
        isinstance(operations, list) and "verify" in operations
    ):
        raise _UnusableKeyError
    make = _KINDS.get(_text(key, "kty"))
    if make is None:
        raise _UnusableKeyError
    members = make(key)
    for name, pattern in (("kid", _KEY_ID), ("alg", _BASE64)):
        if name in key:
            members[name] = _text(key, name)
            if not re.fullmatch(pattern, members[name]):
                raise _UnusableKeyError
    return members


def _rsa(key: Mapping[str, Any]) -> dict[str, str]:
    modulus, exponent = _number(key, "n"), _number(key, "e")
    if not modulus % 2 or modulus.bit_length() not in _RSA_BITS:
        raise _UnusableKeyError
    if exponent not in _RSA_EXPONENTS or not _algorithms(key) <= _RSA_ALGORITHMS:
        raise _UnusableKeyError
    return {"kty": "RSA", "n": _notation(modulus), "e": _notation(exponent)}


def _ec(key: Mapping[str, Any]) -> dict[str, str]:
    # It takes long to import, and few gateways ask for tokens.
    from cryptography.hazmat.primitives.asymmetric import ec

    name = _text(key, "crv")
    algorithm = _EC_ALGORITHMS.get(name)
    if algorithm is None or not {algorithm} >= _algorithms(key):
        raise _UnusableKeyError
    curve = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}[name]()
    x, y = _number(key, "x"), _number(key, "y")
    try:
        point = ec.EllipticCurvePublicNumbers(x, y, curve).public_key().public_numbers()
    except ValueError as error:
        raise _UnusableKeyError from error
    # Numbers beyond the field are taken here for those that they equal in it, and not by Envoy.
    if (point.x, point.y) != (x, y):
        raise _UnusableKeyError
    size = (curve.key_size + 7) // 8
    return {"kty": "EC", "crv": name, "x": _notation(x, size), "y": _notation(y, size)}


def _okp(key: Mapping[str, Any]) -> dict[str, str]:
    x = _bytes(key, "x")
    if _text(key, "crv") != "Ed25519" or len(x) != _ED25519_BYTES:
        raise _UnusableKeyError
    if not {"EdDSA"} >= _algorithms(key):
        raise _UnusableKeyError
    return {"kty": "OKP", "crv": "Ed25519", "x": _encoded(x)}


_KINDS = {"RSA": _rsa, "EC": _ec, "OKP": _okp}


def _algorithms(key: Mapping[str, Any]) -> set[str]:
    return {_text(key, "alg")} if "alg" in key else set()


def _text(key: Mapping[str, Any], name: str) -> str:
    value = key.get(name)
    if not isinstance(value, str):
        raise _UnusableKeyError
    return value


def _bytes(key: Mapping[str, Any], name: str) -> bytes:
    text = _text(key, name)
    if not re.fullmatch(_BASE64, text):
        raise _UnusableKeyError
    stripped = text.rstrip("=")
    try:
        return base64.urlsafe_b64decode(stripped + "=" * (-len(stripped) % 4))
    except binascii.Error as error:
        raise _UnusableKeyError from error


def _number(key: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(key, name))


def _notation(number: int, size: int = 0) -> str:
    return _encoded(number.to_bytes(size or (number.bit_length() + 7) // 8))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
