# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""TLS at the gateway: a real certificate authority, real handshakes, clients that verify."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from istio_ambient import resources
from lightkube.resources.core_v1 import Secret

from tests import lab
from tests.lab import apps, juju
from tests.lab.clients import clients
from tests.lab.conftest import ModelFactory

APP, UNIT, CHARM = "gate", "gate/0", "charms/istio-ingress-k8s"
ADDRESS, NAME = "203.0.113.10", "shop.example.com"
PLAIN, SECURE = f"http://{ADDRESS}/shop-productpage", f"https://{ADDRESS}/shop-productpage"
SECRET = "gate-tls-certificate"


@pytest.fixture(scope="module")
def shop(control_plane: juju.Model, new_module_model: ModelFactory) -> Iterator[juju.Model]:
    """A model with a gateway that has a certificate and routes to productpage."""
    model = new_module_model("shop", controller=control_plane.controller)
    model.deploy(CHARM, APP)
    model.deploy(apps.STOREFRONT, "productpage")
    model.deploy(apps.CERTIFIER)
    model.integrate("productpage:ingress", f"{APP}:ingress")
    model.integrate("certifier:certificates", f"{APP}:certificates")
    model.wait_active()
    yield model


def root(shop: juju.Model) -> str:
    return shop.run("certifier/0", "get-ca-certificate")["ca-certificate"]


def url(shop: juju.Model) -> str | None:
    databag = shop.databag(f"{APP}:ingress", remote="productpage")
    return json.loads(databag["ingress"])["url"] if "ingress" in databag else None


def answers(cluster: lab.Cluster, status: int | None, where: str, **request: Any) -> lab.Response:
    """Return the response once the gateway answers with this status."""

    def seen() -> lab.Response:
        response = cluster.request_outside(where, **request)
        assert response.status == status, response
        return response

    return lab.eventually(seen, timeout=30)


def secret(cluster: lab.Cluster) -> dict[str, str]:
    found: Any = cluster.client.get(Secret, SECRET, namespace="shop")
    assert found.type == "kubernetes.io/tls"
    return {key: base64.b64decode(text).decode() for key, text in found.data.items()}


def has_secret(cluster: lab.Cluster) -> bool:
    client: Any = cluster.client
    return any(each.metadata.name == SECRET for each in client.list(Secret, namespace="shop"))


def listeners(cluster: lab.Cluster) -> dict[str, dict[str, Any]]:
    gateway: Any = cluster.client.get(resources.Gateway, APP, namespace="shop")
    return {each["name"]: each for each in gateway["spec"]["listeners"]}


def serial(response: lab.Response) -> int:
    return x509.load_der_x509_certificate(response.certificate).serial_number


def test_clients_are_answered_over_tls_and_redirected_to_it(
    cluster: lab.Cluster, shop: juju.Model
):
    assert url(shop) == SECURE
    answer = answers(cluster, 200, f"{SECURE}/x?y=z", roots=root(shop))
    assert answer.hop == "application"
    assert answer.json()["headers"]["x-forwarded-proto"] == "https"
    sent = answers(cluster, 301, f"{PLAIN}/x?y=z")
    assert sent.headers["location"] == f"{SECURE}/x?y=z"
    client = {"source-ip": "192.0.2.10"}
    foreseen = shop.run(UNIT, "check", url=f"{PLAIN}/x?y=z", **client)["verdict"]
    assert foreseen == f"301 to {SECURE}/x?y=z"
    foreseen = shop.run(UNIT, "check", url=f"{SECURE}/x?y=z", **client)["verdict"]
    assert foreseen == "served by Service shop/productpage:9080"
    assert answers(cluster, 404, f"http://{ADDRESS}/").hop == "gateway"
    certificate = x509.load_der_x509_certificate(answer.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == [ADDRESS]
    # A client that trusts another CA gets no answer.
    stranger = shop.run("certifier/0", "get-ca-certificate")["ca-certificate"].replace(
        root(shop), ""
    )
    refused = cluster.request_outside(SECURE, roots=stranger or None)
    assert refused.status is None
    assert "CERTIFICATE_VERIFY_FAILED" in refused.error


def test_a_hook_that_changes_nothing_writes_nothing(shop: juju.Model):
    with shop.requests(UNIT) as seen:
        shop.emit(UNIT, "update-status")
    assert seen.writes == []


def test_renewal_and_another_ca_without_a_failed_handshake(cluster: lab.Cluster, shop: juju.Model):
    first = root(shop)
    answers(cluster, 200, SECURE, roots=first)
    shop.config("certifier", issues=False)
    shop.settle()
    shop.config("certifier", ca="two")
    both = first + "\n" + root(shop)
    shop.config("certifier", ca="one")
    shop.settle()
    with clients(cluster, SECURE, roots=both) as seen:

        def serials() -> list[int]:
            return list(dict.fromkeys(serial(each) for each in seen if each.certificate))

        def changed(number: int) -> None:
            lab.eventually(lambda: len(serials()) == number, timeout=30)

        changed(1)
        label = next(
            each.label
            for each in shop.controller.secrets.values()
            if each.owned_by(shop.unit(UNIT)) and "certificate" in each.revisions[each.latest]
        )
        shop.emit_secret(UNIT, "secret-expired", label or "")
        shop.settle()
        # Requested and not issued yet: the old certificate stays in use.
        assert shop.unit_status(UNIT).name == "active"
        shop.config("certifier", issues=True)
        shop.settle()
        changed(2)
        shop.config("certifier", ca="two")
        shop.settle()
        changed(3)
    assert [each for each in seen if each.status != 200] == []
    assert len(seen) > 20
    answers(cluster, 200, SECURE, roots=root(shop))
    assert shop.unit_status(UNIT).name == "active"


def test_the_gateway_serves_the_expiry_of_its_certificate_as_a_metric(
    cluster: lab.Cluster, shop: juju.Model
):
    """The expiry is that of the renewed certificate; otherwise an alert would never end."""
    answer = answers(cluster, 200, SECURE, roots=root(shop))
    certificate = x509.load_der_x509_certificate(answer.certificate)
    name = r"^envoy_listener_ssl_certificate_\w+_expiration_unix_time_seconds\{.*\} (\d+)$"
    text = cluster.metrics("shop", f"{APP}-istio")
    expected = int(certificate.not_valid_after_utc.timestamp())
    assert [int(found) for found in re.findall(name, text, re.MULTILINE)] == [expected]
    assert re.search(r"^envoy_listener_ssl_handshake\{.*\} [1-9]", text, re.MULTILINE)


def test_another_hostname_requests_another_certificate(cluster: lab.Cluster, shop: juju.Model):
    requests = shop.databag(f"{APP}:certificates")
    shop.config(APP, external_hostname=NAME)
    shop.settle()
    assert shop.unit_status(UNIT).name == "active"
    assert shop.databag(f"{APP}:certificates") != requests
    assert (
        len(json.loads(shop.databag(f"{APP}:certificates")["certificate_signing_requests"])) == 1
    )
    assert url(shop) == f"https://{NAME}/shop-productpage"
    answers(cluster, 200, f"https://{NAME}/shop-productpage", address=ADDRESS, roots=root(shop))
    answers(cluster, None, SECURE, roots=root(shop))
    shop.reset(APP, "external_hostname")
    shop.settle()
    answers(cluster, 200, SECURE, roots=root(shop))


def test_an_invalid_certificate_is_reported_and_the_last_valid_one_stays(
    cluster: lab.Cluster, shop: juju.Model
):
    good = shop.databag("certifier:certificates")["certificates"]
    before = secret(cluster)
    entry = json.loads(good)[0]
    for bad, field in (
        ("{", "certificates"),
        (json.dumps([{**entry, "certificate": "nonsense"}]), "certificates[0].certificate"),
        (json.dumps([{**entry, "certificate": entry["ca"]}]), "not for the key"),
    ):
        shop.set_databag("certifier", "certificates", "certificates", bad)
        shop.emit(UNIT, "update-status")
        status = shop.unit_status(UNIT)
        assert (status.name, "certifier:certificates" in status.message) == ("blocked", True)
        assert field in status.message
        assert secret(cluster) == before
        assert cluster.request_outside(SECURE, roots=root(shop)).status == 200
    shop.set_databag("certifier", "certificates", "certificates", good)
    shop.settle()
    assert shop.unit_status(UNIT).name == "active"


def test_the_private_key_is_disclosed_nowhere(cluster: lab.Cluster, shop: juju.Model):
    lines = secret(cluster)["tls.key"].splitlines()[1:-1]
    cluster.client.delete(Secret, SECRET, namespace="shop")
    results = shop.run(UNIT, "reconcile")
    assert SECRET in results["plan"]
    found: Any = cluster.client.get(Secret, SECRET, namespace="shop")
    output = "\n".join(
        [
            *shop.logs(UNIT),
            *shop.logs("certifier/0"),
            json.dumps(results),
            str(shop.status()),
            json.dumps(found.metadata.annotations),
            json.dumps(shop.databag(f"{APP}:certificates")),
        ]
    )
    assert len(lines) > 10
    assert [line for line in lines if line in output] == []


def test_plain_http_without_a_ca_and_no_listener_before_its_first_certificate(
    cluster: lab.Cluster, shop: juju.Model
):
    shop.remove_relation("certifier:certificates", f"{APP}:certificates")
    shop.settle()
    assert not has_secret(cluster)
    assert list(listeners(cluster)) == ["http-80"]
    assert url(shop) == PLAIN
    answers(cluster, 200, PLAIN)

    shop.config("certifier", issues=False)
    shop.integrate("certifier:certificates", f"{APP}:certificates")
    shop.settle()
    status = shop.unit_status(UNIT)
    assert status.name == "waiting"
    assert f"certifier has not issued one for {ADDRESS} yet" in status.message
    assert url(shop) is None
    answers(cluster, 404, PLAIN)

    shop.config("certifier", issues=True, refuses=True)
    shop.settle()
    status = shop.unit_status(UNIT)
    assert (status.name, "set external_hostname" in status.message) == ("blocked", True)
    assert cluster.request_outside(PLAIN).status == 404

    shop.config("certifier", refuses=False)
    shop.remove_relation("certifier:certificates", f"{APP}:certificates")
    shop.settle()
    shop.integrate("certifier:certificates", f"{APP}:certificates")
    shop.settle()
    assert shop.unit_status(UNIT).name == "active"
    answers(cluster, 200, SECURE, roots=root(shop))
    assert url(shop) == SECURE


def test_another_leader_continues_with_the_certificate(cluster: lab.Cluster, shop: juju.Model):
    before = secret(cluster)
    with shop.requests(f"{APP}/1") as seen:
        shop.add_unit(APP)
        shop.settle()
    assert seen.writes == []
    shop.set_leader(f"{APP}/1")
    shop.settle()
    shop.wait_active()
    assert secret(cluster) == before
    shop.set_leader(UNIT)
    shop.remove_unit(APP)
    shop.settle()
    shop.wait_active()
    answers(cluster, 200, SECURE, roots=root(shop))


def test_removal_deletes_the_secret(cluster: lab.Cluster, shop: juju.Model):
    shop.remove(APP)
    shop.settle()
    assert not has_secret(cluster)
