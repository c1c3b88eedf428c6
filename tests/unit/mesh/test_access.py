# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Who may reach whom, read from policies."""

from typing import Any

from istio_ambient.mesh import access, hardened_mode

SERVICES = [("shop", "details"), ("shop", "productpage")]
DETAILS: dict[str, Any] = {
    "targetRefs": [{"group": "", "kind": "Service", "name": "details"}],
    "rules": [
        {
            "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/productpage"]}}],
            "to": [{"operation": {"methods": ["GET"], "paths": ["/health"], "ports": ["9080"]}}],
        }
    ],
}
HARDENED = [("mesh", dict(p["spec"])) for p in hardened_mode.policies("mesh", "istio-k8s")]
ALLOWED = access.Access("shop/productpage", "shop/details", "GET /health on 9080")
OPEN = access.Access("*", "shop/productpage", "everything")


def test_what_no_policy_speaks_of_is_open_to_everybody():
    assert access.access(SERVICES, [("shop", DETAILS)], "mesh") == [OPEN, ALLOWED]


def test_hardened_mode_closes_what_no_policy_opens():
    assert access.access(SERVICES, [("shop", DETAILS), *HARDENED], "mesh") == [ALLOWED]


def test_hardened_modes_policies_close_nothing_outside_the_root_namespace():
    assert OPEN in access.access(SERVICES, HARDENED, "another")


def test_a_policy_without_rules_lets_nobody_in():
    closed = {"targetRefs": DETAILS["targetRefs"]}
    assert access.access(SERVICES[:1], [("shop", closed)], "mesh") == []


def test_policies_of_other_namespaces_and_deny_policies_open_nothing():
    deny = {**DETAILS, "action": "DENY"}
    assert ALLOWED not in access.access(SERVICES, [("other", DETAILS), ("shop", deny)], "mesh")
