# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the option extra-access allows, and what of the cluster decides about its entries."""

import json
from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.cases import actions
from tests.unit.whole_charm.cases.base_beacon import (
    DETAILS,
    DETAILS_PODS,
    NAME,
    service,
)
from tests.unit.whole_charm.outcomes import ABSENT, PRESENT, Has, blocked, waiting
from tests.unit.whole_charm.scenarios import Case, Option

REVIEWS, REVIEWS_PODS = "access to Service shop/reviews", f"access to pods shop/{NAME}=reviews"
ORIGIN = "metadata.annotations[charmed-istio/requested-by]"
ENTRY: Mapping[str, Any] = {"from": {"namespace": "ci"}, "to": "reviews", "ports": [80]}


def allowing(*entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option with these entries; each differs from `ENTRY` in the given members."""
    return {"config": {"extra-access": json.dumps([{**ENTRY, **entry} for entry in entries])}}


def by_clients(clients: Mapping[str, Any], pods: Any, waypoint: Any = PRESENT) -> Case:
    """Return the case of an entry for some clients.

    Args:
        clients: the member `from`.
        pods: the sources of the rule at the pods.
        waypoint: the sources of the rule at the Service.
    """
    expect = {f"{REVIEWS_PODS}: spec.rules[0].from": pods}
    expect[REVIEWS if waypoint is ABSENT else f"{REVIEWS}: spec.rules[0].from"] = waypoint
    return Case(allowing({"from": clients}), expect, given=allowing({}))


def of(**members: list[str]) -> list[dict[str, Any]]:
    """Return the sources of a rule."""
    return [{"source": members}]


OPTION = Option(
    json.dumps([ENTRY]),
    {
        f"{REVIEWS}: spec.rules": [
            {"from": of(namespaces=["ci"]), "to": [{"operation": {"ports": ["80"]}}]}
        ],
        f"{REVIEWS}: {ORIGIN}": '{"ci/*": ["config:extra-access"]}',
        f"{REVIEWS_PODS}: spec.rules": [
            {"from": of(namespaces=["ci"]), "to": [{"operation": {"ports": ["80"]}}]}
        ],
    },
)

OUTSIDE = json.dumps([{**ENTRY, "from": {"outside": True}, "confirm": True}])
_NOTEBOOK = of(principals=["cluster.local/ns/kubeflow/sa/notebook"])
_CLIENTS: Mapping[str, Case] = {
    "extra access for a service account": by_clients(
        {"service-account": "kubeflow/notebook"}, _NOTEBOOK, _NOTEBOOK
    ),
    "extra access for an application": by_clients(
        {"application": "web"}, *[of(principals=["cluster.local/ns/shop/sa/web"])] * 2
    ),
    "extra access for an application of another model": by_clients(
        {"application": "store/web"}, *[of(principals=["cluster.local/ns/store/sa/web"])] * 2
    ),
    "extra access from networks": by_clients(
        {"outside": ["192.0.2.0/24"]},
        of(ipBlocks=["192.0.2.0/24"], notPrincipals=["*"]),
        ABSENT,
    ),
}

CASES: Mapping[str, Case] = {
    **_CLIENTS,
    "extra access for everyone": Case(
        allowing({"from": {"everyone": True}, "confirm": True}),
        {
            f"{REVIEWS}: spec.rules": [{"to": [{"operation": {"ports": ["80"]}}]}],
            f"{REVIEWS_PODS}: spec.rules": [{"to": [{"operation": {"ports": ["80"]}}]}],
            "status": Has("active: ", "config extra-access [0]: reviews is open to every client"),
        },
    ),
    "extra access for everyone, and not only for everyone outside": Case(
        allowing({"from": {"everyone": True}, "confirm": True}),
        {REVIEWS: PRESENT},
        given={"config": {"extra-access": OUTSIDE}},
    ),
    "extra access for everyone that is not confirmed": Case(
        allowing({"from": {"everyone": True}, "confirm": False}),
        {
            f"{REVIEWS}: spec.rules": ABSENT,
            "status": blocked("config extra-access [0]", "add confirm: true"),
        },
        given=allowing({"from": {"everyone": True}, "confirm": True}),
        same={REVIEWS: PRESENT},
    ),
    "extra access to another application": Case(
        allowing({"to": "details"}), {DETAILS_PODS: PRESENT, REVIEWS: ABSENT}, given=allowing({})
    ),
    "extra access by another port": Case(
        allowing({"ports": [9080]}),
        {f"{REVIEWS_PODS}: spec.rules[0].to[0].operation.ports": ["9080"], REVIEWS: ABSENT},
        given=allowing({}),
    ),
    "extra access by method": Case(
        allowing({"methods": ["GET"]}),
        {
            f"{REVIEWS}: spec.rules[0].to[0].operation.methods": ["GET"],
            REVIEWS_PODS: ABSENT,
        },
        given=allowing({}),
    ),
    "extra access by path": Case(
        allowing({"paths": ["/x"]}),
        {f"{REVIEWS}: spec.rules[0].to[0].operation.paths": ["/x"], REVIEWS_PODS: ABSENT},
        given=allowing({}),
    ),
    "extra access beside the requests of applications": Case(
        allowing({"to": "details"}),
        {f"{DETAILS}: spec.rules[0].from": of(namespaces=["ci"])},
        same={f"{DETAILS}: {ORIGIN}": Has("details:service-mesh")},
    ),
    "extra access that was taken back": Case(
        {"config": {"extra-access": "[]"}},
        {REVIEWS: ABSENT, REVIEWS_PODS: ABSENT},
        given={"earlier": allowing({}), **allowing({})},
    ),
    "extra access with an entry that is invalid": Case(
        allowing({"port": 80}, {"to": "details"}),
        {
            "status": blocked("config extra-access [0].port"),
            f"{REVIEWS}: spec.rules": ABSENT,
            f"{REVIEWS_PODS}: spec.rules": ABSENT,
        },
        given=allowing({}, {"to": "details"}),
        same={REVIEWS: PRESENT, REVIEWS_PODS: PRESENT, f"{DETAILS}: {ORIGIN}": Has("ci/*")},
    ),
    "extra access that cannot be read, after it could": Case(
        {"earlier": allowing({})},
        {REVIEWS: PRESENT, REVIEWS_PODS: PRESENT},
        given={"config": {"extra-access": "["}},
        same={
            "status": blocked("config extra-access"),
            f"{REVIEWS}: spec.rules": ABSENT,
            f"{REVIEWS_PODS}: spec.rules": ABSENT,
        },
    ),
    "extra access to what does not exist": Case(
        allowing({"to": "absent"}),
        {
            "status": waiting("config extra-access [0]", "shop/absent"),
            "plan: checks.watch-0.tcp": {"host": "absent.shop.svc", "port": 80},
        },
        given=allowing({}),
    ),
    "extra access that is not managed": Case(
        {"config": {"manage-authorization-policies": False}},
        {REVIEWS: ABSENT, "status": Has("active: 2 applications")},
        given=allowing({"from": {"everyone": True}, "confirm": True}),
    ),
    "the pods' port behind a port of a Service": Case(
        {
            "objects": {
                "Service shop/reviews": {"spec": {"ports": [{"port": 80, "targetPort": 9080}]}}
            }
        },
        {f"{REVIEWS_PODS}: spec.rules[0].to[0].operation.ports": ["9080"]},
        given=allowing({}),
    ),
    "the pods' port is known by name": Case(
        {
            "objects": {
                "Service shop/reviews": {"spec": {"ports": [{"port": 80, "targetPort": "web"}]}}
            }
        },
        {REVIEWS_PODS: ABSENT},
        given=allowing({}),
    ),
    "another Service of the application has the port": Case(
        {"objects": {"Service shop/reviews-api": service("reviews")}},
        {"access to Service shop/reviews-api": PRESENT},
        given=allowing({}),
    ),
    "a headless Service of the application": Case(
        {"objects": {"Service shop/reviews-api": {"spec": {"clusterIP": "None"}}}},
        {"access to Service shop/reviews-api": ABSENT},
        given={
            **allowing({}),
            "objects": {"Service shop/reviews-api": service("reviews")},
        },
    ),
    "a Service that leads out of the cluster": Case(
        {"objects": {"Service shop/reviews-api": {"spec": {"type": "ExternalName"}}}},
        {"access to Service shop/reviews-api": ABSENT},
        given={
            **allowing({}),
            "objects": {"Service shop/reviews-api": service("reviews")},
        },
    ),
    "an entry of extra access in the list of requests": Case(
        allowing({}),
        {"action: json": Has('"application": "config"')},
        given={"event": {"action": "list-requests", "params": {"format": "json"}}},
    ),
    "an invalid entry of extra access in the list of requests": Case(
        allowing({"port": 80}),
        {"action: json": Has('"outcome": "invalid"')},
        given={"event": {"action": "list-requests", "params": {"format": "json"}}},
    ),
    "a pending entry of extra access in the list of requests": Case(
        allowing({"to": "absent"}),
        {"action: json": Has('"outcome": "pending"')},
        given={"event": {"action": "list-requests", "params": {"format": "json"}}},
    ),
    "a preview of extra access": Case(
        {"event": {"params": {"extra-access": [ENTRY]}}},
        {"action: plan": Has("create: AuthorizationPolicy shop/beacon-shop-policy-reviews")},
        given={
            "event": {"action": "preview", "params": {"extra-access": []}},
            "objects": actions.ISTIOD,
        },
    ),
}
