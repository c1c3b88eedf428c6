# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Certificates of authorities that are made to measure, also such as no library signs."""

import base64
import dataclasses
import datetime
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL


def _mersenne_key() -> rsa.RSAPrivateKey:
    """Return a long key without the search for primes."""
    p, q, e = 2**4423 - 1, 2**4253 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(e, p * q)).private_key()


KINDS: Mapping[str, Callable[[], Any]] = {
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-2048-e3": lambda: rsa.generate_private_key(3, 2048),
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
    "rsa-8676": _mersenne_key,
    "p224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
}


@functools.cache
def key(kind: str) -> Any:
    """Return the key of a kind; making one anew for each authority takes too long."""
    return KINDS[kind]()


@dataclasses.dataclass
class Draft:
    """A certificate before it is signed."""

    key: Any
    subject: x509.Name
    serial: int
    start: datetime.datetime = NOW - DAY
    end: datetime.datetime = NOW + 3650 * DAY
    basic: x509.BasicConstraints | None = dataclasses.field(
        default_factory=lambda: x509.BasicConstraints(True, None)
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = dataclasses.field(
        default_factory=list[tuple[x509.ExtensionType, bool]]
    )
    hash: hashes.HashAlgorithm = dataclasses.field(default_factory=hashes.SHA256)
    salt: int | None = None
    """Length of the salt of an RSA-PSS signature; None: no such signature."""
    edit: Callable[[list[bytes]], None] | None = None
    """Changes the fields of the certificate that are signed, in DER."""
    issuer: x509.Name | None = None
    is_identified: bool = True
    """Whether it has the identifiers of its key and of that of its issuer."""
    key_id: bytes | None = None
    """Key identifier of the issuer, instead of the right one."""


@dataclasses.dataclass
class Made:
    """An authority with its certificate."""

    draft: Draft
    der: bytes

    @property
    def pem(self) -> str:
        return as_pem(self.der)

    def private(
        self,
        form: serialization.PrivateFormat = PKCS8,
        how: serialization.KeySerializationEncryption | None = None,
    ) -> str:
        return self.draft.key.private_bytes(
            PEM, form, how or serialization.NoEncryption()
        ).decode()


def _identifiers(draft: Draft, above: Made | None) -> Iterator[x509.ExtensionType]:
    """Yield the identifiers of the keys, as programs that issue certificates write them."""
    given = {extension.oid for extension, _ in draft.extensions}
    if draft.is_identified and x509.SubjectKeyIdentifier.oid not in given:
        yield x509.SubjectKeyIdentifier.from_public_key(draft.key.public_key())
    if x509.AuthorityKeyIdentifier.oid in given:
        return
    if draft.key_id:
        yield x509.AuthorityKeyIdentifier(draft.key_id, None, None)
    elif draft.is_identified and above and above.draft.is_identified:
        certificate = x509.load_der_x509_certificate(above.der)
        try:
            named = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
            return
        yield x509.AuthorityKeyIdentifier(named.value.digest, None, None)


_RSA_SHA1, _ECDSA_SHA1 = "300d06092a864886f70d0101050500", "300906072a8648ce3d0401"


def as_pem(der: bytes, label: str = "CERTIFICATE") -> str:
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def der(tag: int, value: bytes) -> bytes:
    """Return an element in DER."""
    length = len(value)
    if length < 128:
        return bytes([tag, length]) + value
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 + len(size)]) + size + value


def elements(data: bytes) -> Iterator[bytes]:
    """Yield the elements of a DER sequence."""
    at = _header(data, 0)[0]
    while at < len(data):
        start, length = _header(data, at)
        yield data[at : start + length]
        at = start + length


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Return where the value of an element begins, and its length."""
    length = data[at + 1]
    if length < 128:
        return at + 2, length
    size = length - 128
    return at + 2 + size, int.from_bytes(data[at + 2 : at + 2 + size], "big")


def made(draft: Draft, above: Made | None) -> Made:
    """Sign a draft with the key of the authority above; without one, with its own."""
    signer = above.draft if above else draft
    builder = (
        x509.CertificateBuilder()
        .subject_name(draft.subject)
        .issuer_name(draft.issuer or signer.subject)
        .public_key(draft.key.public_key())
        .serial_number(draft.serial)
        .not_valid_before(draft.start)
        .not_valid_after(draft.end)
    )
    if draft.basic:
        builder = builder.add_extension(draft.basic, critical=True)
    for extension, critical in draft.extensions:
        builder = builder.add_extension(extension, critical)
    for extension in _identifiers(draft, above):
        builder = builder.add_extension(extension, critical=False)
    is_ed = isinstance(signer.key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    chosen: Any = None if is_ed else draft.hash
    is_pss = draft.salt is not None and isinstance(signer.key, rsa.RSAPrivateKey)
    scheme: Any = padding.PSS(padding.MGF1(draft.hash), draft.salt or 0) if is_pss else None
    if draft.edit is None and not isinstance(draft.hash, hashes.SHA1):
        signed = builder.sign(signer.key, chosen, rsa_padding=scheme)
        return Made(draft, signed.public_bytes(serialization.Encoding.DER))
    # A digest that the library does not sign with, and content that it does not write.
    signed = builder.sign(signer.key, None if is_ed else hashes.SHA256())
    _, algorithm, _ = elements(signed.public_bytes(serialization.Encoding.DER))
    fields = list(elements(signed.tbs_certificate_bytes))
    if isinstance(draft.hash, hashes.SHA1) and not is_ed:
        is_rsa = isinstance(signer.key, rsa.RSAPrivateKey)
        algorithm = fields[2] = bytes.fromhex(_RSA_SHA1 if is_rsa else _ECDSA_SHA1)
    if draft.edit:
        draft.edit(fields)
    tbs = der(0x30, b"".join(fields))
    digest = draft.hash if isinstance(draft.hash, hashes.SHA1) else hashes.SHA256()
    signature: bytes
    if is_ed:
        signature = cast(Any, signer.key).sign(tbs)
    elif isinstance(signer.key, rsa.RSAPrivateKey):
        signature = signer.key.sign(tbs, padding.PKCS1v15(), digest)
    else:
        signature = signer.key.sign(tbs, ec.ECDSA(digest))
    return Made(draft, der(0x30, tbs + algorithm + der(3, b"\0" + signature)))
