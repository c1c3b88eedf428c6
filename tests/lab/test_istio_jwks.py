# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""CAs of `jwks-ca-cert`: istiod trusts them when it fetches keys for JSON web tokens."""

import base64
import contextlib
import http.server
import json
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from istio_ambient import kube, resources
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from tests import lab
from tests.lab import _certificates, _network, juju

APP, GATEWAY = "istio-k8s", "tokens"
JWKS = f"{APP}:jwks-ca-cert"


def key_set() -> bytes:
    """Return a JSON web key set with one key."""
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    modulus = numbers.n.to_bytes(256, "big")
    n = base64.urlsafe_b64encode(modulus).rstrip(b"=").decode()
    return json.dumps({"keys": [{"kty": "RSA", "kid": "1", "n": n, "e": "AQAB"}]}).encode()


class _Keys(http.server.BaseHTTPRequestHandler):
    body = key_set()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server of keys on the node: its URL, and the CA of its certificate."""
    certificate_authority = _certificates.CertificateAuthority(tmp_path / "right")
    certificate, key = certificate_authority.server("keys", [_network.NODE_ADDRESS])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socketserver.ThreadingTCPServer((_network.NODE_ADDRESS, 0), _Keys) as serving:
        serving.socket = context.wrap_socket(serving.socket, server_side=True)
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        port: int = serving.server_address[1]
        yield (
            f"https://{_network.NODE_ADDRESS}:{port}/keys",
            certificate_authority.certificate.read_text(),
        )
        serving.shutdown()


def fetches(cluster: lab.Cluster, model: juju.Model, outcome: str) -> float:
    """Return how often istiods fetched keys with this outcome: `success` or `fail`."""
    text = cluster.metrics(model.name, "istiod-")
    name = f"pilot_jwks_resolver_network_fetch_{outcome}_total"
    return sum(float(value) for value in re.findall(rf"^{name}\S* (\S+)$", text, re.M))


@contextlib.contextmanager
def gateway_with_tokens(cluster: lab.Cluster, namespace: str, url: str) -> Generator[None]:
    """Have a gateway that verifies tokens with the keys at a URL."""
    client: Any = cluster.client
    client.create(Namespace(metadata=ObjectMeta(name=namespace)))
    metadata = ObjectMeta(name=GATEWAY, namespace=namespace)
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    spec = {"gatewayClassName": "istio", "listeners": [listener]}
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}
    rules = [{"issuer": "https://login.example.com", "jwksUri": url}]
    try:
        client.create(resources.Gateway(metadata=metadata, spec=spec))
        request = {"targetRefs": [target], "jwtRules": rules}
        client.create(resources.RequestAuthentication(metadata=metadata, spec=request))
        yield
    finally:
        kube.delete(client, Namespace, namespace)


def test_a_changed_bundle_takes_effect_in_istiod(
    cluster: lab.Cluster, control_plane: juju.Model, server: tuple[str, str], tmp_path: Path
):
    url, right = server
    wrong = _certificates.CertificateAuthority(tmp_path / "wrong").certificate.read_text()
    model = control_plane
    databag = {"certificates": json.dumps([wrong]), "version": "1"}
    model.fake_remote(JWKS, "ca", databag)
    model.wait_active(APP)
    try:
        with gateway_with_tokens(cluster, "tokens", url):
            assert lab.eventually(lambda: fetches(cluster, model, "fail"), timeout=60)
            assert not fetches(cluster, model, "success")

            model.set_databag("ca", "jwks-ca-cert", "certificates", json.dumps([right]))
            model.settle()
            assert lab.eventually(lambda: fetches(cluster, model, "success"), timeout=90)
    finally:
        model.remove_relation(JWKS, "ca")
        model.settle()


def test_istiod_fetches_no_keys_from_link_local_addresses(
    cluster: lab.Cluster, control_plane: juju.Model
):
    before = fetches(cluster, control_plane, "fail")
    # Pods reach this address of the node without any route.
    with socket.create_server((_network.GATEWAY, 0)) as listening:
        listening.settimeout(0)
        url = f"http://{_network.GATEWAY}:{listening.getsockname()[1]}/keys"
        with gateway_with_tokens(cluster, "link-local", url):
            lab.eventually(lambda: fetches(cluster, control_plane, "fail") > before, timeout=60)
        with pytest.raises(BlockingIOError):
            listening.accept()
