# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""By what the gateway proves its name, and who has to log in or show a token."""

from collections.abc import Mapping
from typing import Any

from istio_ambient.values import jwks

from tests.unit.whole_charm.cases.base_ingress import (
    API,
    ASKED,
    CERTIFIED,
    CERTIFIER,
    HOST,
    KEYS_URL,
    LIST_ROUTES,
    LOGIN,
    ONE,
    OTHER,
    PAGE,
    RULE,
    TOKENS,
    TRACES,
    api,
    configured,
    refused,
    service,
    trusting,
)
from tests.unit.whole_charm.cases.gateway_charms import NONE_ELSEWHERE
from tests.unit.whole_charm.outcomes import ABSENT, PRESENT, Has, Lacks, blocked, waiting
from tests.unit.whole_charm.scenarios import Case, Patch, merged

SECURE_PAGE = "HTTPRoute shop/productpage-httproute-https-443-gate"
LISTENERS = "Gateway shop/gate: spec.listeners"
ASKS = "AuthorizationPolicy shop/ext-authz-gate"
DENIES = "AuthorizationPolicy shop/deny-without-jwt-gate"
TRUSTS = "RequestAuthentication shop/request-auth-productpage-gate"
JWT = f"{TRUSTS}: spec.jwtRules[0]"
SOURCES_ANNOTATION = "charmed-istio/jwks-sources"
SOURCES = f"{TRUSTS}: metadata.annotations"
TOLD = "app databag control plane"
BUSY = {"code": 201, "name": "SERVER_NOT_AVAILABLE", "message": "come back later"}


def certifier(**members: Any) -> Patch:
    """Return the change of members of the relation with the authority."""
    return {"relations": {"certificates": members}}


CERTIFICATES: Mapping[str, Case] = {
    "an authority is integrated": Case(
        CERTIFIER,
        {
            f"{LISTENERS}[http-8080]": ABSENT,
            PAGE: ABSENT,
            "status": waiting("certificates"),
            "app databag certificates: certificate_signing_requests": PRESENT,
        },
    ),
    "a route has a hostname that the certificate is not for": Case(
        api(hostnames=["api.example.com"]),
        {
            "status": blocked(
                "tempo:istio-ingress-route http_routes[0].hostnames",
                "the certificate is not for api.example.com",
            ),
        },
        given=merged(CERTIFIED, api(hostnames=[])),
        same={f"{PAGE}: spec.rules[0].filters[0].requestRedirect.scheme": "https"},
    ),
    "an authority has issued a certificate": Case(
        certifier(issues="authority"),
        {
            "certificate: issuer": "CN=authority",
            "certificate: key": True,
            "certificate: path": 2,
            f"{LISTENERS}[https-443].tls.certificateRefs[0].name": "gate-tls-certificate",
            SECURE_PAGE: PRESENT,
            f"{PAGE}: spec.rules[0].filters[0].requestRedirect.scheme": "https",
            "app databag productpage: ingress.url": "https://shop.example.com/shop-productpage",
            "app databag tempo: tls_enabled": "True",
            "status": "active: serves https://shop.example.com",
        },
        given=merged(ASKED, api(hostnames=[])),
    ),
    "another authority has issued one for another key": Case(
        {"earlier": {"units": 2}, **certifier(issues="second")},
        {"certificate: issuer": "CN=second"},
        given=CERTIFIED,
    ),
    "the certificate is for another name": Case(
        {
            "config": {"external_hostname": "new.example.com"},
            "earlier": {"config": {"external_hostname": HOST}, "earlier": {}},
        },
        {"status": waiting("certificates", "new.example.com"), "codes": Has("CI-504")},
        given=CERTIFIED,
        same={
            "certificate: issuer": "CN=authority",
            "certificate: key": True,
            SECURE_PAGE: PRESENT,
        },
    ),
    "an authority has issued one for another name": Case(
        certifier(issues="authority", names=["other.example.com"]),
        {
            "status": blocked("certifier:certificates certificates", "shop.example.com"),
            SECURE_PAGE: PRESENT,
        },
        given=ASKED,
    ),
    "a route with a rewrite is also sent from plain HTTP": Case(
        {"relations": {"productpage": {"app_data": {"strip-prefix": "true"}}}},
        {f"{SECURE_PAGE}: spec.rules[0].filters[0].type": "URLRewrite"},
        given=CERTIFIED,
        same={
            f"{PAGE}: spec.rules[0].filters[0].type": "RequestRedirect",
            f"{PAGE}: spec.rules[0].filters[1]": ABSENT,
            f"{PAGE}: spec.rules[0].backendRefs": ABSENT,
        },
    ),
    "an authority has issued one that is at its end": Case(
        certifier(issues="authority", days=1),
        {
            "status": blocked("certifier:certificates certificates"),
            "certificate: key": True,
        },
        given=ASKED,
    ),
    "an authority has issued one of an authority": Case(
        certifier(issues="authority", ca=True),
        {
            "status": blocked("certifier:certificates certificates"),
        },
        given=ASKED,
    ),
    "an authority issues none for addresses": Case(
        certifier(app_data={"capabilities": {"supports_ip_sans": False}}),
        {"status": blocked("certifier:certificates capabilities", "203.0.113.10")},
        given={**CERTIFIER, "config": {}},
    ),
    "an authority has no time": Case(
        certifier(denies=BUSY),
        {"status": waiting("certificates", "SERVER_NOT_AVAILABLE")},
        given=ASKED,
    ),
    "an authority refuses": Case(
        certifier(denies={**BUSY, "code": 102, "name": "DOMAIN_NOT_ALLOWED"}),
        {"status": blocked("certifier:certificates request_errors", "DOMAIN_NOT_ALLOWED")},
        given=ASKED,
    ),
    "what an authority says cannot be read": Case(
        certifier(app_data={"certificates": "{"}),
        {"status": blocked("certifier:certificates certificates")},
        given=ASKED,
    ),
}

IAM = "44444444-4444-4444-8444-444444444444"
"""UUID of the model of an authorizer."""
ADMITS = "AuthorizationPolicy shop/oauth2-proxy-gate-shop-l4"
AUTHORIZER = {"relations": {"login": LOGIN["relations"]["login"]}}
CONTROL_PLANE = {"relations": {"control plane": LOGIN["relations"]["control plane"]}}
SERVES_NOTHING = {f"{ASKS}: spec.action": "DENY", PAGE: ABSENT}


def authorizer(**databag: Any) -> Patch:
    """Return the change of keys of the authorizer's databag."""
    return {"relations": {"login": {"app_data": databag}}}


IN_CLUSTER: Patch = merged(
    authorizer(decisions_address="http://oauth2-proxy.shop.svc:4180"),
    {"objects": {"Service shop/oauth2-proxy": service("oauth2-proxy", (4180, 4181))}},
)

LOGINS: Mapping[str, Case] = {
    "people have to log in": Case(
        LOGIN,
        {
            f"{ASKS}: spec.action": "CUSTOM",
            f"{ASKS}: spec.provider.name": "ext-authz-gate",
            "app databag login: ingress_app_names": '["productpage", "remote-stock"]',
        },
    ),
    "an authorizer without a control plane": Case(
        {"relations": {"control plane": None}},
        {
            "status": blocked("istio-ingress-config", "juju integrate gate:istio-ingress-config"),
            **SERVES_NOTHING,
        },
        given=LOGIN,
    ),
    "an authorizer that loses the control plane": Case(
        {"relations": {"control plane": None}},
        SERVES_NOTHING,
        given={**LOGIN, "earlier": CONTROL_PLANE},
        same={"AuthorizationPolicy shop/productpage-gate-shop-l4": PRESENT},
    ),
    "a control plane that does not know the authorizer": Case(
        {"relations": {"control plane": {"app_data": {"ext_authz_provider_name": None}}}},
        {"status": waiting("forward-auth"), **SERVES_NOTHING},
        given=LOGIN,
    ),
    "a control plane that calls the authorizer otherwise": Case(
        {"relations": {"control plane": {"app_data": {"ext_authz_provider_name": "other"}}}},
        {f"{ASKS}: spec.provider.name": "other"},
        given=LOGIN,
    ),
    "a control plane that asks elsewhere": Case(
        {"relations": {"control plane": {"app_data": {"ext_authz_path_prefix": "/"}}}},
        {"status": waiting("forward-auth", "/decisions"), **SERVES_NOTHING},
        given=LOGIN,
    ),
    "a control plane that cannot be read": Case(
        {"relations": {"control plane": {"app_data": {"ext_authz_provider_name": "?"}}}},
        {"status": blocked("istio:istio-ingress-config ext_authz_provider_name")},
        given=LOGIN,
    ),
    "an authorizer elsewhere": Case(
        authorizer(decisions_address="http://other.iam.svc:4181/decisions"),
        {
            f"{TOLD}: ext_authz_service_name": "other.iam.svc.cluster.local",
            f"{TOLD}: ext_authz_port": "4181",
        },
        given=LOGIN,
    ),
    "an authorizer at another path": Case(
        authorizer(decisions_address="http://oauth2-proxy.iam.svc:4180/auth"),
        {f"{TOLD}: ext_authz_path_prefix": "/auth"},
        given=LOGIN,
    ),
    "an authorizer with other headers": Case(
        authorizer(headers=["x-mail"]),
        {f"{TOLD}: headers_to_upstream_on_allow": '["x-mail"]'},
        given=LOGIN,
    ),
    "an authorizer that cannot be read": Case(
        authorizer(decisions_address="http://192.0.2.1/"),
        {
            "status": blocked("oauth2-proxy:forward-auth decisions_address"),
            f"{TOLD}: ext_authz_service_name": "fake_host",
            **SERVES_NOTHING,
        },
        given=LOGIN,
    ),
    "the gateway may send check requests to the authorizer": Case(
        IN_CLUSTER, {f"{ADMITS}: spec.rules[0].to[0].operation.ports": ["4181"]}, given=LOGIN
    ),
    "the authorizer is of another application": Case(
        {"relations": {"login": {"app": "hydra"}}},
        {ADMITS: ABSENT},
        given=merged(LOGIN, IN_CLUSTER),
    ),
    "the gateway may send check requests to an authorizer of another model": Case(
        {"relations": {"login": {"model_uuid": IAM}}},
        {"AuthorizationPolicy iam/oauth2-proxy-gate-iam-l4": PRESENT},
        given=merged(
            merged(NONE_ELSEWHERE, LOGIN),
            {
                "objects": {
                    "Namespace iam": {"metadata": {"labels": {"model.juju.is/id": IAM}}},
                    "Service iam/oauth2-proxy": service("oauth2-proxy", 4180),
                }
            },
        ),
    ),
    "what an authorizer gets to see, and a client of its answer": Case(
        AUTHORIZER,
        {
            f"{TOLD}: include_headers_in_check": Has("x-forwarded-for"),
            f"{TOLD}: headers_to_downstream_on_allow": '["set-cookie"]',
            f"{TOLD}: headers_to_downstream_on_deny": '["content-type", "set-cookie"]',
            f"{TOLD}: ext_authz_protocol": "http",
        },
        given=CONTROL_PLANE,
    ),
}

SERVICE = {"matches": [{"method": {"service": "tempo.Query"}}]}
ELSEWHERE = [{"type": "RequestRedirect", "requestRedirect": {"hostname": "new.example.com"}}]
TEMPOS = ["/api", "/api/*", "/old"]
OF_TEMPO = merged(TOKENS, {"relations": {"tokens": {"app": "tempo"}}})
HEALTH: dict[str, Any] = {
    **API,
    "backends": [{"service": "tempo", "port": 3200}],
    "matches": [{"path": {"type": "Exact", "value": "/api/health"}}],
    "filters": None,
}


def opening(**members: Any) -> Patch:
    """Return the relation with an application that has an open route below one of tempo's."""
    config = {"model": "shop", "http_routes": [{**HEALTH, **members}]}
    return {
        "relations": {
            "open": {
                "endpoint": "istio-ingress-route-unauthenticated",
                "app": "tempo",
                "app_data": {"config": config},
            }
        }
    }


def below(**match: Any) -> Patch:
    """Return the change of members of the only match of that route."""
    return opening(matches=[{**HEALTH["matches"][0], **match}])


OPENED = merged(LOGIN, opening())
REFUSED: Patch = {
    "meanwhile": {
        "HTTPRoute shop/50a065e321-tempo-api-httproute-http-8080-gate": refused(
            "shop", "gate", "http-8080"
        )
    }
}
EXEMPT = f"{ASKS}: spec.rules[0].to[2].operation"

OPEN: Mapping[str, Case] = {
    "an open path below one with login": Case(
        opening(),
        {
            f"{ASKS}: spec.rules[0].to": [
                {"operation": {"notPorts": ["8080"]}},
                {"operation": {"ports": ["8080"], "notPaths": ["/api/health"]}},
                {
                    "operation": {
                        "ports": ["8080"],
                        "paths": ["/api", "/api/*"],
                        "notPaths": ["/api/health"],
                    }
                },
            ]
        },
        given=LOGIN,
    ),
    "an open path whose route istiod does not take": Case(
        REFUSED,
        {f"{ASKS}: spec.rules": [{}]},
        given={**OPENED, "earlier": {}},
    ),
    "an open path whose route istiod does not take, as routes are listed": Case(
        REFUSED,
        {
            "action: routes[5].authentication": "forward-auth",
            "action: routes[5].state": "not taken by istiod",
        },
        given={**OPENED, **LIST_ROUTES, "earlier": {"event": "update-status"}},
    ),
    "open paths and all that is closed stay as they are": Case(
        {"earlier": {}}, {"requests": []}, given=merged(merged(LOGIN, TOKENS), opening())
    ),
    "an open path at another listener": Case(
        opening(listener={"port": 8081, "protocol": "HTTP"}),
        {f"{ASKS}: spec.rules[0].to[1].operation.ports": ["8081"]},
        given=OPENED,
    ),
    "an open path at another hostname": Case(
        opening(hostnames=["other.example.com"]),
        {EXEMPT: {"ports": ["8080"], "paths": ["/api", "/api/*"]}, "codes": Has("CI-803")},
        given=OPENED,
    ),
    "an open path for one method": Case(
        below(method="GET"),
        {EXEMPT: {"ports": ["8080"], "paths": ["/api", "/api/*"]}},
        given=OPENED,
    ),
    "open paths by their prefix": Case(
        below(path={"type": "PathPrefix", "value": "/api/health"}),
        {f"{EXEMPT}.notPaths": ["/api/health", "/api/health/*"]},
        given=OPENED,
    ),
    "calls of a whole service": Case(
        configured(grpc_routes=[{**TRACES, **SERVICE}]),
        {f"{DENIES}: spec.rules[1].to[1].operation.paths": ["/tempo.Query/*"]},
        given=OF_TEMPO,
    ),
    "calls of a whole service that are sent elsewhere": Case(
        configured(grpc_routes=[{**TRACES, **SERVICE, "backends": [], "filters": ELSEWHERE}]),
        {f"{DENIES}: spec.rules[1].to[1].operation.paths": ["/tempo.Query", "/tempo.Query/*"]},
        given=OF_TEMPO,
    ),
}

NEW_URL = "https://issuer.example.com/jwks"


def server(url: str = KEYS_URL, **result: Any) -> Patch:
    """Return the change of what comes of fetching keys from a server."""
    return {"servers": {url: {"jwks": "", **result}}}


DOWN = server(fault="answered 503", transient=True)
MAINTAINED = server(fault="answered HTML")
ROTATED = server(jwks=OTHER)
FETCHED = merged(TOKENS, {"earlier": {"servers": {KEYS_URL: {"jwks": ONE}}}})
"""Keys were fetched by an earlier hook."""

KEYS: Mapping[str, Case] = {
    "keys elsewhere": Case(
        merged(trusting(jwks_uri=NEW_URL), server(NEW_URL, jwks=OTHER)),
        {f"{JWT}.jwks": OTHER, SOURCES: Has(NEW_URL)},
        given=TOKENS,
        same={f"{JWT}.jwksUri": ABSENT},
    ),
    "an issuer that is asked where its keys are": Case(
        merged(trusting(jwks_uri=None), server(RULE["issuer"], jwks=OTHER)),
        {f"{JWT}.jwks": OTHER},
        given=TOKENS,
    ),
    "a server without keys": Case(
        MAINTAINED,
        {
            "status": blocked("productpage:istio-request-auth jwt_rules", "answered HTML"),
            f"{JWT}.jwks": jwks.UNUSABLE,
            SOURCES: Has("answered HTML"),
        },
        given=TOKENS,
    ),
    "a server without keys, after it had some": Case(
        MAINTAINED,
        {"status": blocked("productpage:istio-request-auth jwt_rules", "answered HTML")},
        given=FETCHED,
        same={f"{JWT}.jwks": ONE},
    ),
    "a server that is down": Case(
        DOWN,
        {
            "status": waiting("productpage:istio-request-auth", "answered 503"),
            f"{JWT}.jwks": jwks.UNUSABLE,
            SOURCES: Has("transient"),
        },
        given=TOKENS,
    ),
    "a server that is down, after it had keys": Case(
        DOWN,
        {"status": waiting("productpage:istio-request-auth", "the last good ones stay")},
        given=FETCHED,
        same={f"{JWT}.jwks": ONE},
    ),
    "other keys that an earlier hook fetched": Case(
        {"earlier": {"servers": {KEYS_URL: {"jwks": OTHER}}}},
        {f"{JWT}.jwks": OTHER},
        given=merged(FETCHED, DOWN),
    ),
    "new keys": Case(ROTATED, {f"{JWT}.jwks": OTHER}, given=FETCHED),
    "new keys, before the next update-status": Case(
        {"event": "config-changed"},
        {f"{JWT}.jwks": ONE},
        given=merged(FETCHED, ROTATED),
    ),
    "new keys that an operator asks for": Case(
        {"event": {"action": "reconcile"}},
        {f"{JWT}.jwks": OTHER, "action: changed": 1, "action: plan": Has(TRUSTS)},
        given=merged(merged(FETCHED, ROTATED), {"event": "config-changed"}),
    ),
    "keys that another wrote": Case(
        {"meanwhile": {TRUSTS: {"spec": {"jwtRules": [{"issuer": "x", "jwks": OTHER}]}}}},
        {f"{JWT}.jwks": jwks.UNUSABLE},
        given=merged(FETCHED, DOWN),
    ),
    "where keys are from cannot be read": Case(
        {"meanwhile": {TRUSTS: {"metadata": {"annotations": {SOURCES_ANNOTATION: 3000 * "["}}}}},
        {"requests": Has("RequestAuthentication")},
        given=FETCHED,
        same={f"{JWT}.jwks": ONE},
    ),
    "keys that istiod fetched for an earlier version": Case(
        {
            "meanwhile": {
                TRUSTS: {
                    "metadata": {"annotations": {SOURCES_ANNOTATION: None}},
                    "spec": {"jwtRules": [{"issuer": RULE["issuer"], "jwksUri": KEYS_URL}]},
                }
            }
        },
        {f"{JWT}.jwks": ABSENT, f"{JWT}.jwksUri": KEYS_URL},
        given=merged(FETCHED, DOWN),
        same={f"{JWT}.audiences": ["shop"], SOURCES: Has("transient")},
    ),
    "keys that istiod fetched for an earlier version, once there are some": Case(
        {
            "meanwhile": {
                TRUSTS: {"spec": {"jwtRules": [{"issuer": RULE["issuer"], "jwksUri": KEYS_URL}]}}
            }
        },
        {"requests": Has("RequestAuthentication")},
        given=FETCHED,
        same={f"{JWT}.jwksUri": ABSENT},
    ),
    "the control plane and its authorities are looked up": Case(
        TOKENS, {"reads": Has("'list Service in default where metadata.name=kubernetes'")}
    ),
    "keys are not fetched in each hook where they cannot be kept": Case(
        {"objects": {TRUSTS: {"spec": {}}}},
        {"reads": Lacks("'list Service in default where metadata.name=kubernetes'")},
        given=merged(TOKENS, {"event": "config-changed"}),
    ),
    "a unit that does not lead fetches no keys": Case(
        {"leader": False}, {TRUSTS: ABSENT}, given=TOKENS
    ),
}

BOTH = merged(LOGIN, TOKENS)
MORE_TOKENS: Patch = {
    "relations": {
        "more tokens": {
            "endpoint": "istio-request-auth",
            "app": "tempo",
            "app_data": {"jwt_rules": [{**RULE, "jwks_uri": NEW_URL}]},
        }
    }
}
NO_RULES: Patch = {"relations": {"tokens": {"app_data": {"jwt_rules": []}}}}

ACCEPTED: Mapping[str, Case] = {
    "an application trusts tokens": Case(
        TOKENS,
        {
            f"{DENIES}: spec.rules[0].from[0].source": {"notRequestPrincipals": ["*"]},
            f"{JWT}.issuer": "https://issuer.example.com",
        },
    ),
    "an application of another name trusts tokens": Case(
        {"relations": {"tokens": {"app": "tempo"}}},
        {
            TRUSTS: ABSENT,
            "RequestAuthentication shop/request-auth-tempo-gate": PRESENT,
            f"{DENIES}: spec.rules[1].to[0].operation.paths": TEMPOS,
        },
        given=TOKENS,
    ),
    "an application trusts no token": Case(
        NO_RULES, {TRUSTS: ABSENT, f"{DENIES}: spec.rules[1].when": ABSENT}, given=TOKENS
    ),
    "another issuer": Case(
        trusting(issuer="https://other.example.com"),
        {
            f"{JWT}.issuer": "https://other.example.com",
            f"{DENIES}: spec.rules[1].when[0].notValues": ["https://other.example.com"],
        },
        given=TOKENS,
    ),
    "another audience": Case(
        trusting(audiences=["store"]),
        {
            f"{JWT}.audiences": ["store"],
            f"{DENIES}: spec.rules[2].when[1].notValues": ["store"],
        },
        given=TOKENS,
    ),
    "the token is forwarded": Case(
        trusting(forward_original_token=True), {f"{JWT}.forwardOriginalToken": True}, given=TOKENS
    ),
    "another claim": Case(
        trusting(claim_to_headers=[{"header": "x-user-name", "claim": "name"}]),
        {f"{JWT}.outputClaimToHeaders": [{"header": "x-user-name", "claim": "name"}]},
        given=TOKENS,
    ),
    "another header for tokens": Case(
        trusting(from_headers=[{"name": "x-shop-jwt"}]),
        {f"{JWT}.fromHeaders": [{"name": "x-shop-jwt"}]},
        given=TOKENS,
    ),
    "a rule that cannot be read": Case(
        trusting(issuer="*"),
        {"status": blocked("productpage:istio-request-auth jwt_rules[0].issuer")},
        given=TOKENS,
    ),
    "two rules": Case(
        {"relations": {"tokens": {"app_data": {"jwt_rules": [RULE, {"issuer": "https://b.io"}]}}}},
        {f"{TRUSTS}: spec.jwtRules[1].issuer": "https://b.io"},
        given=TOKENS,
    ),
    "two applications with other keys of one issuer, of which one is in force": Case(
        {"earlier": {"relations": {"more tokens": None}}},
        {f"{JWT}.jwks": ONE, "status": blocked("tempo:istio-request-auth jwt_rules")},
        given=merged(TOKENS, MORE_TOKENS),
    ),
    "a header that the login sets": Case(
        trusting(claim_to_headers=[{"header": "x-user", "claim": "name"}]),
        {"status": blocked("productpage:istio-request-auth jwt_rules", "x-user")},
        given=BOTH,
    ),
    "login beside tokens": Case(
        LOGIN,
        {
            f"{ASKS}: spec.rules[1].when[0].notValues": ["Bearer *"],
            f"{DENIES}: spec.rules[0].when[0].values": ["Bearer *"],
        },
        given=TOKENS,
    ),
}

CASES: Mapping[str, Case] = {**CERTIFICATES, **LOGINS, **OPEN, **KEYS, **ACCEPTED}
