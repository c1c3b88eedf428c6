# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Key sets from servers: what is left of them is public, and what Envoy accepts."""

import base64
import functools
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.values import jwks
from istio_ambient.values.problems import InvalidValueError


def encoded(number: int, size: int = 0) -> str:
    data = number.to_bytes(size or (number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def rsa_key(bits: int = 2048, **members: Any) -> dict[str, Any]:
    return {"kty": "RSA", "n": encoded(2**bits - 1), "e": "AQAB", **members}


P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""Points of the curve have numbers below it."""
Y_OF_5 = 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC


def ec_key(**members: Any) -> dict[str, Any]:
    numbers = _ec_numbers()
    point = {"x": encoded(numbers.x, 32), "y": encoded(numbers.y, 32)}
    return {"kty": "EC", "crv": "P-256", **point, **members}


@functools.cache
def _ec_numbers() -> ec.EllipticCurvePublicNumbers:
    return ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()


OKP: dict[str, Any] = {"kty": "OKP", "crv": "Ed25519", "x": encoded(2**255 - 19, 32)}


def written(*keys: object, **more: Any) -> list[dict[str, Any]]:
    """Return the keys that are left of a set."""
    return json.loads(jwks.parse(json.dumps({"keys": keys, **more}).encode()).text)["keys"]


@pytest.mark.parametrize(
    "key",
    [
        rsa_key(),
        rsa_key(kid="1", alg="RS256"),
        rsa_key(alg="PS512"),
        rsa_key(e="Aw"),
        ec_key(),
        ec_key(alg="ES256", kid="a b"),
        OKP,
        {**OKP, "alg": "EdDSA"},
    ],
)
def test_a_key_that_envoy_knows_is_kept(key: dict[str, Any]):
    extra = {"use": "sig", "key_ops": ["verify"], "x5c": ["MII"], "unknown": {"d": [1]}}
    assert written({**key, **extra}, other=[]) == [key]


@pytest.mark.parametrize(
    "key",
    [
        {},
        [],
        None,
        {"kty": "XX"},
        {"kty": ["RSA"]},
        rsa_key(use="enc"),
        rsa_key(key_ops=["encrypt"]),
        rsa_key(key_ops="verify"),
        rsa_key(alg="RSA-OAEP"),
        rsa_key(alg="ES256"),
        rsa_key(alg=1),
        rsa_key(e="AQ"),
        rsa_key(n=""),
        rsa_key(n="a+/b"),
        rsa_key(n=1),
        rsa_key(n=encoded(2**2048 + 2)),
        rsa_key(n=encoded(2**1023 + 1)),
        rsa_key(n=encoded(2**9000 + 1)),
        rsa_key(kid="\ud800"),
        rsa_key(kid="\0"),
        rsa_key(kid="x" * 257),
        rsa_key(kid=None),
        ec_key(crv="P-384"),
        ec_key(crv="secp256k1"),
        ec_key(crv=None),
        ec_key(alg="ES384"),
        ec_key(x=encoded(1, 32)),
        ec_key(y="AA"),
        # The same points, with numbers beyond the field: Envoy refuses them.
        ec_key(x=encoded(_ec_numbers().x + P256, 33)),
        ec_key(x=encoded(5 + P256, 32), y=encoded(Y_OF_5, 32)),
        {**OKP, "crv": "X25519"},
        {**OKP, "x": "AA"},
        {**OKP, "alg": "ES256"},
    ],
)
def test_a_key_that_envoy_refuses_is_left_out(key: object):
    assert written(key, ec_key()) == [ec_key()]


@pytest.mark.parametrize(
    "key", [rsa_key(d="AQ"), ec_key(d="AQ"), {"kty": "oct", "k": "c2VjcmV0"}, {"k": "c2VjcmV0"}]
)
def test_private_and_symmetric_keys_are_left_out_and_reported(key: dict[str, Any]):
    found = jwks.parse(json.dumps({"keys": [key, ec_key()]}).encode())
    assert found.has_private
    assert json.loads(found.text) == {"keys": [ec_key()]}
    assert not jwks.parse(json.dumps({"keys": [ec_key()]}).encode()).has_private


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<!doctype html><title>Maintenance</title>", "answered HTML"),
        (b"\xef\xbb\xbf\n<html>", "answered HTML"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"keys":[],"x":"\xff\xfe\x80"}', "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b'{"keys":[' + b"9" * 60_000 + b"]}", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "without keys"),
        (b'{"keys":{}}', "without keys"),
        (b'{"keys":[]}', "without a usable key"),
        (b'{"keys":[{"kty":"oct","k":"AA"}]}', "without a usable key"),
        (json.dumps({"keys": [ec_key(kid=str(n)) for n in range(33)]}).encode(), "more than"),
        (json.dumps({"keys": [rsa_key(8192, kid=str(n)) for n in range(12)]}).encode(), "KiB"),
    ],
)
def test_what_is_no_key_set_is_refused_with_what_it_is(body: bytes, message: str):
    with pytest.raises(InvalidValueError, match=message):
        jwks.parse(body)


def test_the_same_keys_in_another_order_are_the_same_text():
    one, other = (
        jwks.parse(json.dumps({"keys": keys}).encode())
        for keys in ([rsa_key(), ec_key(), OKP], [OKP, ec_key(), rsa_key(), OKP])
    )
    assert one == other
    assert jwks.parse(one.text.encode()) == one


_MEMBERS = st.sampled_from(["kty", "crv", "alg", "kid", "use", "key_ops", "n", "e", "x", "y", "d"])
_VALUES = st.one_of(
    st.sampled_from(
        ["RSA", "EC", "OKP", "oct", "P-256", "P-521", "Ed25519", "ES256", "RS256", "sig", "AQAB"]
    ),
    st.text(max_size=4),
    st.none(),
    st.integers(),
    st.lists(st.text(max_size=2), max_size=2),
    st.binary(max_size=80).map(lambda b: base64.urlsafe_b64encode(b).decode()),
)


@given(st.lists(st.dictionaries(_MEMBERS, _VALUES), max_size=4), st.binary(max_size=200))
def test_no_answer_makes_the_parser_raise_anything_else(keys: list[dict[str, Any]], junk: bytes):
    for body in (json.dumps({"keys": [*keys, ec_key()]}).encode(), junk):
        try:
            found = jwks.parse(body)
        except InvalidValueError:
            continue
        for key in json.loads(found.text)["keys"]:
            assert key.keys() <= {"kty", "crv", "alg", "kid", "n", "e", "x", "y"}


def test_nobody_knows_the_private_key_of_the_set_by_which_no_token_is_valid():
    (key,) = json.loads(jwks.UNUSABLE)["keys"]
    digest = hashlib.sha256(b"1 charmed-istio").digest()
    assert key["x"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert jwks.parse(jwks.UNUSABLE.encode()).text == jwks.UNUSABLE
