# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of the gateway's certificate, and its Secret."""

import base64
import dataclasses
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from istio_ambient import ingress, kube, resources
from istio_ambient.ingress.objects import listener_certificate
from istio_ambient.ingress.reports import route_list
from lightkube.resources.core_v1 import Secret

from tests.authorities import START, Authority
from tests.unit.ingress import samples
from tests.unit.ingress.samples import facts, objects

NOW = START + datetime.timedelta(days=1)
NAMES = (x509.DNSName("shop.example.com"), x509.DNSName("*.apps.example.com"))


@dataclasses.dataclass(frozen=True)
class Pair:
    leaf: x509.Certificate
    key: str


def pair(authority: Authority, **options: Any) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName(NAMES)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    csr = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    signed = authority.sign(csr.public_bytes(serialization.Encoding.PEM).decode(), **options)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Pair(listener_certificate.leaf_of(signed), pem.decode())


ROOT = Authority.make("root")
MIDDLE = Authority.make("middle", ROOT)
LOWER = Authority.make("lower", MIDDLE)
GOOD = pair(LOWER)


def test_the_chain_leads_towards_the_root_in_order_and_leaves_it_out():
    others = [ROOT.certificate, LOWER.certificate, GOOD.leaf, MIDDLE.certificate]
    stranger = Authority.make("stranger", ROOT)
    found = listener_certificate.assemble(
        GOOD.leaf, [stranger.certificate, *others, *others], GOOD.key
    )
    chain = x509.load_pem_x509_certificates(found.chain.encode())
    assert chain == [GOOD.leaf, LOWER.certificate, MIDDLE.certificate]


def test_the_key_is_in_no_representation():
    certificate = listener_certificate.assemble(GOOD.leaf, [], GOOD.key)
    assert GOOD.key.splitlines()[1] not in repr(facts(tls=ingress.Tls(True, certificate)))


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["shop.example.com", "x.apps.example.com", "*.apps.example.com"], []),
        (["apps.example.com"], ["apps.example.com"]),
        (["x.y.apps.example.com"], ["x.y.apps.example.com"]),
        (["203.0.113.10"], ["203.0.113.10"]),
        ([], []),
    ],
)
def test_names_that_clients_will_not_find(names: list[str], missing: list[str]):
    assert listener_certificate.uncovered(names, GOOD.leaf) == missing


def secret(pair: Pair) -> Secret:
    certificate = listener_certificate.assemble(pair.leaf, [LOWER.certificate], pair.key)
    wanted = ingress.desired(ingress.resolve(facts(tls=ingress.Tls(True, certificate)))).objects
    (found,) = [obj for obj in wanted if isinstance(obj, Secret)]
    return found


def test_the_secret_is_one_that_gateways_take():
    certificate = listener_certificate.assemble(GOOD.leaf, [LOWER.certificate], GOOD.key)
    made = objects(facts(tls=ingress.Tls(True, certificate)))
    found = made["Secret shop/gate-tls-certificate"]
    assert found["type"] == "kubernetes.io/tls"
    assert base64.b64decode(found["data"]["tls.crt"]).decode() == certificate.chain
    listed = made["Gateway shop/gate"]["spec"]["listeners"]
    references = [each["tls"]["certificateRefs"] for each in listed if "tls" in each]
    assert references == [[{"kind": "Secret", "name": "gate-tls-certificate"}]]


@pytest.mark.parametrize("tls", [ingress.Tls(), ingress.Tls(wanted=True)])
def test_without_a_certificate_there_is_no_secret(tls: ingress.Tls):
    assert not [name for name in objects(facts(tls=tls)) if name.startswith("Secret ")]


def test_what_is_in_use_is_read_back():
    found = listener_certificate.in_use(secret(GOOD), NOW)
    assert found == listener_certificate.assemble(GOOD.leaf, [LOWER.certificate], GOOD.key)


@pytest.mark.parametrize(
    "made",
    [
        pair(LOWER, end=NOW),
        pair(LOWER, begin=NOW + datetime.timedelta(days=1)),
        pair(LOWER, ca=True),
        Pair(GOOD.leaf, pair(LOWER).key),
        Pair(GOOD.leaf, "nonsense"),
    ],
    ids=["expired", "not yet", "authority", "another's key", "no key"],
)
def test_what_must_not_be_used_is_not_read_back(made: Pair):
    assert listener_certificate.fault(made.leaf, made.key, NOW) is not None
    assert listener_certificate.in_use(secret(made), NOW) is None


def test_a_clock_that_is_a_little_ahead_is_forgiven():
    ahead = pair(LOWER, begin=NOW + datetime.timedelta(minutes=1))
    assert listener_certificate.fault(ahead.leaf, ahead.key, NOW) is None


@pytest.mark.parametrize(
    "data", [None, {}, {"tls.crt": "?", "tls.key": "?"}, {"tls.crt": "", "tls.key": ""}]
)
def test_an_emptied_secret_holds_no_certificate(data: dict[str, str] | None):
    assert listener_certificate.in_use(Secret(data=data), NOW) is None
    assert listener_certificate.leaf_in(Secret(data=data)) is None
    assert listener_certificate.leaf_in(None) is None


def hosted(
    *hostnames: str, listener: str | None = "", awaited: str = "", external: str = ""
) -> ingress.Facts:
    """Return facts with a certificate in use, and one route for these hostnames at each port."""
    certificate = listener_certificate.assemble(GOOD.leaf, [], GOOD.key)
    named = (samples.backend("productpage", 9080),)
    asked = samples.configuration(
        "productpage",
        samples.route("main", port=80, backends=named, hostnames=hostnames),
        samples.route(
            "moved",
            field="http_routes[1]",
            port=80,
            hostnames=hostnames,
            redirect=samples.redirect(scheme="https", statusCode=301),
        ),
    )
    return facts(
        asked,
        tls=ingress.Tls(True, certificate, awaited),
        config=ingress.Config(external_hostname=external, listener_hostname=listener),
    )


def uncovered(wanted: ingress.Facts) -> tuple[list[str], set[str]]:
    """Return the problems with the certificate, and the states in the list of routes."""
    found = samples.resolve(wanted)
    objects = {kube.ref_of(obj): obj for obj in ingress.desired(found).objects}
    live = kube.Live(resources.identity("shop", "gate"), objects=objects)
    states = {entry.state for entry in route_list.entries(found, live) if entry.tls}
    told = [str(problem) for problem in found.certificate_problems]
    listed = {str(problem) for problem in route_list.unserved(found)}
    assert set(told) <= {str(problem) for problem in ingress.desired(found).problems} & listed
    return told, states


@pytest.mark.parametrize(
    ("hostnames", "options", "missing"),
    [
        (("shop.example.com", "x.apps.example.com"), {}, ""),
        (("other.example.com",), {}, "other.example.com"),
        (("a.b.apps.example.com", "shop.example.com"), {}, "a.b.apps.example.com"),
        # The authority has issued it without this wildcard.
        (("*.example.com",), {"listener": "*.example.com"}, "*.example.com"),
        ((), {"listener": "*.example.com"}, "*.example.com"),
        # The published URL is covered.
        ((), {"listener": "*.example.com", "external": "shop.example.com"}, ""),
        ((), {}, ""),
    ],
)
def test_a_host_that_the_certificate_is_not_for_is_told(
    hostnames: tuple[str, ...], options: dict[str, str], missing: str
):
    told, states = uncovered(hosted(*hostnames, **options))
    assert len(told) == bool(missing)
    assert all(f"the certificate is not for {missing};" in text for text in told)
    assert (route_list.UNCOVERED in states) is bool(missing)
    # One for all is requested, and not issued yet.
    assert uncovered(hosted(*hostnames, **options, awaited="not yet"))[0] == []
