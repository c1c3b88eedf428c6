# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""istio-ingress-k8s adopts the objects of the public charm of its name, under traffic."""

import ipaddress
import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from istio_ambient import authorization, ingress, kube, resources
from istio_ambient.ingress.objects import listener_certificate
from istio_ambient.interfaces.ingress import IngressRequirerData
from istio_ambient.interfaces.istio_request_auth import JwtRule
from istio_ambient.kube import _objects
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Secret, Service

from tests import authorities, lab
from tests.lab import apps, juju
from tests.lab.clients import clients
from tests.lab.conftest import CHARMS, ModelFactory
from tests.unit.ingress import samples

APP, UNIT, CHARM = "gate", "gate/0", CHARMS / "istio-ingress-k8s"
INSIDE, OUTSIDE = "192.0.2.10", "198.51.100.7"
ADDRESS, CIDR = "203.0.113.10", "192.0.2.0/24"
OPEN, CLOSED = f"https://{ADDRESS}/shop-details", f"https://{ADDRESS}/shop-productpage"
IDLE = """
import ops

class IdleCharm(ops.CharmBase):
    pass
"""
ISSUER, KEYS = "https://login.example.com", "https://login.example.com/keys"
SCOPES: dict[Any, str] = {
    resources.Gateway: "istio-gateway",
    HorizontalPodAutoscaler: "istio-gateway",
    Secret: "istio-gateway",
    resources.HTTPRoute: "istio-ingress",
    resources.RequestAuthentication: "request-authentication",
    resources.DestinationRule: "grpc-destination-rule",
}
POLICIES = {
    f"{APP}-shop-external-traffic": "external-traffic-authorization-policy",
    f"deny-without-jwt-{APP}": "deny-without-jwt-authorization-policy",
    f"ext-authz-{APP}": "external-authorizer-authorization-policy",
}
"""Scopes of policies by name; all policies of backends share one scope."""


@pytest.fixture(scope="module")
def shop(
    control_plane: juju.Model,
    new_module_model: ModelFactory,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[juju.Model]:
    """A model in which another charm with the same endpoints is the ingress."""
    public = tmp_path_factory.mktemp("public")
    (public / "src").mkdir()
    shutil.copy(CHARM / "charmcraft.yaml", public)
    (public / "src" / "charm.py").write_text(IDLE)
    model = new_module_model("shop", controller=control_plane.controller)
    model.deploy(public, APP, config={"external-traffic-policy-cidrs": CIDR})
    for app in ("productpage", "details"):
        model.deploy(apps.STOREFRONT, app)
    model.deploy(apps.CERTIFIER)
    model.integrate("productpage:ingress", f"{APP}:ingress")
    model.integrate("details:ingress", f"{APP}:ingress-unauthenticated")
    model.integrate("certifier:certificates", f"{APP}:certificates")
    tokens = {"jwt_rules": json.dumps([{"issuer": ISSUER, "jwks_uri": KEYS}])}
    model.fake_remote(f"{APP}:istio-request-auth", "login", tokens)
    model.settle()
    yield model


def made_by_the_public_charm(
    client: Any, certificate: ingress.Certificate
) -> Iterator[kube.Resource]:
    """Yield the public charm's objects for the integrations, and one that it left behind."""

    def route_request(app: str, endpoint: str, number: int) -> ingress.IngressRequest:
        requester, open_to_all = authorization.Requester(app, endpoint, ""), endpoint != "ingress"
        data = IngressRequirerData(model="shop", name=app, port=9080)
        return ingress.IngressRequest(requester, number, data, authenticated=not open_to_all)

    trust = ingress.Trust("login", (JwtRule(issuer=ISSUER, jwks_uri=KEYS),))
    facts = ingress.Facts(
        "shop",
        APP,
        config=ingress.Config(external_traffic_policy_cidrs=CIDR),
        requests=(route_request("productpage", "ingress", 1), route_request("details", "open", 2)),
        cluster=ingress.Cluster(authorization.services_of(client.list(Service, namespace="shop"))),
        tls=ingress.Tls(True, certificate),
        request_auth=(trust,),
    )
    for obj in ingress.desired(samples.resolve(facts)).objects:
        if isinstance(obj, Secret):
            obj.type = None
        if isinstance(obj, resources.Gateway):
            del obj["spec"]["infrastructure"]
        if type(obj) in SCOPES or isinstance(obj, resources.AuthorizationPolicy):
            yield obj
    yield resources.DestinationRule(
        metadata=ObjectMeta(name=f"old-grpc-dest-rule-{APP}", namespace="shop"),
        spec={"host": "old.shop.svc.cluster.local"},
    )
    yield resources.AuthorizationPolicy(
        metadata=ObjectMeta(name=f"ext-authz-{APP}", namespace="shop"),
        spec={"selector": {"matchLabels": {"app": "absent"}}, "action": "DENY", "rules": [{}]},
    )


def apply_as_public(client: Any, obj: kube.Resource) -> None:
    name: str = obj.metadata.name
    scope = SCOPES.get(type(obj)) or POLICIES.get(name, "istio-ingress-authorization-policy")
    obj.metadata.labels = {resources.INSTANCE_LABEL: f"shop-{APP}", resources.SCOPE_LABEL: scope}
    client.apply(obj, field_manager=APP, force=True)


def certificate_of(authority: authorities.Authority) -> ingress.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ADDRESS))])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    csr = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signed = authority.sign(csr.public_bytes(serialization.Encoding.PEM).decode())
    return listener_certificate.assemble(listener_certificate.leaf_of(signed), [], pem.decode())


def uids(client: Any, objects: list[kube.Resource]) -> dict[kube.Ref, str]:
    refs = {kube.ref_of(obj): _objects.type_of(obj) for obj in objects}
    return {ref: obj.metadata.uid for ref, obj in kube.read_taken(client, refs).objects.items()}


def test_clients_are_not_interrupted_and_access_is_never_wider(
    cluster: lab.Cluster, shop: juju.Model
):
    client: Any = cluster.client
    public = authorities.Authority.make("public")
    objects = list(made_by_the_public_charm(client, certificate_of(public)))
    for obj in objects:
        apply_as_public(client, obj)
    roots = public.pem + shop.run("certifier/0", "get-ca-certificate")["ca-certificate"]
    for where, source, status in (
        (OPEN, INSIDE, 200),
        (OPEN, OUTSIDE, 403),
        (CLOSED, INSIDE, 403),
    ):
        lab.eventually(
            lambda where=where, source=source, status=status: (
                cluster.request_outside(where, source_ip=source, roots=roots).status == status
            ),
            timeout=60,
        )
    before = uids(client, objects)
    with (
        clients(cluster, OPEN, source_ip=INSIDE, roots=roots) as served,
        clients(cluster, OPEN, source_ip=OUTSIDE, roots=roots) as outsiders,
        clients(cluster, CLOSED, source_ip=INSIDE, roots=roots) as tokenless,
    ):
        shop.refresh(APP, CHARM)
        shop.settle()
        # The issuer has no server here: its rule keeps the URL that istiod asks.
        lab.eventually(lambda: "keys of" in shop.unit_status(f"{APP}/0").message)
        cluster.wait_synced()
        count = len(served)
        lab.eventually(lambda: len(served) > count + 5)
    # The pods are replaced once, as their labels change, which may end open connections.
    everything = (*served, *outsiders, *tokenless)
    cut = [each.error for each in everything if each.status is None]
    assert [error for error in cut if "certificate" in error.lower()] == []
    assert len(cut) * 10 < len(everything), cut
    assert {each.status for each in tokenless} - {None} == {403}
    assert {each.status for each in outsiders} - {None} == {403}
    assert {each.status for each in served} - {None} == {200}
    issuers = {
        x509.load_der_x509_certificate(each.certificate).issuer
        for each in served
        if each.certificate
    }
    assert len(issuers) == 2

    after = uids(client, objects)
    gone = {ref.name for ref in before.keys() - after.keys()}
    assert gone == {f"old-grpc-dest-rule-{APP}", f"ext-authz-{APP}"}
    # No object that limits access was deleted and created again.
    kept = {ref for ref in after if after[ref] == before[ref]}
    assert {ref.kind for ref in after.keys() - kept} <= {"Secret"}
    live = kube.read_live(client, resources.identity("shop", APP), ingress.MANAGED)
    assert after.keys() <= live.objects.keys()
    with shop.requests(UNIT) as seen:
        shop.emit(UNIT, "update-status")
    assert seen.writes == []
