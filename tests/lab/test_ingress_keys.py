# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Servers of keys that answer anything: the gateway keeps its listener, and the status says so."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Generator, Sequence
from typing import Any

import pytest
from istio_ambient import kube, resources
from istio_ambient.values import jwks

from tests import lab
from tests.lab import identity, juju
from tests.lab.test_ingress_authentication import (
    ACCOUNT,
    GATE,
    ISSUER,
    OPEN,
    OTHER,
    PAGE,
    UNIT,
    Shop,
    shop,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    tokens,  # noqa: F401  # pyright: ignore[reportUnusedImport]
)

ENDPOINT = f"{GATE}:istio-request-auth"
PORT = 8099
SLOW = threading.Event()
"""Nothing sets it."""

ANSWERS: dict[str, identity.Answer] = {
    "/html": (200, {}, b"<!doctype html><title>Maintenance</title>"),
    "/empty": (200, {}, b'{"keys":[]}'),
    "/utf8": (200, {}, b'{"keys":[],"x":"\xff\xfe\x80"}'),
    "/large": (200, {}, b'{"keys":[' + b" " * 10_000_000 + b"]}"),
    "/loopback": (302, {"location": "http://127.0.0.1:8080/debug/endpointz"}, b""),
    "/api-server": (302, {"location": "https://kubernetes.default.svc/openid/v1/jwks"}, b""),
    "/metadata/.well-known/openid-configuration": (
        200,
        {},
        b'{"jwks_uri": "http://169.254.169.254/latest/meta-data"}',
    ),
}
FAULTS = {
    "/html": "answered HTML",
    "/empty": "answered without a usable key",
    "/utf8": "answered something that is not JSON",
    "/large": "answered more than 64 KiB",
    "/loopback": "leads to a forbidden address",
    "/api-server": "leads to a forbidden address",
    "/slow": "did not answer in time",
    "/metadata": "leads to a forbidden address",
}


def answer(request: identity.ReceivedRequest) -> identity.Answer:
    if request.path == "/slow":
        SLOW.wait(30)
    return ANSWERS.get(request.path, (404, {}, b""))


@contextlib.contextmanager
def trusting(shop: Shop, app: str, rules: Sequence[dict[str, str]]) -> Generator[None]:  # noqa: F811
    """Let an application trust tokens by these rules."""
    shop.model.fake_remote(ENDPOINT, app, {"jwt_rules": json.dumps(rules)})
    shop.model.settle()
    try:
        yield
    finally:
        shop.model.remove_relation(ENDPOINT, app)
        shop.model.settle()


def listening(shop: Shop) -> tuple[socket.socket, str]:  # noqa: F811
    """Return a socket at a pod's address, and its URL."""
    found = shop.cluster.listen("shop/identity", PORT)
    return found, f"http://{found.getsockname()[0]}:{PORT}"


def faults(shop: Shop, app: str) -> list[str]:  # noqa: F811
    """Return why each rule of an application has no new keys, as the gateway's object says."""
    client: Any = shop.cluster.client
    name = f"request-auth-{app}-{GATE}"
    found = kube.manifest_of(client.get(resources.RequestAuthentication, name, namespace="shop"))
    told = json.loads(found["metadata"]["annotations"]["charmed-istio/jwks-sources"])
    assert [rule["jwks"] for rule in found["spec"]["jwtRules"]] == len(told) * [jwks.UNUSABLE]
    return [each["fault"] for each in told]


def fetches_of_istiod(shop: Shop, control_plane: juju.Model) -> str:  # noqa: F811
    text = shop.cluster.metrics(control_plane.name, "istiod-")
    return "\n".join(sorted(re.findall(r"^pilot_jwks_resolver_network_fetch\S* \S+$", text, re.M)))


@pytest.mark.usefixtures("tokens")
def test_no_server_of_keys_freezes_the_gateway(shop: Shop, control_plane: juju.Model):  # noqa: F811
    before = fetches_of_istiod(shop, control_plane)
    listener, url = listening(shop)
    rules = [{"issuer": f"https://bank.example.com{p}", "jwks_uri": url + p} for p in FAULTS]
    rules[-1] = {"issuer": f"{url}/metadata"}
    with identity.Server(listener, answer) as server, trusting(shop, "bank", rules):
        assert faults(shop, "bank") == list(FAULTS.values())
        assert shop.status().startswith(
            "blocked: bank:istio-request-auth jwt_rules: answered HTML: keys of https://bank.exam"
        )
        # Eight servers at most were asked, once by the charm, and never by istiod.
        assert len(server.requests) == len(FAULTS)
        assert fetches_of_istiod(shop, control_plane) == before

        assert shop.get(ACCOUNT, shop.issuer.bearer()).status == 200
        assert shop.get(ACCOUNT, {"authorization": "Bearer x"}).status == 401
        assert shop.get(OPEN).status == 200
        # What narrows access still arrives at the gateway.
        shop.model.config(GATE, **{"external-traffic-policy-cidrs": "10.99.0.0/16"})
        shop.model.settle()
        shop.settles(403, OPEN)
        shop.cluster.wait_synced()
        shop.model.reset(GATE, "external-traffic-policy-cidrs")
        shop.model.settle()
        shop.settles(200, OPEN)


@pytest.mark.usefixtures("tokens")
def test_the_last_good_keys_stay_until_there_are_new_ones(shop: Shop):  # noqa: F811
    old, new = identity.Issuer(OTHER), identity.Issuer(OTHER)
    listener, url = listening(shop)
    rule = {"issuer": OTHER, "jwks_uri": f"{url}/keys"}
    with identity.Server(listener, old.keys) as server, trusting(shop, "productpage", [rule]):
        shop.settles(200, PAGE, old.bearer())
        assert shop.get(PAGE, new.bearer()).status == 401

        server.stop()
        with shop.model.requests(UNIT) as seen:
            shop.model.emit(UNIT, "update-status")
        assert len(seen.writes) == 1
        assert shop.status().startswith("waiting: productpage:istio-request-auth: no answer")
        assert f"the last good ones stay: keys of {OTHER[:10]}" in shop.status()
        with shop.model.requests(UNIT) as seen:
            shop.model.emit(UNIT, "update-status")
        assert seen.writes == []
        assert shop.get(PAGE, old.bearer()).status == 200

        maintained, _ = listening(shop)
        with identity.Server(maintained, lambda _: ANSWERS["/html"]):
            shop.model.emit(UNIT, "update-status")
            assert shop.status().startswith("blocked: productpage:istio-request-auth jwt_rules")
            assert shop.get(PAGE, old.bearer()).status == 200

        again, _ = listening(shop)
        with identity.Server(again, new.keys):
            # Keys that changed arrive with update-status, or at once by the action.
            shop.model.emit(UNIT, "config-changed")
            assert shop.get(PAGE, new.bearer()).status == 401
            shop.model.run(UNIT, "reconcile")
            shop.settles(200, PAGE, new.bearer())
            assert shop.get(PAGE, old.bearer()).status == 401
            shop.model.wait_active()


@pytest.mark.usefixtures("tokens")
def test_a_rule_without_keys_lets_no_client_write_the_header_of_a_claim(shop: Shop):  # noqa: F811
    claims = [{"header": "x-bank-user", "claim": "email"}]
    listener, url = listening(shop)
    down: dict[str, Any] = {"issuer": OTHER, "jwks_uri": f"{url}/html", "claim_to_headers": claims}
    with identity.Server(listener, answer), trusting(shop, "bank", [down]):
        forged = {"x-bank-user": "root@example.com"}

        def arrives() -> bool:
            return "x-bank-user" in shop.get(OPEN, forged).json()["headers"]

        assert lab.eventually(lambda: not arrives())
        assert shop.get(ACCOUNT, shop.issuer.bearer(iss=ISSUER)).status == 200
        assert shop.get(ACCOUNT, shop.other.bearer()).status == 401
