# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Certificate authorities for tests: a root, and one below it, in the keys of the Juju secret."""

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """A key with a certificate, signed by another authority or by itself."""

    def __init__(
        self,
        name: str,
        issuer: "Authority | None" = None,
        *,
        ca: bool = True,
        path_length: int | None = None,
        start: datetime.datetime = NOW - DAY,
        days: int = 3650,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + days * DAY)
            .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def revocations(
        self,
        *serial_numbers: int,
        digest: hashes.SHA224 | hashes.SHA256 | None = None,
        critical: bool = False,
    ) -> str:
        """Return a list of revoked certificates, which this authority has signed."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(NOW - DAY).next_update(NOW + DAY)
        if critical:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        for number in serial_numbers:
            revoked = x509.RevokedCertificateBuilder().serial_number(number)
            builder = builder.add_revoked_certificate(revoked.revocation_date(NOW).build())
        signed = builder.sign(self.key, digest or hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def private(self, password: bytes | None = None, *, traditional: bool = False) -> str:
        """The private key; with a password it is encrypted."""
        how = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        private = serialization.PrivateFormat
        form = private.TraditionalOpenSSL if traditional else private.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, how).decode()


def secret(authority: Authority, *above: Authority) -> dict[str, str]:
    """Return the content of the Juju secret; the last of `above` is the root."""
    parents = above or (authority,)
    chain = (authority, *parents) if above else (authority,)
    return {
        "ca-cert": authority.pem,
        "ca-key": authority.private(),
        "root-cert": parents[-1].pem,
        "cert-chain": "".join(each.pem for each in chain),
    }
