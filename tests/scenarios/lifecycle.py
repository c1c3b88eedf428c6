# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Scenarios of the life of the applications: units, refreshes, removal."""

from typing import Any

from lightkube.resources.apps_v1 import Deployment

from tests.scenarios import bookshop
from tests.scenarios.backend import Model
from tests.scenarios.bookshop import BEACON, INGRESS, ISTIO
from tests.scenarios.site import Site

CHECKED = (
    bookshop.request("productpage", "details", bookshop.GET_DETAILS, bookshop.Expect.ANSWER),
    bookshop.request("ratings", "details", bookshop.GET_DETAILS, bookshop.Expect.FORBIDDEN),
)
"""Requests that show that a change has not changed access."""


def units_are_replicas(site: Site) -> None:
    """istiod, waypoint and gateway have as many replicas as their charm has units."""
    deployments = (
        (site.mesh, ISTIO, "istiod"),
        (site.shop, BEACON, f"{site.shop.name}-{BEACON}-waypoint"),
        (site.shop, INGRESS, f"{INGRESS}-istio"),
    )
    for units in (2, 1):
        for model, app, _ in deployments:
            model.scale(app, units)
        site.shop.scale("details", units)
        site.wait_active()
        site.backend.wait_until(
            lambda units=units: all(
                _ready_replicas(site, model, name) == units for model, _, name in deployments
            ),
            patience=4,
        )
        site.check(*CHECKED)
    site.check_outside(site.url(), 200)


def _ready_replicas(site: Site, model: Model, name: str) -> int:
    found: Any = site.backend.client.get(Deployment, name, namespace=model.name)
    return found.status.readyReplicas or 0


def a_refresh_keeps_access(site: Site) -> None:
    """The charms are refreshed to the revision that is here; access stays the same."""
    site.mesh.refresh(ISTIO)
    site.mesh.wait_active()
    for app in (BEACON, INGRESS):
        site.shop.refresh(app)
    site.shop.wait_active()
    site.check(*CHECKED)
    site.check_outside(site.url(), 200)


def removal_leaves_nothing(site: Site) -> None:
    """All applications are removed in an operator's order; of their objects, CRDs remain."""
    for _ in site.remove():
        pass

    def nothing_is_left() -> bool:
        assert site.leftovers() == []
        return True

    site.backend.wait_until(nothing_is_left)


def the_public_charms_are_refreshed(site: Site) -> None:
    """A mesh of the published charms of these names becomes one of these charms.

    It runs after the removal of the site, since a cluster has one control plane.
    """
    public = Site(site.backend)
    for _ in public.deploy(public=True):
        pass
    public.check(*CHECKED)
    a_refresh_keeps_access(public)
    removal_leaves_nothing(public)
