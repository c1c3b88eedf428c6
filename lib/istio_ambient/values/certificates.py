# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""X.509 certificates from outside: the errors of reading one, and what one may be used for."""

from cryptography import exceptions, x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

REFUSED = (
    ValueError,
    TypeError,
    exceptions.InvalidSignature,
    exceptions.UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""Errors of the library `cryptography` for what it cannot read or verify.

Extensions, names and keys of a certificate are read at their first use, so these errors may come
from a certificate that was loaded.
"""


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether a certificate has the name and a valid signature of an issuer."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except REFUSED:
        return False
    return True


def is_for_key(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Return whether a certificate is for the public half of a private key."""
    try:
        return certificate.public_key() == key.public_key()
    except REFUSED:
        return False


def is_authority(certificate: x509.Certificate) -> bool:
    """Return whether a certificate is one of an authority, or may be: its extensions are invalid.

    See RFC 5280, section 4.2.1.9; a certificate without basic constraints is one of an end entity.
    """
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
    except REFUSED:
        return True
