# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a certificate of an authority must be: every peer accepts what istiod signs below it.

Four programs verify the same certificates: istiod and the API server (Go's crypto/x509), ztunnel
(rustls-webpki), Envoy (BoringSSL). A certificate is refused where one of them would refuse.
Sources: Go's crypto/x509 (parser.go, verify.go, constraints.go); rustls-webpki (verify_cert.rs,
subject_name); BoringSSL (crypto/x509); RFC 5280, section 4.2.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, PublicKeyAlgorithmOID, SignatureAlgorithmOID

from istio_ambient.values import certificates

RSA_BITS = range(2048, 8193)
"""Sizes of RSA keys; ztunnel knows no others, and Go's TLS takes no longer ones."""

_MAX_EXPONENT = 2**31 - 1
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_READABLE_CURVES = (ec.SECP224R1, *_CURVES)
_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_KNOWN_CRITICAL = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
_NEVER_CRITICAL = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
_USAGES = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
_HOST = r"\.?([A-Za-z0-9_-]+\.)*[A-Za-z][A-Za-z0-9_-]*"
_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*://{_HOST}(:[0-9]{{1,5}})?(/[A-Za-z0-9._~/-]*)?")
_CONSTRAINED_MAILBOX = re.compile(rf"([A-Za-z0-9._+-]+@)?{_HOST}")
_CONSTRAINED_DOMAIN = re.compile(_HOST)

# istiod's certificate has names such as istiod.<namespace>.svc.
_ALL_SERVICES = ("", "svc", ".svc")

_E = TypeVar("_E", bound=x509.ExtensionType)


class Defect(msgspec.Struct, frozen=True):
    """Why a certificate is of no use, and what to do."""

    message: str
    remedy: str


_UNREADABLE = Defect("istiod cannot read this certificate", "issue it anew, as RFC 5280 says")
_KEY = Defect(
    "its key is of a kind that proxies refuse", "use RSA (2048 to 8192 bits), P-256 or P-384"
)


def reading_defect(certificate: x509.Certificate) -> Defect | None:
    """Return why Go cannot read a certificate, also one that nothing depends on; None: it can.

    The API server takes no bundle, and a proxy no chain, of which it cannot read one certificate.
    """
    try:
        return None if _is_readable(certificate) else _UNREADABLE
    except certificates.REFUSED:
        return _UNREADABLE


def signing_defect(
    certificate: x509.Certificate, below: Sequence[x509.Certificate], *, is_root: bool
) -> Defect | None:
    """Return why peers would refuse what is signed with a certificate, or below it; else None.

    Args:
        certificate: readable (`reading_defect`).
        below: the authorities between it and the certificates of workloads.
        is_root: peers trust it as it is, so that nothing depends on its own signature.
    """
    for is_acceptable, defect in _CHECKS:
        if not is_acceptable(certificate, below):
            return defect
    if is_root:
        return None if _is_for_servers_and_clients(certificate, or_any=True) else _USAGE
    if not _is_for_servers_and_clients(certificate):
        return _USAGE
    return None if _has_strong_signature(certificate) else _WEAK_SIGNATURE


def issuer_defect(
    certificate: x509.Certificate, issuer: x509.Certificate, others: Sequence[x509.Certificate]
) -> Defect | None:
    """Return why Envoy would not find the issuer of a certificate; None: it would.

    Args:
        certificate: of an authority.
        issuer: has its issuer's name, and the key of its signature.
        others: all certificates that Envoy looks for the issuer in.
    """
    named = _extension(certificate, x509.AuthorityKeyIdentifier)
    key_id = named.key_identifier if named else None
    if not _may_be(issuer, key_id):
        return Defect("it names another key of its issuer", "issue it anew")
    return _namesake(issuer, key_id, others)


def namesake_defect(signer: x509.Certificate, others: Sequence[x509.Certificate]) -> Defect | None:
    """Return why Envoy would not find the issuer of what a certificate signs; None: it would."""
    own = _extension(signer, x509.SubjectKeyIdentifier)
    return _namesake(signer, own.digest if own else None, others)


def name_and_key(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """Return the subject and the public key of a certificate, in DER."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key = certificate.public_key().public_bytes(serialization.Encoding.DER, form)
    return certificate.subject.public_bytes(), key


def _namesake(
    issuer: x509.Certificate, key_id: bytes | None, others: Sequence[x509.Certificate]
) -> Defect | None:
    # Envoy takes the first certificate of the name, whose key identifier is not another one.
    namesakes = (c for c in others if c.subject == issuer.subject and _may_be(c, key_id))
    if all(name_and_key(each) == name_and_key(issuer) for each in namesakes):
        return None
    return Defect("another authority has its issuer's name", "give them key identifiers")


def _may_be(issuer: x509.Certificate, key_id: bytes | None) -> bool:
    own = _extension(issuer, x509.SubjectKeyIdentifier)
    return key_id is None or own is None or own.digest == key_id


def _is_readable(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    _ = (certificate.subject, certificate.issuer)
    extensions = certificate.extensions
    return (
        certificate.serial_number >= 0
        and _has_one_algorithm(certificate)
        and (not isinstance(key, ec.EllipticCurvePublicKey) or _is_on(key, _READABLE_CURVES))
        and not (isinstance(key, rsa.RSAPublicKey) and key.public_numbers().e > _MAX_EXPONENT)
        and not any(e.critical and isinstance(e.value, _NEVER_CRITICAL) for e in extensions)
        and _has_readable_names(_extension(certificate, x509.SubjectAlternativeName))
        and _has_readable_constraints(_extension(certificate, x509.NameConstraints))
    )


def _has_one_algorithm(certificate: x509.Certificate) -> bool:
    """Return whether the algorithm outside the signed part is the one inside."""
    signed = certificate.tbs_certificate_bytes
    rest = certificate.public_bytes(serialization.Encoding.DER).partition(signed)[2]
    return rest[: 2 + rest[1]] in signed


def _has_readable_names(names: x509.SubjectAlternativeName | None) -> bool:
    for name in names or ():
        if isinstance(name, x509.UniformResourceIdentifier) and not _URI.fullmatch(name.value):
            return False
        if isinstance(name, x509.DNSName | x509.RFC822Name) and not name.value.isascii():
            return False
    return True


def _has_readable_constraints(constraints: x509.NameConstraints | None) -> bool:
    patterns: dict[type[x509.GeneralName], re.Pattern[str]] = {
        x509.DNSName: _CONSTRAINED_DOMAIN,
        x509.UniformResourceIdentifier: _CONSTRAINED_DOMAIN,
        x509.RFC822Name: _CONSTRAINED_MAILBOX,
    }
    return all(
        pattern is None or not name.value or pattern.fullmatch(str(name.value))
        for name in _constrained(constraints)
        for pattern in (patterns.get(type(name)),)
    )


def _has_version(certificate: x509.Certificate, _: object) -> bool:
    return certificate.version is x509.Version.v3


def _has_name(certificate: x509.Certificate, _: object) -> bool:
    # Workloads have no subject: their certificates would look as if they had signed themselves.
    return len(certificate.subject) > 0


def _has_acceptable_key(certificate: x509.Certificate, _: object) -> bool:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        # A key that is limited to RSA-PSS is read as an RSA key.
        is_rsa = certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5
        return is_rsa and key.key_size in RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _is_on(key, _CURVES)
    return isinstance(key, ed25519.Ed25519PublicKey)


def _is_authority(certificate: x509.Certificate, _: object) -> bool:
    basic = _extension(certificate, x509.BasicConstraints)
    return basic is not None and basic.ca


def _is_high_enough(certificate: x509.Certificate, below: Sequence[object]) -> bool:
    basic = _extension(certificate, x509.BasicConstraints)
    return basic is None or basic.path_length is None or basic.path_length >= len(below)


def _may_sign_certificates(certificate: x509.Certificate, _: object) -> bool:
    usage = _extension(certificate, x509.KeyUsage)
    return usage is None or usage.key_cert_sign


def _is_for_servers_and_clients(certificate: x509.Certificate, *, or_any: bool = False) -> bool:
    # Envoy and ztunnel take anyExtendedKeyUsage for these at roots only.
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage is None or _USAGES.issubset(usage):
        return True
    return or_any and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _has_known_critical_extensions(certificate: x509.Certificate, _: object) -> bool:
    known = (*_KNOWN_CRITICAL, x509.NameConstraints)
    return all(isinstance(e.value, known) for e in certificate.extensions if e.critical)


def _requires_no_policy(certificate: x509.Certificate, _: object) -> bool:
    return _extension(certificate, x509.PolicyConstraints) is None


def _permits_names(certificate: x509.Certificate, below: Sequence[x509.Certificate]) -> bool:
    """Return whether name constraints concern no name of workloads, of istiod and of authorities.

    ztunnel refuses whatever is below a constraint on URIs or directory names.
    """
    constraints = _extension(certificate, x509.NameConstraints)
    if constraints is None:
        return True
    domains = [
        n.value for n in constraints.permitted_subtrees or () if isinstance(n, x509.DNSName)
    ]
    excluded = [
        n.value for n in constraints.excluded_subtrees or () if isinstance(n, x509.DNSName)
    ]
    harmless = (x509.DNSName, x509.IPAddress, x509.RFC822Name)
    return (
        all(isinstance(name, harmless) for name in _constrained(constraints))
        and (not domains or any(domain.lower() in _ALL_SERVICES for domain in domains))
        and not any(_is_about_services(domain.lower()) for domain in excluded)
        and not any(_extension(each, x509.SubjectAlternativeName) for each in below)
    )


def _is_about_services(domain: str) -> bool:
    return domain in _ALL_SERVICES or domain.endswith(".svc")


_Check = Callable[[x509.Certificate, Sequence[x509.Certificate]], bool]
_CHECKS: tuple[tuple[_Check, Defect], ...] = (
    (_is_authority, Defect("not the certificate of an authority", "use one with CA:TRUE")),
    (_has_version, Defect("not X.509 version 3", "issue it anew in version 3")),
    (_has_name, Defect("it has no subject", "issue it anew with a subject")),
    (_has_acceptable_key, _KEY),
    (_may_sign_certificates, Defect("its key usage lacks keyCertSign", "issue it anew with that")),
    (
        _is_high_enough,
        Defect("its path length allows no authority below", "raise pathlen, or sign with it"),
    ),
    (
        _has_known_critical_extensions,
        Defect("a critical extension is unknown to proxies", "issue it without"),
    ),
    (_requires_no_policy, Defect("it requires policies of certificates", "issue it without")),
    (
        _permits_names,
        Defect("its name constraints exclude the mesh", "issue it without them"),
    ),
)
_USAGE = Defect("no serverAuth and clientAuth", "issue it with both, or no extendedKeyUsage")
_WEAK_SIGNATURE = Defect("its signature is one that proxies refuse", "sign it with SHA-256")


def _has_strong_signature(certificate: x509.Certificate) -> bool:
    try:
        return _is_strong(certificate)
    except certificates.REFUSED:
        # An algorithm that the library does not know.
        return False


def _is_strong(certificate: x509.Certificate) -> bool:
    digest = certificate.signature_hash_algorithm
    if digest is None:
        return certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519
    if not isinstance(digest, _DIGESTS):
        return False
    how = certificate.signature_algorithm_parameters
    # Go, and no other, is strict: the mask by the same digest, the salt as long as it.
    return not isinstance(how, padding.PSS) or (
        how.mgf._algorithm.name == digest.name  # pyright: ignore[reportPrivateUsage]
        and how._salt_length == digest.digest_size  # pyright: ignore[reportPrivateUsage]
    )


def _is_on(key: ec.EllipticCurvePublicKey, curves: tuple[type[ec.EllipticCurve], ...]) -> bool:
    return isinstance(key.curve, curves)


def _constrained(constraints: x509.NameConstraints | None) -> list[x509.GeneralName]:
    if constraints is None:
        return []
    return [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
