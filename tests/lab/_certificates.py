# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The cluster's certificate authority, the API server's certificate and those of its users."""

import base64
import datetime
import ipaddress
import pathlib

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import oid

_LIFETIME = datetime.timedelta(days=7)


class CertificateAuthority:
    """A certificate authority in a folder: `ca.crt`; `<name>.crt` and `<name>.key` per subject."""

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name("charmed-istio-lab-ca")
        certificate = (
            _builder(self._subject, self._subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "ca.crt"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, name: str, alternative_names: list[str]) -> tuple[pathlib.Path, pathlib.Path]:
        """Issue a certificate for DNS names and IP addresses; returns certificate and key."""
        names: list[x509.GeneralName] = []
        for alternative in alternative_names:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(alternative)))
            except ValueError:
                names.append(x509.DNSName(alternative))
        usage = oid.ExtendedKeyUsageOID.SERVER_AUTH
        return self._issue(name, _name(name), usage, x509.SubjectAlternativeName(names))

    def user(self, name: str, groups: tuple[str, ...]) -> tuple[pathlib.Path, pathlib.Path]:
        """Issue a certificate with which a client is that user, member of those groups."""
        usage = oid.ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(name, _name(name, groups), usage, None)

    def _issue(
        self,
        name: str,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> tuple[pathlib.Path, pathlib.Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._subject, key.public_key()).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if alternatives:
            builder = builder.add_extension(alternatives, critical=False)
        file_name = name.replace(":", "_").replace("/", "_")
        certificate = self.folder / f"{file_name}.crt"
        certificate.write_bytes(
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        return certificate, write_key(self.folder / f"{file_name}.key", key)


def write_key(path: pathlib.Path, key: ec.EllipticCurvePrivateKey) -> pathlib.Path:
    """Write a private key as PEM."""
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def service_account_keys(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Make the keys for ServiceAccount tokens; returns private and public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = folder / "sa.pub"
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return write_key(folder / "sa.key", key), public


def kubeconfig(
    path: pathlib.Path, server: str, authority: pathlib.Path, credentials: dict[str, str]
) -> pathlib.Path:
    """Write a kubeconfig with one context.

    Args:
        path: Where to.
        server: URL of the API server.
        authority: The certificate authority that issued the server's certificate.
        credentials: The `user` of the kubeconfig.
    """
    data = base64.b64encode(authority.read_bytes()).decode()
    cluster = {"server": server, "certificate-authority-data": data}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "lab", "user": credentials}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    }
    path.write_text(yaml.safe_dump(config))
    return path


def _name(common_name: str, organizations: tuple[str, ...] = ()) -> x509.Name:
    attributes = [
        x509.NameAttribute(oid.NameOID.ORGANIZATION_NAME, organization)
        for organization in organizations
    ]
    return x509.Name([*attributes, x509.NameAttribute(oid.NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFETIME)
        .not_valid_after(now + _LIFETIME)
    )
