# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Certificate authorities of every kind, in the keys of the Juju secret of option `ca-secret`.

Each has one or two properties that may make it unusable: of a certificate, at any place between
the signer and the root, or of how the files are put together.
"""

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.lab._authority_properties import PROPERTIES, SOMEBODY, named
from tests.lab._certificate_drafts import DAY, NOW, PKCS8, TRADITIONAL, Draft, Made, key, made

PAIRS = 300

Content: TypeAlias = dict[str, str]
Chain: TypeAlias = list[Made]
"""From the signer to the root."""


def chain(places: Mapping[int, Sequence[str]], length: int) -> Chain:
    """Return authorities from the signer to the root.

    Args:
        places: place, 0 is the signer → names of PROPERTIES.
        length: number of authorities; of one, the signer is the root.
    """
    found: Chain = []
    for place in reversed(range(length)):
        fields: dict[str, Any] = {"extensions": []}
        for name in places.get(place, ()):
            for field, value in PROPERTIES[name].items():
                fields[field] = [*fields[field], *value] if field == "extensions" else value
        kind = fields.pop("kind", None)
        draft = Draft(
            key=key(kind) if kind else ec.generate_private_key(ec.SECP256R1()),
            subject=fields.pop("subject", named(f"authority {place}")),
            serial=x509.random_serial_number(),
            **fields,
        )
        found.insert(0, made(draft, found[0] if found else None))
    return found


def content(authorities: Chain) -> Content:
    """Return the content of the Juju secret."""
    return {
        "ca-cert": authorities[0].pem,
        "ca-key": authorities[0].private(),
        "root-cert": authorities[-1].pem,
        "cert-chain": "".join(each.pem for each in authorities),
    }


Bundle: TypeAlias = Callable[[Chain], Content]


def _with(**changes: Callable[[Chain, Content], str]) -> Bundle:
    def bundle(authorities: Chain) -> Content:
        plain = content(authorities)
        found = {
            name.replace("_", "-"): change(authorities, plain) for name, change in changes.items()
        }
        return plain | found

    return bundle


def _everywhere(change: Callable[[str], str]) -> Bundle:
    return lambda authorities: {key: change(text) for key, text in content(authorities).items()}


def _certificates(change: Callable[[str], str]) -> Bundle:
    def bundle(authorities: Chain) -> Content:
        found = content(authorities)
        return {key: text if key == "ca-key" else change(text) for key, text in found.items()}

    return bundle


def _other(name: str = "", subject: x509.Name = SOMEBODY) -> Made:
    """Return an authority that has nothing to do with the others but perhaps the name."""
    fields = dict(PROPERTIES[name]) if name else {}
    own = key(fields.pop("kind")) if "kind" in fields else ec.generate_private_key(ec.SECP256R1())
    return made(Draft(own, subject, x509.random_serial_number(), **fields), None)


def _joined(authorities: Sequence[Made]) -> str:
    return "".join(each.pem for each in authorities)


def _namesake(made: Made, name: str = "") -> Made:
    return _other(name, made.draft.subject)


def _predecessor(one: Made) -> Made:
    """Return an expired certificate of the same key and name, that it signed itself."""
    times = {"start": NOW - 20 * DAY, "end": NOW - DAY, "issuer": None, "key_id": None}
    return made(dataclasses.replace(one.draft, **times), None)


def _cross(authorities: Chain, plain: Content) -> str:
    """Return the chain with another certificate of the root's key, by an unknown authority."""
    root = authorities[-1]
    crossed = made(dataclasses.replace(root.draft, issuer=None), _other())
    return plain["cert-chain"] + crossed.pem


BUNDLES: Mapping[str, Bundle] = {
    "plain": content,
    "key-traditional": _with(ca_key=lambda made, _: made[0].private(TRADITIONAL)),
    "key-after-parameters": _with(
        ca_key=lambda made, _: (
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
            + made[0].private(TRADITIONAL)
        )
    ),
    "key-encrypted": _with(
        ca_key=lambda made, _: made[0].private(
            PKCS8, serialization.BestAvailableEncryption(b"secret")
        )
    ),
    "key-encrypted-traditional": _with(
        ca_key=lambda made, _: made[0].private(
            TRADITIONAL, serialization.BestAvailableEncryption(b"secret")
        )
    ),
    "key-of-another": _with(ca_key=lambda _, __: _other().private()),
    "key-of-another-kind": _with(ca_key=lambda _, __: _other("rsa-2048").private()),
    "key-twice": _with(ca_key=lambda _, plain: plain["ca-key"] * 2),
    "key-and-certificate": _with(ca_key=lambda _, plain: plain["ca-key"] + plain["ca-cert"]),
    "key-after-certificate": _with(ca_key=lambda _, plain: plain["ca-cert"] + plain["ca-key"]),
    "key-with-text-before": _with(ca_key=lambda _, plain: "the key:\n" + plain["ca-key"]),
    "key-with-text-after": _with(ca_key=lambda _, plain: plain["ca-key"] + "the end\n"),
    "key-mislabelled": _with(
        ca_key=lambda _, plain: plain["ca-key"].replace("PRIVATE KEY", "RSA PRIVATE KEY")
    ),
    "key-truncated": _with(ca_key=lambda _, plain: plain["ca-key"][:90]),
    "key-absent": _with(ca_key=lambda _, plain: plain["ca-cert"]),
    "chain-reversed": _with(cert_chain=lambda made, _: _joined(made[::-1])),
    "chain-without-signer": _with(cert_chain=lambda made, _: _joined(made[1:]) or _other().pem),
    "chain-without-root": _with(cert_chain=lambda made, _: _joined(made[:-1]) or made[0].pem),
    "chain-of-signer": _with(cert_chain=lambda made, _: made[0].pem),
    "chain-of-root": _with(cert_chain=lambda made, _: made[-1].pem),
    "chain-twice": _with(cert_chain=lambda made, _: _joined(made) * 2),
    "chain-with-another": _with(cert_chain=lambda made, _: _joined([*made, _other()])),
    "chain-after-another": _with(cert_chain=lambda made, _: _joined([_other(), *made])),
    "chain-after-expired": _with(cert_chain=lambda made, _: _joined([_other("expired"), *made])),
    "chain-with-expired": _with(cert_chain=lambda made, _: _joined([*made, _other("expired")])),
    "chain-with-unreadable": _with(
        cert_chain=lambda made, _: _joined([*made, _other("serial-negative")])
    ),
    "chain-after-unreadable": _with(
        cert_chain=lambda made, _: _joined([_other("serial-negative"), *made])
    ),
    "chain-with-cross": _with(cert_chain=_cross),
    "chain-with-key": _with(cert_chain=lambda _, plain: plain["cert-chain"] + plain["ca-key"]),
    "chain-truncated": _with(cert_chain=lambda _, plain: plain["cert-chain"][:-200]),
    "root-of-another": _with(root_cert=lambda _, __: _other().pem),
    "root-with-another": _with(root_cert=lambda made, _: _joined([made[-1], _other()])),
    "root-after-another": _with(root_cert=lambda made, _: _joined([_other(), made[-1]])),
    "root-with-expired": _with(root_cert=lambda made, _: _joined([_other("expired"), made[-1]])),
    "root-with-old": _with(root_cert=lambda made, _: _joined([_other("version-1"), made[-1]])),
    "root-with-unreadable": _with(
        root_cert=lambda made, _: _joined([made[-1], _other("serial-negative")])
    ),
    "root-with-weak": _with(root_cert=lambda made, _: _joined([made[-1], _other("rsa-1024")])),
    "root-with-curve": _with(root_cert=lambda made, _: _joined([made[-1], _other("secp256k1")])),
    "root-is-signer": _with(root_cert=lambda made, _: made[0].pem),
    "root-is-next": _with(root_cert=lambda made, _: made[min(1, len(made) - 1)].pem),
    "root-truncated": _with(root_cert=lambda _, plain: plain["root-cert"][:-200]),
    "root-of-same-name": _with(root_cert=lambda made, _: _namesake(made[-1]).pem),
    "root-after-namesake": _with(
        root_cert=lambda made, _: _joined([_namesake(made[-1]), made[-1]])
    ),
    "root-with-namesake": _with(
        root_cert=lambda made, _: _joined([made[-1], _namesake(made[-1])])
    ),
    "root-after-unidentified-namesake": _with(
        root_cert=lambda made, _: _joined([_namesake(made[-1], "no-identifiers"), made[-1]])
    ),
    "root-after-its-predecessor": _with(
        root_cert=lambda made, _: _joined([_predecessor(made[-1]), made[-1]])
    ),
    "root-before-its-predecessor": _with(
        root_cert=lambda made, _: _joined([made[-1], _predecessor(made[-1])])
    ),
    "chain-after-predecessors": _with(
        cert_chain=lambda made, _: _joined([*map(_predecessor, made[::-1]), *made])
    ),
    "chain-after-namesakes": _with(
        cert_chain=lambda made, _: _joined([*map(_namesake, made[::-1]), *made])
    ),
    "signer-and-chain": _with(ca_cert=lambda made, _: _joined(made)),
    "signer-twice": _with(ca_cert=lambda made, _: made[0].pem * 2),
    "crlf": _everywhere(lambda text: text.replace("\n", "\r\n")),
    "spaces-around": _everywhere(lambda text: f"\n \n{text}\n\t\n"),
    "no-newline": _everywhere(str.strip),
    "indented": _everywhere(lambda text: text.replace("\n", "\n  ")),
    "lines-ending-in-space": _everywhere(lambda text: text.replace("\n", " \n")),
    "one-line": _everywhere(
        lambda text: (
            text.replace("\n", "").replace("Y-----M", "Y-----\nM").replace("E-----M", "E-----\nM")
        )
    ),
    "text-before": _certificates(lambda text: "Certificate:\n    Data:\n" + text),
    "text-between": _certificates(
        lambda text: text.replace("-----BEGIN", "\nsubject=CN=x\nissuer=CN=y\n-----BEGIN")
    ),
    "text-after": _certificates(lambda text: text + "that is all\n"),
    "unicode-before": _certificates(lambda text: "# Autorit\u00e9\n" + text),
    "byte-order-mark": _everywhere(lambda text: "\ufeff" + text),
    "label-x509": _certificates(lambda text: text.replace("CERTIFICATE", "X509 CERTIFICATE")),
    "label-trusted": _certificates(
        lambda text: text.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    ),
    "label-wrong": _certificates(lambda text: text.replace("CERTIFICATE", "PKCS7")),
    "headers": _certificates(
        lambda text: text.replace("CERTIFICATE-----\nM", "CERTIFICATE-----\nComment: x\n\nM")
    ),
    "trailing-bytes": lambda made: content(
        [dataclasses.replace(made[0], der=made[0].der + b"\0\0"), *made[1:]]
    ),
    "broken-signature": lambda made: content(
        [
            dataclasses.replace(made[0], der=made[0].der[:-1] + bytes([made[0].der[-1] ^ 1])),
            *made[1:],
        ]
    ),
}
"""Name → how the files are put together."""


_NAMES_BELOW_CONSTRAINTS = (
    ("dns-permitted-svc", "san-dns"),
    ("dns-excluded-other", "san-dns"),
    ("ip-permitted", "san-ip"),
    ("email-excluded", "san-email"),
)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An authority that may be of use or not."""

    properties: tuple[str, ...]
    """Names of PROPERTIES and BUNDLES, those of PROPERTIES with the place after `@`."""
    content: Content

    @property
    def names(self) -> frozenset[str]:
        """The properties, wherever they are."""
        return frozenset(each.partition("@")[0] for each in self.properties)


def _candidate(places: Mapping[int, Sequence[str]], length: int, bundle: str) -> Candidate | None:
    named = [f"{name}@{place}of{length}" for place, names in places.items() for name in names]
    try:
        authorities = chain(places, length)
        found = BUNDLES[bundle](authorities)
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm):
        # The library signs nothing such, or the two properties exclude each other.
        return None
    return Candidate((*named, bundle), found)


def candidates() -> Iterator[Candidate]:
    """Yield each property at each place, each bundle, and pairs of them by chance."""
    choose = random.Random(1)  # noqa: S311 - nothing depends on chance but the examples
    found = [
        _candidate({place: [name]}, length, "plain")
        for name in PROPERTIES
        for length in (1, 2, 3)
        for place in range(length)
    ]
    found += [
        _candidate({0: [kind] if kind else []}, length, bundle)
        for bundle, (length, kind) in itertools.product(
            BUNDLES, ((1, ""), (2, "rsa-2048"), (3, ""))
        )
    ]
    found += [
        _candidate({1: [constraint], 0: [name]}, 2, "plain")
        for constraint, name in _NAMES_BELOW_CONSTRAINTS
    ]
    # Signing with it takes long.
    paired = [name for name in PROPERTIES if name != "rsa-8676"]
    for _ in range(PAIRS):
        length = choose.choice((1, 2, 3))
        places: dict[int, list[str]] = {}
        for _ in range(choose.choice((1, 2))):
            places.setdefault(choose.randrange(length), []).append(choose.choice(paired))
        found.append(_candidate(places, length, choose.choice([*BUNDLES, "plain", "plain"])))
    yield from filter(None, found)
