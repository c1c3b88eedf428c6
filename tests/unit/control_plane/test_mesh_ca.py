# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The certificate authority of the site: what is used, and refused without showing it."""

import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from hypothesis import given, settings
from hypothesis import strategies as st
from istio_ambient import control_plane, manifests
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret

from tests.unit.control_plane import authorities
from tests.unit.control_plane.authorities import DAY, NOW, Authority

ROOT = Authority("root")
SITE = Authority("site", ROOT)
ISTIO = Authority("istio", SITE)
GOOD = authorities.secret(ISTIO, SITE, ROOT)


def parse(content: dict[str, str]) -> tuple[manifests.MeshCA | None, list[Problem]]:
    found = control_plane.read_site_ca(content, "secret:one", NOW)
    assert found.is_usable is (found.problem is None)
    return found.mesh_ca, [found.problem] if found.problem else []


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        authorities.secret(ISTIO, SITE, ROOT) | {"cert-chain": ISTIO.pem + SITE.pem},
        authorities.secret(SITE, ROOT),
        authorities.secret(ROOT),
        # While a root is replaced, both are trusted.
        GOOD | {"root-cert": Authority("new root").pem + ROOT.pem},
        # The middle one is trusted as it is.
        GOOD | {"root-cert": SITE.pem},
    ],
)
def test_an_authority_with_a_path_to_a_root_is_used(content: dict[str, str]):
    mesh_ca, problems = parse(content)
    assert problems == []
    assert mesh_ca is not None
    assert mesh_ca.ca_key == content["ca-key"]
    assert content["ca-key"] not in repr(mesh_ca)


PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n"


def with_(**changes: str) -> dict[str, str]:
    return GOOD | {key.replace("_", "-"): value for key, value in changes.items()}


def without(key: str) -> dict[str, str]:
    return {name: text for name, text in GOOD.items() if name != key}


_EXPIRED = Authority("istio", SITE, start=NOW - 10 * DAY, days=5)
_FUTURE = Authority("istio", SITE, start=NOW + DAY)
_LEAF = Authority("istio", SITE, ca=False)
_OLD_SITE = Authority("site", ROOT, start=NOW - 10 * DAY, days=5)
_SHORT_SITE = Authority("site", ROOT, path_length=0)
_NO_CA_SITE = Authority("site", ROOT, ca=False)


def _of_no_version(pem: str) -> str:
    """Return a certificate with X.509 version 6."""
    der = ssl.PEM_cert_to_DER_cert(pem).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05")
    return ssl.DER_cert_to_PEM_cert(der)


_IMPOSTOR = Authority("site", Authority("root"))


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        *((without(key), key, "does not hold") for key in GOOD),
        *((GOOD | {key: "  "}, key, "does not hold") for key in GOOD),
        *((GOOD | {key: "no pem"}, key, "no PEM") for key in GOOD if key != "ca-key"),
        (GOOD | {"ca-serial": "x"}, "ca-serial", "not known"),
        (with_(ca_cert=_of_no_version(ISTIO.pem)), "ca-cert", "no PEM"),
        (with_(root_cert=_of_no_version(ROOT.pem)), "root-cert", "no PEM"),
        (with_(ca_key="nothing"), "ca-key", "no private key"),
        (with_(ca_key=ISTIO.private(b"secret")), "ca-key", "no private key"),
        (with_(ca_key=PARAMETERS), "ca-key", "no private key"),
        (
            with_(ca_key="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "ca-key",
            "no private key",
        ),
        (with_(ca_key=SITE.private()), "ca-key", "not the key"),
        (with_(ca_cert=ISTIO.pem + SITE.pem), "ca-cert", "more than one"),
        (authorities.secret(_EXPIRED, SITE, ROOT), "ca-cert", "expired"),
        (authorities.secret(_FUTURE, SITE, ROOT), "ca-cert", "not valid yet"),
        (authorities.secret(_LEAF, SITE, ROOT), "ca-cert", "not the certificate"),
        (with_(cert_chain=SITE.pem), "cert-chain", "is not in it"),
        (with_(cert_chain=ISTIO.pem), "cert-chain", "does not lead"),
        (with_(root_cert=Authority("root").pem), "cert-chain", "does not lead"),
        *(
            (authorities.secret(Authority("istio", site), site, ROOT), field, message)
            for site, field, message in (
                (_OLD_SITE, "cert-chain", "no path to root-cert is valid now"),
                (_SHORT_SITE, "cert-chain[1]", "path length"),
                (_NO_CA_SITE, "cert-chain[1]", "not the certificate of an authority"),
                (_IMPOSTOR, "cert-chain", "does not lead"),
            )
        ),
    ],
)
def test_what_istiod_cannot_use_is_refused_and_not_shown(
    content: dict[str, str], field: str, message: str
):
    mesh_ca, problems = parse(content)
    assert mesh_ca is None
    (problem,) = problems
    assert problem.field == f"ca-secret {field}"
    assert message in problem.message
    for text in GOOD.values():
        for line in text.splitlines()[1:-1]:
            assert line not in str(problem)


def usage(*oids: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.ExtendedKeyUsage(oids), False


def constraints(*permitted: x509.GeneralName) -> tuple[x509.ExtensionType, bool]:
    return x509.NameConstraints(permitted, None), True


_SERVER, _CLIENT = Usage.SERVER_AUTH, Usage.CLIENT_AUTH
_BOTH = usage(_SERVER, _CLIENT)
_ANY = usage(Usage.ANY_EXTENDED_KEY_USAGE)
_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
_FLAGS = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "encipher_only", "decipher_only", "key_cert_sign"),
    ),
    False,
)
_CRL_ONLY = x509.KeyUsage(**_FLAGS, crl_sign=True)
_URI = constraints(x509.UniformResourceIdentifier("cluster.local"))
_KEY_ID = x509.AuthorityKeyIdentifier(b"another", None, None)
_POLICIES = x509.CertificatePolicies(
    [x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]
)


@pytest.mark.parametrize(
    ("extension", "message"),
    [
        (usage(_CLIENT), "no serverAuth and clientAuth"),
        (usage(_SERVER), "no serverAuth and clientAuth"),
        (usage(Usage.CODE_SIGNING), "no serverAuth and clientAuth"),
        (_ANY, "no serverAuth and clientAuth"),
        ((_UNKNOWN, True), "a critical extension is unknown to proxies"),
        ((_POLICIES, True), "a critical extension is unknown to proxies"),
        ((x509.PolicyConstraints(0, None), False), "it requires policies of certificates"),
        (_URI, "its name constraints exclude the mesh"),
        (constraints(x509.DNSName("example.com")), "its name constraints exclude the mesh"),
        ((_CRL_ONLY, True), "its key usage lacks keyCertSign"),
        ((x509.SubjectKeyIdentifier(b"1"), True), "istiod cannot read this certificate"),
        (
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier("http://[a")]), False),
            "istiod cannot read this certificate",
        ),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_an_authority_whose_extensions_peers_refuse_is_refused_wherever_it_is(
    extension: tuple[x509.ExtensionType, bool], message: str, place: int
):
    """`place` 0 is the signer, 1 the authority above it."""
    site = Authority("site", ROOT, extensions=[extension] if place else [])
    signer = Authority("istio", site, extensions=[] if place else [extension])
    _, (problem,) = parse(authorities.secret(signer, site, ROOT))
    assert problem.field == ("ca-secret cert-chain[1]" if place else "ca-secret ca-cert")
    assert problem.message == message
    assert len(str(problem).encode()) <= 120


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.BrainpoolP256R1()),
        ec.generate_private_key(ec.SECP224R1()),
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - what is refused
    ],
)
def test_keys_that_istiod_or_proxies_do_not_know_are_refused(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
):
    _, (problem,) = parse(authorities.secret(Authority("istio", ROOT, key=key), ROOT))
    assert problem.field == "ca-secret ca-cert"
    assert problem.message in {
        "istiod cannot read this certificate",
        "its key is of a kind that proxies refuse",
    }


@pytest.mark.parametrize(
    "content",
    [
        authorities.secret(Authority("istio", ROOT, extensions=[_BOTH, (_UNKNOWN, False)]), ROOT),
        authorities.secret(
            Authority("istio", _ROOT_OF_ANY := Authority("root", extensions=[_ANY])), _ROOT_OF_ANY
        ),
        # The signer is trusted as it is.
        authorities.secret(_ROOT_OF_ANY),
        authorities.secret(
            Authority("istio", ROOT, extensions=[constraints(x509.DNSName("svc"))]), ROOT
        ),
        authorities.secret(
            Authority("istio", ROOT, key=ec.generate_private_key(ec.SECP521R1())), ROOT
        ),
        authorities.secret(Authority("istio", ROOT, key=rsa.generate_private_key(3, 2048)), ROOT),
    ],
)
def test_what_all_peers_accept_is_used(content: dict[str, str]):
    mesh_ca, problems = parse(content)
    assert (problems, mesh_ca is not None) == ([], True)


def test_istiod_gets_nothing_but_the_certificates_and_the_key():
    noisy = {
        "ca-cert": "Certificate:\r\n  Data\r\n" + ISTIO.pem.replace("\n", "\r\n"),
        "ca-key": PARAMETERS + ISTIO.private(traditional=True) + "the end",
        "root-cert": ROOT.pem.replace("CERTIFICATE", "X509 CERTIFICATE"),
        "cert-chain": SITE.pem + ISTIO.private() + ISTIO.pem,
    }
    mesh_ca, problems = parse(noisy)
    assert problems == []
    assert mesh_ca == manifests.MeshCA(
        ca_cert=ISTIO.pem,
        ca_key=ISTIO.private(traditional=True),
        root_cert=ROOT.pem,
        cert_chain=ISTIO.pem + SITE.pem,
        source="secret:one",
    )


def test_a_renewed_root_comes_before_its_predecessor():
    renewed = Authority("root", key=ROOT.key, start=NOW, days=9999)
    mesh_ca, _ = parse(GOOD | {"root-cert": ROOT.pem + renewed.pem})
    assert mesh_ca is not None
    assert mesh_ca.root_cert == renewed.pem + ROOT.pem


def test_an_issuer_that_envoy_would_not_find_is_refused():
    other = Authority("istio", SITE, extensions=[(_KEY_ID, False)])
    site = Authority("site", ROOT, extensions=[(x509.SubjectKeyIdentifier(b"own"), False)])
    named = Authority("istio", site, extensions=[(_KEY_ID, False)])
    assert parse(authorities.secret(other, SITE, ROOT))[1] == []
    _, (problem,) = parse(authorities.secret(named, site, ROOT))
    assert (problem.field, problem.message, problem.remedy) == (
        "ca-secret cert-chain[0]",
        "it names another key of its issuer",
        "issue it anew",
    )
    _, (problem,) = parse(GOOD | {"root-cert": ROOT.pem + Authority("root").pem})
    assert problem.message == "another authority has its issuer's name"
    assert problem.remedy == "give them key identifiers"


def test_an_applied_authority_that_is_refused_by_now_stays():
    content = authorities.secret(Authority("istio", ROOT, extensions=[_ANY]), ROOT)
    fields = {key.replace("-", "_"): text for key, text in content.items()}
    ca = manifests.MeshCA(**fields, source="secret:one")
    found = control_plane.read_site_ca(content, "secret:one", NOW, ca)
    assert (found.mesh_ca, found.is_usable) == (ca, True)
    assert found.problem is not None
    found = control_plane.read_site_ca(content, "secret:one", NOW, applied(GOOD))
    assert (found.mesh_ca, found.is_usable) == (None, False)


def test_two_authorities_that_signed_each_other_are_no_path_to_a_root():
    one, other = Authority("one"), Authority("other")
    crossed = Authority("one", other)
    crossed_other = Authority("other", one)
    content = authorities.secret(Authority("istio", crossed), crossed, crossed_other, ROOT)
    _, (problem,) = parse(content)
    assert "does not lead" in problem.message


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "other"]), st.text() | st.sampled_from([*GOOD.values()])
    )
)
@settings(max_examples=100, deadline=None)
def test_any_secret_is_used_or_refused(content: dict[str, str]):
    mesh_ca, problems = parse(content)
    assert (mesh_ca is None) == bool(problems)


UNREADABLE = Problem(
    "", "config", "ca-secret", "not granted", "grant it", code=Code.SECRET_UNREADABLE
)


def test_a_secret_that_cannot_be_read_holds_everything():
    found = control_plane.read_site_ca(UNREADABLE, "secret:one", NOW)
    assert not found.is_usable
    wanted = control_plane.desired(control_plane.Facts("mesh", "istio", site_ca=found))
    assert (wanted.hold, wanted.objects, wanted.problems) == (True, (), (UNREADABLE,))


def applied(content: dict[str, str], source: str = "secret:one") -> manifests.MeshCA:
    """Return what is in the cluster once a secret has been applied."""
    site_ca = control_plane.read_site_ca(content, source, NOW)
    assert site_ca.problem is None
    facts = control_plane.Facts("mesh", "istio", site_ca=site_ca)
    (live,) = (o for o in control_plane.desired(facts).objects if isinstance(o, Secret))
    found = manifests.mesh_ca_of(live)
    assert found is not None
    return found


AGED = [
    # What expires first: the signer, the one above it, the root.
    authorities.secret(Authority("istio", SITE, days=30), SITE, ROOT),
    authorities.secret(
        Authority("istio", _AGEING := Authority("site", ROOT, days=30)), _AGEING, ROOT
    ),
    authorities.secret(Authority("istio", _ENDING := Authority("root", days=30)), _ENDING),
]
LATER = NOW + 60 * DAY


@pytest.mark.parametrize("content", AGED)
@pytest.mark.parametrize("now", [LATER, NOW - 60 * DAY], ids=["expired", "clock went back"])
def test_an_authority_that_expired_after_it_was_applied_is_reported_and_holds_nothing(
    content: dict[str, str], now: datetime.datetime
):
    ca = applied(content)
    found = control_plane.read_site_ca(content, "secret:one", now, ca)
    assert found.mesh_ca == ca
    problem = found.problem
    assert problem is not None
    assert problem.field.startswith("ca-secret ")
    assert "juju update-secret" in problem.remedy
    wanted = control_plane.desired(control_plane.Facts("mesh", "istio", site_ca=found))
    assert (wanted.hold, wanted.problems) == (False, (problem,))


@pytest.mark.parametrize("content", AGED)
def test_a_new_authority_that_is_expired_holds_everything(content: dict[str, str]):
    found = control_plane.read_site_ca(content, "secret:one", LATER, applied(GOOD))
    assert not found.is_usable
    assert found.mesh_ca is None


def test_another_bad_option_holds_everything_beside_an_expired_authority():
    config = control_plane.Config.model_validate({"mtls_mode": "sometimes"})
    site_ca = control_plane.read_site_ca(AGED[0], "secret:one", LATER, applied(AGED[0]))
    facts = control_plane.Facts("mesh", "istio", config=config, site_ca=site_ca)
    wanted = control_plane.desired(facts)
    assert (wanted.hold, wanted.objects, len(wanted.problems)) == (True, (), 2)


def test_a_secret_that_is_no_longer_readable_keeps_the_applied_authority():
    ca = applied(GOOD, "secret:one")
    found = control_plane.read_site_ca(UNREADABLE, "secret:one", NOW, ca)
    assert (found.mesh_ca, found.problem) == (ca, UNREADABLE)
    assert found.is_usable
    # Another one that was never read is new, and bad.
    found = control_plane.read_site_ca(UNREADABLE, "secret:other", NOW, ca)
    assert (found.mesh_ca, found.problem) == (None, UNREADABLE)
    assert not found.is_usable


@given(
    st.none()
    | st.dictionaries(
        st.sampled_from(["ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"]),
        st.text() | st.sampled_from(["QQ==", "/w==", "="]),
    )
)
@settings(max_examples=100, deadline=None)
def test_a_live_secret_of_any_content_is_read(data: dict[str, str] | None):
    found = manifests.mesh_ca_of(Secret(metadata=ObjectMeta(name="cacerts"), data=data))
    assert found is None or data is not None


def objects(content: dict[str, str] | None) -> dict[tuple[str, str], dict[str, object]]:
    site_ca = control_plane.read_site_ca(content, "secret:one", NOW)
    assert site_ca.problem is None
    facts = control_plane.Facts("mesh", "istio", site_ca=site_ca)
    found = [(type(o).__name__, o) for o in control_plane.desired(facts).objects]
    return {(kind, o.metadata.name): o.to_dict() for kind, o in found}


def test_the_secret_is_added_and_istiod_restarts_with_each_new_one():
    plain, first = objects(None), objects(GOOD)
    second = objects(authorities.secret(Authority("istio", SITE), SITE, ROOT))
    added = first.keys() - plain.keys()
    assert added == {("Secret", "cacerts")}
    data = first["Secret", "cacerts"]["data"]
    assert isinstance(data, dict)
    assert {*data} == {"ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"}
    istiod, cacerts = ("Deployment", "istiod"), ("Secret", "cacerts")
    assert {key for key in plain if plain[key] != first[key]} == {istiod}
    assert {key for key in first if first[key] != second[key]} == {istiod, cacerts}


def test_lists_of_revoked_certificates_are_those_of_the_authorities():
    lists = ISTIO.revocations(1) + ROOT.revocations(2, 3)
    mesh_ca, problems = parse(GOOD | {"ca-crl": f"text\n{lists}text"})
    assert problems == []
    assert mesh_ca is not None and mesh_ca.crl == lists
    plain, _ = parse(GOOD)
    # istiod takes them while it runs.
    assert plain is not None and plain.fingerprint == mesh_ca.fingerprint
    secret = manifests.render(manifests.ControlPlane(namespace="mesh", mesh_ca=mesh_ca))
    (made,) = (each for each in secret if isinstance(each, Secret))
    assert manifests.mesh_ca_of(made) == mesh_ca


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("no list", "ca-crl", "no PEM list"),
        ("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", "ca-crl", "no PEM list"),
        (Authority("another").revocations(1), "ca-crl", "of another authority"),
        # The name of the root, and another key.
        (ROOT.revocations(1) + Authority("root").revocations(1), "ca-crl[1]", "of another"),
        (ROOT.revocations(1, critical=True), "ca-crl", "ztunnel reads no such list"),
        (ROOT.revocations(1, digest=hashes.SHA224()), "ca-crl", "ztunnel reads no such list"),
    ],
)
def test_a_list_that_is_of_no_use_is_refused(text: str, field: str, message: str):
    mesh_ca, (problem,) = parse(GOOD | {"ca-crl": text})
    assert mesh_ca is None
    assert problem.code is Code.INVALID_MESH_CA
    assert problem.field == f"ca-secret {field}"
    assert message in problem.message
