# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A scenario of istio-ingress-k8s: a shop behind a gateway; login, tokens and certificates."""

import json
from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.cases.gateway_charms import CONTROL_PLANE, COS, SCRAPERS, STORE
from tests.unit.whole_charm.fake_cluster import CONTROLLER, CREATED
from tests.unit.whole_charm.scenarios import Scenario, merged

NAME = "app.kubernetes.io/name"
ADDRESS, HOST = "203.0.113.10", "shop.example.com"
PAGE = "HTTPRoute shop/productpage-httproute-http-80-gate"
STOCK = "HTTPRoute store/stock-httproute-http-80-gate"
OURS = f"access to pods shop/{NAME}=gate: spec.rules[0].from"
URL = "app databag productpage: ingress.url"
JUJU = {"labels": {"app.kubernetes.io/managed-by": "juju"}}

API: dict[str, Any] = {
    "name": "api",
    "listener": {"port": 8080, "protocol": "HTTP"},
    "matches": [
        {
            "path": {"type": "PathPrefix", "value": "/api"},
            "method": "GET",
            "headers": {"x-tenant": "blue"},
        }
    ],
    "backends": [{"service": "tempo", "port": 3200, "weight": 10}],
    "hostnames": ["api.example.com"],
    "filters": [
        {
            "type": "URLRewrite",
            "urlRewrite": {
                "hostname": "tempo.internal",
                "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v1"},
            },
        }
    ],
}
MOVED: dict[str, Any] = {
    "name": "moved",
    "listener": {"port": 8080, "protocol": "HTTP"},
    "matches": [{"path": {"type": "Exact", "value": "/old"}}],
    "backends": [],
    "filters": [
        {
            "type": "RequestRedirect",
            "requestRedirect": {
                "scheme": "https",
                "hostname": "new.example.com",
                "port": 8443,
                "path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"},
                "statusCode": 302,
            },
        }
    ],
}
TRACES: dict[str, Any] = {
    "name": "traces",
    "listener": {"port": 9096, "protocol": "GRPC"},
    "matches": [{"method": {"service": "tempo.Query", "method": "Find"}}],
    "backends": [{"service": "tempo", "port": 9096}],
}
CONFIG: dict[str, Any] = {
    "model": "shop",
    "listeners": [{"port": 8080, "protocol": "HTTP"}],
    "http_routes": [API, MOVED],
    "grpc_routes": [TRACES],
}
RULE: dict[str, Any] = {
    "issuer": "https://issuer.example.com",
    "jwks_uri": "https://issuer.example.com/keys",
    "audiences": ["shop"],
    "claim_to_headers": [{"header": "x-email", "claim": "email"}],
    "from_headers": [{"name": "x-jwt", "prefix": "Bearer "}],
}
ONE, OTHER = (
    f'{{"keys":[{{"crv":"Ed25519","kid":"{name}","kty":"OKP","x":"{43 * "A"}"}}]}}'
    for name in ("one", "other")
)
"""Key sets."""
KEYS_URL = RULE["jwks_uri"]


def service(app: str, *ports: int | tuple[int, int], **spec: Any) -> dict[str, Any]:
    """Return a Service as Juju makes it for an application; pairs: its port, that of the pods."""
    pairs = [port if isinstance(port, tuple) else (port, port) for port in ports]
    listed = [{"port": port, "targetPort": pod, "name": f"port-{port}"} for port, pod in pairs]
    return {"metadata": JUJU, "spec": {"selector": {NAME: app}, "ports": listed, **spec}}


BY_NAME = {"spec": {"ports": [{"port": 9080, "targetPort": "web", "name": "web"}]}}
"""A Service whose pods tell by which number they have its port."""
READY = {
    "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {}, "replicas": 1},
    "status": {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "availableReplicas": 1,
    },
}

BASE: Scenario = {
    "charm": "istio-ingress-k8s",
    "app": "gate",
    "relations": {
        "productpage": {
            "endpoint": "ingress",
            "app": "productpage",
            "app_data": {"model": '"shop"', "name": '"productpage"', "port": "9080"},
        },
        "stock": {
            "endpoint": "ingress",
            "app": "remote-stock",
            "model_uuid": STORE,
            "app_data": {"model": '"store"', "name": '"stock"', "port": "8000"},
        },
        "tempo": {
            "endpoint": "istio-ingress-route",
            "app": "tempo",
            "app_data": {"config": CONFIG},
        },
        "metadata": {"endpoint": "gateway-metadata", "app": "policies"},
        **SCRAPERS,
    },
    "objects": {
        **CONTROL_PLANE,
        "Namespace shop": {},
        "Namespace store": {"metadata": {"labels": {"model.juju.is/id": STORE}}},
        "Namespace cos": {"metadata": {"labels": {"model.juju.is/id": COS}}},
        "Service shop/gate": service("gate", 65535),
        "Service shop/productpage": service("productpage", 9080),
        "Service shop/tempo": service("tempo", 3200, 9096),
        "Service store/stock": service("stock", 8000),
        "Service shop/gate-istio": {
            "spec": {
                "type": "LoadBalancer",
                "ports": [{"port": 80, "targetPort": 80, "nodePort": 30080, "name": "http"}],
                "selector": {"gateway.networking.k8s.io/gateway-name": "gate"},
            },
            "status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}},
        },
        "Deployment shop/gate-istio": READY,
    },
    "servers": {KEYS_URL: {"jwks": ONE}},
}

LIST_ROUTES: Mapping[str, Any] = {"event": {"action": "list-routes", "params": {"format": "json"}}}
LOGIN: Mapping[str, Any] = {
    "relations": {
        "login": {
            "endpoint": "forward-auth",
            "app": "oauth2-proxy",
            "app_data": {
                "decisions_address": "http://oauth2-proxy.iam.svc:4180/decisions",
                "headers": ["x-user"],
            },
        },
        "control plane": {
            "endpoint": "istio-ingress-config",
            "app": "istio",
            "app_data": {
                "ext_authz_provider_name": "ext-authz-gate",
                "ext_authz_path_prefix": "/decisions",
            },
        },
    }
}
"""People have to log in, and everything that it takes is there."""
TOKENS: Mapping[str, Any] = {
    "relations": {
        "tokens": {
            "endpoint": "istio-request-auth",
            "app": "productpage",
            "app_data": {"jwt_rules": [RULE]},
        }
    }
}
"""Requests for one application have to carry a token."""
CERTIFIER: Mapping[str, Any] = {
    "config": {"external_hostname": HOST, "listener-hostname": ""},
    "relations": {"certificates": {"endpoint": "certificates", "app": "certifier"}},
}
"""An authority is integrated, and has not been asked yet."""
ASKED: Mapping[str, Any] = {**CERTIFIER, "earlier": {}}
"""It has been asked."""
CERTIFIED: Mapping[str, Any] = merged(
    ASKED, {"relations": {"certificates": {"issues": "authority"}}}
)
"""It has issued what it was asked for."""


def databag(relation: str, **content: Any) -> Mapping[str, Any]:
    """Return the change of keys of an application's databag; `_` in their names means `-`."""
    texts = {
        key.replace("_", "-"): value if value is None else json.dumps(value)
        for key, value in content.items()
    }
    return {"relations": {relation: {"app_data": texts}}}


def configured(**members: Any) -> Mapping[str, Any]:
    """Return the change of members of what tempo asks for."""
    return {"relations": {"tempo": {"app_data": {"config": members}}}}


def api(**members: Any) -> Mapping[str, Any]:
    """Return the change of members of tempo's HTTP route `api`."""
    return configured(http_routes=[{**API, **members}, MOVED])


def matching(**members: Any) -> Mapping[str, Any]:
    """Return the change of members of the only match of `api`."""
    return api(matches=[{**API["matches"][0], **members}])


def rewriting(**members: Any) -> Mapping[str, Any]:
    """Return the change of members of the rewrite of `api`."""
    (rewrite,) = API["filters"]
    return api(filters=[{**rewrite, "urlRewrite": {**rewrite["urlRewrite"], **members}}])


def redirecting(**members: Any) -> Mapping[str, Any]:
    """Return the change of members of the redirect of `moved`."""
    (redirect,) = MOVED["filters"]
    changed = {**redirect, "requestRedirect": {**redirect["requestRedirect"], **members}}
    return configured(http_routes=[API, {**MOVED, "filters": [changed]}])


def trusting(**members: Any) -> Mapping[str, Any]:
    """Return the change of members of the only rule about tokens."""
    return {"relations": {"tokens": {"app_data": {"jwt_rules": [{**RULE, **members}]}}}}


def gateway_service(**content: Any) -> Mapping[str, Any]:
    """Return the change of the Service that istiod made for the gateway."""
    return {"objects": {"Service shop/gate-istio": content}}


def refused(namespace: str, name: str, section: str) -> Mapping[str, Any]:
    """Return the status of a route that istiod does not take at a listener."""
    ref = {"namespace": namespace, "name": name, "sectionName": section}
    condition = {
        "type": "Accepted",
        "status": "False",
        "message": "no such listener",
        "lastTransitionTime": CREATED,
    }
    parent = {"controllerName": CONTROLLER, "parentRef": ref, "conditions": [condition]}
    return {"status": {"parents": [parent]}}
