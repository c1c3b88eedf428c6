# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Properties of a certificate that may make an authority unusable."""

import datetime
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from tests.lab._certificate_drafts import DAY, KINDS, NOW, der, elements


def _usage(*oids: x509.ObjectIdentifier, critical: bool = False) -> dict[str, Any]:
    return {"extensions": [(x509.ExtendedKeyUsage(oids), critical)]}


def _key_usage(*, sign: bool, crl: bool = True) -> dict[str, Any]:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    rest = ("key_agreement", "encipher_only", "decipher_only")
    flags = dict.fromkeys((*names, *rest), False)
    usage = x509.KeyUsage(**flags, key_cert_sign=sign, crl_sign=crl)
    return {"extensions": [(usage, True)]}


def _raw(oid: str, value: bytes, *, critical: bool) -> dict[str, Any]:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    return {"extensions": [(extension, critical)]}


def _constraints(
    permitted: Sequence[x509.GeneralName] = (),
    excluded: Sequence[x509.GeneralName] = (),
    *,
    critical: bool = True,
) -> dict[str, Any]:
    value = x509.NameConstraints(list(permitted) or None, list(excluded) or None)
    return {"extensions": [(value, critical)]}


def _names(*names: x509.GeneralName, critical: bool = False) -> dict[str, Any]:
    return {"extensions": [(x509.SubjectAlternativeName(names), critical)]}


def _version_one(fields: list[bytes]) -> None:
    # Without the version, which is 3, and the extensions, which are last.
    del fields[0], fields[-1]


def _no_extensions(fields: list[bytes]) -> None:
    del fields[-1]


def _negative_serial(fields: list[bytes]) -> None:
    fields[1] = b"\x02\x02\x80\x01"


def _zero_serial(fields: list[bytes]) -> None:
    fields[1] = b"\x02\x01\x00"


def _huge_serial(fields: list[bytes]) -> None:
    fields[1] = der(2, b"\x7f" * 40)


def _twice(fields: list[bytes]) -> None:
    """Write the first extension twice."""
    (extensions,) = elements(fields[-1])
    inner = b"".join((first := list(elements(extensions)))[:1] + first)
    fields[-1] = der(0xA3, der(0x30, inner))


def _other_algorithm(fields: list[bytes]) -> None:
    """Name another algorithm inside than outside."""
    fields[2] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"


def _swap_times(fields: list[bytes]) -> None:
    start, end = elements(fields[4])
    fields[4] = der(0x30, end + start)


def _pss_key(fields: list[bytes]) -> None:
    """Restrict an RSA key to RSA-PSS."""
    rsa_encryption = bytes.fromhex("300d06092a864886f70d0101010500")
    rsa_pss = bytes.fromhex("300b06092a864886f70d01010a")
    (position,) = (n for n, field in enumerate(fields) if rsa_encryption in field)
    _, bits = elements(fields[position])
    fields[position] = der(0x30, rsa_pss + bits)


def named(name: str) -> x509.Name:
    """Return a subject."""
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


_URI = x509.UniformResourceIdentifier
_DNS = x509.DNSName
_TEN = ipaddress.ip_network("10.0.0.0/8")
SOMEBODY = named("somebody")
_POLICY = x509.CertificatePolicies(
    [x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]
)

PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    **{kind: {"kind": kind} for kind in KINDS},
    "sha1": {"hash": hashes.SHA1()},  # noqa: S303
    "sha224": {"hash": hashes.SHA224()},
    "sha384": {"hash": hashes.SHA384()},
    "sha512": {"hash": hashes.SHA512()},
    "sha3": {"hash": hashes.SHA3_256()},
    "pss": {"salt": 32, "kind": "rsa-2048"},
    "pss-odd-salt": {"salt": 20, "kind": "rsa-2048"},
    "pss-sha384": {"salt": 48, "hash": hashes.SHA384(), "kind": "rsa-2048"},
    "pss-key": {"edit": _pss_key, "kind": "rsa-2048"},
    "no-basic": {"basic": None},
    "no-ca": {"basic": x509.BasicConstraints(False, None)},
    "path-0": {"basic": x509.BasicConstraints(True, 0)},
    "path-1": {"basic": x509.BasicConstraints(True, 1)},
    "path-300": {"basic": x509.BasicConstraints(True, 300)},
    "ku-sign": _key_usage(sign=True),
    "ku-no-sign": _key_usage(sign=False),
    "ku-nothing": _key_usage(sign=False, crl=False),
    "eku-any": _usage(Usage.ANY_EXTENDED_KEY_USAGE),
    "eku-server": _usage(Usage.SERVER_AUTH),
    "eku-client": _usage(Usage.CLIENT_AUTH),
    "eku-both": _usage(Usage.SERVER_AUTH, Usage.CLIENT_AUTH),
    "eku-both-critical": _usage(Usage.CLIENT_AUTH, Usage.SERVER_AUTH, critical=True),
    "eku-both-and-any": _usage(Usage.SERVER_AUTH, Usage.ANY_EXTENDED_KEY_USAGE, Usage.CLIENT_AUTH),
    "eku-code": _usage(Usage.CODE_SIGNING),
    "eku-unknown": _usage(x509.ObjectIdentifier("1.3.6.1.4.1.55555.9")),
    "eku-empty": _raw("2.5.29.37", b"\x30\x00", critical=False),
    "eku-malformed": _raw("2.5.29.37", b"\x31\x00", critical=False),
    "unknown-critical": _raw("1.3.6.1.4.1.55555.1", b"\x05\x00", critical=True),
    "unknown": _raw("1.3.6.1.4.1.55555.1", b"\x05\x00", critical=False),
    "netscape": _raw("2.16.840.1.113730.1.1", b"\x03\x02\x00\x07", critical=False),
    "netscape-critical": _raw("2.16.840.1.113730.1.1", b"\x03\x02\x00\x07", critical=True),
    "microsoft-ca-version": _raw("1.3.6.1.4.1.311.21.1", b"\x02\x01\x00", critical=False),
    "skid": {
        "extensions": [(x509.SubjectKeyIdentifier(b"12345678901234567890"), False)],
    },
    "skid-critical": _raw("2.5.29.14", b"\x04\x02ab", critical=True),
    "skid-malformed": _raw("2.5.29.14", b"\x30\x02ab", critical=False),
    "akid-critical": _raw("2.5.29.35", b"\x30\x00", critical=True),
    "akid-malformed": _raw("2.5.29.35", b"\x04\x00", critical=False),
    "no-identifiers": {"is_identified": False},
    "akid-of-another": {"key_id": b"another key, of nobody"},
    "uri-permitted": _constraints([_URI("example.com")]),
    "uri-permitted-trust-domain": _constraints([_URI("cluster.local")]),
    "uri-excluded": _constraints(excluded=[_URI("cluster.local")]),
    "uri-excluded-other": _constraints(excluded=[_URI("example.com")]),
    "uri-not-critical": _constraints([_URI("example.com")], critical=False),
    "dns-permitted": _constraints([_DNS("example.com")]),
    "dns-permitted-svc": _constraints([_DNS("svc")]),
    "dns-excluded": _constraints(excluded=[_DNS("svc")]),
    "dns-excluded-other": _constraints(excluded=[_DNS("example.com")]),
    "ip-permitted": _constraints([x509.IPAddress(_TEN)]),
    "email-excluded": _constraints(excluded=[x509.RFC822Name("example.com")]),
    "directory-permitted": _constraints([x509.DirectoryName(SOMEBODY)]),
    "directory-not-critical": _constraints([x509.DirectoryName(SOMEBODY)], critical=False),
    "constraints-malformed": _raw("2.5.29.30", b"\x04\x00", critical=True),
    "constraints-empty": _raw("2.5.29.30", b"\x30\x00", critical=True),
    "policies": {"extensions": [(_POLICY, False)]},
    "policies-critical": {"extensions": [(_POLICY, True)]},
    "policy-required": {"extensions": [(x509.PolicyConstraints(0, None), True)]},
    "policy-required-not-critical": {"extensions": [(x509.PolicyConstraints(0, None), False)]},
    "any-policy-inhibited": {"extensions": [(x509.InhibitAnyPolicy(0), True)]},
    "san-dns": _names(_DNS("ca.example.com")),
    "san-uri": _names(_URI("spiffe://cluster.local")),
    "san-critical": _names(_DNS("ca.example.com"), critical=True),
    "san-bad-uri": _names(_URI("http://[bad")),
    "san-bad-host": _names(_URI("http://a b/")),
    "san-bad-escape": _names(_URI("http://a/%zz")),
    "san-email": _names(x509.RFC822Name("ca@example.com")),
    "san-ip": _names(x509.IPAddress(ipaddress.ip_address("10.0.0.1"))),
    "san-ip-malformed": _raw("2.5.29.17", b"\x30\x05\x87\x03abc", critical=False),
    "san-dns-malformed": _raw("2.5.29.17", b"\x30\x04\x82\x02\xc3\xa9", critical=False),
    "san-malformed": _raw("2.5.29.17", b"\x04\x00", critical=False),
    "san-empty": _raw("2.5.29.17", b"\x30\x00", critical=False),
    "aia-malformed": _raw("1.3.6.1.5.5.7.1.1", b"\x04\x00", critical=False),
    "crl-points": {
        "extensions": [
            (
                x509.CRLDistributionPoints(
                    [x509.DistributionPoint([_URI("http://crl.example.com/1")], None, None, None)]
                ),
                False,
            )
        ]
    },
    "crl-points-malformed": _raw("2.5.29.31", b"\x04\x00", critical=False),
    "basic-malformed": {
        "basic": None,
        **_raw("2.5.29.19", b"\x30\x03\x01\x01\x7f", critical=True),
    },
    "ku-malformed": _raw("2.5.29.15", b"\x04\x01\x06", critical=True),
    "policies-malformed": _raw("2.5.29.32", b"\x04\x00", critical=False),
    "expired": {"start": NOW - 20 * DAY, "end": NOW - DAY},
    "not-yet": {"start": NOW + DAY},
    "ends-before-it-begins": {"edit": _swap_times},
    "ends-in-9999": {"end": datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)},
    "since-1950": {"start": datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC)},
    "version-1": {"edit": _version_one},
    "no-extensions": {"edit": _no_extensions},
    "serial-negative": {"edit": _negative_serial},
    "serial-zero": {"edit": _zero_serial},
    "serial-huge": {"edit": _huge_serial},
    "extension-twice": {"edit": _twice},
    "other-algorithm": {"edit": _other_algorithm},
    "no-subject": {"subject": x509.Name([])},
    "subject-unicode": {
        "subject": named("Autorit\u00e9 \u4e2d"),
    },
    "subject-of-many": {
        "subject": x509.Name(
            [
                x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "GB"),
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example"),
                x509.NameAttribute(x509.NameOID.DOMAIN_COMPONENT, "example"),
                x509.NameAttribute(x509.NameOID.EMAIL_ADDRESS, "a@example.com"),
            ]
        )
    },
    "issuer-of-another-name": {"issuer": SOMEBODY},
}
"""Name → fields of the draft; `kind` is that of its key."""
