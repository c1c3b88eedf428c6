# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Certificate authorities for tests, and the certificates that they issue."""

import dataclasses
import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LIFETIME = datetime.timedelta(days=3650)

_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclasses.dataclass(frozen=True)
class Authority:
    """A certificate authority: a root, or an intermediate with the authority `above` it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: "Authority | None" = None

    @classmethod
    def make(cls, name: str, above: "Authority | None" = None) -> "Authority":
        """Return a new certificate authority: a root, or an intermediate of the one `above`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        issuer = above.certificate.subject if above else subject
        builder = _builder(subject, issuer, START, START + LIFETIME).public_key(key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        builder = builder.add_extension(_KEY_USAGE, True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(identifier, False)
        if above:
            signer = above.key.public_key()
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer)
            builder = builder.add_extension(identifier, False)
        return cls(builder.sign(above.key if above else key, hashes.SHA256()), key, above)

    @property
    def pem(self) -> str:
        """The authority's own certificate in PEM."""
        return pem_of(self.certificate)

    @property
    def key_pem(self) -> str:
        """The authority's private key in PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    @property
    def path(self) -> list[str]:
        """The certificates in PEM from this authority up to the root, the root last."""
        return [self.pem, *(self.above.path if self.above else [])]

    def dump(self) -> str:
        """Return keys and certificates from this authority up to the root as one text."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return key.decode() + self.pem + (self.above.dump() if self.above else "")

    @classmethod
    def load(cls, text: str) -> "Authority":
        """Return the certificate authority that `dump` wrote as text."""
        *below, last = text.split("-----BEGIN PRIVATE KEY-----")[1:]
        found: Authority | None = None
        for part in (last, *reversed(below)):
            pem = f"-----BEGIN PRIVATE KEY-----{part}".encode()
            key = serialization.load_pem_private_key(pem, password=None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            found = cls(x509.load_pem_x509_certificate(pem), key, found)
        assert found
        return found

    def sign(
        self,
        request: str,
        begin: datetime.datetime = START,
        end: datetime.datetime = START + LIFETIME,
        names: Sequence[x509.GeneralName] | None = None,
        ca: bool = False,
    ) -> str:
        """Return the certificate for a request, both in PEM.

        `names` replaces the subject alternative names of the request.
        """
        csr = x509.load_pem_x509_csr(request.encode())
        if names is None:
            requested = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = list(requested.value)
        builder = _builder(csr.subject, self.certificate.subject, begin, end)
        builder = builder.public_key(csr.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(identifier, False)
        return pem_of(builder.sign(self.key, hashes.SHA256()))


def pem(name: str) -> str:
    """Return the self-signed certificate of a new certificate authority in PEM."""
    return Authority.make(name).pem


def pem_of(certificate: x509.Certificate) -> str:
    """Return a certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, begin: datetime.datetime, end: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
