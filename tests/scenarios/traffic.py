# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Scenarios of requests and their verdicts."""

import json

from tests.scenarios import bookshop
from tests.scenarios.bookshop import INGRESS
from tests.scenarios.scenario import SkippedError
from tests.scenarios.site import Site

HARDENED = next(scene for scene in bookshop.scenes() if scene.hardened and scene.managed)


def requests_of(site: Site, scene: bookshop.Scene) -> None:
    """Every request of a scene gets its verdict, and `explain` gives the same one."""
    site.enter(scene)
    outcomes = [site.send(request) for request in scene.requests]
    wrong = [f"{o.request}: got {o.got}" for o in outcomes if not o.as_expected]
    assert not wrong, "\n".join(wrong)
    sent = [o.request for o in outcomes if o.ran]
    assert [request for request in sent if not _is_explained(site, request)] == []
    left_out = [f"{o.request}: {o.not_run}" for o in outcomes if not o.ran]
    if left_out:
        needs = {o.request.need for o in outcomes if o.request.need and not o.ran}
        raise SkippedError(frozenset(needs), "not sent: " + "; ".join(left_out))


def _is_explained(site: Site, request: bookshop.Request) -> bool:
    """Return whether the beacon's explanation of a request matches its verdict."""
    if request.from_outside:
        return True  # Decided at the gateway, before the mesh.
    explained = json.loads(site.explain(request, "json"))
    if request.past_waypoint:
        explained["verdict"] = explained["straight-to-a-pod"]["verdict"]
        explained["decided-by"] = str(request.hop)
    passes = request.expect is bookshop.Expect.ANSWER
    if explained["verdict"] != ("allowed" if passes else "denied"):
        return False
    return passes or explained["decided-by"].startswith(request.hop)


def access_is_listed(site: Site) -> None:
    """`list-access` shows what was requested, and nothing that is open to all."""
    site.enter(HARDENED)
    listed = json.loads(site.list_access("json"))
    pairs = {(entry["source"], entry["target"]) for entry in listed}
    shop = site.shop.name
    assert (f"{shop}/productpage", f"{shop}/details") in pairs
    assert {("*", f"{shop}/productpage"), ("*/*", f"{shop}/productpage")}.isdisjoint(pairs)


def only_allowed_networks_pass_the_ingress(site: Site) -> None:
    """The ingress answers clients of the networks in its option, and refuses others."""
    option = "external-traffic-policy-cidrs"
    url = site.url()
    site.check_outside(url, 200)
    site.shop.config(INGRESS, {option: bookshop.OTHER_NETWORK})
    site.shop.wait_active()
    site.check_outside(url, 403)
    site.shop.config(INGRESS, {option: site.backend.client_networks})
    site.shop.wait_active()
    site.check_outside(url, 200)
