# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The gateway's certificate: its checks, and the order of its chain.

Envoy rejects a listener whose certificate and key do not belong together, and clients reject a
certificate that is not valid now, so neither gets into the Secret. No message holds any part of
the key.
"""

import base64
import datetime
import ipaddress
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from istio_ambient import kube
from istio_ambient.ingress.model import Certificate
from istio_ambient.ingress.objects._certificate_secret import CHAIN, KEY
from istio_ambient.values import certificates

CLOCK_SKEW = datetime.timedelta(minutes=5)
"""How far the clock of a certificate authority may be ahead of ours."""
_MAX_PATH = 16


def assemble(leaf: x509.Certificate, others: Iterable[x509.Certificate], key: str) -> Certificate:
    """Return the certificate with its chain: its issuer, the issuer's issuer, and so on.

    The root is left out: clients that trust it have it (RFC 8446, section 4.4.2).

    Args:
        leaf: the gateway's certificate.
        others: certificates of certificate authorities, in any order.
        key: the private key in PEM.
    """
    pool = [other for other in dict.fromkeys(others) if other != leaf and not _is_root(other)]
    path = [leaf]
    while len(path) < _MAX_PATH:
        issuer = next(
            (o for o in pool if o not in path and certificates.is_issued_by(path[-1], o)), None
        )
        if issuer is None:
            break
        path.append(issuer)
    pem = (each.public_bytes(serialization.Encoding.PEM).decode() for each in path)
    return Certificate("".join(pem), key.strip() + "\n")


def fault(leaf: x509.Certificate, key: str, now: datetime.datetime) -> tuple[str, str] | None:
    """Return why a certificate cannot be used, and the remedy for its issuer; None: it can.

    Args:
        leaf: the gateway's certificate, without its chain.
        key: the private key in PEM.
        now: with a time zone.
    """
    if not _belong_together(leaf, key):
        return "not for the key that was asked with", "issue one for the request"
    if certificates.is_authority(leaf):
        return "the certificate of a certificate authority", "issue one without CA:TRUE"
    if now >= leaf.not_valid_after_utc:
        return f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}", "issue one that is valid"
    if now + CLOCK_SKEW < leaf.not_valid_before_utc:
        return f"not valid before {leaf.not_valid_before_utc:%Y-%m-%d}", "issue one that is valid"
    return None


def uncovered(names: Iterable[str], leaf: x509.Certificate) -> list[str]:
    """Return the hostnames and addresses of `names` that a certificate does not cover."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
        addresses = found.get_values_for_type(x509.IPAddress)
    except (x509.ExtensionNotFound, *certificates.REFUSED):
        hosts, addresses = [], []
    return [name for name in names if not _covers(hosts, addresses, name)]


def uncovered_by(certificate: Certificate, names: Iterable[str]) -> frozenset[str]:
    """Return the names that the gateway's certificate does not cover; none if it is unreadable."""
    try:
        return frozenset(uncovered(names, leaf_of(certificate.chain)))
    except certificates.REFUSED:
        return frozenset()


def _covers(hosts: Sequence[str], addresses: Sequence[object], name: str) -> bool:
    try:
        return ipaddress.ip_address(name) in addresses
    except ValueError:
        # A wildcard stands for one label, the first (RFC 6125, section 6.4.3).
        return name in hosts or f"*.{name.partition('.')[2]}" in hosts


def in_use(secret: kube.Resource | None, now: datetime.datetime) -> Certificate | None:
    """Return the certificate and key in the gateway's Secret; None: there are none to use now."""
    leaf, found = leaf_in(secret), _content(secret)
    if leaf is None or found is None or fault(leaf, found.key, now):
        return None
    return found


def leaf_in(secret: kube.Resource | None) -> x509.Certificate | None:
    """Return the gateway's certificate in its Secret, expired or not; None: it holds none."""
    found = _content(secret)
    try:
        return leaf_of(found.chain) if found else None
    except certificates.REFUSED:
        return None


def _content(secret: kube.Resource | None) -> Certificate | None:
    data: dict[str, str] = dict((secret.data if secret else None) or {})
    try:
        texts = (base64.b64decode(data[name], validate=True) for name in (CHAIN, KEY))
        chain, key = (text.decode() for text in texts)
    except (KeyError, ValueError):
        return None
    return Certificate(chain, key)


def leaf_of(chain: str) -> x509.Certificate:
    """Return the first certificate of a PEM text.

    Raises:
        ValueError: there is none.
    """
    return x509.load_pem_x509_certificate(chain.encode())


def _belong_together(leaf: x509.Certificate, key: str) -> bool:
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
        return certificates.is_for_key(leaf, private)
    except certificates.REFUSED:
        return False


def _is_root(certificate: x509.Certificate) -> bool:
    return certificates.is_issued_by(certificate, certificate)
