# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the option ingress-use-waypoint does, and what of the cluster decides about gateways."""

from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.cases import actions
from tests.unit.whole_charm.cases.base_beacon import DETAILS, NAME, changed
from tests.unit.whole_charm.outcomes import ABSENT, PRESENT, Has, Lacks, blocked, waiting
from tests.unit.whole_charm.scenarios import Case, Option, Patch, merged

LABEL = "istio.io/ingress-use-waypoint"
REVIEWS = "access to Service shop/reviews"
GATEWAY = "cluster.local/ns/front/sa/gate-istio"


def exposed(app: str, owner: str = "front/gate", port: str = "80", **spec: Any) -> dict[str, Any]:
    """Return the policy by which an ingress lets its gateway reach the pods of an application."""
    model, _, ingress = owner.partition("/")
    principal = f"cluster.local/ns/{model}/sa/{ingress}-istio"
    rule = {
        "from": [{"source": {"principals": [principal]}}],
        "to": [{"operation": {"ports": [port]}}],
    }
    return {
        "metadata": {"annotations": {"charmed-istio/owner": owner}},
        "spec": {
            "action": "ALLOW",
            "selector": {"matchLabels": {NAME: app}},
            "rules": [rule],
            **spec,
        },
    }


NOTHING = "AuthorizationPolicy root/nothing-at-waypoints"
"""Hardened mode."""
OBJECTS: Mapping[str, Any] = {
    **{name: content for name, content in actions.ISTIOD.items() if name != NOTHING},
    "AuthorizationPolicy shop/details-gate-shop-l4": exposed("details"),
}
ON: Patch = {"config": {"ingress-use-waypoint": True}, "objects": OBJECTS}
HARDENED: Patch = {"objects": {NOTHING: actions.ISTIOD[NOTHING]}}
WITHOUT_REQUESTS: Patch = {"relations": {"details": {"app_data": {"policies": []}}}}
WHOLE_MODEL: Patch = {"config": {"model-on-mesh": True}}

OPTION = Option(
    True,
    {
        f"Namespace shop: metadata.labels[{LABEL}]": "true",
        "Namespace shop: metadata.labels[charmed-istio/ingress-use-waypoint-by]": "shop.beacon",
        f"{DETAILS}: spec.rules": Has(GATEWAY, "'ports': ['80']"),
        f"{DETAILS}: metadata.annotations[charmed-istio/requested-by]": Has(
            '"front/gate-istio": ["config:ingress-use-waypoint"]'
        ),
    },
    given={"objects": OBJECTS, "earlier": {}},
)

CASES: Mapping[str, Case] = {
    "gateways: policies come before the label": Case(
        {"config": {"ingress-use-waypoint": True}},
        {
            f"{DETAILS}: spec.rules": Has(GATEWAY),
            "status": waiting("config ingress-use-waypoint"),
            "codes": Has("CI-123"),
        },
        given={"objects": OBJECTS},
        same={f"Namespace shop: metadata.labels[{LABEL}]": ABSENT},
    ),
    "gateways: the policies of an earlier hook": Case(
        {"earlier": {}}, {f"Namespace shop: metadata.labels[{LABEL}]": "true"}, given=ON
    ),
    "gateways: a policy of an earlier hook is gone": Case(
        {"meanwhile": {"AuthorizationPolicy shop/beacon-shop-policy-details-e99f4e9ad869": None}},
        {"status": waiting("config ingress-use-waypoint")},
        given={**ON, "earlier": {}},
    ),
    "gateways: an ingress exposes nothing": Case(
        {"objects": {"AuthorizationPolicy shop/details-gate-shop-l4": None}},
        {f"{DETAILS}: spec.rules": Lacks(GATEWAY)},
        given=ON,
    ),
    "gateways: another ingress": Case(
        {
            "objects": {
                "AuthorizationPolicy shop/details-gate-shop-l4": exposed("details", "far/door")
            }
        },
        {f"{DETAILS}: spec.rules": Has("cluster.local/ns/far/sa/door-istio")},
        given=ON,
    ),
    "gateways: other pods are exposed": Case(
        {"objects": {"AuthorizationPolicy shop/details-gate-shop-l4": exposed("reviews")}},
        {f"{DETAILS}: spec.rules": Lacks(GATEWAY)},
        given=ON,
    ),
    "gateways: a port that the Service does not lead to": Case(
        {
            "objects": {
                "AuthorizationPolicy shop/details-gate-shop-l4": exposed("details", port="9")
            }
        },
        {f"{DETAILS}: spec.rules": Lacks(GATEWAY)},
        given=ON,
    ),
    "gateways: the application decides about its ingress itself": Case(
        changed(source_namespace="front", source_app_name="gate"),
        {
            f"{DETAILS}: metadata.annotations[charmed-istio/requested-by]": Has(
                '"front/gate-istio": ["details:service-mesh"]'
            ),
        },
        given=ON,
    ),
    "gateways: no application asks, in hardened mode": Case(
        HARDENED, {f"{DETAILS}: spec.rules": Has(GATEWAY)}, given=merged(ON, WITHOUT_REQUESTS)
    ),
    "gateways: the requests of an application cannot be read": Case(
        {"relations": {"details": {"app_data": {"policies": "["}}}},
        {f"{DETAILS}: spec.rules": ABSENT},
        given=merged(ON, HARDENED),
    ),
    "gateways: an application that is not integrated": Case(
        WHOLE_MODEL,
        {REVIEWS: PRESENT},
        given=merged(
            merged(ON, HARDENED),
            {"objects": {"AuthorizationPolicy shop/reviews-gate-shop-l4": exposed("reviews")}},
        ),
    ),
    "gateways: istiod allows no waypoint": Case(
        {"objects": {"Deployment mesh/istiod": actions.istiod()}},
        {"action: json": Has('"source": "shop/shop-beacon-waypoint"')},
        given={**ON, "event": {"action": "list-requests", "params": {"format": "json"}}},
    ),
    "gateways: the namespace has the label of another owner": Case(
        {"objects": {"Namespace shop": {"metadata": {"labels": {LABEL: "false"}}}}},
        {"status": blocked("config ingress-use-waypoint", LABEL)},
        given=ON,
    ),
    "gateways: the namespace still has the label": Case(
        {"objects": {"Namespace shop": {"metadata": {"labels": {LABEL: "true"}}}}},
        {f"{DETAILS}: spec.rules": Has(GATEWAY)},
        given={"objects": OBJECTS},
    ),
    "gateways: the option is turned off": Case(
        {"config": {"ingress-use-waypoint": False}},
        {f"Namespace shop: metadata.labels[{LABEL}]": ABSENT},
        given={**ON, "earlier": {}},
    ),
}
