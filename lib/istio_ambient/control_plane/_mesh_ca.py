# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The site's own certificate authority, checked before istiod gets to see it.

istiod ends when it cannot use what it finds in Secret `cacerts`, and a chain that does not verify
would cut every workload off. No message holds anything of the certificates or the key.
Source: Istio's documentation, "Plug in CA Certificates"; istio/istio security/pkg/pki/util.
"""

import datetime
import re
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from istio_ambient import manifests
from istio_ambient.values import certificates
from istio_ambient.values.invalid import OptionError

KEYS = ("ca-cert", "ca-key", "root-cert", "cert-chain")
"""Keys of the Juju secret: Istio's file names without `.pem`, since Juju takes no dots."""

_ROTATE = "rotate it: juju update-secret with certificates that are valid"
_MAX_PATH = 16
_MIN_RSA_BITS = 2048


def parse_mesh_ca(content: Mapping[str, str]) -> manifests.MeshCA:
    """Return the authority that a Juju secret holds; whether it is valid now is not looked at.

    Args:
        content: key → PEM text.

    Raises:
        OptionError: a key is missing or unknown, something is no PEM, key and certificate do not
            belong together, the certificate is no authority, or the chain does not lead to a root.
    """
    _check_keys(content)
    texts = {key: content[key].strip() + "\n" for key in KEYS}
    found = {key: _certificates(key, texts[key]) for key in KEYS if key != "ca-key"}
    if len(found["ca-cert"]) != 1:
        raise OptionError("more than one certificate", "put the others into cert-chain", "ca-cert")
    (signer,) = found["ca-cert"]
    _check_key(texts["ca-key"], signer)
    if not certificates.may_sign(signer):
        message, remedy = "not the certificate of an authority", "use one with CA:TRUE"
        raise OptionError(message, remedy, "ca-cert")
    roots, chain = found["root-cert"], found["cert-chain"]
    if signer not in chain and signer not in roots:
        remedy = "begin it with the certificate of ca-cert"
        raise OptionError("the certificate of ca-cert is not in it", remedy, "cert-chain")
    if not _leads_to(signer, roots, chain):
        remedy = "use the certificates between ca-cert and root-cert"
        raise OptionError("it does not lead from ca-cert to root-cert", remedy, "cert-chain")
    return manifests.MeshCA(
        ca_cert=texts["ca-cert"],
        ca_key=texts["ca-key"],
        root_cert=texts["root-cert"],
        cert_chain=texts["cert-chain"],
    )


def check_validity(mesh_ca: manifests.MeshCA, now: datetime.datetime) -> None:
    """Check what time alone may change of an authority from `parse_mesh_ca`.

    Args:
        mesh_ca: the authority.
        now: with a time zone.

    Raises:
        OptionError: the certificate, or what stands between it and every root, is not valid now.
    """
    (signer,) = _certificates("ca-cert", mesh_ca.ca_cert)
    if now >= signer.not_valid_after_utc:
        raise OptionError("expired", _ROTATE, "ca-cert")
    if now < signer.not_valid_before_utc:
        raise OptionError("not valid yet", _ROTATE, "ca-cert")
    roots = _certificates("root-cert", mesh_ca.root_cert)
    chain = _certificates("cert-chain", mesh_ca.cert_chain)
    if not _leads_to(signer, roots, chain, now):
        message = "it does not lead from ca-cert to root-cert by certificates that are valid now"
        raise OptionError(message, _ROTATE, "cert-chain")


def _check_keys(content: Mapping[str, str]) -> None:
    listed = ", ".join(KEYS)
    for key in KEYS:
        if not content.get(key, "").strip():
            raise OptionError("the secret does not hold it", f"add {listed}", key)
    for key in sorted(content):
        if key not in KEYS:
            raise OptionError("not known", f"use {listed} only", key)


def _certificates(key: str, text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except certificates.REFUSED:
        raise OptionError("no PEM certificate", "use PEM, unencrypted", key) from None


def _check_key(text: str, certificate: x509.Certificate) -> None:
    # istiod reads the first block only; openssl likes to put a curve's parameters before a key.
    if not re.match(r"-----BEGIN ((RSA|EC) )?PRIVATE KEY-----", text):
        remedy = "use one PEM private key, unencrypted, and nothing before it"
        raise OptionError("it does not begin with a private key", remedy, "ca-key")
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except certificates.REFUSED:
        raise OptionError("no private key", "use PEM, unencrypted", "ca-key") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise OptionError("neither RSA nor ECDSA", "use one of them", "ca-key")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _MIN_RSA_BITS:
        raise OptionError("RSA, too short", f"use {_MIN_RSA_BITS} bits or more", "ca-key")
    if not certificates.is_for_key(certificate, key):
        raise OptionError("not the key of ca-cert", "use the pair that belongs together", "ca-key")


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
    """Return whether a certificate is valid at a time; None: never mind when."""
    return now is None or certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
