# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What each option of istio-ingress-k8s does, and what becomes of it as a whole."""

import json
from collections.abc import Mapping

from istio_ambient import resources

from tests.unit.whole_charm.cases import authentication, gateway, routes
from tests.unit.whole_charm.cases.base_ingress import (
    BASE,
    BY_NAME,
    HOST,
    NAME,
    PAGE,
    STOCK,
    TRACES,
    URL,
    configured,
)
from tests.unit.whole_charm.cases.gateway_charms import (
    NONE_ELSEWHERE,
    acceptance,
    denied,
    in_trust_domains,
    proxy_pods,
)
from tests.unit.whole_charm.outcomes import (
    ABSENT,
    PRESENT,
    Has,
    Matches,
    blocked,
    late,
    waiting,
)
from tests.unit.whole_charm.scenarios import Case, Option, Suite

GATEWAY = "Gateway shop/gate"
HOSTNAMES = f"{GATEWAY}: metadata.annotations[charmed-istio/hostnames]"
LISTENERS = f"{GATEWAY}: spec.listeners"
PARAMETERS = "ConfigMap shop/gate-parameters: data"
POD = f"{PARAMETERS}.deployment.spec.template.spec"
OF_ANOTHER = {resources.OWNER_ANNOTATION: "other/app"}
CLIENTS_POLICY = "AuthorizationPolicy shop/gate-shop-external-traffic"
CLIENTS = f"{CLIENTS_POLICY}: spec.rules[0].from[0].source"
CALLS = "GRPCRoute shop/tempo-traces-grpcroute-http-9096-gate"
UNREADY = {"objects": {"Deployment shop/gate-istio": {"status": {"availableReplicas": 0}}}}

OPTIONS: Mapping[str, Option] = {
    "ready-timeout": Option(10**10, {"status": waiting("gateway gate")}, given=UNREADY),
    "external_hostname": Option(
        HOST,
        {
            URL: f"http://{HOST}/shop-productpage",
            f"{LISTENERS}[0].hostname": HOST,
            HOSTNAMES: json.dumps({"external_hostname": HOST}),
            "status": blocked("tempo:istio-ingress-route http_routes[0].hostnames", HOST),
        },
    ),
    "listener-hostname": Option(
        "*.example.com",
        {
            f"{LISTENERS}[0].hostname": "*.example.com",
            HOSTNAMES: json.dumps({"listener-hostname": "*.example.com"}),
        },
    ),
    "trusted-requesters": Option(
        "tempo",
        {f"{CALLS}: spec.rules[0].backendRefs[0].name": "productpage"},
        given=configured(
            grpc_routes=[{**TRACES, "backends": [{"service": "productpage", "port": 9080}]}]
        ),
    ),
    "route-namespaces": Option(
        "team-a, team-b",
        {f"{LISTENERS}[0].allowedRoutes.namespaces": Has("'team-a', 'team-b'")},
    ),
    "external-traffic-policy-cidrs": Option(
        "203.0.113.0/24", {f"{CLIENTS}.ipBlocks": ["203.0.113.0/24"]}
    ),
    "external-traffic-policy": Option(
        "Local", {f"{PARAMETERS}.service.spec.externalTrafficPolicy": "Local"}
    ),
    "gateway-service-type": Option(
        "NodePort",
        {
            f"{PARAMETERS}.service.spec.type": "NodePort",
            "status": late("Service gate-istio", "NodePort"),
        },
    ),
    **proxy_pods("gateway", POD),
}

CHARM: Mapping[str, Case] = {
    **in_trust_domains(
        f"access to pods shop/{NAME}=productpage: spec.rules[0].from", "ns/shop/sa/gate-istio"
    ),
    "another model": Case(
        {"model": "store"},
        {
            "Gateway store/gate": PRESENT,
            "AuthorizationPolicy store/gate-store-external-traffic": PRESENT,
            "status": blocked("productpage:ingress model", "shop"),
            "app databag metadata: metadata.namespace": "store",
            f"access to pods store/{NAME}=gate: metadata.name": Has("gate-store-policy-gate-"),
            f"access to pods store/{NAME}=stock: spec.rules[0].from": Has(
                "'cluster.local/ns/store/sa/gate-istio'"
            ),
            "plan: checks.gateway.http.url": Has("gate-istio.store.svc"),
        },
    ),
    "another application": Case(
        {"app": "door"},
        {
            "Gateway shop/door: spec.gatewayClassName": "istio",
            "Gateway shop/door: spec.infrastructure.labels": Has("shop.door."),
            "ConfigMap shop/door-parameters: data.deployment.spec.template.metadata": Has(
                "ssl.handshake"
            ),
            f"access to pods shop/{NAME}=door: metadata.name": Has("door-shop-policy-door-"),
            f"access to pods shop/{NAME}=productpage: spec.rules[0].from": Has(
                "'cluster.local/ns/shop/sa/door-istio'"
            ),
            "HTTPRoute shop/productpage-httproute-http-80-door": PRESENT,
            "app databag metadata: metadata.gateway_name": "door",
            "app databag metadata: metadata.deployment_name": "door-istio",
            "app databag metadata: metadata.service_account": "door-istio",
            "plan: checks.gateway.http.url": Has("door-istio.shop.svc"),
            "HorizontalPodAutoscaler shop/door: spec.scaleTargetRef.name": "door-istio",
        },
    ),
    "three units": Case({"units": 3}, {"HorizontalPodAutoscaler shop/gate: spec.minReplicas": 3}),
    "a unit that does not lead": Case(
        {"leader": False},
        {
            "requests": [],
            GATEWAY: ABSENT,
            "app databag productpage": {},
            "status": waiting("gateway gate"),
        },
    ),
    **acceptance("gateway", "gate-istio", "HorizontalPodAutoscaler shop/gate"),
    "a Gateway that istiod does not accept": Case(
        denied(GATEWAY, "Accepted"),
        {"status": late("gateway gate", "not accepted", "bad words")},
        given={"earlier": {"leader": True}},
    ),
    "a Gateway of which istiod makes nothing": Case(
        {"objects": {"Deployment shop/gate-istio": None}},
        {"status": late("gateway gate")},
    ),
    "no application of another model": Case(
        NONE_ELSEWHERE,
        {
            "reads": Has(
                "'list Service in shop', 'list HTTPRoute in shop', 'list GRPCRoute in shop', "
                "'list EndpointSlice in shop'",
            ),
            STOCK: ABSENT,
        },
        given={"objects": {"Service shop/productpage": BY_NAME}},
    ),
    "the last unit goes": Case({"units": 0}, {"requests": [], GATEWAY: ABSENT}),
    "an option that cannot be used": Case(
        {"config": {"gateway-resources": "cpu"}},
        {"status": blocked("config gateway-resources"), f"{POD}.nodeSelector.disk": "ssd"},
        given={
            "earlier": {"config": {"gateway-resources": "", "gateway-node-selector": "disk: ssd"}}
        },
    ),
    "a name that no application has": Case(
        {"config": {"trusted-requesters": "Tempo"}},
        {"status": blocked("config trusted-requesters", "Tempo")},
    ),
    "a hostname that is none": Case(
        {"config": {"external_hostname": "no host"}},
        {"status": blocked("config external_hostname")},
    ),
    "a traffic policy that the Service does not take": Case(
        {"config": {"external-traffic-policy": "Local"}},
        {"status": blocked("config external-traffic-policy", "Local")},
        given={"config": {"gateway-service-type": "ClusterIP"}},
    ),
    "hostnames that were valid before are still in use": Case(
        {"earlier": {"config": {"external_hostname": HOST, "listener-hostname": "*.example.com"}}},
        {
            URL: f"http://{HOST}/shop-productpage",
            f"{LISTENERS}[0].hostname": "*.example.com",
        },
        given={"config": {"external_hostname": "no host", "listener-hostname": "no host"}},
    ),
    "a hostname of listeners that is none": Case(
        {"config": {"listener-hostname": "no host"}},
        {"status": blocked("config listener-hostname")},
    ),
    "no networks": Case(
        {"config": {"external-traffic-policy-cidrs": ""}},
        {
            "status": "active: no client is allowed: external-traffic-policy-cidrs is empty; "
            "serves http://203.0.113.10",
            f"{CLIENTS}": ABSENT,
        },
    ),
    "an option is reset at the application that has it": Case(
        {"app": "door", "config": {"gateway-service-type": "Lots"}},
        {
            "status": blocked(
                "config gateway-service-type", "juju config door --reset gateway-service-type"
            )
        },
    ),
    "networks that are none": Case(
        {"config": {"external-traffic-policy-cidrs": "ten"}},
        {
            "status": blocked("config external-traffic-policy-cidrs", "ten", "203.0.113.0/24"),
            f"{CLIENTS}": ABSENT,
        },
    ),
    "networks that were let in before are still let in": Case(
        {"earlier": {"config": {"external-traffic-policy-cidrs": "10.0.0.0/8"}}},
        {f"{CLIENTS}.ipBlocks": ["10.0.0.0/8"]},
        given={"config": {"external-traffic-policy-cidrs": "ten"}},
    ),
    "the policy about networks is another's since": Case(
        {
            "meanwhile": {
                CLIENTS_POLICY: {"metadata": {"labels": None, "annotations": OF_ANOTHER}},
                "Namespace other": {},
                "StatefulSet other/app": {"spec": {}},
            }
        },
        {
            PAGE: ABSENT,
            CALLS: ABSENT,
            "requests": Has("delete HTTPRoute productpage-httproute-http-80-gate"),
            "action: plan": Matches(rf"delete: {PAGE} \(.+\)"),
        },
        given={"earlier": {}, "event": {"action": "reconcile"}},
    ),
    "the policy about networks is of another": Case(
        {
            "objects": {
                "AuthorizationPolicy shop/gate-shop-external-traffic": {"spec": {"rules": [{}]}}
            }
        },
        {
            GATEWAY: ABSENT,
            PAGE: ABSENT,
            "status": Has("blocked: AuthorizationPolicy shop/gate-shop-external-traffic:"),
        },
    ),
}

CONSTANT: Mapping[str, str] = {
    "ingress.KeySource.issuer": "a key of a mapping, which is compared as a whole",
    "ingress.KeySource.jwks_uri": "likewise",
    "authorization.AccessRequest.established": "a scraper needs one port of ours, by its number",
    "authorization.AccessRequest.field": "likewise",
    "authorization.AccessRequest.operations": "likewise",
    "authorization.AccessRequest.target_app": "likewise",
    "authorization.Operation.hosts": "likewise",
    "authorization.Operation.methods": "likewise",
    "authorization.Operation.paths": "likewise",
    "authorization.Operation.ports": "likewise",
    "authorization.Target.kind": "likewise",
    "authorization.Target.name": "likewise",
    "authorization.Source.kind": "scrapers have one identity each",
    "authorization.Source.networks": "likewise",
    "authorization.ServiceFacts.headless": "the beacon alone decides by it",
    "interfaces.FullPath.type": "the name of the model in the databag",
    "interfaces.PathExpression.type": "likewise",
    "interfaces.PathPrefix.type": "likewise",
    "interfaces.RequestRedirectFilter.type": "likewise",
    "interfaces.UrlRewriteFilter.type": "likewise",
    "interfaces.IngressRequirerData.healthcheck_params": "for other ingresses: no effect here",
    "interfaces.IngressRequirerData.is_port_open": "likewise",
    "interfaces.IngressRequirerData.redirect_https": "likewise",
    "interfaces.Listener.protocol": "each listener serves both protocols",
}

SUITE = Suite(
    BASE,
    OPTIONS,
    {**CHARM, **gateway.CASES, **routes.CASES, **authentication.CASES},
    CONSTANT,
)
