# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istio-ingress-k8s reads of its gateway and of Services, and who scrapes it."""

from collections.abc import Mapping
from typing import Any

from istio_ambient.ingress.model import SERVED
from istio_ambient.resources import REQUESTED_BY

from tests.unit.whole_charm.cases import routes
from tests.unit.whole_charm.cases.base_ingress import (
    ADDRESS,
    BY_NAME,
    CERTIFIER,
    LIST_ROUTES,
    NAME,
    OURS,
    PAGE,
    STOCK,
    URL,
    configured,
    databag,
    gateway_service,
    refused,
    service,
)
from tests.unit.whole_charm.cases.gateway_charms import COS, NONE_ELSEWHERE, STORE
from tests.unit.whole_charm.fake_cluster import CONTROLLER
from tests.unit.whole_charm.outcomes import (
    ABSENT,
    PRESENT,
    Has,
    Lacks,
    blocked,
    late,
    pending,
    waiting,
)
from tests.unit.whole_charm.scenarios import Case, Patch, merged

LISTENERS = "Gateway shop/gate: spec.listeners"
PAGE_PODS = f"access to pods shop/{NAME}=productpage: spec.rules[0].to[0].operation.ports"
NODE: Mapping[str, Any] = {
    "Pod shop/gate-istio-0": {
        "metadata": {"labels": {"gateway.networking.k8s.io/gateway-name": "gate"}},
        "spec": {"nodeName": "node-0", "containers": []},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    },
    "Node node-0": {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.7"}]}},
}
NODE_NAME = {"status": {"addresses": [{"type": "InternalIP", "address": "node-0.example"}]}}
BY_NODE: Patch = {
    "config": {"gateway-service-type": "NodePort"},
    "objects": {"Service shop/gate-istio": {"spec": {"type": "NodePort"}}, **NODE},
}
PODS_PORTS = {
    "metadata": {"labels": {"kubernetes.io/service-name": "productpage"}},
    "addressType": "IPv4",
    "endpoints": [],
    "ports": [{"name": "web", "port": 8080}],
}
NO_ADDRESS = gateway_service(status=None)
BY_HAND: Patch = {
    "objects": {
        "HTTPRoute shop/by-hand": {
            "spec": {
                "parentRefs": [{"name": "gate", "sectionName": "http-80"}],
                "hostnames": ["by-hand.example"],
                "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/by-hand"}}]}],
            }
        }
    }
}
"""A route that an operator made."""
CALLS_OF_TEAM: Patch = {
    "objects": {
        "GRPCRoute team-a/calls": {
            "spec": {"parentRefs": [{"name": "gate", "namespace": "shop"}]},
        }
    }
}
"""A route of another namespace."""
LISTED_BY_HAND: Patch = merged(BY_HAND, LIST_ROUTES)
MATCH: Mapping[str, Any] = {
    "path": {"type": "Exact", "value": "/other"},
    "method": "GET",
    "headers": [{"name": "X-A", "value": "b"}],
}
FOREIGN = "action: foreign-routes[0]"
SAME_URL: Patch = configured(
    http_routes=[
        {
            "name": "same",
            "listener": {"port": 80, "protocol": "HTTP"},
            "matches": [{"path": {"type": "PathPrefix", "value": "/shop-productpage"}}],
            "backends": [{"service": "tempo", "port": 3200}],
        }
    ]
)
"""Tempo asks for the URL of another application."""
TEMPO_WAS_SERVED = '{"tempo:istio-ingress-route":[[80,"","PathPrefix","/shop-productpage"]]}'


def by_hand(**content: Any) -> Patch:
    """Return a change of that route."""
    return {"objects": {"HTTPRoute shop/by-hand": content}}


def calls(service: str) -> Patch:
    """Return a GRPCRoute that an operator made for the methods of a service."""
    rule = {"matches": [{"method": {"service": service}}]}
    spec = {"parentRefs": [{"name": "gate"}], "rules": [rule]}
    return {"objects": {"GRPCRoute shop/calls": {"spec": spec}}}


CASES: Mapping[str, Case] = {
    "the gateway has another address": Case(
        gateway_service(status={"loadBalancer": {"ingress": [{"ip": "203.0.113.20"}]}}),
        {URL: "http://203.0.113.20/shop-productpage"},
    ),
    "the gateway has an address that is no name": Case(
        gateway_service(status={"loadBalancer": {"ingress": [{"hostname": "no_name!"}]}}),
        {
            "status": blocked("load balancer"),
            URL: ABSENT,
        },
    ),
    "a route of another owner at the gateway": Case(
        BY_HAND,
        {
            "status": Has(
                "active: ", "1 route of another owner, see list-routes: HTTPRoute shop/by-hand"
            )
        },
    ),
    "the listener of a route of another owner": Case(
        by_hand(spec={"parentRefs": [{"name": "gate", "sectionName": "http-8080"}]}),
        {f"{FOREIGN}.listener": "http-8080"},
        given=LISTED_BY_HAND,
    ),
    "the port of a route of another owner": Case(
        by_hand(spec={"parentRefs": [{"name": "gate", "port": 80}]}),
        {f"{FOREIGN}.listener": "80"},
        given=LISTED_BY_HAND,
    ),
    "the hostname of a route of another owner": Case(
        by_hand(spec={"hostnames": ["other.example"]}),
        {f"{FOREIGN}.hostnames": ["other.example"]},
        given=LISTED_BY_HAND,
    ),
    "the match of a route of another owner": Case(
        by_hand(spec={"rules": [{"matches": [MATCH]}]}),
        {f"{FOREIGN}.paths": ["/other (exact path, GET, header x-a: b)"]},
        given=LISTED_BY_HAND,
    ),
    "the method of a gRPC route of another owner": Case(
        calls("b.B"),
        {f"{FOREIGN}.paths": ["/b.B"]},
        given=merged(calls("a.A"), LIST_ROUTES),
    ),
    "another route of another owner": Case(
        {"objects": {**CALLS_OF_TEAM["objects"], "HTTPRoute shop/by-hand": None}},
        {f"{FOREIGN}.route": "GRPCRoute team-a/calls", f"{FOREIGN}.paths": ["/"]},
        given=merged(LISTED_BY_HAND, {"config": {"route-namespaces": "team-a"}}),
    ),
    "a route of an admitted namespace, with no application of another model": Case(
        {"config": {"route-namespaces": "team-a"}},
        {"status": Has("active: ", "1 route of another owner", "GRPCRoute team-a/calls")},
        given=merged(NONE_ELSEWHERE, CALLS_OF_TEAM),
    ),
    "another owner has the name of a policy at the gateway": Case(
        {"objects": {"AuthorizationPolicy shop/gate-shop-external-traffic": {"spec": {}}}},
        {"Gateway shop/gate": ABSENT, PAGE: ABSENT, URL: ABSENT},
    ),
    "the node of the gateway's pod is gone": Case(
        {"objects": {"Node node-0": None}},
        {URL: ABSENT},
        given=BY_NODE,
        same={PAGE: PRESENT},
    ),
    "the node of the gateway's oldest pod is gone": Case(
        {"objects": {"Node node-0": None}},
        {URL: "http://192.0.2.8:30080/shop-productpage"},
        given=merged(
            BY_NODE,
            {
                "config": {"gateway-service-type": "NodePort"},
                "objects": {
                    "Pod shop/gate-istio-1": {
                        **NODE["Pod shop/gate-istio-0"],
                        "spec": {"nodeName": "node-1", "containers": []},
                    },
                    "Node node-1": {
                        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.8"}]}
                    },
                },
            },
        ),
    ),
    "istiod does not take a route of another owner": Case(
        by_hand(
            status={
                "parents": [
                    {
                        "controllerName": CONTROLLER,
                        "parentRef": {"name": "gate", "sectionName": "http-80"},
                        "conditions": [{"type": "Accepted", "status": "False"}],
                    }
                ]
            }
        ),
        {f"{FOREIGN}.state": "not taken by istiod"},
        given=LISTED_BY_HAND,
    ),
    "a route of ours is for another requester": Case(
        {"meanwhile": {PAGE: {"metadata": {"annotations": {REQUESTED_BY: '["thief:ingress"]'}}}}},
        {"requests": Has("HTTPRoute productpage-httproute-http-80-gate")},
        given={"earlier": {}},
    ),
    "somebody else was served when routes were served last": Case(
        {
            "meanwhile": {
                PAGE: None,
                "Gateway shop/gate": {"metadata": {"annotations": {SERVED: TEMPO_WAS_SERVED}}},
            }
        },
        {PAGE: ABSENT, "status": blocked("productpage:ingress")},
        given={**SAME_URL, "earlier": {}, "meanwhile": {PAGE: None}},
    ),
    "two applications ask for one URL": Case(
        SAME_URL,
        {"app databag tempo": {}, "status": blocked("tempo:istio-ingress-route http_routes[0]")},
        same={PAGE: PRESENT},
    ),
    "one of two applications has its route, of which the gateway tells nothing": Case(
        {"earlier": {"relations": {"productpage": {"app_data": None}}}},
        {"HTTPRoute shop/tempo-same-httproute-http-80-gate": PRESENT, PAGE: ABSENT},
        given={
            **SAME_URL,
            "earlier": {},
            "meanwhile": {"Gateway shop/gate": {"metadata": {"annotations": {SERVED: None}}}},
        },
    ),
    "an application asks for more ports than it may, and has some": Case(
        {"earlier": configured(listeners=[{"port": 8080, "protocol": "HTTP"}])},
        {f"{LISTENERS}[http-8080]": PRESENT},
        given=configured(
            listeners=[{"port": port, "protocol": "HTTP"} for port in (*range(7000, 7016), 8080)]
        ),
    ),
    "istiod does not take a route": Case(
        {"meanwhile": {PAGE: refused("shop", "gate", "http-80")}},
        {
            "status": late(
                "HTTPRoute shop/productpage-httproute-http-80-gate of productpage:ingress"
            )
        },
        given={"earlier": {}},
    ),
    "istiod has not looked at a route": Case(
        {"meanwhile": {PAGE: {"status": {"parents": []}, "metadata": {"managedFields": None}}}},
        {"status": late("HTTPRoute shop/productpage-httproute-http-80-gate", "not looked at")},
        given={"earlier": {}},
    ),
    "the gateway has no Service yet": Case(
        {"objects": {"Service shop/gate-istio": None}},
        {"status": waiting("Service gate-istio"), URL: ABSENT},
    ),
    "the gateway's Service is of another type": Case(
        gateway_service(spec={"type": "ClusterIP"}),
        {
            URL: "http://gate-istio.shop.svc.cluster.local/shop-productpage",
            "status": late("Service gate-istio", "ClusterIP"),
        },
    ),
    "the load balancer's name, and then none": Case(
        gateway_service(spec={"type": "ClusterIP"}),
        {"Gateway shop/gate: spec.listeners[0].hostname": ABSENT},
        given=gateway_service(status={"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}),
    ),
    "the URL of another listener": Case(
        gateway_service(status={"loadBalancer": {"ingress": [{"ip": "203.0.113.20"}]}}),
        {"action: routes": Has("http://203.0.113.20:9096/tempo.Query/Find")},
        given=LIST_ROUTES,
    ),
    "the nodes have another port of another listener": Case(
        gateway_service(
            spec={"ports": [{"port": 80, "nodePort": 30080}, {"port": 9096, "nodePort": 31096}]}
        ),
        {"action: routes": Has("http://192.0.2.7:31096/tempo.Query/Find")},
        given=merged(BY_NODE, LIST_ROUTES),
    ),
    "the gateway has had no address for long": Case(
        NO_ADDRESS,
        {"status": late("Service gate-istio")},
    ),
    "the gateway's Service is new": Case(
        gateway_service(metadata={"creationTimestamp": "2999-01-01T00:00:00Z"}),
        {"status": waiting("Service gate-istio")},
        given=NO_ADDRESS,
    ),
    "a node runs the gateway": Case(
        {"objects": NODE},
        {URL: "http://192.0.2.7:30080/shop-productpage"},
        given=merged(BY_NODE, {"objects": dict.fromkeys(NODE)}),
    ),
    "a load balancer's name, and then a node's": Case(
        {**BY_NODE, "objects": {**BY_NODE["objects"], "Node node-0": NODE_NAME}},
        {"Gateway shop/gate: spec.listeners[0].hostname": ABSENT},
        given=gateway_service(status={"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}),
    ),
    "the nodes have another port": Case(
        gateway_service(spec={"ports": [{"port": 80, "nodePort": 31080, "name": "http"}]}),
        {URL: "http://192.0.2.7:31080/shop-productpage"},
        given=BY_NODE,
    ),
    "a Service selects other pods": Case(
        {"objects": {"Service shop/productpage": {"spec": {"selector": {NAME: "other"}}}}},
        {
            "status": blocked("productpage:ingress name"),
            PAGE: ABSENT,
        },
    ),
    "the pods of a Service have another port": Case(
        {"objects": {"Service shop/productpage": service("productpage", (9080, 8080))}},
        {PAGE_PODS: ["8080"]},
    ),
    "a Service has another port": Case(
        {"objects": {"Service shop/productpage": service("productpage", 9081)}},
        {
            "status": late("ingress of productpage", "port 9080"),
            PAGE_PODS: ABSENT,
            "plan: checks.watch-0.tcp": {"host": "productpage.shop.svc", "port": 9080},
        },
        same={PAGE: PRESENT, "app databag productpage": PRESENT},
    ),
    "a Service has lost its port": Case(
        {"meanwhile": {"Service shop/productpage": service("productpage", 9081)}},
        {f"access to pods shop/{NAME}=productpage: spec.rules": ABSENT},
        given={"earlier": {}},
        same={f"access to pods shop/{NAME}=productpage: spec.action": "ALLOW"},
    ),
    "a Service without the port was written just now": Case(
        {
            "objects": {
                "Service shop/productpage": {
                    "metadata": {"managedFields": [{"time": "2999-01-01T00:00:00Z"}]}
                }
            }
        },
        {"status": Lacks("productpage")},
        given={"objects": {"Service shop/productpage": service("productpage", 9081)}},
    ),
    "a port of a Service has another name": Case(
        {
            "objects": {
                "Service shop/productpage": {
                    "spec": {"ports": [{"port": 9080, "targetPort": "web", "name": "other"}]}
                }
            }
        },
        {"status": late("ingress of productpage", "no pod of productpage")},
        given={
            "objects": {
                "Service shop/productpage": BY_NAME,
                "EndpointSlice shop/productpage-x": PODS_PORTS,
            }
        },
    ),
    "pods have a port of that name": Case(
        {"objects": {"EndpointSlice shop/productpage-x": PODS_PORTS}},
        {PAGE_PODS: ["8080"]},
        given={"objects": {"Service shop/productpage": BY_NAME}},
    ),
    "a Service leads out of the cluster": Case(
        {"objects": {"Service shop/productpage": {"spec": {"type": "ExternalName"}}}},
        {
            "status": blocked("productpage:ingress name"),
            PAGE: ABSENT,
        },
    ),
    "there is no such Service": Case(
        {
            "objects": {
                "Service shop/productpage": None,
                "Service shop/other": service("productpage", 9080),
            }
        },
        {
            "status": late("ingress of productpage", "shop/productpage"),
            "plan: checks.watch-0.tcp": {"host": "productpage.shop.svc", "port": 9080},
        },
        # Juju makes the Service of this name for this application: the route leads to it already.
        same={
            f"{PAGE}: spec.rules[0].backendRefs[0].name": "productpage",
            f"{PAGE}: spec.rules[0].backendRefs[0].port": 9080,
        },
    ),
    "a Service is in another namespace": Case(
        {"objects": {"Service store/stock": None, "Service depot/stock": service("stock", 8000)}},
        {
            "status": late("ingress of remote-stock", "store/stock"),
            f"{STOCK}: spec.rules[0].backendRefs": ABSENT,
        },
    ),
    "a Service of another name than its application has there": Case(
        databag("stock", name="stock-api"),
        {"status": blocked("remote-stock:ingress name", "stock-api")},
        given={"objects": {"Service store/stock-api": service("stock", 8000)}},
    ),
    "a Service that Juju did not make": Case(
        {"objects": {"Service store/stock": {"metadata": None}}},
        {"status": blocked("remote-stock:ingress name", "stock")},
    ),
    "a namespace of another model": Case(
        {"objects": {"Namespace store": {"metadata": {"labels": {"model.juju.is/id": "other"}}}}},
        {
            "status": blocked("remote-stock:ingress model"),
            STOCK: ABSENT,
        },
    ),
    "only a scraper is of another model": Case(
        {"relations": {"stock": None}},
        {STOCK: ABSENT},
        same={OURS: Has("cluster.local/ns/cos/sa/collector")},
    ),
    "no scraper": Case({"relations": {"prometheus": None}}, {OURS: Lacks("sa/prometheus")}),
    "a scraper of another name": Case(
        {"relations": {"prometheus": {"app": "agent"}}},
        {OURS: Has("cluster.local/ns/shop/sa/agent")},
    ),
    "a scraper of another model": Case(
        {"relations": {"prometheus": {"model_uuid": STORE}}},
        {"status": pending("prometheus:metrics-endpoint")},
    ),
    "a scraper of another model that does not tell its name": Case(
        {"relations": {"far names": None}},
        {
            "status": pending("remote-prometheus:metrics-endpoint"),
            OURS: Lacks("ns/cos"),
        },
    ),
    "a scraper of another model is in another namespace": Case(
        {
            "relations": {
                "far names": {
                    "app_data": {"cmr_data": {"app_name": "collector", "juju_model_name": "watch"}}
                }
            },
            "objects": {
                "Namespace cos": None,
                "Namespace watch": {"metadata": {"labels": {"model.juju.is/id": COS}}},
            },
        },
        {OURS: Has("cluster.local/ns/watch/sa/collector")},
    ),
    "a scraper of another model tells what is no name": Case(
        {"relations": {"far names": {"app_data": {"cmr_data": "{"}}}},
        {"status": blocked("remote-prometheus:provide-cmr-mesh cmr_data")},
    ),
    "an ingress in front": Case(
        {"relations": {"upstream": routes.UPSTREAM}},
        {
            URL: "https://proxy.example.com/in/shop-productpage",
            "app databag upstream": {
                "model": '"shop"',
                "name": '"gate"',
                "port": "80",
                "strip-prefix": "true",
            },
            "unit databag upstream": {"host": f'"{ADDRESS}"', "ip": f'"{ADDRESS}"'},
        },
    ),
    "an ingress in front of a gateway with a certificate": Case(
        CERTIFIER,
        {"app databag upstream: scheme": '"https"', "app databag upstream: port": "443"},
        given={"relations": {"upstream": routes.UPSTREAM}},
    ),
    "an ingress in front that cannot be read": Case(
        {"relations": {"upstream": {"app_data": {"ingress": {"url": "ftp://proxy"}}}}},
        {"status": blocked("traefik:upstream-ingress ingress.url")},
        given={"relations": {"upstream": routes.UPSTREAM}},
    ),
    "an ingress in front of another name": Case(
        {"relations": {"upstream": {"app": "nginx", "app_data": {"ingress": None}}}},
        {"status": waiting("upstream-ingress")},
        given={"relations": {"upstream": routes.UPSTREAM}},
    ),
}
