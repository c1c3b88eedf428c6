# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The certificate authority of the site, checked before it is given to istiod.

istiod exits when it cannot use the content of Secret `cacerts`, and a chain that does not verify
would disconnect every workload. No message holds a part of the certificates or the key.
Source: Istio's documentation, "Plug in CA Certificates"; istio/istio security/pkg/pki/util.
"""

import dataclasses
import datetime
import re
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from istio_ambient import manifests
from istio_ambient.values import certificates
from istio_ambient.values.config import problem_of_option
from istio_ambient.values.problems import InvalidValueError, Problem

CA_SECRET = "ca-secret"  # noqa: S105 - the name of an option

KEYS = ("ca-cert", "ca-key", "root-cert", "cert-chain")
"""Keys of the Juju secret: Istio's file names without `.pem`, since Juju takes no dots."""

_ROTATE = "rotate it: juju update-secret with certificates that are valid"
_MAX_PATH = 16
_MIN_RSA_BITS = 2048


@dataclasses.dataclass(frozen=True)
class SiteCA:
    """The certificate authority of option `ca-secret`."""

    mesh_ca: manifests.MeshCA | None = None
    """The authority to use; None: none is configured, or `problem` says why it is not used."""
    problem: Problem | None = None
    """With an authority: it became invalid after it was applied, and is still used."""

    @property
    def is_usable(self) -> bool:
        """Whether the control plane may be changed: a new authority must be valid."""
        return self.problem is None or self.mesh_ca is not None


def read_site_ca(
    content: Mapping[str, str] | Problem | None,
    source: str,
    now: datetime.datetime,
    applied: manifests.MeshCA | None = None,
) -> SiteCA:
    """Return the authority of a secret.

    An authority that is applied and became invalid since (its certificates expired, its secret is
    no longer readable) is a problem and still used: no part of it is new, and other changes, such
    as a withdrawn permission, must not wait for it.

    Args:
        content: the secret's keys and values; why it cannot be read; None: the option is not set.
        source: id of the secret.
        now: with a time zone; certificates must be valid at this time.
        applied: the authority that istiod has from us.
    """
    if content is None:
        return SiteCA()
    if isinstance(content, Problem):
        is_applied = applied is not None and applied.source == source
        return SiteCA(applied if is_applied else None, content)
    mesh_ca = None
    try:
        mesh_ca = dataclasses.replace(parse_mesh_ca(content), source=source)
        check_validity(mesh_ca, now)
    except InvalidValueError as error:
        is_applied = mesh_ca == applied
        return SiteCA(mesh_ca if is_applied else None, problem_of_option(CA_SECRET, error))
    return SiteCA(mesh_ca)


def parse_mesh_ca(content: Mapping[str, str]) -> manifests.MeshCA:
    """Return the authority that a Juju secret holds, at whatever time it is valid.

    Args:
        content: key → PEM text.

    Raises:
        InvalidValueError: a key is missing or unknown, a text is not PEM, key and certificate do
            not match, the certificate is not one of an authority, or the chain ends at no root.
    """
    _check_keys(content)
    texts = {key: content[key].strip() + "\n" for key in KEYS}
    found = {key: _certificates(key, texts[key]) for key in KEYS if key != "ca-key"}
    if len(found["ca-cert"]) != 1:
        raise InvalidValueError(
            "more than one certificate", "put the others into cert-chain", "ca-cert"
        )
    (signer,) = found["ca-cert"]
    _check_key(texts["ca-key"], signer)
    if not certificates.may_sign(signer):
        message, remedy = "not the certificate of an authority", "use one with CA:TRUE"
        raise InvalidValueError(message, remedy, "ca-cert")
    roots, chain = found["root-cert"], found["cert-chain"]
    if signer not in chain and signer not in roots:
        remedy = "begin it with the certificate of ca-cert"
        raise InvalidValueError("the certificate of ca-cert is not in it", remedy, "cert-chain")
    if not _leads_to(signer, roots, chain):
        remedy = "use the certificates between ca-cert and root-cert"
        raise InvalidValueError("it does not lead from ca-cert to root-cert", remedy, "cert-chain")
    return manifests.MeshCA(**{key.replace("-", "_"): text for key, text in texts.items()})


def check_validity(mesh_ca: manifests.MeshCA, now: datetime.datetime) -> None:
    """Check that an authority from `parse_mesh_ca` is valid at a time.

    Args:
        mesh_ca: the authority.
        now: with a time zone.

    Raises:
        InvalidValueError: the certificate, or one on each path from it to a root, is not valid.
    """
    (signer,) = _certificates("ca-cert", mesh_ca.ca_cert)
    if now >= signer.not_valid_after_utc:
        raise InvalidValueError("expired", _ROTATE, "ca-cert")
    if now < signer.not_valid_before_utc:
        raise InvalidValueError("not valid yet", _ROTATE, "ca-cert")
    roots = _certificates("root-cert", mesh_ca.root_cert)
    chain = _certificates("cert-chain", mesh_ca.cert_chain)
    if not _leads_to(signer, roots, chain, now):
        message = "it does not lead from ca-cert to root-cert by certificates that are valid now"
        raise InvalidValueError(message, _ROTATE, "cert-chain")


def _check_keys(content: Mapping[str, str]) -> None:
    listed = ", ".join(KEYS)
    for key in KEYS:
        if not content.get(key, "").strip():
            raise InvalidValueError("the secret does not hold it", f"add {listed}", key)
    for key in sorted(content):
        if key not in KEYS:
            raise InvalidValueError("not known", f"use {listed} only", key)


def _certificates(key: str, text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except certificates.REFUSED:
        raise InvalidValueError("no PEM certificate", "use PEM, unencrypted", key) from None


def _check_key(text: str, certificate: x509.Certificate) -> None:
    # istiod reads the first block only; openssl may write a curve's parameters before the key.
    if not re.match(r"-----BEGIN ((RSA|EC) )?PRIVATE KEY-----", text):
        remedy = "use one PEM private key, unencrypted, and nothing before it"
        raise InvalidValueError("it does not begin with a private key", remedy, "ca-key")
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except certificates.REFUSED:
        raise InvalidValueError("no private key", "use PEM, unencrypted", "ca-key") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise InvalidValueError("neither RSA nor ECDSA", "use one of them", "ca-key")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _MIN_RSA_BITS:
        raise InvalidValueError("RSA, too short", f"use {_MIN_RSA_BITS} bits or more", "ca-key")
    if not certificates.is_for_key(certificate, key):
        raise InvalidValueError(
            "not the key of ca-cert", "use the pair that belongs together", "ca-key"
        )


def _leads_to(
    certificate: x509.Certificate,
    roots: Sequence[x509.Certificate],
    chain: Sequence[x509.Certificate],
    now: datetime.datetime | None = None,
    below: int = 0,
) -> bool:
    if certificate in roots:
        return True
    if below >= _MAX_PATH:
        return False
    rest = [other for other in chain if other != certificate]
    return any(
        certificates.is_issued_by(certificate, issuer)
        and certificates.may_sign(issuer, below + 1)
        and _is_valid(issuer, now)
        and _leads_to(issuer, roots, rest, now, below + 1)
        for issuer in (*roots, *rest)
    )


def _is_valid(certificate: x509.Certificate, now: datetime.datetime | None) -> bool:
    """Return whether a certificate is valid at a time; None: at any time."""
    return now is None or certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
