# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Lists of revoked certificates (CRLs) beside the certificate authority of the site.

istiod gives them to ztunnels as they are, and a ztunnel does not start with one that it cannot
read (rustls-webpki; istio/ztunnel src/tls/crl.rs).
"""

import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from istio_ambient.values import certificates
from istio_ambient.values.problems import InvalidValueError, inside

KEY = "ca-crl"
"""Key of the Juju secret; it may be missing."""

_BLOCK = re.compile(r"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def parse(text: str, issuers: Iterable[x509.Certificate]) -> str:
    """Return the lists of a text as PEM, without what is around them.

    Args:
        text: PEM; empty: there are none.
        issuers: the authorities of the mesh.

    Raises:
        InvalidValueError: there is no list, or one that ztunnel cannot read or that is of another
            authority.
    """
    if not text.strip():
        return ""
    blocks, authorities = _BLOCK.findall(text), tuple(issuers)
    if not blocks:
        raise InvalidValueError("no PEM list of revoked certificates", "use X509 CRL", KEY)
    return "".join(
        _list(block, authorities, inside(KEY, number) if len(blocks) > 1 else KEY)
        for number, block in enumerate(blocks)
    )


def _list(block: str, issuers: Iterable[x509.Certificate], field: str) -> str:
    try:
        found = x509.load_pem_x509_crl(block.encode())
        critical = [each.oid for each in found.extensions if each.critical]
        has_end = found.next_update_utc is not None
        algorithm = found.signature_hash_algorithm
    except certificates.REFUSED:
        message = "no PEM list of revoked certificates"
        raise InvalidValueError(message, "use X509 CRL", field) from None
    if critical or not has_end or not isinstance(algorithm, _HASHES):
        message = "ztunnel reads no such list"
        remedy = "use SHA-2, a next update, and no critical extension"
        raise InvalidValueError(message, remedy, field)
    if not any(_is_issued_by(found, issuer) for issuer in issuers):
        remedy = "use those of root-cert, cert-chain and ca-cert"
        raise InvalidValueError("of another authority", remedy, field)
    return found.public_bytes(serialization.Encoding.PEM).decode()


def _is_issued_by(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    if issuer.subject != found.issuer or not isinstance(
        key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    ):
        return False
    return found.is_signature_valid(key)
