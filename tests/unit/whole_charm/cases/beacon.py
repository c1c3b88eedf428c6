# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What each option of istio-beacon-k8s does, and what it reads of the cluster."""

from collections.abc import Mapping

from tests.unit.whole_charm.cases import access, actions, extra_access, ingress_waypoint
from tests.unit.whole_charm.cases.base_beacon import (
    BASE,
    COS,
    DETAILS,
    GATEWAY,
    LAMP,
    MANAGED_BY,
    NAME,
    OURS,
    OWN_PODS,
    PARAMETERS,
    STOCK,
    WAYPOINT,
    WAYPOINT_LABELS,
    changed,
    service,
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
    Lacks,
    blocked,
    late,
    pending,
    waiting,
)
from tests.unit.whole_charm.scenarios import Case, Option, Suite

UNREADY = {"objects": {f"Deployment shop/{WAYPOINT}": {"status": {"availableReplicas": 0}}}}


OPTIONS: Mapping[str, Option] = {
    "manage-authorization-policies": Option(False, {DETAILS: ABSENT}),
    "model-on-mesh": Option(
        True,
        {
            "Namespace shop: metadata.labels[istio.io/use-waypoint]": WAYPOINT,
            f"Namespace shop: metadata.labels[{MANAGED_BY}]": "shop.beacon",
            "access to pods shop/juju-modeloperator=modeloperator": PRESENT,
            "app databag details: labels": "{}",
        },
    ),
    "trusted-requesters": Option(
        "details",
        {
            "access to Service shop/reviews: spec.rules": PRESENT,
            "status": "active: 2 applications on the mesh",
        },
        given=changed(target_app_name="reviews"),
    ),
    "route-namespaces": Option(
        "team-a", {f"{GATEWAY}: spec.listeners[0].allowedRoutes.namespaces": Has("'team-a'")}
    ),
    "ready-timeout": Option(10**10, {"status": waiting(f"waypoint {WAYPOINT}")}, given=UNREADY),
    "extra-access": extra_access.OPTION,
    "ingress-use-waypoint": ingress_waypoint.OPTION,
    **proxy_pods("waypoint", PARAMETERS),
}

FACTS: Mapping[str, Case] = {
    **in_trust_domains(f"{DETAILS}: spec.rules[0].from", "ns/shop/sa/productpage"),
    "another model": Case(
        {"model": "store"},
        {
            "Gateway store/store-beacon-waypoint": PRESENT,
            "ConfigMap store/juju-service-mesh-beacon-labels": PRESENT,
            "app databag stock: labels": Has("store-beacon-waypoint"),
            "plan: checks.waypoint.http.url": Has("store-beacon-waypoint.store.svc"),
            f"access to pods store/{NAME}=beacon: metadata.name": Has("beacon-store-policy-"),
        },
    ),
    "another application": Case(
        {"app": "lamp"},
        {
            f"{LAMP}: spec.gatewayClassName": "istio-waypoint",
            f"{LAMP}: spec.infrastructure.labels": Has("shop.lamp."),
            f"{LAMP}: spec.listeners[mesh].port": 15008,
            f"{LAMP}: metadata.labels[istio.io/waypoint-for]": "service",
            "HorizontalPodAutoscaler shop/shop-lamp-waypoint: spec.scaleTargetRef.name": (
                "shop-lamp-waypoint"
            ),
            "app databag details: labels": Has("shop-lamp-waypoint"),
            f"access to pods shop/{NAME}=lamp": PRESENT,
        },
    ),
    "three units": Case(
        {"units": 3}, {f"HorizontalPodAutoscaler shop/{WAYPOINT}: spec.minReplicas": 3}
    ),
    "a unit that does not lead": Case(
        {"leader": False},
        {
            "requests": [],
            GATEWAY: ABSENT,
            "app databag details": {},
            "status": waiting("waypoint shop-beacon-waypoint"),
        },
    ),
    "the charm's own Service and pods": Case(
        {
            "objects": {
                "Service shop/beacon": service("beacon"),
                "StatefulSet shop/beacon": OWN_PODS,
            }
        },
        {
            f"Service shop/beacon: metadata.labels[{key}]": value
            for key, value in WAYPOINT_LABELS.items()
        }
        | {
            f"StatefulSet shop/beacon: spec.template.metadata.labels[{key}]": value
            for key, value in WAYPOINT_LABELS.items()
        },
        given={"objects": {"Service shop/beacon": None, "StatefulSet shop/beacon": None}},
    ),
    "a Gateway that has been missing for long": Case(
        {"earlier": {"leader": True}, "meanwhile": {GATEWAY: None}},
        {"status": late("waypoint shop-beacon-waypoint")},
        given={"leader": False},
        same={"codes": Has("CI-013")},
    ),
    **acceptance("waypoint", WAYPOINT, f"HorizontalPodAutoscaler shop/{WAYPOINT}"),
    "a Gateway that istiod does not accept": Case(
        denied(GATEWAY, "Accepted"),
        {"status": late(f"waypoint {WAYPOINT}", "not accepted", "bad words")},
        given={"earlier": {"leader": True}},
    ),
    "a Gateway that istiod does not program": Case(
        denied(GATEWAY, "Programmed"),
        {"status": late(f"waypoint {WAYPOINT}", "not programmed", "bad words")},
        given={"earlier": {"leader": True}},
    ),
    "a Gateway of which istiod makes nothing": Case(
        {"objects": {f"Deployment shop/{WAYPOINT}": None}},
        {"status": late("waypoint shop-beacon-waypoint"), "codes": Has("CI-013")},
    ),
    "no application of another model": Case(
        NONE_ELSEWHERE,
        {
            "reads": Has("'list Service in shop', 'list Namespace where metadata.name=shop'"),
            STOCK: ABSENT,
        },
    ),
    "the last unit goes": Case({"units": 0}, {"requests": [], GATEWAY: ABSENT}),
    "an option that cannot be used": Case(
        {"config": {"waypoint-resources": "cpu"}},
        {
            "status": blocked("config waypoint-resources"),
            f"{PARAMETERS}.nodeSelector.disk": "ssd",
        },
        given={
            "earlier": {
                "config": {"waypoint-resources": "", "waypoint-node-selector": "disk: ssd"}
            }
        },
    ),
    "a name that no application has": Case(
        {"config": {"trusted-requesters": "Details"}},
        {"status": blocked("config trusted-requesters", "Details")},
    ),
    "a namespace that is on a mesh": Case(
        {"objects": {"Namespace shop": {"metadata": {"labels": {"istio.io/use-waypoint": "x"}}}}},
        {
            "status": blocked("config model-on-mesh"),
            "app databag details: labels": Has(WAYPOINT),
        },
        given={"config": {"model-on-mesh": True}},
    ),
    "no scraper": Case(
        {"relations": {"prometheus": None}},
        {f"{OURS}: spec.rules[0].from": Lacks("sa/prometheus")},
    ),
    "a scraper of another name": Case(
        {"relations": {"prometheus": {"app": "grafana-agent"}}},
        {
            f"{OURS}: spec.rules[0].from": Has("cluster.local/ns/shop/sa/grafana-agent"),
            f"{OURS}: metadata.annotations": Has("grafana-agent:metrics-endpoint"),
        },
        same={f"{OURS}: spec.rules[0].to[0].operation.ports": ["15090"]},
    ),
    "a scraper of another model that does not tell its name": Case(
        {"relations": {"far names": None}},
        {
            "status": pending("remote-prometheus:metrics-endpoint"),
            f"{OURS}: spec.rules[0].from": Lacks("ns/cos"),
        },
    ),
    "a scraper of another model tells another name": Case(
        {
            "relations": {
                "far names": {
                    "app_data": {"cmr_data": {"app_name": "agent", "juju_model_name": "cos"}}
                }
            }
        },
        {f"{OURS}: spec.rules[0].from": Has("cluster.local/ns/cos/sa/agent")},
    ),
    "a scraper runs in the controller's model": Case(
        {
            "relations": {
                "far names": {
                    "app_data": {
                        "cmr_data": {"app_name": "agent", "juju_model_name": "controller"}
                    }
                }
            },
            "objects": {
                "Namespace cos": None,
                "Namespace controller-lab": {"metadata": {"labels": {"model.juju.is/id": COS}}},
            },
        },
        {f"{OURS}: spec.rules[0].from": Has("cluster.local/ns/controller-lab/sa/agent")},
    ),
    "a request is for a Service that is missing": Case(
        {"objects": {"Service shop/details": None}},
        {
            "status": waiting("details:service-mesh policies[0]"),
            "plan: checks.watch-0.tcp": {"host": "details.shop.svc", "port": 9080},
            DETAILS: ABSENT,
        },
    ),
    "a scraper of another model tells what is no name": Case(
        {"relations": {"far names": {"app_data": {"cmr_data": "{"}}}},
        {"status": blocked("remote-prometheus:provide-cmr-mesh cmr_data")},
    ),
}

CONSTANT: Mapping[str, str] = {
    "authorization.Requester.endpoint": "applications request access over one endpoint",
    "authorization.ServiceFacts.address": "the ingress alone decides by it",
    "authorization.ServiceFacts.created": "likewise",
    "authorization.ServiceFacts.node_ports": "likewise",
    "authorization.ServiceFacts.written": "likewise",
    "authorization.ServicePort.name": "likewise",
    "authorization.ServicePort.port": "likewise",
    "authorization.Source.kind": "only extra access has it, and that follows from other facts",
    "authorization.Source.networks": "likewise",
    "beacon.Entry.confirm": "an entry that needs it is no fact without it",
}

SUITE = Suite(
    BASE,
    OPTIONS,
    {
        **FACTS,
        **access.CASES,
        **extra_access.CASES,
        **ingress_waypoint.CASES,
        **actions.EXPLAIN,
    },
    CONSTANT,
)
