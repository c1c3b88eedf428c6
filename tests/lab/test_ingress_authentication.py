# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Login and tokens through the real gateway, with a real authorizer and real signatures."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from istio_ambient import kube, resources
from lightkube.resources.core_v1 import ConfigMap

from tests import lab
from tests.lab import apps, bookshop, identity, juju
from tests.lab.conftest import CHARMS, ModelFactory

GATE, UNIT = "gate", "gate/0"
ADDRESS = "http://203.0.113.10"
ACCOUNT, PAGE, OPEN = (f"{ADDRESS}/shop-{app}" for app in ("account", "productpage", "details"))
SESSION = {"cookie": "session=alice"}
ISSUER, OTHER, FIRST = (f"https://{name}.example.com" for name in ("issuer", "other", "a"))
KEYS = f"http://identity.shop.svc.cluster.local:{identity.KEYS_PORT}/keys"
RULE: dict[str, Any] = {
    "issuer": ISSUER,
    "jwks_uri": KEYS,
    "audiences": ["shop"],
    "claim_to_headers": [{"header": "x-account-email", "claim": "email"}],
}


@dataclasses.dataclass
class Shop:
    """A gateway with two applications that require a login, and one that does not."""

    cluster: lab.Cluster
    model: juju.Model
    issuer: identity.Issuer
    other: identity.Issuer
    first: identity.Issuer
    """Envoy runs rules about its tokens before those of the others."""

    def get(self, url: str, headers: dict[str, str] | None = None, **more: Any) -> lab.Response:
        return self.cluster.request_outside(url, headers=headers, **more)

    def settles(
        self, status: int, url: str, headers: dict[str, str] | None = None
    ) -> lab.Response:
        """Return the response once the gateway answers with this status."""

        def seen() -> lab.Response:
            response = self.get(url, headers)
            assert response.status == status, response
            return response

        return lab.eventually(seen)

    def spec(self, name: str) -> dict[str, Any] | None:
        client: Any = self.cluster.client
        found: list[Any] = list(client.list(resources.AuthorizationPolicy, namespace="shop"))
        return next((kube.manifest_of(p)["spec"] for p in found if p.metadata.name == name), None)

    def status(self) -> str:
        status = self.model.unit_status(UNIT)
        return f"{status.name}: {status.message}"

    @contextlib.contextmanager
    def authorizer(self) -> Generator[identity.Server]:
        listening = self.cluster.listen("shop/identity", identity.DECISIONS_PORT)
        with identity.Server(listening, identity.decide) as server:
            yield server


TOKENS = ("account:istio-request-auth", f"{GATE}:istio-request-auth")


@pytest.fixture(scope="module")
def shop(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: ModelFactory
) -> Iterator[Shop]:
    model = new_module_model("shop", controller=control_plane.controller)
    model.deploy(CHARMS / "istio-ingress-k8s", GATE)
    bookshop.deploy(model, "productpage", "details")
    for app in (apps.ACCOUNT, apps.IDENTITY):
        model.deploy(app)
    model.integrate("account:ingress", f"{GATE}:ingress")
    model.integrate("productpage:ingress", f"{GATE}:ingress")
    model.integrate("details:ingress", f"{GATE}:ingress-unauthenticated")
    model.wait_active()

    shop = Shop(cluster, model, *map(identity.Issuer, (ISSUER, OTHER, FIRST)))

    def keys(request: identity.ReceivedRequest) -> identity.Answer:
        issuers = {"/other": shop.other, "/first": shop.first}
        return issuers.get(request.path, shop.issuer).keys(request)

    with identity.Server(cluster.listen("shop/identity", identity.KEYS_PORT), keys):
        yield shop


@pytest.fixture
def login(shop: Shop, control_plane: juju.Model) -> Iterator[identity.Server]:
    """The gateway requires a login."""
    model = shop.model
    offer = control_plane.offer("istio-k8s:istio-ingress-config")
    model.integrate("identity:forward-auth", f"{GATE}:forward-auth")
    model.integrate(f"{GATE}:istio-ingress-config", offer)
    model.wait_active()
    with shop.authorizer() as server:
        shop.settles(302, PAGE)
        server.requests.clear()
        yield server
    model.remove_relation(f"{GATE}:istio-ingress-config", "istio-k8s")
    model.remove_relation("identity:forward-auth", f"{GATE}:forward-auth")
    model.wait_active()
    shop.settles(200, PAGE)


@pytest.fixture
def tokens(shop: Shop) -> Iterator[None]:
    """The account trusts tokens, and so all routes that require authentication require a token."""
    model = shop.model
    model.config("account", rules=json.dumps([RULE]))
    model.integrate(*TOKENS)
    model.wait_active()
    shop.settles(200, ACCOUNT, shop.issuer.bearer())
    yield
    model.remove_relation(*TOKENS)
    model.reset("account", "rules")
    model.wait_active()
    # Tokens are no longer required; a login may still be.
    lab.eventually(lambda: shop.get(PAGE).status != 403)


def test_a_login_is_required(shop: Shop, login: identity.Server):
    response = shop.get(f"{ACCOUNT}/x?y=z")
    assert (response.status, response.hop) == (302, "gateway")
    assert response.headers["location"] == "http://login.example.com/"
    assert response.headers["set-cookie"] == "state=1"
    way = shop.model.run(UNIT, "check", url=f"{ACCOUNT}/x?y=z")["way"]
    assert "asks the external authorizer (shop/ext-authz-gate rule 0)" in way
    received = login.requests[-1]
    assert (received.method, received.path) == ("GET", "/shop-account/x?y=z")
    assert received.headers["host"] == "203.0.113.10"

    response = shop.get(
        f"{ACCOUNT}/x", {**SESSION, "x-auth-request-user": "root", "x-secret": "1"}
    )
    assert (response.status, response.hop) == (200, "application")
    assert response.headers["set-cookie"] == "seen=1"
    headers = response.json()["headers"]
    assert headers["x-auth-request-user"] == "alice"
    assert "x-other" not in headers
    assert login.requests[-1].headers["cookie"] == "session=alice"
    assert "x-secret" not in login.requests[-1].headers

    response = shop.get(ACCOUNT, {"cookie": "session=banned"})
    assert (response.status, response.body) == (403, b"not you")

    login.requests.clear()
    assert shop.get(f"{OPEN}/x").json()["app"] == "details"
    assert login.requests == []
    names = json.loads(shop.model.databag(f"{GATE}:forward-auth")["ingress_app_names"])
    assert names == ["account", "details", "productpage"]


def test_the_authorizer_is_told_of_a_request_by_the_gateway_and_not_by_the_client(
    shop: Shop, login: identity.Server, control_plane: juju.Model
):
    claimed = {
        "x-forwarded-uri": "/shop-details/x",
        "x-forwarded-host": "public.example.com",
        "x-forwarded-proto": "https",
        "x-forwarded-method": "OPTIONS",
        "x-forwarded-prefix": "/p",
    }
    told = {
        "x-forwarded-uri": "/shop-account/x?y=z",
        "x-forwarded-host": "203.0.113.10",
        "x-forwarded-proto": "http",
        "x-forwarded-method": "POST",
    }
    for path in ("", "/decisions"):
        if path:
            shop.model.config("identity", path=path)
            shop.model.wait_active()

        def forwarded(path: str = path) -> dict[str, str]:
            shop.get(f"{ACCOUNT}/x?y=z", claimed, method="POST")
            received = login.requests[-1]
            assert received.path == f"{path}/shop-account/x?y=z"
            return {
                name: received.headers.get(name, "")
                for name in claimed
                if name in received.headers
            }

        assert lab.eventually(forwarded) == told
    shop.model.reset("identity", "path")
    shop.model.wait_active()


@pytest.mark.parametrize(
    "path",
    [
        "/shop-details/../shop-account",
        "/shop-details/%2e%2e/shop-account",
        "/shop-details/..%2fshop-account",
        "/shop-details/%2e%2e%2fshop-account",
        "/shop-details//../shop-account",
        "/shop-details/..\\shop-account",
        "/shop-details;/../shop-account",
        "//shop-account",
        "/./shop-account",
        "/shop-account/../shop-account/",
        "/shop-account?/shop-details",
        "/shop-account%3f/shop-details",
        "/%73hop-account",
        "/SHOP-account",
    ],
)
def test_no_spelling_of_a_path_bypasses_the_login(shop: Shop, login: identity.Server, path: str):
    response = shop.get(f"{ADDRESS}{path}")
    if response.hop == "application":
        assert response.json()["app"] == "details"
    else:
        assert response.status in (302, 400, 404)


def test_without_the_authorizer_every_request_is_denied(shop: Shop, login: identity.Server):
    assert shop.get(PAGE, SESSION).status == 200
    login.stop()
    response = shop.get(PAGE, SESSION)
    assert (response.status, response.hop) == (403, "gateway")
    assert shop.get(OPEN).status == 200


def test_an_unauthenticated_root_opens_no_path_of_another_application(
    shop: Shop, login: identity.Server
):
    endpoint = f"{GATE}:istio-ingress-route-unauthenticated"
    backend = {"service": "identity", "port": apps.PORT}
    listener = {"port": 80, "protocol": "HTTP"}
    route = {"name": "all", "listener": listener, "backends": [backend]}
    root = {"path": {"type": "PathPrefix", "value": "/"}}
    config = {
        "model": "shop",
        "listeners": [],
        "http_routes": [{**route, "matches": [root]}],
    }
    shop.model.fake_remote(endpoint, "identity", {"config": json.dumps(config)})
    shop.model.wait_active()
    assert shop.settles(200, f"{ADDRESS}/anything").json()["app"] == "identity"
    for url in (ACCOUNT, f"{ACCOUNT}/x", PAGE):
        assert shop.get(url).status == 302
    assert shop.get(ACCOUNT, SESSION).json()["app"] == "account"
    shop.model.remove_relation(endpoint, "identity")
    shop.model.settle()
    # Without a route, Envoy sends no check request.
    shop.settles(404, f"{ADDRESS}/anything")


def routes_of(app: str, *, port: int, path: str) -> dict[str, str]:
    """Return the databag of an application with a route for the paths below one at a port."""
    listener = {"port": port, "protocol": "HTTP"}
    backend = {"service": app, "port": apps.PORT}
    match = {"path": {"type": "PathPrefix", "value": path}}
    route = {"name": "all", "listener": listener, "backends": [backend], "matches": [match]}
    return {"config": json.dumps({"model": "shop", "listeners": [], "http_routes": [route]})}


def test_a_closed_root_at_one_port_closes_no_login_page_at_another_one(
    shop: Shop, login: identity.Server
):
    closed, opened = f"{GATE}:istio-ingress-route", f"{GATE}:istio-ingress-route-unauthenticated"
    shop.model.fake_remote(closed, "identity", routes_of("identity", port=3200, path="/"))
    shop.model.fake_remote(opened, "details", routes_of("details", port=80, path="/oauth2"))
    shop.model.wait_active()
    page, same_path = f"{ADDRESS}/oauth2/start", f"{ADDRESS}:3200/oauth2/start"
    shop.settles(302, same_path)
    assert shop.settles(200, page).json()["app"] == "details"
    for url in (f"{ADDRESS}:3200/", same_path, ACCOUNT, PAGE):
        assert shop.get(url).status == 302
    assert shop.get(same_path, SESSION).json()["app"] == "identity"
    way = shop.model.run(UNIT, "check", url=same_path)["way"]
    assert "asks the external authorizer" in way
    assert "asks the external authorizer" not in shop.model.run(UNIT, "check", url=page)["way"]
    shop.model.remove_relation(closed, "identity")
    shop.model.remove_relation(opened, "details")
    shop.model.settle()


def test_an_open_root_at_one_port_opens_nothing_at_another_one(shop: Shop, login: identity.Server):
    opened = f"{GATE}:istio-ingress-route-unauthenticated"
    shop.model.fake_remote(opened, "identity", routes_of("identity", port=3200, path="/"))
    shop.model.wait_active()
    url = f"{ADDRESS}:3200/shop-account"
    assert shop.settles(200, url).json()["app"] == "identity"
    for url in (ACCOUNT, PAGE, f"{ACCOUNT}/x"):
        assert shop.get(url).status == 302
    shop.model.remove_relation(opened, "identity")
    shop.model.settle()


def test_the_path_of_the_decisions_address(
    shop: Shop, login: identity.Server, control_plane: juju.Model
):
    shop.model.config("identity", path="/decisions")
    shop.model.wait_active()

    def has_path() -> bool:
        shop.get(f"{PAGE}/x")
        # Until the gateway has the new address, it may send no check request.
        return "/decisions/shop-productpage/x" in [each.path for each in login.requests[-1:]]

    assert lab.eventually(has_path)
    client: Any = shop.cluster.client
    mesh = client.get(ConfigMap, "istio", namespace=control_plane.name).data["mesh"]
    assert '"pathPrefix": "/decisions"' in mesh
    shop.model.reset("identity", "path")
    shop.model.wait_active()
    assert lab.eventually(
        lambda: shop.get(PAGE) and login.requests[-1].path == "/shop-productpage"
    )


def test_an_incomplete_login_denies_every_request_and_reports_why(
    shop: Shop, control_plane: juju.Model
):
    model = shop.model
    model.fake_remote(f"{GATE}:forward-auth", "silent")
    model.settle()
    assert shop.status().startswith("blocked: istio-ingress-config")
    assert "juju integrate gate:istio-ingress-config istio-k8s" in shop.status()
    for url in (PAGE, OPEN, f"{ADDRESS}/"):
        shop.settles(403, url)
    assert shop.spec("ext-authz-gate") == {
        "action": "DENY",
        "rules": [{}],
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATE}],
    }

    model.integrate(
        f"{GATE}:istio-ingress-config", control_plane.offer("istio-k8s:istio-ingress-config")
    )
    model.settle()
    assert shop.status().startswith("waiting: forward-auth: silent has not sent")
    model.set_databag("silent", "forward-auth", "decisions_address", "http://10.0.0.1")
    model.settle()
    assert shop.status().startswith("blocked: silent:forward-auth decisions_address")
    assert shop.get(PAGE, SESSION).status == 403
    databag = model.databag(f"{GATE}:istio-ingress-config")
    assert (databag["ext_authz_service_name"], databag["ext_authz_port"]) == ("fake_host", "5432")

    model.remove_relation(f"{GATE}:istio-ingress-config", "istio-k8s")
    model.remove_relation(f"{GATE}:forward-auth", "silent")
    model.wait_active()
    assert shop.spec("ext-authz-gate") is None
    shop.settles(200, PAGE)


def test_tokens(shop: Shop, tokens: None):
    issuer = shop.issuer
    response = shop.get(ACCOUNT, issuer.bearer(email="a@example.com"))
    assert response.json()["headers"]["x-account-email"] == "a@example.com"
    # The rule does not forward the original token, so the gateway removes it.
    assert "authorization" not in response.json()["headers"]

    now = int(time.time())
    refused: dict[str, tuple[dict[str, str], int]] = {
        "none": ({}, 403),
        "basic": ({"authorization": "Basic YTpi"}, 403),
        "expired": (issuer.bearer(exp=now - 3600), 401),
        "not yet": (issuer.bearer(nbf=now + 3600), 401),
        "wrong issuer": (issuer.bearer(iss=OTHER), 401),
        "wrong key": ({"authorization": shop.other.bearer(iss=ISSUER)["authorization"]}, 401),
        "wrong audience": (issuer.bearer(aud="bank"), 403),
        "no audience": (issuer.bearer(aud=None), 403),
        "no subject": (issuer.bearer(sub=None), 403),
        "nonsense": ({"authorization": "Bearer x.y.z"}, 401),
    }
    got = {name: shop.get(ACCOUNT, headers).status for name, (headers, _) in refused.items()}
    assert got == {name: status for name, (_, status) in refused.items()}
    assert shop.get(PAGE).status == 403
    assert shop.get(OPEN).status == 200
    closed = shop.model.run(UNIT, "check", url=PAGE)["way"]
    assert "(shop/deny-without-jwt-gate rule 0)" in closed
    assert "deny-without-jwt" not in shop.model.run(UNIT, "check", url=OPEN)["way"]


def test_clients_cannot_forge_headers_of_token_claims(shop: Shop, tokens: None):
    forged = {"x-account-email": "root@example.com"}
    for url, headers in ((ACCOUNT, shop.issuer.bearer()), (OPEN, {})):
        response = shop.get(url, {**headers, **forged})
        assert response.status == 200
        assert "x-account-email" not in response.json()["headers"]


def test_a_token_may_be_in_another_header(shop: Shop, tokens: None):
    rule = {**RULE, "from_headers": [{"name": "x-jwt", "prefix": "Token "}]}
    shop.model.config("account", rules=json.dumps([{**rule, "forward_original_token": True}]))
    shop.model.settle()
    token = shop.issuer.bearer()["authorization"].removeprefix("Bearer ")
    response = shop.settles(200, ACCOUNT, {"x-jwt": f"Token {token}"})
    assert response.json()["headers"]["x-jwt"] == f"Token {token}"
    assert shop.get(ACCOUNT, shop.issuer.bearer()).status == 403


def test_tokens_of_one_application_do_not_open_another(shop: Shop, tokens: None):
    endpoint = f"{GATE}:istio-request-auth"
    theirs = {"issuer": OTHER, "jwks_uri": KEYS.replace("/keys", "/other")}
    same_issuer = {**RULE, "audiences": ["bank"]}
    rules = {"jwt_rules": json.dumps([theirs, same_issuer])}
    shop.model.fake_remote(endpoint, "productpage", rules)
    shop.model.settle()
    shop.settles(200, PAGE, shop.other.bearer())
    assert shop.get(ACCOUNT, shop.other.bearer()).status == 403
    assert shop.get(PAGE, shop.issuer.bearer(aud="bank")).status == 200
    assert shop.get(ACCOUNT, shop.issuer.bearer(aud="bank")).status == 403
    assert shop.get(ACCOUNT, shop.issuer.bearer(aud=["bank", "shop"])).status == 200
    assert shop.get(PAGE, shop.issuer.bearer()).status == 403
    shop.model.remove_relation(endpoint, "productpage")
    shop.model.settle()


@pytest.mark.parametrize("rules", ['[{"issuer": ""}]', "{", "[]"])
def test_invalid_rules_open_nothing(shop: Shop, tokens: None, rules: str):
    endpoint = f"{GATE}:istio-request-auth"
    shop.model.fake_remote(endpoint, "productpage", {"jwt_rules": rules})
    shop.model.settle()
    if rules != "[]":
        assert shop.status().startswith("blocked: productpage:istio-request-auth jwt_rules")
    good = shop.issuer.bearer()
    shop.settles(403, PAGE, good)
    assert (shop.get(ACCOUNT, good).status, shop.get(ACCOUNT).status) == (200, 403)
    assert (shop.get(PAGE).status, shop.get(OPEN).status) == (403, 200)
    shop.model.remove_relation(endpoint, "productpage")
    shop.model.settle()


def test_login_or_token(shop: Shop, login: identity.Server, tokens: None):
    shop.settles(302, ACCOUNT)
    good = shop.issuer.bearer(email="a@example.com")
    shop.settles(200, ACCOUNT, good)
    login.requests.clear()
    response = shop.get(ACCOUNT, good)
    assert response.json()["headers"]["x-account-email"] == "a@example.com"
    assert login.requests == []
    assert shop.get(ACCOUNT, SESSION).status == 200
    assert shop.get(ACCOUNT, {**SESSION, "authorization": "Basic YTpi"}).status == 200
    expired = shop.issuer.bearer(exp=int(time.time()) - 3600)
    assert shop.get(ACCOUNT, expired).status == 401
    assert shop.get(ACCOUNT, {**SESSION, "authorization": "Bearer x"}).status == 401
    assert shop.get(ACCOUNT, shop.issuer.bearer(sub=None)).status == 403
    assert shop.get(OPEN).status == 200
    # Envoy's JWT filter ignores CORS preflight requests.
    bearer = {"authorization": "Bearer x", "origin": "http://x.example.com"}
    preflight = {**bearer, "access-control-request-method": "GET"}
    assert shop.get(ACCOUNT, preflight, method="OPTIONS").status == 403

    theirs = {"issuer": OTHER, "jwks_uri": KEYS.replace("/keys", "/other")}
    endpoint = f"{GATE}:istio-request-auth"
    shop.model.fake_remote(endpoint, "productpage", {"jwt_rules": json.dumps([theirs])})
    shop.model.settle()
    shop.settles(200, PAGE, shop.other.bearer())
    assert shop.get(ACCOUNT, shop.other.bearer()).status == 403
    assert shop.get(ACCOUNT, shop.other.bearer(sub=None)).status == 403
    shop.model.remove_relation(endpoint, "productpage")
    shop.model.settle()


EVIL = (f"{GATE}:istio-request-auth", "evil")


@contextlib.contextmanager
def neighbour(shop: Shop, *rules: dict[str, Any]) -> Generator[None]:
    """Another application that trusts tokens, and has no route."""
    keys = KEYS.replace("/keys", "/other")
    written = [{"issuer": OTHER, "jwks_uri": keys, **rule} for rule in rules]
    shop.model.fake_remote(*EVIL, {"jwt_rules": json.dumps(written)})
    shop.model.settle()
    yield
    shop.model.remove_relation(*EVIL)
    shop.model.settle()


def names_of_rules(shop: Shop) -> dict[str, list[str]]:
    client: Any = shop.cluster.client
    found: list[Any] = list(client.list(resources.RequestAuthentication, namespace="shop"))
    return {
        obj.metadata.name: [rule["issuer"] for rule in kube.manifest_of(obj)["spec"]["jwtRules"]]
        for obj in found
    }


def test_no_other_application_brings_keys_for_an_issuer(shop: Shop, tokens: None):
    forged = shop.other.bearer(iss=ISSUER, sub="root", email="root@example.com")
    with neighbour(shop, {"issuer": ISSUER, "audiences": ["shop"]}, {}):
        shop.settles(403, ACCOUNT, shop.other.bearer())
        assert shop.get(ACCOUNT, forged).status == 401
        assert shop.get(ACCOUNT, shop.issuer.bearer()).status == 200
        assert shop.status().startswith("blocked: evil:istio-request-auth jwt_rules: issuer")
        assert "account" in shop.status()
        assert names_of_rules(shop) == {
            "request-auth-account-gate": [ISSUER],
            "request-auth-evil-gate": [OTHER],
        }


def test_claims_of_other_tokens_reach_no_header_of_an_application(shop: Shop, tokens: None):
    header = {"header": "x-account-email", "claim": "email"}
    with neighbour(shop, {"claim_to_headers": [header]}):
        assert "header x-account-email" in shop.status()
        assert "request-auth-evil-gate" not in names_of_rules(shop)
    own = {
        "from_headers": [{"name": "x-evil-jwt"}],
        "claim_to_headers": [{"header": "x-user-evil", "claim": "email"}],
    }
    first = {"issuer": FIRST, "jwks_uri": KEYS.replace("/keys", "/first")}
    with neighbour(shop, {**own, **first}, own):
        mine = shop.issuer.bearer(email="alice@example.com")
        forged = {"x-account-email": "root@example.com", "x-user-evil": "root"}
        texts = {"iss.-": "root", "email": "root@example.com"}
        for issuer in (shop.first, shop.other):
            theirs = issuer.bearer(**texts)["authorization"].removeprefix("Bearer ")
            shop.settles(200, OPEN, {"x-evil-jwt": theirs})
            response = shop.get(OPEN, {"x-evil-jwt": theirs, **forged})
            # A rule that is met keeps no header that a client sent for another rule.
            assert "x-account-email" not in response.json()["headers"]
            assert response.json()["headers"]["x-user-evil"] == "root@example.com"
            assert shop.get(ACCOUNT, {"x-evil-jwt": theirs, **forged}).status == 403
            # Two tokens: that of the first issuer counts, alone.
            response = shop.get(ACCOUNT, {**mine, "x-evil-jwt": theirs, **forged})
            if issuer is shop.first:
                assert response.status == 403
            else:
                headers = response.json()["headers"]
                assert headers["x-account-email"] == "alice@example.com"
                assert "x-user-evil" not in headers


def test_applications_of_one_issuer_receive_their_own_claims(shop: Shop, tokens: None):
    wanted = {"claim_to_headers": [{"header": "x-user-name", "claim": "name"}]}
    rules = [{**RULE, **wanted, "audiences": ["shop", "page"]}]
    endpoint = (f"{GATE}:istio-request-auth", "productpage")
    shop.model.fake_remote(*endpoint, {"jwt_rules": json.dumps(rules)})
    shop.model.wait_active()
    shop.settles(200, PAGE, shop.issuer.bearer(name="Alice", aud="page"))
    for aud in ("page", "shop"):
        response = shop.get(PAGE, shop.issuer.bearer(name="Alice", aud=aud))
        assert response.json()["headers"]["x-user-name"] == "Alice"
    shop.model.remove_relation(*endpoint)
    shop.model.settle()


def test_tokens_of_another_application_are_no_login(
    shop: Shop, login: identity.Server, tokens: None
):
    """The account trusts tokens, the product page does not."""
    name = {"header": "x-auth-request-user", "claim": "email"}
    for rule in ({}, {"claim_to_headers": [{"header": "x-user-evil", "claim": "email"}]}):
        with neighbour(shop, rule):
            shop.settles(403, ACCOUNT, shop.other.bearer())
            for bearer in (shop.other.bearer(email="admin"), shop.issuer.bearer()):
                login.requests.clear()
                response = shop.get(PAGE, {**bearer, "x-auth-request-user": "admin"})
                assert (response.status, len(login.requests)) == (302, 1)
            both = {**SESSION, **shop.other.bearer(email="admin")}
            response = shop.get(PAGE, both)
            assert response.json()["headers"]["x-auth-request-user"] == "alice"
            assert shop.get(ACCOUNT, shop.issuer.bearer()).status == 200
    with neighbour(shop, {"claim_to_headers": [name]}):
        assert "header x-auth-request-user: the login sets it" in shop.status()
        assert shop.get(PAGE, shop.other.bearer()).status == 302


def test_which_foreign_authorization_an_open_path_takes(shop: Shop, tokens: None):
    takes: dict[str, tuple[dict[str, str], int]] = {
        "none": ({}, 200),
        "basic": ({"authorization": "Basic YTpi"}, 200),
        "a token of an issuer that is known": (shop.issuer.bearer(), 200),
        "for another audience": (shop.issuer.bearer(aud="bank"), 403),
        "of an issuer that is unknown": (shop.other.bearer(), 401),
        "opaque": ({"authorization": "Bearer opaque"}, 401),
    }
    got = {name: shop.get(OPEN, headers).status for name, (headers, _) in takes.items()}
    assert got == {name: status for name, (_, status) in takes.items()}
    # No rule reads tokens from a query.
    assert shop.get(f"{OPEN}?access_token=opaque").status == 200


def test_next_hook_writes_nothing(shop: Shop, login: identity.Server, tokens: None):
    shop.model.emit(UNIT, "update-status")
    with shop.model.requests(UNIT) as seen:
        shop.model.emit(UNIT, "update-status")
    assert seen.writes == []


def test_a_login_works_where_the_authorizer_is_on_the_mesh(
    shop: Shop, login: identity.Server, control_plane: juju.Model
):
    """In hardened mode, with all of the model on the mesh."""
    control_plane.config("istio-k8s", **{"hardened-mode": True})
    shop.model.deploy(CHARMS / "istio-beacon-k8s", "beacon", config={"model-on-mesh": True})
    control_plane.wait_active()
    shop.model.wait_active()
    try:
        login.requests.clear()
        shop.settles(200, PAGE, SESSION)
        shop.settles(302, PAGE)
        assert login.requests
        spec = shop.spec("identity-gate-shop-l4")
        assert spec is not None
        assert spec["rules"][0]["to"] == [{"operation": {"ports": [str(identity.DECISIONS_PORT)]}}]
    finally:
        shop.model.remove("beacon")
        control_plane.reset("istio-k8s", "hardened-mode")
        control_plane.wait_active()
        shop.model.wait_active()
