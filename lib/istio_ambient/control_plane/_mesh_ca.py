# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The certificate authority of the site, checked before it is given to istiod.

istiod exits when it cannot use the content of Secret `cacerts`, and a chain that does not verify
would disconnect every workload. No message holds a part of the certificates or the key.
Source: Istio's documentation, "Plug in CA Certificates"; istio/istio security/pkg/pki/util.
"""

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from istio_ambient import manifests
from istio_ambient.control_plane import _revocations, _signers
from istio_ambient.values import certificates
from istio_ambient.values.problems import InvalidValueError, inside

KEYS = ("ca-cert", "ca-key", "root-cert", "cert-chain")
"""Keys of the Juju secret: Istio's file names without `.pem`, since Juju takes no dots."""

_ROTATE = "rotate it: juju update-secret with valid certificates"
_MAX_PATH = 6
"""Authorities below the root; ztunnel takes no more (rustls-webpki)."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>RSA |EC |)PRIVATE KEY-----.*?-----END (?P=kind)PRIVATE KEY-----",
    re.DOTALL,
)


def parse_mesh_ca(content: Mapping[str, str]) -> manifests.MeshCA:
    """Return the authority that a Juju secret holds, at whatever time it is valid.

    Certificates and key are written anew, so that text around them, other labels and line ends are
    nothing that istiod, the API server and proxies would read in different ways. The chain begins
    with the certificate of `ca-cert`: istiod goes by the first for the lifetime of certificates.

    Args:
        content: key → PEM text.

    Raises:
        InvalidValueError: a key is missing or unknown, a text is not PEM, key and certificate do
            not match, a certificate is of no use, or the chain ends at no root.
    """
    _check_keys(content)
    found = {key: _certificates(key, content[key]) for key in KEYS if key != "ca-key"}
    if len(found["ca-cert"]) != 1:
        raise InvalidValueError(
            "more than one certificate", "put the others into cert-chain", "ca-cert"
        )
    (signer,) = found["ca-cert"]
    roots, chain = found["root-cert"], found["cert-chain"]
    _check_signer(signer, (*roots, *chain), is_root=signer in roots)
    key = _private_key(content["ca-key"], signer)
    if signer not in chain and signer not in roots:
        remedy = "begin it with the certificate of ca-cert"
        raise InvalidValueError("the certificate of ca-cert is not in it", remedy, "cert-chain")
    _Paths(roots, chain).check(signer)
    rest = [certificate for certificate in chain if certificate != signer]
    return manifests.MeshCA(
        ca_cert=_pem([signer]),
        ca_key=key,
        root_cert=_pem(_ordered(roots)),
        cert_chain=_pem([signer, *_ordered(rest)]),
        crl=_revocations.parse(content.get(_revocations.KEY, ""), (signer, *chain, *roots)),
    )


def is_content_of(mesh_ca: manifests.MeshCA | None, content: Mapping[str, str]) -> bool:
    """Return whether an authority is the unchanged content of a secret, but for white space."""
    texts = {key: getattr(mesh_ca, key.replace("-", "_"), "").split() for key in KEYS}
    texts[_revocations.KEY] = getattr(mesh_ca, "crl", "").split()
    given = {_revocations.KEY: "", **content}
    return texts == {key: text.split() for key, text in given.items()}


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
    if not _Paths(roots, chain, now).exist(signer):
        message = "no path to root-cert is valid now"
        raise InvalidValueError(message, _ROTATE, "cert-chain")


def _check_keys(content: Mapping[str, str]) -> None:
    listed = ", ".join(KEYS)
    for key in KEYS:
        if not content.get(key, "").strip():
            raise InvalidValueError("the secret does not hold it", f"add {listed}", key)
    for key in sorted(content):
        if key not in (*KEYS, _revocations.KEY):
            raise InvalidValueError("not known", f"use {listed} and {_revocations.KEY}", key)


def _certificates(key: str, text: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except certificates.REFUSED:
        raise InvalidValueError("no PEM certificate", "use PEM, unencrypted", key) from None
    for number, certificate in enumerate(found):
        if defect := _signers.reading_defect(certificate):
            field = inside(key, number) if len(found) > 1 else key
            raise InvalidValueError(defect.message, defect.remedy, field)
    return found


def _pem(found: Iterable[x509.Certificate]) -> str:
    pem = serialization.Encoding.PEM
    return "".join(certificate.public_bytes(pem).decode() for certificate in found)


def _ordered(found: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Put a certificate that was renewed before its predecessors: Envoy takes the first."""
    first: dict[tuple[bytes, bytes], int] = {}
    for number, certificate in enumerate(found):
        first.setdefault(_signers.name_and_key(certificate), number)

    def order(certificate: x509.Certificate) -> tuple[int, float]:
        end = certificate.not_valid_after_utc.timestamp()
        return first[_signers.name_and_key(certificate)], -end

    return sorted(found, key=order)


def _check_signer(
    signer: x509.Certificate, others: Sequence[x509.Certificate], *, is_root: bool
) -> None:
    if not isinstance(signer.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise InvalidValueError("neither RSA nor ECDSA", "use one of them", "ca-cert")
    defect = _signers.signing_defect(signer, (), is_root=is_root)
    if defect := defect or _signers.namesake_defect(signer, others):
        raise InvalidValueError(defect.message, defect.remedy, "ca-cert")


def _private_key(text: str, certificate: x509.Certificate) -> str:
    """Return the private key of a text in its format, and nothing that is around it."""
    block = _PRIVATE_KEY.search(text)
    if not block:
        raise InvalidValueError("no private key", "use PEM, unencrypted", "ca-key")
    try:
        key = serialization.load_pem_private_key(block[0].encode(), password=None)
    except certificates.REFUSED:
        raise InvalidValueError("no private key", "use PEM, unencrypted", "ca-key") from None
    if not certificates.is_for_key(certificate, key):
        raise InvalidValueError(
            "not the key of ca-cert", "use the pair that belongs together", "ca-key"
        )
    private = serialization.PrivateFormat
    form = private.TraditionalOpenSSL if block["kind"] else private.PKCS8
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


class _Paths:
    """The paths from a certificate to a root.

    Args:
        roots: certificates that peers trust.
        chain: certificates that workloads present.
        now: certificates must be valid at this time; None: at any.
    """

    def __init__(
        self,
        roots: Sequence[x509.Certificate],
        chain: Sequence[x509.Certificate],
        now: datetime.datetime | None = None,
    ):
        self._roots, self._chain, self._now = roots, chain, now
        self._fault: InvalidValueError | None = None

    def check(self, signer: x509.Certificate) -> None:
        """Check that there is a path.

        Raises:
            InvalidValueError: there is none; it says why the first issuer that was found is none.
        """
        if not self.exist(signer):
            remedy = "add the certificates between them"
            message = "it does not lead from ca-cert to root-cert"
            raise self._fault or InvalidValueError(message, remedy, "cert-chain")

    def exist(self, certificate: x509.Certificate, *below: x509.Certificate) -> bool:
        """Return whether a path begins with a certificate, above the authorities `below`."""
        if certificate in self._roots:
            return True
        path = (certificate, *below)
        if len(path) > _MAX_PATH:
            return False
        return any(
            self._is_issuer(issuer, path)
            and self.exist(issuer, *path)
            and self._is_unmistakable(issuer, certificate)
            for issuer in (*self._roots, *self._chain)
            if issuer not in path
        )

    def _is_issuer(self, issuer: x509.Certificate, path: Sequence[x509.Certificate]) -> bool:
        if not certificates.is_issued_by(path[0], issuer) or not self._is_valid(issuer):
            return False
        defect = _signers.signing_defect(issuer, path, is_root=issuer in self._roots)
        return defect is None or self._refuse(issuer, defect)

    def _is_unmistakable(self, issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
        others = (*self._roots, *self._chain)
        defect = _signers.issuer_defect(certificate, issuer, others)
        return defect is None or self._refuse(certificate, defect)

    def _refuse(self, certificate: x509.Certificate, defect: _signers.Defect) -> Literal[False]:
        is_root = certificate in self._roots
        key, found = ("root-cert", self._roots) if is_root else ("cert-chain", self._chain)
        number = found.index(certificate)
        field = inside(key, number) if len(found) > 1 else key
        self._fault = self._fault or InvalidValueError(defect.message, defect.remedy, field)
        return False

    def _is_valid(self, certificate: x509.Certificate) -> bool:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return self._now is None or start <= self._now < end
