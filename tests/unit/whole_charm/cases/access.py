# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What applications ask the beacon for, and what of the cluster decides whether they get it."""

from collections.abc import Mapping

from tests.unit.whole_charm.cases.base_beacon import (
    DETAILS,
    DETAILS_PODS,
    ENTRY,
    NAME,
    OPERATION,
    RULE,
    STOCK,
    asking,
    changed,
    narrowed,
    service,
)
from tests.unit.whole_charm.cases.gateway_charms import COS
from tests.unit.whole_charm.outcomes import ABSENT, PRESENT, Has, blocked, waiting
from tests.unit.whole_charm.scenarios import Case

REVIEWS = changed(target_app_name="reviews")

CASES: Mapping[str, Case] = {
    "no application asks": Case(
        {"relations": {"details": None}}, {DETAILS: ABSENT, "app databag details": ABSENT}
    ),
    "a request of an application of another name": Case(
        {"relations": {"details": {"app": "reviews"}}},
        {
            "status": blocked("reviews:service-mesh policies[0]", "shop/details"),
            DETAILS: ABSENT,
        },
    ),
    "a request from another model": Case(
        {"relations": {"stock": {"model_uuid": COS}}},
        {"status": blocked("remote-stock:service-mesh policies[0]", "store/stock", "cos")},
    ),
    "the application of another model that asks": Case(
        {"relations": {"stock": {"app": "remote-other"}}},
        {
            f"{STOCK}: metadata.annotations[charmed-istio/requested-by]": Has(
                "remote-other:service-mesh"
            )
        },
    ),
    "the place of a request that is refused": Case(
        asking(None, {**ENTRY, "target_app_name": "reviews"}),
        {"status": blocked("details:service-mesh policies[1]")},
        given=changed(target_app_name="reviews"),
    ),
    "access to pods": Case(
        changed(target_type="unit", endpoints=[{"ports": [9080]}]),
        {f"{DETAILS_PODS}: spec.rules[0].to[0].operation.ports": ["9080"], DETAILS: ABSENT},
    ),
    "access to pods by labels": Case(
        changed(
            target_type="unit",
            target_app_name=None,
            target_selector_labels={NAME: "details", "tier": "back"},
            endpoints=[],
        ),
        {f"access to pods shop/{NAME}=details,tier=back": PRESENT},
        given=changed(
            target_type="unit",
            target_app_name=None,
            target_selector_labels={NAME: "details"},
            endpoints=[],
        ),
    ),
    "access to another Service": Case(
        changed(target_service="details-api"),
        {"access to Service shop/details-api": PRESENT, DETAILS: ABSENT},
        given={"objects": {"Service shop/details-api": service("details")}},
    ),
    "access to another model": Case(
        changed(target_namespace="store"),
        {"status": blocked("details:service-mesh policies[0]", "store/details")},
    ),
    "access for another application": Case(
        changed(source_app_name="caller"),
        {f"{RULE}.from": [{"source": {"principals": ["cluster.local/ns/shop/sa/caller"]}}]},
    ),
    "access for another model": Case(
        changed(source_namespace="store"),
        {f"{RULE}.from": [{"source": {"principals": ["cluster.local/ns/store/sa/productpage"]}}]},
    ),
    "access by host": Case(narrowed(hosts=["other.shop"]), {f"{OPERATION}.hosts": ["other.shop"]}),
    "access by port": Case(narrowed(ports=[9081]), {f"{OPERATION}.ports": ["9081"]}),
    "access by method": Case(narrowed(methods=["PUT"]), {f"{OPERATION}.methods": ["PUT"]}),
    "access by path": Case(narrowed(paths=["/x"]), {f"{OPERATION}.paths": ["/x"]}),
    "access by more operations than one rule holds": Case(
        changed(endpoints=[{"paths": [f"/{number}/{'x' * 100}"]} for number in range(2500)]),
        {f"{DETAILS}: spec.rules[1].to": PRESENT},
    ),
    "the application that a Service of another model is said to be of": Case(
        changed("stock", target_app_name="other"),
        {
            "status": blocked("remote-stock:service-mesh policies[0]", "store/stock"),
            STOCK: ABSENT,
        },
    ),
    "a request that cannot be read": Case(
        changed(target_type="node"),
        {
            "status": blocked("details:service-mesh policies[0].target_type"),
            f"{DETAILS}: spec.rules": ABSENT,
            DETAILS_PODS: PRESENT,
        },
    ),
    "the list of requests, one of which cannot be read": Case(
        changed(target_type="node"),
        {"action: json": Has('"field": "policies"')},
        given={"event": {"action": "list-requests", "params": {"format": "json"}}},
    ),
    "a Service of another application that was asked for before and may not be any more": Case(
        {"earlier": {"config": {"trusted-requesters": "details"}}},
        {"access to Service shop/reviews": PRESENT},
        given=changed(target_app_name="reviews"),
        same={"access to Service shop/reviews: spec.rules": ABSENT},
    ),
    "what could not be read was asked for before": Case(
        {"earlier": {"config": {"trusted-requesters": "details"}, **REVIEWS}},
        {"access to Service shop/reviews": PRESENT},
        given=changed(target_type="node"),
        same={"access to Service shop/reviews: spec.rules": ABSENT},
    ),
    "a Service selects other pods": Case(
        {"objects": {"Service shop/details": {"spec": {"selector": {NAME: "other"}}}}},
        {
            "status": blocked(
                "details:service-mesh policies[0]",
                "shop/details",
                "juju config beacon trusted-requesters=",
            )
        },
    ),
    "there is no such Service": Case(
        {"objects": {"Service shop/details": None, "Service shop/other": service("details")}},
        {
            "status": waiting("details:service-mesh policies[0]", "shop/details"),
            DETAILS: ABSENT,
        },
    ),
    "a Service is in another namespace": Case(
        {"objects": {"Service store/stock": None, "Service depot/stock": service("stock")}},
        {
            "status": waiting("remote-stock:service-mesh policies[0]", "store/stock"),
            STOCK: ABSENT,
        },
    ),
    "a Service that Juju did not make": Case(
        {"objects": {"Service store/stock": {"metadata": None}}},
        {"status": blocked("remote-stock:service-mesh policies[0]", "store/stock")},
    ),
    "a namespace of another model": Case(
        {"objects": {"Namespace store": {"metadata": {"labels": {"model.juju.is/id": "other"}}}}},
        {"status": blocked("remote-stock:service-mesh policies[0]")},
    ),
}
